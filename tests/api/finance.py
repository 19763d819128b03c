"""Finance's own keys at a door: two people of the platform, and a customer who must not write its bill."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from domain.events.access import Scope
from domain.events.contract import Terms
from domain.values import local_year
from infrastructure.bootstrap import platform
from tests.conftest import create_database, drop_database, with_database
from tests.support.door import Door, open_door, run
from tests.support.sample import ACCOUNT, SIGNATURE, key_with, make_sample, settings_for

TEXT = {"phone": "13800138000", "signature": SIGNATURE, "text": "您好"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A door, and the keys of two people of the platform's finance."""

    door: Door
    ann: dict[str, str]
    bob: dict[str, str]

    def post(self, path: str, body: Any = None, *, who: dict[str, str] | None = None) -> httpx.Response:  # noqa: ANN401
        """A call about the sample account, by Ann where nobody is named."""
        named = {"account": ACCOUNT} | (body or {})
        return self.door.client.post(f"/v1/billing/{path}", json=named, headers=who or self.ann)

    def both(self, path: str) -> httpx.Response:
        """Two people approve; the second answer."""
        assert self.post(path).status_code == 200
        return self.post(path, who=self.bob)

    def get(self, path: str, **parameters: object) -> Any:  # noqa: ANN401  (what the API answers)
        """A question about the sample account."""
        found = self.door.client.get(
            f"/v1/billing/{path}", params={"account": ACCOUNT} | parameters, headers=self.ann
        )
        assert found.status_code == 200, found.text
        return found.json()

    def send(self, count: int = 1, **changes: object) -> list[str]:
        """Messages of one segment by the customer: their refusals' codes, "sent" where there is none."""
        answers = [self.door.client.post("/v1/messages", json=TEXT | changes) for _ in range(count)]
        return ["sent" if answer.status_code == 202 else answer.json()["code"] for answer in answers]

    def totals(self) -> Any:  # noqa: ANN401
        """The running year as the ledger's last posting says."""
        (line, *_) = self.get("ledgers")["ledgers"]
        return line["totals"]

    def amend(self, **terms: object) -> httpx.Response:
        """Propose terms from the first day of this year on, reaching back; Bob has still to approve."""
        body = {
            "effective_from": f"{self.year}-01-01",
            "terms": terms,
            "retroactive": True,
            "notice_waived": True,
            "reason": "补充协议",
        }
        made = self.post("amendments", body)
        assert made.status_code == 201, made.text
        return made

    @property
    def year(self) -> int:
        """The year of the database's clock."""
        return local_year(run(self.door.platform.store.now()))


@contextmanager
def open_desk(
    database_url: str, folder: Path, *, terms: Terms, live_on: date | None = None
) -> Iterator[Desk]:
    """A door whose sample account has these terms."""
    with (
        platform(settings_for(database_url, folder)) as made,
        open_door(made, run(make_sample(made, terms=terms, live_on=live_on))) as door,
    ):
        scopes = (Scope.FINANCE, Scope.BILLING)
        tokens = [run(key_with(made, scopes, account="")) for _ in range(2)]
        yield Desk(door=door, ann=door.as_key(tokens[0]), bob=door.as_key(tokens[1]))


@contextmanager
def shared_desk(server_url: str, template: str, folder: Path, *, terms: Terms) -> Iterator[Desk]:
    """A desk on a database of its own, for the tests of a file that leave it as it is."""
    name = f"smsledger_test_{secrets.token_hex(4)}"
    create_database(server_url, name, template=template)
    try:
        with open_desk(with_database(server_url, name), folder, terms=terms) as desk:
            yield desk
    finally:
        drop_database(server_url, name)


def code(answer: httpx.Response) -> str:
    """The refusal's code."""
    found: str = answer.json()["code"]
    return found
