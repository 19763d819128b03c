"""Several simulated carriers in one process, and everything that can be ordered of them while they run.

An order that is refused changes nothing: it is checked for every account before it is carried out for one.
"""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from domain.errors import BadInput, Conflicting, NotFound
from infrastructure.simulator.account import Account
from infrastructure.simulator.phone import Coding, written
from infrastructure.simulator.script import Script, changed
from infrastructure.simulator.server import Simulator, SimulatorSettings
from infrastructure.simulator.speech import Condition, SubscribersSpeech

__all__ = ["ALL", "DEEDS", "Carriers", "PortTaken", "serve_carriers"]

ALL = "all"
"""Stands for every carrier in an order."""
_NUMBER = re.compile(r"\+?[0-9]{1,20}", re.ASCII)
_REFERENCES = 256
_ASCII_CODINGS = {"smpp34": 1}
"""Where 0 is not ASCII: SMPP's 0 is the alphabet of GSM."""

Deed = Callable[[Simulator, str], None]
_DEEDS: dict[str, Deed] = {
    "drop": Simulator.drop,
    "unbind": Simulator.unbind,
    "freeze": Simulator.freeze,
    "garble": Simulator.garble,
    "hold": lambda carrier, account: carrier.hold_reading(account, hold=True),
    "resume": lambda carrier, account: carrier.hold_reading(account, hold=False),
    "reset": lambda carrier, account: carrier.accounts[account].reset(),
}
DEEDS = tuple(_DEEDS)
"""What can be done to the accounts of a carrier."""


class PortTaken(Exception):  # noqa: N818
    """A carrier cannot listen where it should; the text is meant for a person."""


class Carriers:
    """Simulated carriers by their protocol. Orders name one of them, or `all`, and an account or none for all."""

    def __init__(self, simulators: Mapping[str, Simulator]) -> None:
        self._simulators = simulators
        self._references = itertools.cycle(range(_REFERENCES))

    def __iter__(self) -> Iterator[Simulator]:
        return iter(self._simulators.values())

    def named(self, name: str) -> list[Simulator]:
        """Return the carrier of this protocol, or all. Refuses not_found."""
        if name == ALL:
            return list(self)
        if name not in self._simulators:
            known = ", ".join((*self._simulators, ALL))
            raise NotFound("not_found", f"There is no such carrier here; there are {known}.")
        return [self._simulators[name]]

    def state(self, name: str = ALL) -> dict[str, Any]:
        """Return what a carrier, or each, does, has counted and owes. Refuses not_found."""
        return {"carriers": {each.settings.protocol: _state(each) for each in self.named(name)}}

    def do(self, deed: str, name: str, account: str | None = None) -> None:
        """One of the DEEDS. Refuses not_found."""
        for carrier, found in self._accounts(name, account):
            _DEEDS[deed](carrier, found.system_id)

    def change_script(
        self, name: str, changes: Mapping[str, object], *, account: str | None = None, whole: bool = False
    ) -> None:
        """Change these fields, or with `whole` give all others their defaults.

        Refuses not_found, unknown_field, invalid_value.
        """
        chosen = self._accounts(name, account)
        made = [
            changed(Script() if whole else found.script, changes, codes=carrier.speech.codes)
            for carrier, found in chosen
        ]
        for (_, found), script in zip(chosen, made, strict=True):
            found.script = script

    async def stop(self, name: str) -> None:
        """The carrier is away until `start`. Refuses not_found."""
        for carrier in self.named(name):
            await carrier.stop()

    async def start(self, name: str) -> None:
        """The carrier is back. Refuses not_found, port_taken."""
        for carrier in self.named(name):
            try:
                await carrier.start()
            except OSError:
                raise Conflicting("port_taken", f"Another has port {carrier.port} now.") from None

    def reply(
        self,
        name: str,
        *,
        phone: str,
        to: str,
        text: str,
        coding: Coding = "ucs2",
        account: str | None = None,
    ) -> int:
        """A message from a phone, in as many parts as it takes, which are counted.

        Refuses not_found, invalid_value.
        """
        carrier, found = self._one_account(name, account)
        _require_numbers(phone=phone, to=to)
        protocol, reference = carrier.settings.protocol, next(self._references)
        parts = written(text, coding, reference=reference, ascii_coding=_ASCII_CODINGS.get(protocol, 0))
        for part in parts:
            carrier.reply(
                found.system_id,
                phone=phone,
                to=to,
                payload=part.payload,
                data_coding=part.data_coding,
                udh=part.udh,
            )
        return len(parts)

    def user_report(self, name: str, *, phone: str, condition: Condition, account: str | None = None) -> None:
        """The carrier tells one account what became of a subscriber. Refuses not_found, invalid_value."""
        carrier, found = self._one_account(name, account)
        _require_numbers(phone=phone)
        if not isinstance(carrier.speech, SubscribersSpeech):
            raise BadInput("invalid_value", "The protocol of this carrier has no words for it: SGIP has.")
        carrier.user_report(found.system_id, phone=phone, condition=condition)

    def _one_account(self, name: str, account: str | None) -> tuple[Simulator, Account]:
        chosen = self._accounts(name, account)
        if len(chosen) != 1:
            detail = "This goes to one account of one carrier: name it."
            raise BadInput("invalid_value", detail, field="account")
        return chosen[0]

    def _accounts(self, name: str, account: str | None) -> list[tuple[Simulator, Account]]:
        chosen = [
            (carrier, found)
            for carrier in self.named(name)
            for found in carrier.accounts.values()
            if account is None or found.system_id == account
        ]
        if not chosen:
            raise NotFound("not_found", "The carrier has no such account.", field="account")
        return chosen


def _require_numbers(**numbers: str) -> None:
    for field, number in numbers.items():
        if not _NUMBER.fullmatch(number):
            raise BadInput("invalid_value", "A number is 1 to 20 digits.", field=field)


@contextlib.asynccontextmanager
async def serve_carriers(settings: Mapping[str, SimulatorSettings]) -> AsyncIterator[Carriers]:
    """Run carriers, by protocol, until the block ends. Raises PortTaken."""
    simulators = {name: Simulator(each) for name, each in settings.items()}
    try:
        for each in simulators.values():
            await _listen(each)
        yield Carriers(simulators)
    finally:
        await asyncio.gather(*(each.close() for each in simulators.values()))


async def _listen(simulator: Simulator) -> None:
    settings = simulator.settings
    try:
        await simulator.start()
    except OSError as error:
        raise PortTaken(
            f"{settings.protocol} cannot listen on port {settings.port} of {settings.host}: {error.strerror}; "
            f"give it another by --port {settings.protocol}=PORT, 0 takes a free one"
        ) from error


def _state(carrier: Simulator) -> dict[str, Any]:
    return {
        "host": carrier.settings.host,
        "port": carrier.port,
        "listening": carrier.listening,
        "counters": asdict(carrier.counters),
        "accounts": {name: _account(carrier, account) for name, account in carrier.accounts.items()},
    }


def _account(carrier: Simulator, account: Account) -> dict[str, Any]:
    sessions, callback = carrier.sessions(account.system_id), account.callback
    return {
        "connections": len(sessions),
        "calls": f"{callback.host}:{callback.port}" if callback else None,
        "owed": {
            "waiting": len(account),
            "unacknowledged": sum(session.unacknowledged for session in sessions),
            "planned": carrier.planned(account.system_id),
        },
        "counters": asdict(account.counters),
        "script": asdict(account.script),
    }
