"""Months of one link with known truth: what the platform recorded, the carrier's files about it, and every fault named.

Events are written as the store writes them, with times of the test's own, before anything else is in the log.
"""

import csv
import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg

from domain.aggregates.ledger import Ledger
from domain.events import Event
from domain.events.ledger import DebitReason, RefundReason
from domain.events.message import (
    Accepted,
    Charged,
    Delivered,
    Dimensions,
    DoubtResolved,
    ReceiptRecorded,
    SubmissionInDoubt,
    SubmissionStarted,
    Submitted,
    SubmittedPart,
)
from domain.events.reconciliation import BilledOn, Columns, MappingSaved, RowsAre
from domain.reconciling import Reason
from domain.recorded import Context, Recorded
from domain.values import SHANGHAI, Carrier, Category, ChargeOn, Lane, Sealed, message_id
from infrastructure.bootstrap import Platform
from infrastructure.mapper import encode

ACCOUNT, LINK, YEAR = "demo", "mobile", 2025
NOVEMBER, DECEMBER = "2025-11", "2025-12"
PRICE = 31_000
PHONE, TEST_PHONE = "+8613800138000", "+8613800138999"
HEADINGS = ("消息ID", "提交时间", "号码", "条数", "状态", "归属", "单价", "金额")
_BY = Context(actor="link:mobile")
_DELIVERED, _FAILED = "DELIVRD", "UNDELIV"


def mapping(
    *,
    billed_on: BilledOn = BilledOn.DELIVERED,
    rows_are: RowsAre = RowsAre.PARTS,
    sealed_test_numbers: str = "",
) -> MappingSaved:
    """How the files made here are read."""
    return MappingSaved(
        name=LINK,
        columns=Columns(
            carrier_id="消息ID",
            time="提交时间",
            phone="号码",
            segments="条数",
            status="状态",
            network="归属",
            price="单价",
            amount="金额",
        ),
        billed_on=billed_on,
        rows_are=rows_are,
        price_micros=PRICE,
        ported_statuses=("PORTED",),
        sealed_test_numbers=sealed_test_numbers,
    )


