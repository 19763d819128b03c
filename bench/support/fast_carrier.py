"""A carrier that costs next to nothing: it answers a submit and reports on it by patching octets into a form.

Measured against it, a link is what limits. It checks nothing and forgets everything; what is judged by its
books needs the simulator. Run as a process of its own by `fast_carrier`; its parent's end is its own.
"""

import argparse
import asyncio
import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import psutil
import uvloop

from infrastructure.carriers import cmpp, sgip, smgp, smpp
from infrastructure.carriers.cmpp_pdus import (
    ActiveTestResp,
    ConnectResp,
    Deliver,
    Report,
    SubmitResp,
    TerminateResp,
    Version,
)
from infrastructure.carriers.cmpp_report import encode_report
from infrastructure.carriers.sgip_pdus import Bind, BindResp, UnbindResp
from infrastructure.carriers.sgip_pdus import Report as SgipReport
from infrastructure.carriers.sgip_pdus import SubmitResp as SgipSubmitResp
from infrastructure.carriers.smgp_pdus import ActiveTestResp as SmgpActiveTestResp
from infrastructure.carriers.smgp_pdus import Deliver as SmgpDeliver
from infrastructure.carriers.smgp_pdus import ExitResp, LoginResp
from infrastructure.carriers.smgp_pdus import SubmitResp as SmgpSubmitResp
from infrastructure.carriers.smpp_pdus import BindResp as SmppBindResp
from infrastructure.carriers.smpp_pdus import DeliverSm, EnquireLinkResp, SubmitSmResp
from infrastructure.carriers.smpp_pdus import UnbindResp as SmppUnbindResp

SOURCE = "10690001"
LOGIN, PASSWORD = "carrier", "secret08"
_PHONE = b"13800138000"
_TIMER_SECONDS = 0.002
_DONE = "2611231726"
_TEXT = "id:{id} sub:001 dlvrd:001 submit date:2611231725 done date:2611231726 stat:DELIVRD err:000 text:"


