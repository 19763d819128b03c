"""A month of one link as the log has it, and the carrier's file about it with a known share of faults.

The facts are written as the platform writes them, by templates of its own mapper, since making a million of each
event one by one would take longer than what is measured.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg

from domain.events import Event
from domain.events.ledger import Debited, DebitReason, Totals
from domain.events.message import (
    Accepted,
    Charged,
    Delivered,
    Dimensions,
    ReceiptRecorded,
    SubmissionStarted,
    Submitted,
    SubmittedPart,
)
from domain.recorded import Context, Recorded
from domain.values import SHANGHAI, Carrier, Category, ChargeOn, Lane, Sealed, stream_id
from infrastructure.mapper import encode

ACCOUNT, LINK = "demo", "mobile"
MONTH, FIRST, DAYS = "2026-03", datetime(2026, 3, 1, tzinfo=SHANGHAI), 31
PRICE_MICROS = 31_000
FAULTS = (
    "MISSING_AT_CARRIER",
    "MISSING_AT_PLATFORM",
    "SEGMENT_COUNT",
    "PRICE",
    "STATEMENT_ERROR",
    "DELIVERED_NOT_BILLED",
)
_AT, _ID, _MESSAGE = datetime(2026, 1, 1, 1, 1, 1, 111_111, tzinfo=UTC), "CARRIER-ID", UUID(int=7)
_POSTING, _CHAIN = 777_777_777, "c" * 64
_COLUMNS = "originator_id, originator_version, topic, state"
_CHUNK = 2_000


def seed(database_url: str, schema: str, count: int) -> None:
    """Write `count` messages of one part, each accepted, debited, submitted, reported and delivered."""
    ledger = stream_id("ledger", ACCOUNT, FIRST.year)
    shapes = [(topic, *_template(event)) for topic, event in _events()]
    copy = f"COPY {schema}.stored_events ({_COLUMNS}) FROM STDIN"
    with psycopg.connect(database_url) as connection, connection.cursor().copy(copy.encode()) as into:
        for begin in range(0, count, _CHUNK):
            lines = []
            for number in range(begin, min(count, begin + _CHUNK)):
                at = taken_at(number, count).astimezone(UTC)
                message = str(message_of(number))
                said = {
                    "at": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z",
                    "id": carrier_id(number),
                    "message": message,
                    "posting": str(number + 2),
                }
                for version, (topic, pieces, names) in enumerate(shapes):
                    stream, version_there = (message, version) if version else (str(ledger), number + 2)
                    state = "".join(
                        piece + said.get(name, "") for piece, name in zip(pieces, names, strict=True)
                    )
                    octets = state.encode().hex()
                    lines.append(f"{stream}\t{version_there}\t{topic}\t\\\\x{octets}\n")
            into.write("".join(lines))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"VACUUM ANALYZE {schema}.stored_events".encode())
        # What seeding left to be written would otherwise be written while something else is measured.
        connection.execute("CHECKPOINT")


def statement(path: Path, count: int, *, share: float = 0.03) -> Counter[str]:
    """Write the carrier's file; what was put into it by reason."""
    every = round(1 / share)
    truth: Counter[str] = Counter()
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("消息ID,提交时间,条数,状态,单价,金额\n")
        for number in range(count):
            fault = FAULTS[number // every % len(FAULTS)] if number % every == 0 else ""
            truth[fault] += bool(fault)
            file.writelines(_rows(number, count, fault))
    return +truth


def _rows(number: int, count: int, fault: str) -> Iterator[str]:
    at = f"{taken_at(number, count):%Y-%m-%d %H:%M:%S}"
    id_ = carrier_id(number)
    match fault:
        case "MISSING_AT_CARRIER":
            return
        case "MISSING_AT_PLATFORM":
            yield f"{id_},{at},1,DELIVRD,0.031,0.031\n"
            yield f"strange{number},{at},1,DELIVRD,0.031,0.031\n"
        case "SEGMENT_COUNT":
            yield f"{id_},{at},2,DELIVRD,0.031,0.062\n"
        case "PRICE":
            yield f"{id_},{at},1,DELIVRD,0.045,0.045\n"
        case "STATEMENT_ERROR":
            yield f"{id_},{at},1,DELIVRD,0.031,0.031\n"
            yield f"{id_}x,{at},many,DELIVRD,0.031,0.031\n"
        case "DELIVERED_NOT_BILLED":
            yield f"{id_},{at},1,UNDELIV,0.031,0\n"
        case _:
            yield f"{id_},{at},1,DELIVRD,0.031,0.031\n"


def taken_at(number: int, count: int) -> datetime:
    """When the carrier took a message: spread over the month, away from its edges."""
    seconds = (DAYS * 86_400 - 4 * 86_400) * number // count + 2 * 86_400
    return FIRST + timedelta(seconds=seconds)


def carrier_id(number: int) -> str:
    """The carrier's id of a message, as unlike a counter as real ones are."""
    return blake2b(str(number).encode(), digest_size=8).hexdigest()


def message_of(number: int) -> UUID:
    """The id of a message."""
    return UUID(bytes=blake2b(f"message {number}".encode(), digest_size=16).digest())


def _template(event: Event) -> tuple[list[str], list[str]]:
    """The stored form of an event, cut at what differs from message to message."""
    text = encode(
        Recorded(stream=_MESSAGE, version=1, at=_AT, context=Context(actor="key:bench"), event=event)
    ).decode()
    marks = {
        "2026-01-01T01:01:01.111111Z": "at",
        _ID: "id",
        str(_MESSAGE): "message",
        str(_POSTING): "posting",
    }
    pieces, names = [""], cast("list[str]", [])
    while text:
        mark = next((mark for mark in marks if text.startswith(mark)), None)
        if mark is None:
            pieces[-1] += text[0]
            text = text[1:]
        else:
            names.append(marks[mark])
            pieces.append("")
            text = text[len(mark) :]
    return pieces, [*names, ""]


def _events() -> list[tuple[str, Any]]:
    charged = Charged(year=FIRST.year, posting=_POSTING, included=1, overage=0, price_micros=38_000)
    of = Dimensions(account=ACCOUNT, carrier=Carrier.MOBILE, template="", accepted_at=_AT, segments=1)
    debited = Debited(
        account=ACCOUNT,
        message=_MESSAGE,
        reason=DebitReason.ACCEPTED,
        segments=1,
        included=1,
        overage=0,
        price_micros=38_000,
        after=replace(Totals(allowance=300_000_000), net=_POSTING),
        chain=_CHAIN,
    )
    accepted = Accepted(
        account=ACCOUNT,
        category=Category.NOTICE,
        lane=Lane.BATCH,
        carrier=Carrier.MOBILE,
        signature="示例科技",
        template="",
        batch="bench",
        client_reference="",
        segments=1,
        parts=1,
        units=40,
        charge_on=ChargeOn.SUBMITTED,
        charged=charged,
        expires_at=_AT,
        sealed=Sealed(day=FIRST.date(), digest="e" * 64),
        body_digest="b" * 32,
    )
    part = SubmittedPart(number=1, carrier_id=_ID)
    receipt = ReceiptRecorded(
        part=1, carrier_id=_ID, status="DELIVRD", error="000", carrier_time="2603020930"
    )
    events: tuple[Any, ...] = (
        debited,
        accepted,
        SubmissionStarted(attempt=1, link=LINK),
        Submitted(link=LINK, parts=(part,)),
        receipt,
        Delivered(of=of),
    )
    return [(event.TOPIC, event) for event in events]