def moment(text: str) -> datetime:
    """A time in Shanghai of the year of the test: 11-03 10:00:00."""
    return datetime.strptime(f"{YEAR}-{text}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that the carrier took, and under which ids."""

    id: UUID
    at: datetime
    ids: tuple[str, ...]
    phone: str


@dataclass(slots=True, kw_only=True)
class Story:
    """What happened on the platform. Facts may be told in any order; they are written in that of their times."""

    platform: Platform
    told: list[tuple[datetime, UUID, int, Event]] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    phones: list[tuple[UUID, datetime, str]] = field(default_factory=list)
    postings: list[tuple[datetime, UUID, str, int]] = field(default_factory=list)

    def send(
        self,
        at: datetime,
        *,
        parts: int = 1,
        segments: int | None = None,
        status: str = _DELIVERED,
        reported_after: timedelta = timedelta(seconds=5),
        debited: bool = True,
        refunded: bool = False,
        phone: str = PHONE,
    ) -> Sent:
        """A message: accepted, taken under an id a part, reported (unless the status is empty)."""
        id_ = self._accept(at, segments=segments or parts, parts=parts, debited=debited, phone=phone)
        ids = tuple(self._carrier_id() for _ in range(parts))
        self._tell(at, id_, SubmissionStarted(attempt=1, link=LINK))
        taken = tuple(SubmittedPart(number=n, carrier_id=one) for n, one in enumerate(ids, 1))
        self._tell(at, id_, Submitted(link=LINK, parts=taken))
        if status:
            self.report(id_, at + reported_after, ids, status)
        if refunded:
            self.postings.append((at + reported_after, id_, "refund", segments or parts))
        return Sent(id=id_, at=at, ids=ids, phone=phone)

    def report(self, id_: UUID, at: datetime, ids: Sequence[str], status: str) -> None:
        """A receipt for every part, and the outcome."""
        for number, one in enumerate(ids, 1):
            receipt = ReceiptRecorded(
                part=number, carrier_id=one, status=status, error="000", carrier_time=""
            )
            self._tell(at, id_, receipt)
        if status == _DELIVERED:
            of = Dimensions(
                account=ACCOUNT, carrier=Carrier.MOBILE, template="", accepted_at=at, segments=len(ids)
            )
            self._tell(at, id_, Delivered(of=of))

    def doubt(self, at: datetime, *, resend: bool, phone: str) -> Sent:
        """A submission without an answer; sent again and delivered where somebody decided so."""
        id_ = self._accept(at, segments=1, parts=1, debited=True, phone=phone)
        self._tell(at, id_, SubmissionStarted(attempt=1, link=LINK))
        self._tell(at + timedelta(seconds=30), id_, SubmissionInDoubt(link=LINK, reason="no answer in time"))
        if not resend:
            return Sent(id=id_, at=at, ids=(), phone=phone)
        again = at + timedelta(minutes=30)
        resolved = DoubtResolved(carrier=Carrier.MOBILE, lane=Lane.BATCH, resend=True, reason="asked for")
        self._tell(again, id_, resolved)
        self._tell(again, id_, SubmissionStarted(attempt=2, link=LINK))
        one = self._carrier_id()
        self._tell(again, id_, Submitted(link=LINK, parts=(SubmittedPart(number=1, carrier_id=one),)))
        self.report(id_, again + timedelta(seconds=5), (one,), _DELIVERED)
        return Sent(id=id_, at=again, ids=(one,), phone=phone)

    def take_again(self, sent: Sent) -> str:
        """The same part taken once more under another id, which a doubt in between had made possible."""
        one = self._carrier_id()
        self._tell(
            sent.at + timedelta(minutes=2),
            sent.id,
            Submitted(link=LINK, parts=(SubmittedPart(number=1, carrier_id=one),)),
        )
        return one

    def write(self) -> None:
        """Put all of it into the log, and the numbers where they are sealed."""
        ordered = sorted([*self.told, *self._booked()], key=lambda one: one[0])
        versions: dict[UUID, itertools.count[int]] = {}
        schema = self.platform.settings.db_schema
        columns = "originator_id, originator_version, topic, state"
        copy = f"COPY {schema}.stored_events ({columns}) FROM STDIN (FORMAT BINARY)"
        with (
            psycopg.connect(self.platform.settings.database_url) as connection,
            connection.cursor().copy(copy.encode()) as rows,
        ):
            rows.set_types(["uuid", "int8", "text", "bytea"])
            for at, stream, _, event in ordered:
                version = next(versions.setdefault(stream, itertools.count(1)))
                recorded = Recorded(stream=stream, version=version, at=at, context=_BY, event=event)
                rows.write_row((stream, version, event.TOPIC, encode(recorded)))
        for id_, at, phone in self.phones:
            self._seal(id_, at.astimezone(SHANGHAI).date(), phone)

    def _seal(self, id_: UUID, day: date, phone: str) -> None:
        vault, schema = self.platform.vault, self.platform.settings.db_schema
        vault.ensure(day)
        self.platform.store.recorder.ensure_day(day)
        _, row = vault.seal(account=ACCOUNT, message=id_, day=day, phone=phone, text="您好")
        with psycopg.connect(self.platform.settings.database_url, autocommit=True) as connection:
            connection.execute(
                f"INSERT INTO {schema}.sealed_messages VALUES (%s, %s, %s, %s, %s)".encode(),
                (day, id_, ACCOUNT, row.phone_index, row.ciphertext),
            )

    def _booked(self) -> Iterable[tuple[datetime, UUID, int, Event]]:
        """The ledger's own postings, in the order of their times."""
        ledger = Ledger(account=ACCOUNT, year=YEAR)
        first = datetime(YEAR, 1, 1, tzinfo=SHANGHAI)
        (opened,) = ledger.open(allowance=1_000_000, at=first)
        ledger = ledger.after_posting(opened)
        yield first, ledger.stream, 0, opened
        debits: dict[UUID, int] = {}
        for at, id_, kind, segments in sorted(self.postings, key=lambda one: one[0]):
            if kind == "debit":
                (made,) = ledger.debit(
                    message=id_, reason=DebitReason.ACCEPTED, segments=segments, price_micros=38_000, at=at
                )
                debits[id_] = ledger.version + 1
            else:
                (made,) = ledger.refund(
                    message=id_,
                    debit=debits[id_],
                    reason=RefundReason.FAILED,
                    segments=segments,
                    price_micros=38_000,
                    at=at,
                )
            ledger = ledger.after_posting(made)
            yield at, ledger.stream, 0, made

    def _accept(self, at: datetime, *, segments: int, parts: int, debited: bool, phone: str) -> UUID:
        id_ = message_id(ACCOUNT, f"story-{next(self.numbers)}")
        if debited:
            self.postings.append((at, id_, "debit", segments))
        if phone != PHONE:
            self.phones.append((id_, at, phone))
        charged = Charged(year=YEAR, posting=1, included=segments, overage=0, price_micros=38_000)
        accepted = Accepted(
            account=ACCOUNT,
            category=Category.NOTICE,
            lane=Lane.BATCH,
            carrier=Carrier.MOBILE,
            signature="示例科技",
            template="",
            batch="",
            client_reference="",
            segments=segments,
            parts=parts,
            units=10,
            charge_on=ChargeOn.SUBMITTED,
            charged=charged,
            expires_at=at + timedelta(days=1),
            sealed=Sealed(day=at.astimezone(SHANGHAI).date(), digest="0" * 64),
            body_digest="b" * 32,
        )
        self._tell(at, id_, accepted)
        return id_

    def _tell(self, at: datetime, id_: UUID, event: Event) -> None:
        self.told.append((at, id_, len(self.told), event))

    def _carrier_id(self) -> str:
        return f"{next(self.numbers):08X}"


@dataclass(slots=True, kw_only=True)
class CarrierFile:
    """The rows of a carrier's file of one month."""

    rows: list[list[str]] = field(default_factory=list)

    def bill(
        self,
        id_: str,
        at: datetime,
        *,
        phone: str = "",
        segments: int | str = 1,
        status: str = _DELIVERED,
        network: str = "移动",
        price: str = "0.031",
        amount: str | None = None,
    ) -> str:
        """One more row; what it costs follows from its segments where it is not given. Its id."""
        cost = amount if amount is not None else f"{int(segments) * PRICE / 1_000_000:.3f}"
        when = f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
        self.rows.append([id_, when, phone, str(segments), status, network, price, cost])
        return id_

    def write(self, path: Path, *, shuffled: int = 0, encoding: str = "utf-8") -> Path:
        """As CSV; shuffled by a seed where one is given."""
        rows = list(self.rows)
        if shuffled:
            random.Random(shuffled).shuffle(rows)
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADINGS)
            writer.writerows(rows)
        return path


