"""A stand with traffic on it, and the two questions every fault test ends with: is it over, and is it right?"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.events.contract import Terms
from infrastructure.simulator.script import Script
from tests.faults.audit import Books, audit, read_books
from tests.faults.traffic import Traffic
from tests.support.stand import PLATFORM, Stand, open_stand, until

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
        return sum(int(carrier.ask(do="count")["taken"]) for carrier in self.stand.carriers.values())

    def wait_for_wire(self, parts: int, *, seconds: float = 30) -> None:
        """Wait until the carriers have seen so many more parts than now."""
        before = self.on_the_wire()
        until(
            lambda: self.on_the_wire() >= before + parts, seconds=seconds, what=f"{parts} parts on the wire"
        )

    def settle(self, *, seconds: float = 60, unreported: int = 0, held: int = 0) -> float:
        """Wait until nothing moves any more; returns how long that took.

        `unreported` messages stay submitted because their receipts are lost, `held` receipts are foreign.
        """

        def settled() -> bool:
            statuses = self.stand.statuses()
            still = sum(statuses.get(status, 0) for status in OPEN)
            return (
                self.stand.behind() == 0
                and still == unreported
                and sum(statuses.values()) == len(self.traffic.acknowledged)
                and self.stand.held_receipts() == held
            )

        try:
            return until(settled, seconds=seconds, what="every message is settled", every=0.1)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {self.stand.statuses()}, {self.stand.held_receipts()} receipts held,"
                f" {self.stand.behind()} events behind, {len(self.traffic.acknowledged)} acknowledged"
            ) from None

    def faults(self) -> list[str]:
        """What the auditor finds: empty is the proof."""
        return audit(self.stand, self.traffic.acknowledged)

    def books(self) -> Books:
        """All books at this moment."""
        return read_books(self.stand)


@contextmanager
def open_scene(
    folder: Path, *, script: Script = WEATHER, terms: Mapping[str, Terms] = {"demo": Terms()}
) -> Iterator[Scene]:
    """A stand with every process running, its links bound, and clients ready to send."""
    with open_stand(folder, script=script, terms=terms) as stand:
        stand.start(*PLATFORM)
        until(lambda: stand.connected() == set(stand.links), seconds=20, what="the links are bound")
        traffic = Traffic(stand)
        try:
            yield Scene(stand, traffic)
        finally:
            traffic.close()


def seconds_since(began: float) -> str:
    """For the record that a test prints."""
    return f"{time.monotonic() - began:.1f} s"
