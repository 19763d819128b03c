"""The simulated carrier: an SMSC or gateway on a real port, for the demonstration, the tests and the benchmarks."""

import asyncio
import contextlib
import heapq
import itertools
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from infrastructure.simulator.account import Account, Callback, Counters, Owed, total
from infrastructure.simulator.caller import keep_calling
from infrastructure.simulator.cmpp_speech import CmppSpeech
from infrastructure.simulator.journal import Journal
from infrastructure.simulator.peer import Peer
from infrastructure.simulator.script import Codes, Fate, Script
from infrastructure.simulator.sgip_speech import SgipSpeech
from infrastructure.simulator.smgp_speech import SmgpSpeech
from infrastructure.simulator.smpp_speech import SmppSpeech
from infrastructure.simulator.speech import CallingSpeech, Condition, Speech, Submit, SubscribersSpeech

__all__ = ["Simulator", "SimulatorSettings", "codes_of", "run_simulator", "serve", "stop_on_signal"]

_SPEECHES: dict[str, Callable[[], Speech]] = {
    "smpp34": SmppSpeech,
    "cmpp20": partial(CmppSpeech, 0x20),
    "cmpp30": partial(CmppSpeech, 0x30),
    "sgip12": SgipSpeech,
    "smgp30": SmgpSpeech,
}

_FLUSH_SECONDS = 0.05
_SOONEST_TIMER_SECONDS = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorSettings:
    """`accounts` are passwords by system_id, `scripts` the accounts that do not follow `script`.

    `protocol` is the word that link settings have for it; `callbacks`, by system_id, are for protocols in
    which the carrier comes to its clients: without one their receipts go over the connection of the client.

    Port 0 takes a free one. A receipt that is not acknowledged within `resend_seconds`, or is refused, is
    sent again; at most `receipt_window` are under way on a connection.
    """

    protocol: str = "smpp34"
    host: str = "127.0.0.1"
    port: int = 0
    accounts: Mapping[str, str] = field(repr=False)
    script: Script = field(default_factory=Script)
    scripts: Mapping[str, Script] = field(default_factory=dict)
    callbacks: Mapping[str, Callback] = field(default_factory=dict)
    journal: Path | None = None
    resend_seconds: float = 10.0
    receipt_window: int = 1_000