Truth = set[tuple[str, Reason, str]]
"""Carrier id, reason, note."""


@dataclass(slots=True, kw_only=True)
class GoldenMonths:
    """Two months in which every fault is there, and the truth about each."""

    story: Story
    november: CarrierFile = field(default_factory=CarrierFile)
    december: CarrierFile = field(default_factory=CarrierFile)
    truth: Truth = field(default_factory=set)
    december_truth: Truth = field(default_factory=set)

    def clean(self) -> None:
        """What agrees: one and more parts, failures, no receipts, midnight, lateness without consequence."""
        for number in range(20):
            sent = self.story.send(
                moment(f"11-{number % 25 + 3:02d} 10:00:{number:02d}"), parts=1 + number % 3
            )
            for id_ in sent.ids:
                self.november.bill(id_, sent.at, phone=PHONE if number % 2 else "138****8000")
        failed = self.story.send(moment("11-05 11:00:00"), status=_FAILED, refunded=True)
        self.november.bill(failed.ids[0], failed.at, status=_FAILED, amount="0")
        self.story.send(moment("11-05 11:30:00"), status=_FAILED, refunded=True)
        self.story.send(moment("11-05 12:00:00"), status="")
        midnight = self.story.send(moment("11-09 23:59:59"))
        self.november.bill(midnight.ids[0], midnight.at + timedelta(seconds=2))
        late = self.story.send(moment("11-06 10:00:00"), reported_after=timedelta(hours=90))
        self.november.bill(late.ids[0], late.at)
        self.story.send(moment("11-06 10:30:00"), phone=TEST_PHONE)

    def faults(self) -> None:
        """Every fault, each with its truth."""
        self._about_segments_and_receipts()
        self._about_submissions()
        self._about_money()
        self._about_rows()

    def edges(self) -> None:
        """Messages of the last seconds of November that the carrier books in December, and the other way round."""
        for number in range(3):
            sent = self.story.send(moment(f"11-30 23:59:{50 + number}"))
            self.december.bill(sent.ids[0], sent.at + timedelta(seconds=20))
            self.truth.add((sent.ids[0], Reason.MONTH_EDGE, "other_month"))
            self.december_truth.add((sent.ids[0], Reason.MONTH_EDGE, "other_month"))
        early = self.story.send(moment("12-01 00:00:03"))
        self.november.bill(early.ids[0], early.at - timedelta(seconds=10))
        self.truth.add((early.ids[0], Reason.MONTH_EDGE, "other_month"))
        self.december_truth.add((early.ids[0], Reason.MONTH_EDGE, "other_month"))
        failed = self.story.send(moment("11-30 23:58:00"), status=_FAILED)
        self.december.bill(failed.ids[0], failed.at + timedelta(minutes=5))
        self.truth.add((failed.ids[0], Reason.FAILED_BUT_BILLED, "billed"))
        self.december_truth.add((failed.ids[0], Reason.FAILED_BUT_BILLED, "billed"))
        for number in range(5):
            sent = self.story.send(moment(f"12-{number + 5:02d} 10:00:00"))
            self.december.bill(sent.ids[0], sent.at)
        twice = self.story.send(moment("11-30 23:57:00"))
        self.november.bill(twice.ids[0], twice.at)
        self.december.bill(twice.ids[0], twice.at + timedelta(minutes=4))
        self.december_truth.add((twice.ids[0], Reason.STATEMENT_ERROR, "billed_in_both_months"))

    def _fault(self, id_: str, reason: Reason, note: str) -> None:
        self.truth.add((id_, reason, note))

    def _about_segments_and_receipts(self) -> None:
        at = moment("11-10 09:00:00")
        send, bill = self.story.send, self.november.bill
        self._fault(bill(send(at).ids[0], at, segments=2), Reason.SEGMENT_COUNT, "carrier_and_parts")
        self._fault(bill(send(at, segments=2).ids[0], at), Reason.SEGMENT_COUNT, "ledger_and_parts")
        self._fault(bill(send(at, status="").ids[0], at), Reason.NO_RECEIPT, "billed")
        self._fault(bill(send(at, status="ACCEPTD").ids[0], at), Reason.NO_RECEIPT, "billed")
        late = timedelta(hours=80)
        known_late = send(at, reported_after=late)
        self._fault(
            bill(known_late.ids[0], at, status="UNKNOWN", amount="0"), Reason.LATE_RECEIPT, "delivered"
        )
        failed_late = send(at, status=_FAILED, reported_after=late, refunded=True)
        self._fault(bill(failed_late.ids[0], at), Reason.LATE_RECEIPT, "failed")
        self._fault(bill(send(at, status=_FAILED).ids[0], at), Reason.FAILED_BUT_BILLED, "billed")
        long = send(at, parts=3, status=_FAILED, refunded=True)
        for id_ in long.ids:
            self._fault(bill(id_, at), Reason.FAILED_BUT_BILLED, "billed")
        unbilled = send(at)
        self._fault(
            bill(unbilled.ids[0], at, status=_FAILED, amount="0"), Reason.DELIVERED_NOT_BILLED, "not_billed"
        )
        self._fault(bill(send(at, refunded=True).ids[0], at), Reason.DELIVERED_NOT_BILLED, "not_in_ledger")
        self._fault(bill(send(at, debited=False).ids[0], at), Reason.UNEXPLAINED, "no_debit")

    def _about_submissions(self) -> None:
        at = moment("11-12 09:00:00")
        send, bill = self.story.send, self.november.bill
        again = send(at)
        bill(again.ids[0], at)
        self._fault(
            bill(self.story.take_again(again), at + timedelta(minutes=2)),
            Reason.DUPLICATE_SUBMIT,
            "taken_again",
        )
        phones = ("+8613000130001", "+8613000130002")
        resent = self.story.doubt(at, resend=True, phone=phones[0])
        bill(resent.ids[0], resent.at, phone=phones[0])
        self._fault(
            bill("F0000001", at + timedelta(seconds=9), phone=phones[0]),
            Reason.DUPLICATE_SUBMIT,
            "unanswered",
        )
        self.story.doubt(at, resend=False, phone=phones[1])
        self._fault(
            bill("F0000002", at + timedelta(seconds=9), phone=phones[1]), Reason.NO_RECEIPT, "unanswered"
        )
        quiet = moment("11-13 03:33:00")
        self.story.doubt(quiet, resend=False, phone=PHONE)
        self._fault(bill("F0000003", quiet + timedelta(seconds=40)), Reason.NO_RECEIPT, "unanswered")
        for id_ in send(at, parts=2).ids:
            self._fault(id_, Reason.MISSING_AT_CARRIER, "no_row")
        self._fault(bill("F0000004", at, phone=PHONE), Reason.MISSING_AT_PLATFORM, "unknown_id")

    def _about_money(self) -> None:
        at = moment("11-14 09:00:00")
        send, bill = self.story.send, self.november.bill
        self._fault(bill(send(at).ids[0], at, price="0.045", amount="0.045"), Reason.PRICE, "price")
        self._fault(bill(send(at).ids[0], at, price="", amount="0.045"), Reason.PRICE, "amount")
        self._fault(bill(send(at).ids[0], at, amount="0.03"), Reason.ROUNDING, "rounded")
        self._fault(bill(send(at).ids[0], at, price="", amount="0.03"), Reason.ROUNDING, "rounded")
        ported = send(at)
        self._fault(
            bill(ported.ids[0], at, network="联通", price="0.045", amount="0.045"),
            Reason.PORTED_NUMBER,
            "price",
        )
        refused = send(at, status="PORTED")
        self._fault(bill(refused.ids[0], at), Reason.PORTED_NUMBER, "billed")
        self._fault(bill(send(at, phone=TEST_PHONE).ids[0], at), Reason.TEST_NUMBER, "billed")
        self._fault(bill("F0000005", at, phone=TEST_PHONE), Reason.TEST_NUMBER, "not_ours")

    def _about_rows(self) -> None:
        at = moment("11-16 09:00:00")
        send, bill = self.story.send, self.november.bill
        repeated = send(at)
        bill(repeated.ids[0], at)
        self._fault(bill(repeated.ids[0], at), Reason.STATEMENT_ERROR, "row_repeated")
        contradicted = send(at)
        self._fault(
            bill(contradicted.ids[0], at, status=_FAILED),
            Reason.STATEMENT_ERROR,
            "status_contradicts_receipt",
        )
        self._fault(bill("F0000006", moment("10-02 09:00:00")), Reason.STATEMENT_ERROR, "other_month")
        self._fault(
            bill("F0000007", at, segments="many", amount="0"), Reason.STATEMENT_ERROR, "segments_unreadable"
        )
        self._fault(bill("F0000008", at, amount="free"), Reason.STATEMENT_ERROR, "amount_unreadable")
        self._fault(bill("", at), Reason.STATEMENT_ERROR, "id_missing")
        self.november.rows.append(["F0000009", "yesterday", "", "1", "", "", "", "0"])
        self._fault("F0000009", Reason.STATEMENT_ERROR, "time_unreadable")
        self.november.rows.append(["13800138000", "2025-11-16 09:00:00", "", "1", "", "", "", "0"])
        self._fault("", Reason.STATEMENT_ERROR, "id_is_a_phone")
        self.november.rows.append(["合计", "", "", "99", "", "", "", "99"])
