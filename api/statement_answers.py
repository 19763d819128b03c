"""Statements as the HTTP interface writes them."""

from datetime import datetime

from api.schemas import money
from api.statement_schemas import (
    ForecastAnswer,
    LinePosting,
    StatementAnswer,
    StatementLine,
    StatementSummary,
)
from application.fold_statement import Part
from application.postings import PostingRow
from domain.aggregates.statement import MICROS_PER_FEN, Statement
from domain.events.statement import Forecast, Line
from domain.yuan_words import in_capitals
from infrastructure.statement_texts import Document


def summary_of(statement: Statement) -> StatementSummary:
    """A statement in a list."""
    content = statement.content
    return StatementSummary(
        period=content.period,
        number=content.number,
        state=statement.state,
        amount=money(content.amount_fen * MICROS_PER_FEN),
        issued_at=statement.issued_at,
        open_until=statement.open_until,
        hash=statement.hash,
    )


def statement_of(document: Document) -> StatementAnswer:
    """A whole statement, or a preview."""
    content, issued = document.content, document.statement
    made = StatementAnswer(
        account=content.account,
        customer=content.customer,
        period=content.period,
        number=content.number,
        state="preview",
        amount=money(content.amount_fen * MICROS_PER_FEN),
        in_words=in_capitals(content.amount_fen),
        remaining=content.remaining,
        expired=content.expired,
        lines=[_line(number, line) for number, line in enumerate(content.lines, 1)],
        forecast=forecast_of(content.forecast) if content.forecast else None,
        hash="",
        content=content,
    )
    if issued is not None:
        made.state, made.hash = issued.state, issued.hash
        made.issued_at, made.open_until = issued.issued_at, issued.open_until
        made.said_by, made.said, made.adjustment = issued.by, issued.words, issued.adjustment
    return made


def forecast_of(found: Forecast) -> ForecastAnswer:
    """A forecast."""
    return ForecastAnswer(
        method=found.method,
        as_of=found.as_of,
        observed_days=found.observed_days,
        observed_segments=found.observed_segments,
        runs_out_on=found.runs_out_on,
        net=found.net,
        overage=found.overage,
        amount=money(found.amount_micros),
    )


def line_posting(row: PostingRow, part: Part) -> LinePosting:
    """A posting of a line."""
    fact = row.fact
    made = LinePosting(
        posting=row.version,
        at=datetime.fromisoformat(row.at),
        kind=row.topic.partition(".")[2],
        segments=part.included + part.overage,
        included=part.included,
        overage=part.overage,
        allowance=part.allowance,
        amount=money(part.amount_micros),
    )
    for name, value in (
        ("message", fact.message),
        ("reason", fact.reason),
        ("takes_back", fact.debit),
        ("adjustment", fact.adjustment),
        ("amendment", fact.amendment),
    ):
        if value:
            setattr(made, name, value)
    return made


def _line(number: int, line: Line) -> StatementLine:
    return StatementLine(
        line=number,
        kind=line.kind,
        year=line.year,
        period=line.period,
        stated_in=line.stated_in,
        price=money(line.price_micros),
        postings=line.postings,
        segments=line.segments,
        included=line.included,
        overage=line.overage,
        allowance=line.allowance,
        amount=money(line.amount_micros),
        billed=money(line.amount_fen * MICROS_PER_FEN),
        difference_micros=line.difference_micros,
    )
