"""One client's connection to the simulated carrier."""

import asyncio
import itertools
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from infrastructure.simulator.account import Account, Outcome, Owed
from infrastructure.simulator.script import Fate, PlannedReceipt, Script, decide
from infrastructure.simulator.speech import (
    Acked,
    Farewell,
    Heard,
    Login,
    QueriedSpeech,
    Query,
    Said,
    Submit,
    Welcome,
)
from infrastructure.simulator.stream import WireError

if TYPE_CHECKING:
    from infrastructure.simulator.server import Simulator

__all__ = ["Peer"]

_GARBAGE = b"\xff" * 100
_FAREWELL_SECONDS = 1.0


class Peer(asyncio.Protocol):
    """Answers at once or as the script says; everything of one turn of the loop goes out in one write."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._speech = simulator.speech
        self._queried = simulator.speech if isinstance(simulator.speech, QueriedSpeech) else None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._output: list[bytes] = []
        self._flush_waits = False
        self._sequence = 0
        self._unacked: dict[int, tuple[Owed, float]] = {}
        self._congested = False
        self._receives = self._submits = False
        self.frozen = False
        self.account: Account | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._simulator.peers.add(self)
        if not self._simulator.listening:
            # It was accepted just before the end, and nobody else would hang up on it.
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self.frozen:
            return
        self._buffer += data
        try:
            for frame in self._speech.split(self._buffer):
                self._do(self._speech.hear(frame))
        except WireError:
            self.hang_up()

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        if self.account is not None:
            self.account.pump()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        self._simulator.peers.discard(self)
        self._leave()
        self.gone.set_result(None)

    # What the carrier does of its own accord.

    def takes(self) -> bool:
        room = len(self._unacked) < self._simulator.settings.receipt_window
        return self._receives and room and not self._congested and not self.frozen

    def deliver(self, owed: Owed) -> None:
        sequence = self._next_sequence()
        self._unacked[sequence] = (owed, time.monotonic())
        self._send(self._speech.deliver(sequence, owed))
        self._simulator.note_sent(cast("Account", self.account), owed)

    @property
    def unacknowledged(self) -> int:
        """How many deliveries are under way."""
        return len(self._unacked)

    def take_overdue(self, before: float) -> list[Owed]:
        """Forget and return what was sent before the moment and never acknowledged, the oldest first."""
        overdue = list(itertools.takewhile(lambda item: item[1][1] < before, self._unacked.items()))
        return [self._unacked.pop(sequence)[0] for sequence, _ in overdue]

    def unbind(self) -> None:
        """Ask the client to go."""
        self._send(self._speech.leave(self._next_sequence()))
        self._flush()
        asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self.hang_up)

    def garble(self) -> None:
        """Write what no protocol knows."""
        self._send(_GARBAGE)

    def hold_reading(self, hold: bool) -> None:
        """Take nothing from the socket for a while: a slow carrier."""
        if self._transport is not None and hold:
            self._transport.pause_reading()
        elif self._transport is not None:
            self._transport.resume_reading()

    def hang_up(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection; what was not written yet is lost."""
        self._output.clear()
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    # What the client says.

    def _do(self, heard: Heard) -> None:
        match heard:
            case Submit() as submit:
                self._submit(submit)
            case Acked() as acked:
                self._acknowledged(acked)
            case Said(answer):
                self._send(answer)
            case Login() as login:
                self._log_in(login)
            case Farewell(answer):
                if self.account is not None:
                    self.account.unbinds += self._submits
                self._send(answer)
                self.hang_up()
            case Query() as query:
                self._send(self._state_of(query))
            case Welcome():
                self.hang_up()

    def _log_in(self, login: Login) -> None:
        account = self._simulator.accounts.get(login.account)
        status, entry = login.status, self._speech.entry
        if self.account is not None:
            status = entry.already
        elif account is None:
            status = status or entry.unknown_account
        elif not login.proves(account.password):
            status = status or entry.wrong_secret
        elif login.direction not in account.script.logins:
            status = status or entry.not_so
        elif login.submits and account.full:
            status = status or entry.already
        self._send(self._speech.login_answer(login, status, "" if account is None else account.password))
        if status == 0 and account is not None:
            account.counters.binds += 1
            receives = login.receives and account.callback is None
            self._enter(account, receives=receives, submits=login.submits)
        elif self.account is None:
            self.hang_up()

    def _enter(self, account: Account, *, receives: bool, submits: bool) -> None:
        self.account = account
        self._receives = receives
        self._submits = submits
        if submits:
            account.enter()
        if self._receives:
            account.receivers.append(self)
            account.pump()

    def _leave(self) -> None:
        """What the client has not acknowledged is owed to its next session."""
        account, self.account = self.account, None
        if account is None:
            return
        account.sessions -= self._submits
        self._receives = self._submits = False
        if self in account.receivers:
            account.receivers.remove(self)
        account.counters.receipts_again += len(self._unacked)
        account.again([owed for owed, _ in self._unacked.values()])
        self._unacked.clear()
        account.pump()

    def _submit(self, submit: Submit) -> None:
        account, speech = self.account, self._speech
        if account is None or not self._submits:
            self._send(speech.submit_answer(submit, speech.entry.wrong_state, ""))
            return
        account.submits += 1
        fate = decide(
            account.script,
            count=account.submits,
            destination=submit.destination,
            payload=submit.payload,
            codes=speech.codes,
        )
        number = self._simulator.next_number() if fate.status == 0 else 0
        answer_id, receipt_id = speech.ids(submit, number, account.script)
        self._simulator.note_submit(account, fate, answer_id, submit)
        receipts = [
            (planned.after_seconds, speech.receipt(submit, receipt_id, planned))
            for planned in fate.receipts
            if submit.receipts == "always" or (submit.receipts == "failures" and planned.status != "DELIVRD")
        ]
        if fate.outcome is not None and self._queried is not None:
            account.remember(answer_id, _outcome(fate.outcome, account.script))
        if fate.early and receipts:
            account.deliver(receipts.pop(0)[1])
        self._answer(account, fate, speech.submit_answer(submit, fate.status, answer_id))
        for seconds, owed in receipts:
            self._simulator.after(account.script.submit_delay_ms / 1000 + seconds, account.deliver, owed)

    def _state_of(self, query: Query) -> bytes:
        speech = cast("QueriedSpeech", self._queried)
        if self.account is None or not self._submits:
            return speech.query_answer(query, speech.entry.wrong_state, None)
        outcome = self.account.recall(query.carrier_id)
        return speech.query_answer(query, speech.unknown_message if outcome is None else 0, outcome)

    def _answer(self, account: Account, fate: Fate, answer: bytes) -> None:
        if fate.drop:
            self.abort()
        elif not fate.silent:
            self._simulator.after(account.script.submit_delay_ms / 1000, self._send, answer)

    def _acknowledged(self, acked: Acked) -> None:
        found = self._unacked.pop(acked.sequence, None)
        if found is None or self.account is None:
            return
        self._simulator.note_acked(self.account, found[0], acked.status)
        if self.account is not None and len(self.account):
            self.account.pump()

    # Writing.

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % self._speech.last_sequence + 1
        return self._sequence

    def _send(self, octets: bytes) -> None:
        self._output.append(octets)
        if not self._flush_waits:
            self._flush_waits = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_waits = False
        if (
            self._output
            and self._transport is not None
            and not self._transport.is_closing()
            and not self.frozen
        ):
            self._transport.write(b"".join(self._output))
        self._output.clear()


def _outcome(planned: PlannedReceipt, script: Script) -> Outcome:
    waits = timedelta(milliseconds=script.submit_delay_ms, seconds=planned.after_seconds)
    return Outcome(planned.status, planned.error, datetime.now(UTC) + waits)