class Simulator:
    """Started by `serve`; `port` is the real one. An asynchronous context manager that closes itself."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.speech = _SPEECHES[settings.protocol]()
        self.listening = False
        self.peers: set[Peer] = set()
        self.accounts = {
            name: Account(
                name, password, settings.scripts.get(name, settings.script), settings.callbacks.get(name)
            )
            for name, password in settings.accounts.items()
        }
        self.port = settings.port
        self._journal = Journal(settings.journal)
        # Ids must not come again after a restart: the other side's books keep them for ever. Milliseconds
        # of the wall clock in front of 20 bits outrun any number of messages that this carrier can take.
        self._numbers = itertools.count(int(time.time() * 1000) << 20)
        self._due: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._serial = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._server: asyncio.Server | None = None
        self._callers: list[asyncio.Task[None]] = []
        self._chores: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Simulator":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen, and go to those who are called; raises OSError when the port is taken. Twice does nothing."""
        if self.listening:
            return
        self.listening = True
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Peer(self), self.settings.host, self.port, reuse_address=True
            )
        except OSError:
            self.listening = False
            raise
        self.port = self._server.sockets[0].getsockname()[1]
        if self._chores is None:
            self._chores = asyncio.create_task(self._do_chores())
        if isinstance(self.speech, CallingSpeech):
            called = [each for each in self.accounts.values() if each.callback is not None]
            self._callers = [
                asyncio.create_task(keep_calling(self, self.speech, account)) for account in called
            ]

    async def stop(self) -> None:
        """Be away: stop listening and calling, and drop everybody. What is owed is kept; `start` comes back."""
        self.listening = False
        if self._server is not None:
            self._server.close()
        await _cancelled(*self._callers)
        peers = list(self.peers)
        for peer in peers:
            peer.abort()
        await asyncio.gather(*(peer.gone for peer in peers))

    async def close(self) -> None:
        """Stop for good and write the journal out."""
        if self._chores is not None:
            await _cancelled(self._chores)
        if self._timer is not None:
            self._timer.cancel()
        await self.stop()
        self._journal.close()

    @property
    def counters(self) -> Counters:
        """What it has seen and done, over all accounts."""
        return total(account.counters for account in self.accounts.values())

    # What tests and operators do with a carrier.

    def unbind(self, system_id: str) -> None:
        """Ask all sessions of the account to go, as a carrier does before maintenance."""
        for peer in self.sessions(system_id):
            peer.unbind()

    def drop(self, system_id: str) -> None:
        """Cut all connections of the account."""
        for peer in self.sessions(system_id):
            peer.abort()

    def freeze(self, system_id: str) -> None:
        """Leave the connections open and never say a word on them again: a half-open connection."""
        for peer in self.sessions(system_id):
            peer.frozen = True

    def garble(self, system_id: str) -> None:
        """Write octets on all connections of the account that are no PDU."""
        for peer in self.sessions(system_id):
            peer.garble()

    def hold_reading(self, system_id: str, *, hold: bool) -> None:
        """Leave what the account writes in the network, or read on."""
        for peer in self.sessions(system_id):
            peer.hold_reading(hold)

    def reply(
        self,
        system_id: str,
        *,
        phone: str,
        to: str,
        payload: bytes,
        data_coding: int = 8,
        udh: bool = False,
    ) -> None:
        """Deliver a message that somebody wrote on a phone."""
        account = self.accounts[system_id]
        owed = self.speech.reply(phone=phone, to=to, payload=payload, data_coding=data_coding, udh=udh)
        account.counters.replies_sent += 1
        account.deliver(owed)

    def user_report(self, system_id: str, *, phone: str, condition: Condition) -> None:
        """Tell what became of a subscriber; only where the speech is a SubscribersSpeech."""
        account = self.accounts[system_id]
        owed = cast("SubscribersSpeech", self.speech).user_report(phone=phone, condition=condition)
        account.counters.user_reports_sent += 1
        account.deliver(owed)

    def owed(self, system_id: str) -> int:
        """Return how many deliveries wait for a session of the account."""
        return len(self.accounts[system_id])

    def planned(self, system_id: str) -> int:
        """Return how many deliveries to the account wait for their time."""
        deliver = self.accounts[system_id].deliver
        return sum(action == deliver for _, _, action, _ in self._due)

    def sessions(self, system_id: str) -> list[Peer]:
        """Return the connections of the account, those of the carrier to it among them."""
        return [peer for peer in self.peers if peer.account is self.accounts[system_id]]

    # What the sessions need.

    def next_number(self) -> int:
        return next(self._numbers)

    def after(self, seconds: float, action: Callable[[Any], None], argument: object) -> None:
        """Do it now, or at its time together with what else is due within a millisecond."""
        if seconds <= 0:
            action(argument)
            return
        due = time.monotonic() + seconds
        heapq.heappush(self._due, (due, next(self._serial), action, argument))
        if self._timer is None or due + _SOONEST_TIMER_SECONDS < self._timer_at:
            self._wait_for_the_first()

    def note_submit(self, account: Account, fate: Fate, carrier_id: str, submit: Submit) -> None:
        counters = account.counters
        counters.submitted += 1
        counters.taken += fate.status == 0
        counters.throttled += fate.throttled
        counters.refused += fate.status != 0 and not fate.throttled
        counters.silent += fate.silent
        counters.dropped += fate.drop
        self._journal.submit(
            at_ns=time.monotonic_ns(),
            account=account.system_id,
            carrier_id=carrier_id if fate.status == 0 else "",
            destination=submit.destination,
            payload=submit.payload,
            status=fate.status,
        )

    def note_sent(self, account: Account, owed: Owed) -> None:
        if owed.carrier_id:
            account.counters.receipts_sent += 1
            self._note_receipt(account, owed, "sent")

    def note_acked(self, account: Account, owed: Owed, status: int) -> None:
        """A receipt that the client refuses comes again after a while."""
        if status != 0:
            account.counters.receipts_again += 1
            self.after(self.settings.resend_seconds, account.deliver, owed)
        elif owed.carrier_id:
            account.counters.receipts_acked += 1
        if owed.carrier_id:
            self._note_receipt(account, owed, "acked" if status == 0 else "refused")

    def _note_receipt(self, account: Account, owed: Owed, step: str) -> None:
        self._journal.receipt(
            account=account.system_id, carrier_id=owed.carrier_id, status=owed.status, step=step
        )

    def _wait_for_the_first(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._due:
            self._timer_at = self._due[0][0]
            seconds = max(self._timer_at - time.monotonic(), _SOONEST_TIMER_SECONDS)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._do_what_is_due)

    def _do_what_is_due(self) -> None:
        self._timer = None
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, action, argument = heapq.heappop(self._due)
            action(argument)
        if self._timer is None:
            self._wait_for_the_first()

    async def _do_chores(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._journal.flush()
            self._send_overdue_again()

    def _send_overdue_again(self) -> None:
        before = time.monotonic() - self.settings.resend_seconds
        for peer in list(self.peers):
            overdue = peer.take_overdue(before) if peer.account is not None else []
            if overdue and peer.account is not None:
                peer.account.counters.receipts_again += len(overdue)
                peer.account.again(overdue)
                peer.account.pump()


async def serve(settings: SimulatorSettings) -> Simulator:
    """Return a carrier that listens; close it with `async with` or `close`."""
    simulator = Simulator(settings)
    await simulator.start()
    return simulator


def codes_of(protocol: str) -> Codes:
    """Return what a carrier of this protocol answers with."""
    return _SPEECHES[protocol]().codes


async def _cancelled(*tasks: "asyncio.Task[None]") -> None:
    """Cancel them and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def stop_on_signal() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Only the main thread may set handlers; elsewhere cancellation has to do.
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    return stop


async def run_simulator(
    *,
    host: str,
    port: int,
    accounts: Mapping[str, str],
    script: Script,
    journal: Path | None,
    on_ready: Callable[[int], None],
    on_counters: Callable[[Counters], None] | None = None,
    protocol: str = "smpp34",
    callbacks: Mapping[str, Callback] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or cancellation.

    `on_ready` gets the port, `on_counters` is called each second.
    """
    stop = stop_on_signal()
    settings = SimulatorSettings(
        protocol=protocol,
        host=host,
        port=port,
        accounts=accounts,
        script=script,
        journal=journal,
        callbacks=callbacks or {},
    )
    async with await serve(settings) as simulator:
        on_ready(simulator.port)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
            if on_counters is not None:
                on_counters(simulator.counters)
