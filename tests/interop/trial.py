"""One frame for every protocol: the project's link against a strict gateway, and what each says of the other.

Expectations are in the link's words (phones with 86, statuses in capitals); how a protocol writes them is told
by an `Expected`. What else differs is told by a `Trial`.
"""

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from domain.text import split_ucs2
from infrastructure.carriers.dialect import sequences_to
from infrastructure.carriers.traffic import Answer, InDoubt, NotSent, Part, Receipt, Refused, Reply, Taken
from tests.infrastructure.carriers.rig import Desk, desk, until
from tests.interop import strict_wire
from tests.interop.strict_wire import Gateway, Habits

CHINA = timezone(timedelta(hours=8))
DONE_AT = datetime(2026, 11, 23, 17, 26, tzinfo=CHINA)
LONG = "尊敬的用户，您的快递已到达😀" * 11
CODINGS = {"ucs2": (8, "utf-16-be"), "gbk": (15, "gbk"), "ascii": (0, "ascii")}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """How a protocol's facts look on the link's side."""

    carrier_id: Callable[[strict_wire.Taken], str]
    status: Callable[[str], str] = str
    error_code: Callable[[str], str] = lambda _: ""
    done_text: str = "2611231726"
    done_at: datetime | None = DONE_AT


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One protocol: how a gateway of it is made, what a link to it is given, and what each says in its own way.

    `make` gives the gateway with such habits, `habits` are habits of its kind. `given` is what the contract with
    the carrier says of the link; `met_at` what the link must know of this one gateway besides.
    `wrong_logins` are settings of the link, or a refusal of the gateway's, with what the link then says.
    """

    name: str
    make: Callable[[Any], Gateway]
    habits: Callable[..., Habits]
    given: Mapping[str, object]
    met_at: Callable[[Any], Mapping[str, object]] = lambda _: {}
    expected: Expected
    codings: Sequence[str] = ("ucs2", "ascii", "gbk")
    late_numbers: Mapping[str, int]
    refused: int
    throttled: int
    code: Callable[[int], str] = str
    sequences: tuple[int, int] = (0, 0xFFFFFFFF)
    wrong_logins: Sequence[tuple[Mapping[str, object], str]]
    ways_to_deliver: Sequence[Mapping[str, object]] = ({}, {"pads_with_spaces": True})
    name_of_reply: Callable[[Reply], object] = lambda reply: reply.carrier_id
    also_of_replies: Mapping[str, object] = field(default_factory=dict)
    receipts_when_we_close: strict_wire.Receipts = "before"

    @cached_property
    def parts(self) -> list[Part]:
        """Three hundred parts in the codings of the protocol."""
        return three_hundred(codings=self.codings)

    def settings(self, gateway: Gateway, **changes: object) -> dict[str, Any]:
        """A link to that gateway with what its contract says."""
        return {**self.given, **self.met_at(gateway), **changes}

    def link_to(self, gateway: Gateway, **changes: object) -> AbstractAsyncContextManager[Desk]:
        """Such a link, bound to the gateway; after it nothing may be open and nothing may be found."""
        return link_to(gateway, **self.settings(gateway, **changes))

    def run(
        self,
        habits: Habits,
        parts: Sequence[Part],
        expected: Expected | None = None,
        *,
        receipts_each: int = 1,
        **changes: object,
    ) -> tuple[Any, Desk]:
        """All of it: bind, submit, receive, leave."""
        gateway = self.make(habits)
        given = self.settings(gateway, **changes)
        table = asyncio.run(
            exercise(gateway, parts, expected or self.expected, receipts_each=receipts_each, **given)
        )
        return gateway, table

    def count_from(self, table: Desk, first: int) -> None:
        """Let a link that has not said anything yet begin with this sequence number; it wraps as ever."""
        lowest, last = self.sequences
        numbers = sequences_to(last, lowest=lowest, first=first)
        vars(table.link._dialect)["sequences"] = lambda: numbers


def short(number: int, *, coding: str = "ucs2", extension: str = "", validity: int | None = None) -> Part:
    """A message of one part."""
    data_coding, codec = CODINGS[coding]
    text = f"【示例】您的验证码是{number:06}" if coding != "ascii" else f"Your code is {number:06}"
    return Part(
        destination=f"861380013{number:04}",
        payload=text.encode(codec),
        data_coding=data_coding,
        extension=extension,
        validity_seconds=validity,
    )


def long(number: int, *, reference_octets: int = 1) -> list[Part]:
    """A message in three parts, cut by the project; a header of seven octets leaves room for 66 units only."""
    pieces = split_ucs2(LONG) if reference_octets == 1 else (LONG[:60], LONG[60:120], LONG[120:])
    head = {1: b"\5\0\3", 2: b"\6\x08\4"}[reference_octets] + (number % 200).to_bytes(reference_octets, "big")
    return [
        Part(
            destination=f"861380013{number:04}",
            payload=head + bytes((len(pieces), place)) + piece.encode("utf-16-be"),
            data_coding=8,
            udh=True,
        )
        for place, piece in enumerate(pieces, 1)
    ]


def three_hundred(*, codings: Sequence[str] = ("ucs2", "ucs2", "ascii")) -> list[Part]:
    """Submits of every kind: 240 short ones in several codings, some with extension and validity, 20 long ones."""
    singles = [
        short(
            number,
            coding=codings[number % len(codings)],
            extension=("", "12", "0199")[number % 3],
            validity=(None, 300, 86_400)[number % 3],
        )
        for number in range(240)
    ]
    return singles + [
        part for number in range(240, 260) for part in long(number, reference_octets=1 + number % 2)
    ]


def sent_to(part: Part) -> tuple[str, bytes]:
    """What tells the parts of a run apart."""
    return part.destination, part.payload


def arrived(taken: strict_wire.Taken) -> tuple[str, bytes]:
    """The same, as it lay on the wire; content is without its header, so that one is built again."""
    header = b""
    if taken.udh:
        reference, total, number = taken.udh
        narrow = number_of_octets(taken) == 1
        header = b"\5\0\3" if narrow else b"\6\x08\4"
        header += reference.to_bytes(1 if narrow else 2, "big") + bytes((total, number))
    phone = taken.phone if len(taken.phone) > 11 else f"86{taken.phone}"
    return phone, header + taken.content


def number_of_octets(taken: strict_wire.Taken) -> int:
    """Octets of the reference: the messages of `long` alternate."""
    return 1 + int(taken.phone[-4:]) % 2


async def send_all(table: Desk, parts: Sequence[Part]) -> list[Answer]:
    """Submit all, again and again as far as the answers allow, and return the last answer of each."""
    return list(await asyncio.gather(*(send_one(table, part) for part in parts)))


async def send_one(table: Desk, part: Part) -> Answer:
    """Submit until there is an answer that stays; what was throttled or not sent may go again."""
    while True:
        await table.link.ready()
        answer = await table.link.submit(part)
        again = isinstance(answer, NotSent) or (isinstance(answer, Refused) and answer.throttled)
        if not again:
            return answer


def agree_on_answers(
    gateway: Gateway, parts: Sequence[Part], answers: Sequence[Answer], expected: Expected
) -> None:
    """Each part was answered as the gateway answered it; what it left unanswered is in doubt."""
    accepted = {arrived(taken): expected.carrier_id(taken) for taken in gateway.taken if not taken.result}
    ignored = {arrived(taken) for taken in gateway.ignored}
    for part, answer in zip(parts, answers, strict=True):
        key = sent_to(part)
        if isinstance(answer, Taken):
            assert answer.carrier_id == accepted[key]
        elif isinstance(answer, InDoubt):
            assert key in ignored
        else:
            assert isinstance(answer, Refused)
            assert not answer.code.startswith("local:"), answer.code
            assert key not in accepted
    assert len({part.destination for part in parts}) == len(
        {key[0] for key in [*accepted, *ignored]} | refused(parts, answers)
    )


def refused(parts: Sequence[Part], answers: Sequence[Answer]) -> set[str]:
    """The phones whose parts were refused."""
    return {
        part.destination for part, answer in zip(parts, answers, strict=True) if isinstance(answer, Refused)
    }


def reports(gateway: Gateway, expected: Expected, *, each: int = 1) -> Counter[Receipt]:
    """The receipts that the gateway has handed over."""
    return Counter(
        Receipt(
            carrier_id=expected.carrier_id(taken),
            status=expected.status(taken.stat),
            error_code=expected.error_code(taken.stat),
            done_text=expected.done_text,
            done_at=expected.done_at,
            phone=taken.phone if len(taken.phone) > 11 else f"86{taken.phone}",
        )
        for taken in gateway.taken
        if not taken.result and taken.wants_report
        for _ in range(each)
    )


@contextlib.asynccontextmanager
async def link_to(gateway: Gateway, **settings: object) -> AsyncIterator[Desk]:
    """The project's link, bound to a gateway; after it nothing may be open and nothing may be found."""
    defaults: dict[str, object] = {"window": gateway.window, "response_timeout_seconds": 5.0}
    async with gateway:
        async with desk(gateway.port, **{**defaults, **settings}) as table:
            yield table
            await until(lambda: gateway.unanswered() == 0)
        await until(lambda: all(line.gone for line in gateway.lines))
    assert gateway.findings == []


