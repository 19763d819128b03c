"""One client's connection to the simulated carrier."""

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from infrastructure.simulator.account import Account, Owed
from infrastructure.simulator.receipts import receipt_for, written_id
from infrastructure.simulator.script import Fate, decide
from infrastructure.simulator.wire import Pdu, WireError, build, parse, split

if TYPE_CHECKING:
    from infrastructure.simulator.server import Simulator

__all__ = ["Peer"]

_WRONG_STATE, _ALREADY_BOUND, _WRONG_PASSWORD, _UNKNOWN_ACCOUNT, _UNKNOWN_COMMAND = 0x4, 0x5, 0xE, 0xF, 0x3
_RECEIPT_ALWAYS, _RECEIPT_ON_FAILURE = 1, 2
_LARGEST_SEQUENCE = 0x7FFF_FFFF
_FAREWELL_SECONDS = 1.0


class Peer(asyncio.Protocol):
    """Answers at once or as the script says; everything of one turn of the loop goes out in one write."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
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

    def data_received(self, data: bytes) -> None:
        if self.frozen:
            return
        self._buffer += data
        try:
            for frame in split(self._buffer):
                self._read(frame)
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
        self._sequence = self._sequence % _LARGEST_SEQUENCE + 1
        self._unacked[self._sequence] = (owed, time.monotonic())
        self._send(Pdu("deliver_sm", self._sequence, 0, owed.fields, owed.options))
        self._simulator.note_sent(cast("Account", self.account), owed)

    def take_overdue(self, before: float) -> list[Owed]:
        """Forget and return what was sent before the moment and never acknowledged, the oldest first."""
        overdue = list(itertools.takewhile(lambda item: item[1][1] < before, self._unacked.items()))
        return [self._unacked.pop(sequence)[0] for sequence, _ in overdue]

    def unbind(self) -> None:
        """Ask the client to go."""
        self._sequence = self._sequence % _LARGEST_SEQUENCE + 1
        self._send(Pdu("unbind", self._sequence))
        self._flush()
        asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self.hang_up)

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

    def _read(self, frame: bytes) -> None:
        try:
            pdu = parse(frame)
        except WireError as error:
            self._send(Pdu("generic_nack", error.sequence, error.status))
            return
        handler = self._HANDLERS.get(pdu.command)
        if handler is not None:
            handler(self, pdu)
        elif not pdu.command.endswith("_resp"):
            self._send(Pdu("generic_nack", pdu.sequence, _UNKNOWN_COMMAND))

    def _bind(self, pdu: Pdu) -> None:
        fields = pdu.fields or {}
        account = self._simulator.accounts.get(str(fields.get("system_id")))
        status = 0
        if self.account is not None:
            status = _ALREADY_BOUND
        elif account is None:
            status = _UNKNOWN_ACCOUNT
        elif account.password != fields.get("password"):
            status = _WRONG_PASSWORD
        answer = {"system_id": "SIMULATOR"} if status == 0 else None
        self._send(Pdu(f"{pdu.command}_resp", pdu.sequence, status, answer))
        if status == 0 and account is not None:
            self._enter(account, pdu.command)
        elif status != _ALREADY_BOUND:
            self.hang_up()

    def _enter(self, account: Account, command: str) -> None:
        self.account = account
        self._receives = command != "bind_transmitter"
        self._submits = command != "bind_receiver"
        self._simulator.counters.binds += 1
        if self._receives:
            account.receivers.append(self)
            account.pump()

    def _leave(self) -> None:
        """What the client has not acknowledged is owed to its next session."""
        account, self.account = self.account, None
        if account is None:
            return
        self._receives = self._submits = False
        if self in account.receivers:
            account.receivers.remove(self)
        self._simulator.counters.receipts_again += len(self._unacked)
        account.again([owed for owed, _ in self._unacked.values()])
        self._unacked.clear()
        account.pump()

    def _submit(self, pdu: Pdu) -> None:
        account, fields = self.account, pdu.fields
        if account is None or fields is None or not self._submits:
            self._send(Pdu("submit_sm_resp", pdu.sequence, _WRONG_STATE))
            return
        account.submits += 1
        destination, payload = str(fields["destination_addr"]), _payload(pdu)
        fate = decide(account.script, count=account.submits, destination=destination, payload=payload)
        number = self._simulator.next_number() if fate.status == 0 else 0
        answer_id, receipt_id = written_id(number, account.script.id_format)
        self._simulator.note_submit(account, fate, answer_id, destination, payload)
        receipts = [
            (planned.after_seconds, receipt_for(fields, receipt_id, planned))
            for planned in fate.receipts
            if fields["registered_delivery"] == _RECEIPT_ALWAYS
            or (fields["registered_delivery"] == _RECEIPT_ON_FAILURE and planned.status != "DELIVRD")
        ]
        if fate.early:
            self._deliver_early(account, receipts)
        body = {"message_id": answer_id} if fate.status == 0 else None
        self._answer(account, fate, Pdu("submit_sm_resp", pdu.sequence, fate.status, body))
        for seconds, owed in receipts:
            self._simulator.after(account.script.submit_delay_ms / 1000 + seconds, account.deliver, owed)

    def _deliver_early(self, account: Account, receipts: list[tuple[float, Owed]]) -> None:
        if receipts:
            account.deliver(receipts.pop(0)[1])

    def _answer(self, account: Account, fate: Fate, answer: Pdu) -> None:
        if fate.drop:
            self.abort()
        elif not fate.silent:
            self._simulator.after(account.script.submit_delay_ms / 1000, self._send, answer)

    def _acknowledged(self, pdu: Pdu) -> None:
        found = self._unacked.pop(pdu.sequence, None)
        if found is None or self.account is None:
            return
        self._simulator.note_acked(self.account, found[0], pdu.status)
        if self.account is not None and len(self.account):
            self.account.pump()

    def _enquire(self, pdu: Pdu) -> None:
        self._send(Pdu("enquire_link_resp", pdu.sequence))

    def _unbind_asked(self, pdu: Pdu) -> None:
        self._send(Pdu("unbind_resp", pdu.sequence))
        self.hang_up()

    def _unbind_answered(self, _pdu: Pdu) -> None:
        self.hang_up()

    _HANDLERS: ClassVar[dict[str, Callable[["Peer", Pdu], None]]] = {
        "submit_sm": _submit,
        "deliver_sm_resp": _acknowledged,
        "enquire_link": _enquire,
        "bind_transceiver": _bind,
        "bind_transmitter": _bind,
        "bind_receiver": _bind,
        "unbind": _unbind_asked,
        "unbind_resp": _unbind_answered,
    }

    # Writing.

    def _send(self, pdu: Pdu) -> None:
        self._output.append(build(pdu))
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


def _payload(pdu: Pdu) -> bytes:
    """The text is in short_message, or in message_payload."""
    short = (pdu.fields or {}).get("short_message")
    if isinstance(short, bytes) and short:
        return short
    return dict(pdu.options).get(0x0424, b"")
