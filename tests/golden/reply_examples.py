"""Examples of replies, with a value of its own in every field."""

from dataclasses import replace
from datetime import date

from domain.events import Event, reply
from domain.values import Sealed

_OF = reply.Origin(
    account="acme",
    link="mobile-1",
    number="1069000000127",
    extension="00127",
    matched_by=reply.MatchedBy.RECENT,
    message="5f0a7d0c-3c0b-5b1e-9a53-6d1f5c1e2b11",
)
_SEALED = Sealed(day=date(2026, 12, 31), digest="e" * 64)

REPLIES: tuple[Event, ...] = (
    reply.ReplyReceived(of=_OF, keyword="TD", parts=2, exact=True, sealed=_SEALED),
    reply.PartReceived(
        of=_OF, part=1, parts=2, coding=8, gsm=True, identity="d" * 32, exact=True, sealed=_SEALED
    ),
)
_OF_2 = replace(_OF, asked="27")

REPLIES_2: tuple[Event, ...] = (
    reply.ReplyReceived(of=_OF_2, keyword="TD", parts=2, exact=True, sealed=_SEALED),
    reply.PartReceived(
        of=_OF_2, part=1, parts=2, coding=8, gsm=True, identity="d" * 32, exact=True, sealed=_SEALED
    ),
)
