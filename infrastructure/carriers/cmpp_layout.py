"""Where the octets of CMPP 2.0 and 3.0 differ: sizes of phone numbers, tails and results."""

import struct
from dataclasses import dataclass

from infrastructure.carriers.cmpp_pdus import Version

__all__ = ["EITHER", "LAYOUTS", "Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the versions differ. `phone` and `tail` are sizes; the structs end before the variable fields."""

    phone: int
    tail: int
    submit: struct.Struct
    deliver: struct.Struct
    connect_resp: struct.Struct
    answer: struct.Struct
    result: struct.Struct
    typed: bool


LAYOUTS: dict[Version, Layout] = {
    0x20: Layout(
        phone=21,
        tail=8,
        submit=struct.Struct(">Q4B10sB21s3B6s2s6s17s17s21sB"),
        deliver=struct.Struct(">Q21s10s3B21s2B"),
        connect_resp=struct.Struct(">B16sB"),
        answer=struct.Struct(">QB"),
        result=struct.Struct(">B"),
        typed=False,
    ),
    0x30: Layout(
        phone=32,
        tail=20,
        submit=struct.Struct(">Q4B10sB32s4B6s2s6s17s17s21sB"),
        deliver=struct.Struct(">Q21s10s3B32s3B"),
        connect_resp=struct.Struct(">I16sB"),
        answer=struct.Struct(">QI"),
        result=struct.Struct(">I"),
        typed=True,
    ),
}
EITHER = tuple(LAYOUTS.values())
