"""What the strict gateways of this folder share: fields read without mercy, and segments cut as real ones cut.

Written from the protocol documents alone; it imports nothing of the project, so that both can be wrong apart.
"""

import asyncio
import contextlib
import itertools
import random
import re
import struct
from collections.abc import AsyncIterator, Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Segments = Literal["each", "joined", "shredded"]
Receipts = Literal["after", "before", "twice", "later", "never"]

PHONE = rb"(\+?86)?1[3-9][0-9]{9}"
PHONE_86 = rb"861[3-9][0-9]{9}"
SMPP_TIME = rb"([0-9]{15}[+-]|[0-9]{15}R)?"

# One PDU over many segments, several PDUs in one: no border of the stream is a border of a PDU.
CUTS = (1, 2, 5, 11, 61, 3, 200)
HELD_SECONDS = 0.004
LATER_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What real gateways do that the documents allow, or that they do all the same.

    Counts are in submits of the whole gateway, from 1; 0 is never.
    """

    segments: Segments = "each"
    receipts: Receipts = "after"
    answers_in_batches_of: int = 0
    throttles_every: int = 0
    refuses_every: int = 0
    silent_every: int = 0
    tests_the_line_every: int = 0
    leaves_at: int = 0
    leaves_unanswered: int = 0
    first_sequence: int = 1
    first_id: int = 1
    pads_with_spaces: bool = False
    lets_go: bool = True
    stats: Sequence[str] = ("DELIVRD",)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One submit PDU as it lay on the wire, with what the gateway answered to it."""

    id: bytes
    sequence: tuple[int, ...]
    phone: str
    source: str
    service: str
    coding: int
    content: bytes
    udh: tuple[int, int, int] | None
    wants_report: bool
    result: int
    stat: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A message of a subscriber that the gateway hands to the client."""

    phone: str
    destination: str
    coding: int
    content: bytes
    udhi: bool = False


class Fields:
    """Takes a PDU apart; what breaks the document becomes a finding with PDU, field and clause."""

    def __init__(self, pdu: str, octets: bytes, findings: list[str]) -> None:
        self._pdu, self._octets, self._findings, self._at = pdu, octets, findings, 0

    def complain(self, name: str, clause: str, seen: object) -> None:
        """Keep a violation."""
        self._findings.append(f"{self._pdu}.{name}: {seen!r} ({clause})")

    def expect(self, right: bool, name: str, clause: str, seen: object) -> None:
        """Keep a violation unless the thing is right."""
        if not right:
            self.complain(name, clause, seen)

    def octets(self, name: str, size: int) -> bytes:
        """The next octets as they are; too few are a violation and come padded, so that reading can go on."""
        taken = self._octets[self._at : self._at + size]
        self._at += size
        self.expect(len(taken) == size, name, f"{size} octets", taken)
        return taken.ljust(min(size, 1 << 16), b"\0")

    def number(self, name: str, size: int, legal: Container[int], clause: str) -> int:
        """A big-endian unsigned integer of the legal values."""
        value = int.from_bytes(self.octets(name, size), "big")
        self.expect(value in legal, name, clause, value)
        return value

    def text(self, name: str, size: int, pattern: bytes, clause: str) -> str:
        """A fixed text, right-padded with NUL; what stands before the first NUL must match the pattern."""
        raw = self.octets(name, size)
        value, _, padding = raw.partition(b"\0")
        self.expect(not padding.strip(b"\0"), name, "padding is NUL", raw)
        self.expect(re.fullmatch(pattern, value) is not None, name, clause, value)
        return value.decode("latin-1")

    def c_string(self, name: str, longest: int, pattern: bytes, clause: str) -> str:
        """A text that ends with NUL, of at most `longest` octets with it."""
        end = self._octets.find(b"\0", self._at)
        value = self._octets[self._at : end] if end >= 0 else self._octets[self._at :]
        self.expect(end >= 0, name, "NUL terminated", value)
        self._at += len(value) + 1
        self.expect(len(value) < longest, name, f"at most {longest} octets with its NUL", value)
        self.expect(re.fullmatch(pattern, value) is not None, name, clause, value)
        return value.decode("latin-1")

    def left(self) -> int:
        """How many octets have not been read."""
        return max(0, len(self._octets) - self._at)

    def end(self) -> None:
        """Nothing may follow."""
        self.expect(self._at >= len(self._octets), "length", "nothing follows the last field", self.left())

    def user_data(
        self, content: bytes, *, udhi: bool, coding: int, longest: int
    ) -> tuple[int, int, int] | None:
        """Check a text on the wire (common.md, section 1); give reference, parts and part of a UDH."""
        self.expect(0 < len(content) <= longest, "content", f"1 to {longest} octets", len(content))
        udh = self._header(content) if udhi else None
        text = content[1 + content[0] :] if udhi and content else content
        if coding == 8:
            self._ucs2(text)
        elif coding == 0:
            self.expect(max(text, default=0) < 0x80, "content", "coding 0 is ASCII", text)
        return udh

    def _header(self, content: bytes) -> tuple[int, int, int] | None:
        end, at, found = 1 + content[0], 1, None
        self.expect(end <= len(content), "UDH", "UDHL within the content", content)
        while at + 2 <= end:
            kind, size = content[at], content[at + 1]
            data = content[at + 2 : at + 2 + size]
            if (kind, size) in ((0x00, 3), (0x08, 4)):
                found = (int.from_bytes(data[:-2], "big"), data[-2], data[-1])
            at += 2 + size
        self.expect(at == end, "UDH", "elements fill UDHL", content[:end])
        self.expect(
            found is not None and 1 <= found[2] <= found[1] and found[1] > 1, "UDH", "part of parts", found
        )
        return found

    def _ucs2(self, text: bytes) -> None:
        try:
            decoded = text.decode("utf-16-be")
        except UnicodeDecodeError:
            return self.complain("content", "coding 8 is UTF-16BE, surrogates uncut", text)
        return self.expect(not decoded.startswith("\ufeff"), "content", "no BOM", text[:2])


class Line:
    """One TCP connection as a gateway sees it: whole PDUs in, PDUs out in the segments its habits want."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        findings: list[str],
        segments: Segments,
        largest: int,
    ) -> None:
        self._reader, self._writer, self._findings, self._segments = reader, writer, findings, segments
        self._largest, self._out, self._filled = largest, list[bytes](), asyncio.Event()
        self.waiting: dict[tuple[int, ...], object] = {}
        self.sequences: list[int] = []
        self.unanswered = 0
        self.logged_in = self.leaving = self.left = self.gone = self._over = False
        self._pump = asyncio.create_task(self._send_for_ever())

    async def pdus(self, smallest: int) -> AsyncIterator[bytes]:
        """Every PDU until the other side closes; a close inside a PDU, or a reset, is a finding."""
        try:
            while head := await self._reader.read(4):
                head += await self._reader.readexactly(4 - len(head))
                (length,) = struct.unpack(">I", head)
                if not smallest <= length <= self._largest:
                    self._findings.append(f"header.length: {length} ({smallest} to {self._largest})")
                    break
                yield head + await self._reader.readexactly(length - 4)
        except asyncio.IncompleteReadError as error:
            self._findings.append(f"close: inside a PDU, after {error.partial!r}")
        except ConnectionError as error:
            self._findings.append(f"close: not clean, {error!r}")
        finally:
            self.gone = True

    def send(self, pdu: bytes) -> None:
        """Put a PDU on its way."""
        self._out.append(pdu)
        self._filled.set()

    async def _send_for_ever(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self._out or not self._over:
                await self._filled.wait()
                if self._segments != "each":
                    await asyncio.sleep(HELD_SECONDS)
                pdus, self._out = self._out, []
                self._filled.clear()
                for piece in pieces(pdus, self._segments):
                    self._writer.write(piece)
                    await self._writer.drain()
                    await asyncio.sleep(0)

    async def fall_silent(self) -> None:
        """Send what is left and say no more, but listen on: to close over what lies unread would cut it off."""
        self._over = True
        self._filled.set()
        await self._pump
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def close(self) -> None:
        """Send what is left and close."""
        self._over = True
        self._filled.set()
        await self._pump
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


def pieces(pdus: Sequence[bytes], segments: Segments) -> Iterator[bytes]:
    """The same octets as they are handed to TCP."""
    if segments == "each":
        yield from pdus
    elif segments == "joined":
        yield b"".join(pdus)
    else:
        octets, at, sizes = b"".join(pdus), 0, itertools.cycle(CUTS)
        while at < len(octets):
            size = next(sizes)
            yield octets[at : at + size]
            at += size


@dataclass
class Gateway:
    """A strict server: it takes what the client sends, answers as its habits are, and keeps findings."""

    habits: Habits = field(default_factory=Habits)
    findings: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    ignored: list[Taken] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    port: int = 0
    largest: int = 4096
    window: int = 16

    def __post_init__(self) -> None:
        self.sequences = itertools.count(self.habits.first_sequence)
        self.numbers = itertools.count(self.habits.first_id)
        self.visits = self.submits = self.keepalives = 0
        self._held: list[Callable[[], None]] = []
        self._flush: asyncio.TimerHandle | None = None
        self._chance = random.Random(4)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Gateway":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for line in self.lines:
            await line.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Line:
        """A connection, in whichever direction it was made."""
        made = Line(
            reader, writer, findings=self.findings, segments=self.habits.segments, largest=self.largest
        )
        self.lines.append(made)
        return made

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        line = self.line(reader, writer)
        await self.listen(line)
        await line.close()

    async def listen(self, line: Line) -> None:
        """Read a connection to its end; each protocol does this."""
        raise NotImplementedError

    def in_background(self, work: "asyncio.Future[None] | asyncio.Task[None]") -> None:
        """Keep a task until it is done."""
        assert isinstance(work, asyncio.Task)
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def fields(self, pdu: str, octets: bytes) -> Fields:
        """Read a PDU, with this gateway's findings."""
        return Fields(pdu, octets, self.findings)

    def complain(self, what: str) -> None:
        """Keep a violation that is of no single field."""
        self.findings.append(what)

    def verdict(self, *, throttled: int, refused: int) -> int:
        """Count a submit and say with which result it is answered."""
        self.submits += 1
        if self.habits.throttles_every and self.submits % self.habits.throttles_every == 0:
            return throttled
        if self.habits.refuses_every and self.submits % self.habits.refuses_every == 0:
            return refused
        return 0

    def next_stat(self) -> str:
        """The stat of the submit that has just been counted."""
        return self.habits.stats[self.submits % len(self.habits.stats)]

    def respond(self, line: Line, taken: Taken, answer: bytes, receipt: Callable[[], object] | None) -> None:
        """Answer a submit and report on it, in the order and at the pace of the habits."""
        if self.habits.silent_every and self.submits % self.habits.silent_every == 0:
            self.ignored.append(taken)
            return
        line.unanswered += 1
        if line.unanswered > self.window:
            self.complain(f"window: {line.unanswered} unanswered requests ({self.window} at most)")
        if line.leaving or 0 <= self.habits.leaves_at - self.submits < self.habits.leaves_unanswered:
            self.ignored.append(taken)
            return
        self.taken.append(taken)

        def act() -> None:
            line.unanswered -= 1
            report = receipt if receipt and self.habits.receipts != "never" else lambda: None
            if self.habits.receipts == "before":
                report()
            line.send(answer)
            if self.habits.receipts in ("after", "twice"):
                report()
            if self.habits.receipts == "twice":
                report()
            if self.habits.receipts == "later":
                asyncio.get_running_loop().call_later(LATER_SECONDS, report)

        self._held.append(act)
        if len(self._held) >= self.habits.answers_in_batches_of:
            self._let_go()
        elif not self._flush:
            self._flush = asyncio.get_running_loop().call_later(0.02, self._let_go)

    def _let_go(self) -> None:
        held, self._held = self._held, []
        if self._flush:
            self._flush.cancel()
            self._flush = None
        self._chance.shuffle(held)
        for act in held:
            act()

    def should_leave(self) -> bool:
        """Whether the submit just counted is the one at which the gateway goes, with some unanswered."""
        return 0 < self.habits.leaves_at == self.submits

    def pad(self, text: str, size: int) -> bytes:
        """A fixed field as this gateway pads it."""
        return text.encode("latin-1").ljust(size, b" " if self.habits.pads_with_spaces else b"\0")

    def unanswered(self) -> int:
        """Requests of the gateway that the client has not answered."""
        return sum(len(line.waiting) for line in self.lines)