async def exercise(
    gateway: Gateway, parts: Sequence[Part], expected: Expected, *, receipts_each: int = 1, **settings: object
) -> Desk:
    """Bind, submit, receive everything, close; compare both books."""
    async with link_to(gateway, **settings) as table:
        answers = await send_all(table, parts)
        agree_on_answers(gateway, parts, answers, expected)
        wanted = reports(gateway, expected, each=receipts_each)
        await until(lambda: len(table.receipts) >= wanted.total())
    assert differences(Counter(table.receipts), wanted) == ([], [])
    return table


def differences(
    got: Counter[Receipt], wanted: Counter[Receipt]
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The first few that are too many, and that are missing; a Receipt hides its phone."""
    return [told(one) for one in (got - wanted)][:3], [told(one) for one in (wanted - got)][:3]


def told(receipt: Receipt) -> tuple[str, ...]:
    """All of a receipt."""
    return (
        receipt.carrier_id,
        receipt.status,
        receipt.error_code,
        receipt.done_text,
        str(receipt.done_at),
        receipt.phone,
    )


REPLIES = (
    ("13800138000", 8, "上行回复TD"),
    ("13000130000", 15, "退订回复"),
    ("18900189000", 0, "TD 12345"),
)


def replies(*, destination: str = "1069000112", prefix: str = "") -> list[strict_wire.Reply]:
    """Messages of subscribers: UCS-2, GBK, ASCII, GBK that says ASCII, and one in two parts."""
    codecs = {8: "utf-16-be", 15: "gbk", 0: "ascii"}
    made = [
        strict_wire.Reply(
            phone=prefix + phone, destination=destination, coding=coding, content=text.encode(codecs[coding])
        )
        for phone, coding, text in REPLIES
    ]
    mislabelled = strict_wire.Reply(
        phone=prefix + "13800138001", destination=destination, coding=0, content="退订".encode("gbk")
    )
    parts = [
        strict_wire.Reply(
            phone=prefix + "13800138002",
            destination=destination,
            coding=8,
            content=bytes((5, 0, 3, 0x2A, 2, number)) + text.encode("utf-16-be"),
            udhi=True,
        )
        for number, text in ((2, "下"), (1, "上" * 67))
    ]
    return [*made, mislabelled, *parts]


def as_link_says(sent: Sequence[strict_wire.Reply]) -> list[Reply]:
    """The replies as the link should bring them, but for what the protocol adds: their ids and numbers."""
    return [
        Reply(
            phone=f"86{one.phone.removeprefix('+').removeprefix('86')}",
            destination=one.destination,
            payload=one.content,
            data_coding=one.coding,
            udh=one.udhi,
        )
        for one in sent
    ]


def bare(got: Sequence[Reply]) -> list[Reply]:
    """The same replies without their ids and sequence numbers."""
    return [dataclasses.replace(one, carrier_id="", sequence=0) for one in got]


async def left_unanswered(
    gateway: Gateway, parts: Sequence[Part], expected: Expected, **settings: object
) -> list[Answer]:
    """Send to a gateway that passes some over, on a clock that stands still until it has answered the others."""
    now = 0.0
    silent = len(parts) // gateway.habits.silent_every
    async with link_to(gateway, **{**settings, "clock": lambda: now}) as table:
        sending = asyncio.create_task(send_all(table, parts))
        await until(lambda: len(table.answers) == len(parts) - silent)
        now += 10.0
        answers = await sending
        agree_on_answers(gateway, parts, answers, expected)
    return answers
