"""What every download of a statement says, in Chinese with English beside: the same words, columns and sums."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.aggregates.statement import Statement, StatementState
from domain.events.statement import Content, Line, LineKind
from domain.periods import parse
from domain.values import MICROS_PER_YUAN, SHANGHAI
from domain.yuan_words import in_capitals


class Year(int):
    """A calendar year: a number that is written without separators."""


Cell = str | int | Decimal | date
Pair = tuple[str, str, Cell]
"""Chinese, English, value."""

KINDS = {
    LineKind.ALLOWANCE: ("套餐额度", "Package"),
    LineKind.DEBITS: ("短信扣费", "Debits"),
    LineKind.REFUNDS: ("失败退还", "Refunds"),
    LineKind.ADJUSTMENTS: ("账务调整", "Adjustments"),
    LineKind.EXPIRED: ("到期失效", "Expired"),
}
STATES = {
    StatementState.ISSUED: ("已出具", "issued"),
    StatementState.ACCEPTED: ("客户已确认", "accepted"),
    StatementState.DISPUTED: ("客户有异议", "disputed"),
    StatementState.RESOLVED: ("异议已处理", "resolved"),
}
COLUMNS = (
    ("序号", "No."),
    ("项目", "Item"),
    ("出账月份", "Stated in"),
    ("归属期间", "Belongs to"),
    ("账本年度", "Ledger"),
    ("单价（元）", "Price"),
    ("分录数", "Postings"),
    ("条数", "Segments"),
    ("套餐内", "Included"),
    ("超出", "Overage"),
    ("额度变动", "Package"),
    ("金额（元）", "Amount"),
    ("精确金额（元）", "Exact amount"),
    ("首条分录", "First posting"),
    ("末条分录", "Last posting"),
)
LEDGER_COLUMNS = (
    ("账本年度", "Ledger"),
    ("起始分录", "After posting"),
    ("截止分录", "Up to posting"),
    ("期初条数", "Used before"),
    ("期末条数", "Used after"),
    ("额度", "Package"),
    ("剩余", "Remaining"),
    ("累计超出", "Overage"),
    ("累计应付（元）", "Payable (yuan)"),
    ("链哈希", "Chain hash"),
)
MONTH_COLUMNS = (
    ("月份", "Month"),
    ("账单号", "Statement"),
    ("金额（元）", "Amount (yuan)"),
    ("哈希", "SHA-256"),
)
NOTES = (
    (
        "金额按各年度账本累计数四舍五入到分，逐行取差，各期账单之和与账本分毫不差。",
        "Amounts are the running total of each ledger, rounded half up to 0.01 yuan: no statement drifts.",
    ),
    (
        "合同固定费用不在本账单之内；以前期间的退还与调整列为本期明细，并注明归属期间。",
        "The fixed fee is not in this statement. Late refunds and adjustments name the period they belong to.",
    ),
)
NOTE_YEAR = (
    "本年度账单为各月账单之汇总，不另行收费。",
    "This statement sums up the monthly ones; nothing is charged again.",
)


@dataclass(frozen=True, slots=True)
class Document:
    """What is downloaded: a content, and the statement it was issued as, None for a preview."""

    content: Content
    statement: Statement | None = None

    @property
    def title(self) -> tuple[str, str]:
        """What it is."""
        yearly = parse(self.content.period).yearly
        chinese, english = (
            ("短信服务年度账单", "SMS statement of a year")
            if yearly
            else (
                "短信服务月度账单",
                "SMS statement of a month",
            )
        )
        return (chinese, english) if self.statement else (f"{chinese}（预览）", f"{english} (preview)")

    @property
    def file_name(self) -> str:
        """Without its ending."""
        return f"statement-{self.content.number}{'' if self.statement else '-preview'}"

    @property
    def notes(self) -> Sequence[tuple[str, str]]:
        """What stands below."""
        return (*NOTES, NOTE_YEAR) if parse(self.content.period).yearly else NOTES


def summary(document: Document) -> Iterator[Pair]:
    """The head of a statement."""
    content, issued = document.content, document.statement
    period = parse(content.period)
    yield "客户", "Customer", content.customer
    yield "账户", "Account", content.account
    yield "账单号", "Statement", content.number
    yield "账期", "Period", f"{period.first_day} – {period.last_day}"
    if period.yearly:
        yield "全年合计（元）", "Amount of the year (yuan)", yuan_of_fen(content.amount_fen)
    else:
        yield "应付金额（元）", "Amount due (yuan)", yuan_of_fen(content.amount_fen)
    yield "人民币大写", "In words", in_capitals(content.amount_fen)
    yield "套餐剩余条数", "Segments remaining", content.remaining
    if content.expired:
        yield "到期失效条数", "Segments expired", content.expired
    if issued is not None:
        yield "出具时间", "Issued", f"{issued.issued_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} +08:00"
        yield "异议截止日", "May be disputed until", issued.open_until
        chinese, english = STATES[issued.state]
        yield "状态", "State", f"{chinese} {english}"
        yield "内容哈希", "SHA-256", issued.hash
    yield from _forecast(content)


def _forecast(content: Content) -> Iterator[Pair]:
    found = content.forecast
    if found is None:
        return
    basis = (
        f"{found.observed_days} 天净用量 net use of {found.observed_days} days: {found.observed_segments:,}"
    )
    yield "预测依据", "Forecast from", basis
    yield "预计用完日", "Package used up", found.runs_out_on or "本年内不会用完 not this year"
    yield "预计年末超出条数", "Overage at year's end", found.overage
    yield "预计全年应付（元）", "Payable at year's end (yuan)", exact_yuan(found.amount_micros)


def rows(content: Content) -> Iterator[tuple[Cell, ...]]:
    """The lines, in the order of COLUMNS."""
    for number, line in enumerate(content.lines, 1):
        yield (
            number,
            " ".join(KINDS[line.kind]),
            line.stated_in,
            line.period,
            Year(line.year),
            price(line),
            line.postings,
            line.segments,
            line.included,
            line.overage,
            line.allowance,
            yuan_of_fen(line.amount_fen),
            exact_yuan(line.amount_micros),
            line.first,
            line.last,
        )


def total(content: Content) -> tuple[Cell, ...]:
    """The sum of the lines, in the order of COLUMNS."""
    lines = content.lines
    segments, included, overage = (
        sum(getattr(line, name) for line in lines) for name in ("segments", "included", "overage")
    )
    amounts = (yuan_of_fen(content.amount_fen), exact_yuan(content.amount_micros))
    return ("", "合计 Total", "", "", "", "", "", segments, included, overage, "", *amounts, "", "")


def ledgers(content: Content) -> Iterator[tuple[Cell, ...]]:
    """The ledgers, in the order of LEDGER_COLUMNS."""
    for section in content.sections:
        before, after = section.opening, section.closing
        yield (
            Year(section.year),
            section.after,
            section.upto,
            before.net,
            after.net,
            after.allowance,
            after.remaining,
            after.overage,
            exact_yuan(after.payable_micros),
            section.chain,
        )


def months(content: Content) -> Iterator[tuple[Cell, ...]]:
    """The monthly statements a yearly one rests on, in the order of MONTH_COLUMNS."""
    for rest in content.rests_on:
        yield rest.period, rest.number, yuan_of_fen(rest.amount_fen), rest.hash


def price(line: Line) -> Cell:
    """The price of a line; none where nothing has one."""
    return exact_yuan(line.price_micros) if line.price_micros else ""


def yuan_of_fen(fen: int) -> Decimal:
    """Whole fen as yuan, exact."""
    return Decimal(fen).scaleb(-2)


def exact_yuan(micros: int) -> Decimal:
    """Micro-yuan as yuan, exact, with at least two decimals."""
    value = (Decimal(micros) / MICROS_PER_YUAN).normalize()
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return value.quantize(Decimal("0.01")) if exponent > -2 else value


def heading(names: tuple[str, str]) -> str:
    """Chinese and English of a column."""
    return " ".join(names)


def unmixed(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
