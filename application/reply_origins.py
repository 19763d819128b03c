"""Whose a reply is: by the number it went to, else by who wrote last to its phone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from application.directory import Directory
from application.manage_routes import read_routes
from application.phone_tokens import number_of
from application.ports import Now, Store, Vault
from domain.aggregates.signature import Filing
from domain.events.message import Accepted, SubmissionStarted
from domain.events.reply import MatchedBy, Origin
from domain.numbering import mask
from domain.recorded import Recorded
from domain.values import local_day

RECENT = timedelta(hours=72)
_DAYS_BACK = 6
"""Messages wait three days at most before they are sent, and count for three days after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number that phones see: a link's with the digits of a route or a filing behind it, or without any."""

    digits: str
    extended: bool
    accounts: frozenset[str]
    """Of the route, or the signature that is filed; empty where it is for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """All numbers of the platform as they stand."""

    links: dict[str, str]
    """The number of each link."""
    known: tuple[Number, ...]

    def extension(self, link: str, number: str) -> str:
        """What stands behind the link's own number; nothing where the phone wrote to another number."""
        own = self.links.get(link, "")
        return number[len(own) :] if own and number.startswith(own) else ""

    def asked(self, link: str, number: str) -> str:
        """What stands behind the longest number that is known: digits of its sender, and the phone's own."""
        extension = self.extension(link, number)
        return extension and number[max(len(number) - len(extension), self._longest(number)) :]

    def recorded(self, number: str) -> str:
        """The number as an event may hold it: a carrier that swaps its fields gives a phone's where ours should be."""
        ours = any(number.startswith(own) for own in self.links.values() if own) or self._longest(number)
        phone = "" if ours else number_of(number)
        return mask(phone) if phone else number

    def _longest(self, number: str) -> int:
        return max((len(each.digits) for each in self.known if number.startswith(each.digits)), default=0)

    def owners(self, number: str) -> tuple[frozenset[str], bool]:
        """The accounts that the longest number before the sender's and the phone's own digits is of, and whether it
        is one that is told apart by its digits; no account where it is anybody's."""
        longest = self._longest(number)
        same = [each for each in self.known if number.startswith(each.digits) and len(each.digits) == longest]
        accounts = frozenset().union(*(each.accounts for each in same))
        anybody = not all(each.accounts for each in same)
        return frozenset() if anybody else accounts, any(each.extended for each in same)


class Origins:
    """Finds the origin of replies on what is configured now."""

    def __init__(self, *, store: Store, vault: Vault, directory: Directory, now: Now) -> None:
        self._store = store
        self._vault = vault
        self._directory = directory
        self._now = now

    async def numbers(self) -> Numbers:
        """The numbers of all links, routes and filings."""
        configured = [link.configured for link in await self._directory.links()]
        links = {each.name: each.source_address for each in configured}
        routed = [
            Number(
                digits=links[share.link] + route.extension,
                extended=bool(route.extension),
                accounts=frozenset(route.accounts),
            )
            for route in (await read_routes(self._store)).routes
            for share in route.shares
            if links.get(share.link)
        ]
        filed = [
            Number(
                digits=each.source_address + filing.extension, extended=True, accounts=frozenset({account})
            )
            for account, filing in await self._filings_with_digits()
            for each in configured
            if each.source_address and filing.carrier in each.carriers and filing.link in ("", each.name)
        ]
        return Numbers(links=links, known=(*routed, *filed))

    async def _filings_with_digits(self) -> list[tuple[str, Filing]]:
        return [
            (state.account, filing)
            for state in await self._directory.signatures()
            for filing in state.filings
            if filing.extension
        ]

    async def find(self, numbers: Numbers, *, link: str, number: str, phone: str) -> Origin:
        """The origin of a reply of a normalised phone to one of our numbers."""
        number = _without_country(number, numbers.links.get(link, ""))
        extension = numbers.extension(link, number)
        accounts, extended = numbers.owners(number)
        account, matched_by, message = "", MatchedBy.NOBODY, ""
        if extended and len(accounts) == 1:
            (account,), matched_by = accounts, MatchedBy.EXTENSION
        elif recent := await self._recent(link, extension, phone, accounts if extended else frozenset()):
            (account, message), matched_by = recent, MatchedBy.RECENT
        elif len(accounts) == 1:
            (account,), matched_by = accounts, MatchedBy.NUMBER
        return Origin(
            account=account,
            link=link,
            number=numbers.recorded(number),
            extension=extension,
            matched_by=matched_by,
            message=message,
            asked=numbers.asked(link, number),
        )

    async def _recent(
        self, link: str, extension: str, phone: str, among: frozenset[str]
    ) -> tuple[str, str] | None:
        """The account that wrote last to a phone over a link, and its message; `among` some accounts, or any.

        Who wrote under more of the digits that the phone wrote to goes before who wrote later.
        """
        now = self._now()
        ids = await self._to_phone(phone, now)
        found: list[tuple[int, datetime, str, str]] = []
        for id_, history in (await self._store.load(ids)).items() if ids else ():
            account = history[0].event.account if isinstance(history[0].event, Accepted) else ""
            if not among or account in among:
                sent = _sent(history, link, extension, since=now - RECENT)
                found += [(*each, account, str(id_)) for each in sent]
        return max(found)[2:] if found else None

    async def _to_phone(self, phone: str, now: datetime) -> list[UUID]:
        if not phone:
            return []
        days = [local_day(now) - timedelta(days=back) for back in range(_DAYS_BACK + 1)]
        indexes = [(day, self._vault.phone_index(phone, day)) for day in days]
        found = await asyncio.gather(
            *(self._store.find_by_index(day, index) for day, index in indexes if index is not None)
        )
        return [id_ for ids in found for id_ in ids]


def _sent(
    history: Sequence[Recorded], link: str, extension: str, *, since: datetime
) -> list[tuple[int, datetime]]:
    """When a message was sent over a link, each with how many of the digits that a phone wrote to were its own:
    -1 where it was sent under others."""
    starts = [
        (each.event.extension, each.at)
        for each in history
        if isinstance(each.event, SubmissionStarted) and each.event.link == link and each.at >= since
    ]
    return [(len(digits) if extension.startswith(digits) else -1, at) for digits, at in starts]


def _without_country(number: str, own: str) -> str:
    """Some gateways put 86 before our numbers, too."""
    return number[2:] if own and number.startswith("86" + own) else number