@dataclass(frozen=True, slots=True)
class Form:
    """A PDU with places to fill in: where its number is, where the message's id, where the phone."""

    octets: bytes
    sequence: slice
    id_at: int
    phones: tuple[int, ...] = ()

    def filled(self, sequence: bytes, id_: bytes, phone: bytes) -> bytes:
        made = bytearray(self.octets)
        made[self.sequence] = sequence
        if self.id_at:
            made[self.id_at : self.id_at + len(id_)] = id_
        for at in self.phones:
            made[at : at + len(phone)] = phone
        return bytes(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a protocol's carrier says. `phone_at` is where a bench's submit has its 11 digits without 86."""

    sequence: slice
    plain: dict[bytes, bytes]
    submit: bytes
    phone_at: int
    answer: Form
    receipt: Form
    id_of: Callable[[int, bytes], bytes]


def _form(octets: bytes, sequence: slice, id_: bytes = b"") -> Form:
    found = tuple(at for at in range(len(octets)) if octets.startswith(_PHONE, at))
    return Form(octets, sequence, octets.index(id_) if id_ else 0, found)


def _cmpp(version: Version) -> Words:
    number, place = 0x1122334455667788, slice(8, 12)
    body = Report(
        message_id=number, status="DELIVRD", submit_time=_DONE, done_time=_DONE, destination=_PHONE.decode()
    )
    deliver = Deliver(
        sequence=0,
        message_id=1,
        destination=SOURCE,
        source=_PHONE.decode(),
        registered_delivery=1,
        content=encode_report(body, version),
    )
    id_ = number.to_bytes(8, "big")
    return Words(
        sequence=place,
        plain={
            b"\0\0\0\1": cmpp.encode(ConnectResp(sequence=0, version=version), version),
            b"\0\0\0\2": cmpp.encode(TerminateResp(sequence=0), version),
            b"\0\0\0\10": cmpp.encode(ActiveTestResp(sequence=0), version),
        },
        submit=b"\0\0\0\4",
        phone_at=129 if version == 0x20 else 141,
        answer=_form(cmpp.encode(SubmitResp(sequence=0, message_id=number), version), place, id_),
        receipt=_form(cmpp.encode(deliver, version), place, id_),
        id_of=lambda counted, _: counted.to_bytes(8, "big"),
    )


def _sgip() -> Words:
    number, place = b"\1\2\3\4\5\6\7\10\11\12\13\14", slice(8, 20)
    report = SgipReport(
        sequence=0, submit_sequence=int.from_bytes(number, "big"), phone="86" + _PHONE.decode()
    )
    return Words(
        sequence=place,
        plain={
            b"\0\0\0\1": sgip.encode(BindResp(sequence=0)),
            b"\0\0\0\2": sgip.encode(UnbindResp(sequence=0)),
        },
        submit=b"\0\0\0\3",
        phone_at=65,
        answer=_form(sgip.encode(SgipSubmitResp(sequence=0)), place),
        receipt=_form(sgip.encode(report), place, number),
        id_of=lambda _, sequence: sequence,
    )


def _smgp() -> Words:
    id_, place = b"\x99" * 10, slice(8, 12)
    text = b"id:" + id_ + b" sub:001 dlvrd:001 Submit date:2611231725 done date:2611231726"
    deliver = SmgpDeliver(
        sequence=0,
        message_id=bytes(10),
        is_report=1,
        received="20261123172600",
        source=_PHONE.decode(),
        destination=SOURCE,
        content=text + b" stat:DELIVRD err:000 Text:" + b"0" * 20,
    )
    return Words(
        sequence=place,
        plain={
            b"\0\0\0\1": smgp.encode(LoginResp(sequence=0)),
            b"\0\0\0\6": smgp.encode(ExitResp(sequence=0)),
            b"\0\0\0\4": smgp.encode(SmgpActiveTestResp(sequence=0)),
        },
        submit=b"\0\0\0\2",
        phone_at=117,
        answer=_form(smgp.encode(SmgpSubmitResp(sequence=0, message_id=id_)), place, id_),
        receipt=_form(smgp.encode(deliver), place, id_),
        id_of=lambda counted, _: counted.to_bytes(10, "big"),
    )


def _smpp() -> Words:
    id_, place = "f" * 16, slice(12, 16)
    deliver = DeliverSm(
        sequence=0,
        source="86" + _PHONE.decode(),
        destination=SOURCE,
        esm_class=4,
        short_message=_TEXT.format(id=id_).encode(),
        tlvs=((0x0427, b"\2"),),
    )
    return Words(
        sequence=place,
        plain={
            b"\0\0\0\11": smpp.encode(SmppBindResp(sequence=0, mode="transceiver", system_id="FAST")),
            b"\0\0\0\6": smpp.encode(SmppUnbindResp(sequence=0)),
            b"\0\0\0\25": smpp.encode(EnquireLinkResp(sequence=0)),
        },
        submit=b"\0\0\0\4",
        phone_at=32,
        answer=_form(smpp.encode(SubmitSmResp(sequence=0, message_id=id_)), place, id_.encode()),
        receipt=_form(smpp.encode(deliver), place, id_.encode()),
        id_of=lambda counted, _: b"%016x" % counted,
    )


WORDS: dict[str, Callable[[], Words]] = {
    "smpp34": _smpp,
    "cmpp20": lambda: _cmpp(0x20),
    "cmpp30": lambda: _cmpp(0x30),
    "sgip12": _sgip,
    "smgp30": _smgp,
}


def _later(seconds: float, action: Callable[..., None], *arguments: object) -> None:
    asyncio.get_running_loop().call_later(max(seconds, 0), action, *arguments)


class FastPeer(asyncio.Protocol):
    """One client. Its receipts follow its answers, over `reports` where the carrier comes to its clients."""

    reports: asyncio.WriteTransport | None = None
    numbers = itertools.count(1)

    def __init__(self, words: Words, *, delay_seconds: float, receipts: bool) -> None:
        self._words = words
        self._delay = delay_seconds
        self._receipts = receipts
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        data, words = self._rest + data, self._words
        at, answers, receipts = 0, [], []
        while len(data) - at >= 4 and len(data) - at >= (size := int.from_bytes(data[at : at + 4], "big")):
            frame = data[at : at + size]
            at += size
            command, sequence = frame[4:8], frame[words.sequence]
            if command == words.submit:
                counted = next(self.numbers)
                phone = frame[words.phone_at : words.phone_at + 11]
                id_ = words.id_of(counted, sequence)
                answers.append(words.answer.filled(sequence, id_, phone))
                if self._receipts:
                    own = counted.to_bytes(len(sequence), "big")
                    receipts.append(words.receipt.filled(own, id_, phone))
            elif command in words.plain:
                octets = bytearray(words.plain[command])
                octets[words.sequence] = sequence
                answers.append(bytes(octets))
        self._rest = data[at:]
        self._say(b"".join(answers), b"".join(receipts))

    def _say(self, answers: bytes, receipts: bytes) -> None:
        if self._delay:
            due = time.perf_counter() + self._delay
            _later(self._delay - _TIMER_SECONDS, self._write_at, due, answers, receipts)
        else:
            self._write(answers, receipts)

    def _write_at(self, due: float, answers: bytes, receipts: bytes) -> None:
        """The loop's timers are up to a millisecond late, so the last one is spent looking at the clock."""
        if time.perf_counter() < due:
            _later(0, self._write_at, due, answers, receipts)
        else:
            self._write(answers, receipts)

    def _write(self, answers: bytes, receipts: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        apart = FastPeer.reports
        transport.write(answers if apart else answers + receipts)
        if apart and receipts:
            apart.write(receipts)


class _Caller(asyncio.Protocol):
    """The carrier's own connection to a client: binds, then lends itself to the receipts."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        FastPeer.reports = cast("asyncio.WriteTransport", transport)
        FastPeer.reports.write(sgip.encode(Bind(sequence=1, login_type=2, name=LOGIN, password=PASSWORD)))


async def _call(port: int) -> None:
    """Knock until the client listens."""
    while FastPeer.reports is None:
        try:
            await asyncio.get_running_loop().create_connection(_Caller, "127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)


async def _serve(protocol: str, *, delay_ms: float, comes_to: int, receipts: bool) -> None:
    loop, words = asyncio.get_running_loop(), WORDS[protocol]()
    loop.add_reader(sys.stdin, signal.raise_signal, signal.SIGTERM)
    server = await loop.create_server(
        lambda: FastPeer(words, delay_seconds=delay_ms / 1_000, receipts=receipts), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    if comes_to:
        await _call(comes_to)
    await server.serve_forever()


@contextlib.contextmanager
def fast_carrier(
    protocol: str, *, delay_ms: float = 0, comes_to: int = 0, receipts: bool = True
) -> Iterator[tuple[int, psutil.Process]]:
    """The carrier in a process of its own: its port and the process. `comes_to` is where it brings receipts."""
    command = [sys.executable, "-m", "bench.support.fast_carrier", protocol, "--delay-ms", str(delay_ms)]
    command += ["--comes-to", str(comes_to)] + ([] if receipts else ["--silent"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.terminate()


def main() -> None:
    """Be the carrier."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("protocol", choices=list(WORDS))
    given.add_argument("--delay-ms", type=float, default=0)
    given.add_argument("--comes-to", type=int, default=0)
    given.add_argument("--silent", action="store_true", help="No receipts.")
    chosen = given.parse_args()
    uvloop.run(
        _serve(
            chosen.protocol,
            delay_ms=chosen.delay_ms,
            comes_to=chosen.comes_to,
            receipts=not chosen.silent,
        )
    )


if __name__ == "__main__":
    main()
