"""A stand with traffic on it, and the two questions every fault test ends with: is it over, and is it right?"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.events.contract import Terms
from infrastructure.simulator.script import Script
from tests.faults.audit import Books, audit, read_books, read_carriers
from tests.faults.traffic import Traffic
from tests.support.stand import LINKS, PLATFORM, LinkSpec, Stand, open_stand, until

WEATHER = Script(submit_delay_ms=40, receipt_delay_ms_min=50, receipt_delay_ms_max=400)
"""Answers take their time, so that whatever is killed leaves parts on the wire."""
OPEN = ("accepted", "submitting", "submitted")


@dataclass(slots=True)
class Scene:
    """One platform under test with its clients."""

    stand: Stand
    traffic: Traffic

    def on_the_wire(self) -> int:
        """How many parts the carriers have taken."""
        return self.counted("taken")

    def counted(self, what: str) -> int:
        """A counter of the carriers, all together (infrastructure/simulator/account.py names them)."""
        return sum(int(carrier.ask(do="count")[what]) for carrier in self.stand.carriers.values())

    def wait_for_wire(self, parts: int, *, seconds: float = 30) -> None:
        """Wait until the carriers have seen so many more parts than now."""
        before = self.on_the_wire()
        until(
            lambda: self.on_the_wire() >= before + parts, seconds=seconds, what=f"{parts} parts on the wire"
        )

    def carriers_said_everything(self) -> bool:
        """Whether every receipt a carrier wanted to send is acknowledged."""
        books = [carrier.ask(do="count") for carrier in self.stand.carriers.values()]
        return all(book["owed"] == 0 and book["receipts_sent"] <= _answered(book) for book in books)

    def settle(self, *, seconds: float = 60, lost: bool = False, held: int = 0) -> float:
        """Wait until nothing moves any more; returns how long that took.

        With `lost` receipts messages may stay submitted; `held` receipts are foreign and stay, too.
        """
        open_statuses = OPEN[: -1 if lost else None]

        def settled() -> bool:
            statuses = self.stand.statuses()
            return (
                self.carriers_said_everything()
                and self.stand.behind() == 0
                and not any(statuses.get(status) for status in open_statuses)
                and sum(statuses.values()) == len(self.traffic.acknowledged)
                and self.stand.held_receipts() - held in (0, self._held_for_doubts())
            )

        try:
            return until(settled, seconds=seconds, what="every message is settled", every=0.1)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {self.stand.statuses()}, {self.stand.held_receipts()} receipts held,"
                f" {self.stand.behind()} events behind, {len(self.traffic.acknowledged)} acknowledged"
            ) from None

    def _held_for_doubts(self) -> int:
        """Receipts of long messages in doubt: nobody guesses which part each belongs to, so they stay held."""
        rows = self.stand.rows("SELECT id FROM messages_v1 WHERE status = 'in_doubt' AND segments > 1")
        phones = [self.traffic.acknowledged[id_].phone for (id_,) in rows]
        taken = read_carriers(self.stand).taken if phones else {}
        ids = [carrier_id for phone in phones for carrier_id in taken.get(phone, ())]
        query = "SELECT count(*) FROM held_receipts WHERE carrier_id = ANY(%s)"
        return int(self.stand.rows(query, (ids,))[0][0])

    def faults(self) -> list[str]:
        """What the auditor finds: empty is the proof."""
        return audit(self.stand, self.traffic.acknowledged)

    def books(self) -> Books:
        """All books at this moment."""
        return read_books(self.stand)


def _answered(book: Mapping[str, int]) -> int:
    return book["receipts_acked"] + book["receipts_again"]


@contextmanager
def open_scene(
    folder: Path,
    *,
    script: Script = WEATHER,
    terms: Mapping[str, Terms] = {"demo": Terms()},
    links: Collection[LinkSpec] = LINKS,
    **settings: object,
) -> Iterator[Scene]:
    """A stand with every process running, its links bound, and clients ready to send."""
    with open_stand(folder, script=script, terms=terms, links=links, **settings) as stand:
        for name in {link.at for link in links} - set(stand.carriers):
            stand.start_carrier(name, script=script)
        stand.start(*PLATFORM)
        until(lambda: stand.connected() == set(stand.links), seconds=60, what="the links are bound")
        traffic = Traffic(stand)
        try:
            yield Scene(stand, traffic)
        finally:
            traffic.close()
