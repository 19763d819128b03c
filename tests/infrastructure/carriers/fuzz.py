"""Tries codecs and dialects for a fixed time: `./run fuzz --seconds 60` where atheris cannot be had.

Damaged golden PDUs come in. Whatever comes, a codec gives a PDU or a ProtocolError, what it gives can be
written and read again, a dialect and a session only answer, and memory stays what it was. The first octets
that break this are printed.
"""

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from infrastructure.carriers import cmpp, sgip, smgp, smpp
from infrastructure.carriers.dialect import Dialect
from infrastructure.carriers.dialects import DIALECTS
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.session import Limits, Session
from infrastructure.carriers.sgip_inbound import InboundSession
from tests.infrastructure.carriers.octets import golden
from tests.infrastructure.carriers.rig import settings

_SPECIAL = (0x00, 0x01, 0x05, 0x7F, 0x80, 0xFE, 0xFF)
_MOST_KILOBYTES = 64 * 1024
_TEXTS = (b"id:", b"stat:", b"err:", b"done date:", b" sub:", b"DELIVRD", b"MK:0001")


@dataclass(frozen=True)
class Target:
    """One protocol to try: its codec, its dialect, and the golden PDUs to begin with."""

    protocol: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    frames: list[bytes]

    def dialect(self) -> Dialect:
        return DIALECTS[self.protocol](settings(1, protocol=self.protocol), china_now)


def targets() -> dict[str, Target]:
    """All protocols by name."""
    found = {
        name: Target(
            name, partial(cmpp.decode, version=version), partial(cmpp.encode, version=version), frames
        )
        for name, version, frames in (
            ("cmpp20", 0x20, list(golden("cmpp20").values())),
            ("cmpp30", 0x30, list(golden("cmpp30").values())),
        )
    }
    for name, codec in (("smpp34", smpp), ("sgip12", sgip), ("smgp30", smgp)):
        found[name] = Target(name, codec.decode, codec.encode, list(golden(name).values()))
    return found


def mutated(frames: list[bytes], dice: random.Random) -> bytes:
    """A golden PDU after one to eight accidents; its length field is mended in most cases."""
    frame = bytearray(dice.choice(frames))
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        dice.choice(_ACCIDENTS)(frame, dice, frames)
    if dice.random() < 0.8:
        frame[:4] = len(frame).to_bytes(4, "big")
    return bytes(frame)


def _change(frame: bytearray, dice: random.Random, _frames: list[bytes]) -> None:
    if frame:
        frame[dice.randrange(len(frame))] = dice.choice((*_SPECIAL, dice.randrange(256)))


def _flip(frame: bytearray, dice: random.Random, _frames: list[bytes]) -> None:
    if frame:
        frame[dice.randrange(len(frame))] ^= 1 << dice.randrange(8)


def _lie(frame: bytearray, dice: random.Random, _frames: list[bytes]) -> None:
    """A number of one, two or four octets somewhere becomes an extreme one."""
    size = dice.choice((1, 2, 4))
    at = dice.randrange(len(frame) + 1)
    frame[at : at + size] = dice.choice((0, 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)).to_bytes(size, "big")


def _cut(frame: bytearray, dice: random.Random, _frames: list[bytes]) -> None:
    del frame[dice.randrange(len(frame) + 1) :]


def _insert(frame: bytearray, dice: random.Random, _frames: list[bytes]) -> None:
    at = dice.randrange(len(frame) + 1)
    frame[at:at] = dice.choice((dice.randbytes(dice.randrange(40)), dice.choice(_TEXTS)))


def _remove(frame: bytearray, dice: random.Random, _frames: list[bytes]) -> None:
    at = dice.randrange(len(frame) + 1)
    del frame[at : at + dice.randrange(30)]


def _splice(frame: bytearray, dice: random.Random, frames: list[bytes]) -> None:
    other = dice.choice(frames)
    at = dice.randrange(min(len(frame), len(other)) + 1)
    frame[at:] = other[at:]


_ACCIDENTS = (_change, _flip, _lie, _cut, _insert, _remove, _splice)


def try_codec(target: Target, frame: bytes) -> bool:
    """Return whether the frame was read; raises whatever should not be."""
    try:
        pdu = target.decode(frame)
    except ProtocolError:
        return False
    repr(pdu)
    try:
        written = target.encode(pdu)
    except ProtocolError:
        return True
    if target.decode(written) != pdu:
        raise AssertionError("what was written is read as something else")
    return True


def try_dialect(dialect: Dialect, frame: bytes) -> None:
    """A dialect may want the connection closed; it never fails otherwise."""
    try:
        repr(dialect.hear(frame))
    except ProtocolError:
        return


def try_streams(target: Target, frames: list[bytes], dice: random.Random) -> None:
    """Frames in pieces, on our own connection and, where there is one, on the carrier's to us."""
    limits = Limits(window=10, response_seconds=1, keep_alive_seconds=1)
    sessions: list[Any] = [Session(target.dialect(), limits)]
    sessions[0].start(0.0)
    if target.protocol == "sgip12":
        sessions.append(InboundSession(lambda *_: 0, now=0.0, login_seconds=1, idle_seconds=1))
    stream = b"".join(frames)
    for piece in _pieces(stream, dice):
        for session in sessions:
            session.receive(piece, 0.0)
            session.take_output()


def _pieces(stream: bytes, dice: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(stream):
        size = dice.choice((1, 7, 64, 4_096))
        yield stream[at : at + size]
        at += size


def fuzz(target: Target, *, seconds: float, seed: int) -> tuple[int, int]:
    """Return how many frames were tried and how many of them were read; raises BrokenError at the first failure.

    However short the time, some frames are tried.
    """
    dice = random.Random(seed)
    dialect = target.dialect()
    tried = read = 0
    end = time.monotonic() + seconds
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while not tried or time.monotonic() < end:
        frames = [mutated(target.frames, dice) for _ in range(50)]
        for frame in frames:
            try:
                read += try_codec(target, frame)
                try_dialect(dialect, frame)
            except Exception as error:
                raise BrokenError(frame) from error
        try:
            try_streams(target, [dice.choice(target.frames), *frames], dice)
        except Exception as error:
            raise BrokenError(b"".join(frames)) from error
        tried += len(frames)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > _MOST_KILOBYTES:
        raise BrokenError(b"") from MemoryError(f"{grown} KB more than before")
    return tried, read


class BrokenError(Exception):
    """These octets did what octets must not do."""

    def __init__(self, octets: bytes) -> None:
        super().__init__(octets.hex())


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each protocol; 1 at the first failure, with the octets and the seed."""
    every = targets()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all of them together")
    parser.add_argument("--protocol", choices=[*every, "all"], default="all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(arguments)
    chosen = list(every) if options.protocol == "all" else [options.protocol]
    for name in chosen:
        try:
            tried, read = fuzz(every[name], seconds=options.seconds / len(chosen), seed=options.seed)
        except BrokenError as broken:
            print(
                f"{name}: broken with seed {options.seed} by {broken}: {broken.__cause__!r}", file=sys.stderr
            )
            return 1
        print(
            f"{name}: {tried} damaged frames, {read} of them still readable, seed {options.seed}", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
