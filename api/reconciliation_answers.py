"""Reconciliations as they are answered, and mappings as they are asked for."""

import re
from collections.abc import Mapping as AMapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from api.reconciliation_schemas import (
    DifferenceLine,
    MappingAnswer,
    MappingRequest,
    MonthBeside,
    MonthEdge,
    ReasonSum,
    ReconciliationAnswer,
    RunResult,
    RunSummary,
    StatementColumns,
)
from api.schemas import money
from application.reconcile_statements import find_mapping
from domain.aggregates.reconciliation import Mapping
from domain.errors import BadInput, NotFound
from domain.events.reconciliation import Columns, MappingSaved, RunCompleted
from domain.numbering import normalise
from domain.reconciling import Reason
from infrastructure.bootstrap import Platform
from infrastructure.reconciler import test_purpose
from infrastructure.reconciliation_tables import RunState
from infrastructure.reconciliations import Edges, Reconciliation

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


async def wanted_mapping(platform: Platform, name: str, body: MappingRequest) -> MappingSaved:
    """A mapping as it is to be saved. Refuses mapping_invalid and invalid_phone."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            "mapping_invalid", "A name is 1 to 32 small letters, digits and dashes.", field="carrier"
        )
    columns = body.columns
    return MappingSaved(
        name=name,
        columns=Columns(**{field: getattr(columns, field).strip() for field in columns.__struct_fields__}),
        header_row=body.header_row,
        time_format=body.time_format,
        money_unit=body.money_unit,
        rows_are=body.rows_are,
        billed_on=body.billed_on,
        receipts=body.receipts,
        price_micros=body.price_micros,
        rounding_micros=body.rounding_micros,
        delivered_statuses=tuple(body.delivered_statuses),
        pending_statuses=tuple(body.pending_statuses),
        ported_statuses=tuple(body.ported_statuses),
        networks=tuple(body.networks.items()),
        late_hours=body.late_hours,
        edge_minutes=body.edge_minutes,
        sealed_test_numbers=await _test_numbers(platform, name, body.test_numbers),
    )


async def _test_numbers(platform: Platform, name: str, numbers: list[str] | None) -> str:
    """The numbers sealed; the same again where they are the same, so that saving twice is one fact."""
    try:
        before = (await find_mapping(platform.store, name)).saved.sealed_test_numbers
    except NotFound:
        before = ""
    if numbers is None:
        return before
    wanted = sorted({normalise(number) for number in numbers})
    known = platform.vault.open_secret(before, purpose=test_purpose(name)).split() if before else []
    if wanted == known:
        return before
    return platform.vault.seal_secret(" ".join(wanted), purpose=test_purpose(name)) if wanted else ""


def mapping_of(mapping: Mapping) -> MappingAnswer:
    """A mapping as it stands."""
    saved = mapping.saved
    return MappingAnswer(
        name=saved.name,
        version=mapping.version,
        columns=StatementColumns(
            **{field: getattr(saved.columns, field) for field in StatementColumns.__struct_fields__}
        ),
        header_row=saved.header_row,
        time_format=saved.time_format,
        money_unit=saved.money_unit,
        rows_are=saved.rows_are,
        billed_on=saved.billed_on,
        receipts=saved.receipts,
        price=money(saved.price_micros),
        rounding_micros=saved.rounding_micros,
        delivered_statuses=list(saved.delivered_statuses),
        pending_statuses=list(saved.pending_statuses),
        ported_statuses=list(saved.ported_statuses),
        networks=dict(saved.networks),
        late_hours=saved.late_hours,
        edge_minutes=saved.edge_minutes,
        has_test_numbers=bool(saved.sealed_test_numbers),
    )


def summary_of(run: RunState) -> RunSummary:
    """A run and how far it is."""
    return RunSummary(**_summary(run))


def reconciliation_of(found: Reconciliation) -> ReconciliationAnswer:
    """A run with its file and its result."""
    statement = found.statement
    return ReconciliationAnswer(
        **_summary(found.run),
        statement=statement.id,
        rows=statement.rows,
        bad_rows=statement.bad_rows,
        file_digest=statement.file_digest,
        superseded_by=found.superseded_by,
        result=_result(found.result, found.edges) if found.result and found.edges else None,
    )


def _summary(run: RunState) -> dict[str, Any]:
    return {
        "id": run.id,
        "link": run.link,
        "month": f"{run.month:%Y-%m}",
        "mapping": run.mapping,
        "by": run.by,
        "state": run.state,
        "phase": run.phase,
        "done": run.done,
        "problem": run.problem,
        "requested_at": run.requested_at,
        "finished_at": run.finished_at,
    }


def _result(result: RunCompleted, edges: Edges) -> RunResult:
    sums = [
        ReasonSum(
            reason=Reason(total.reason),
            differences=total.differences,
            segments=total.segments,
            amount=money(total.amount_micros),
        )
        for total in result.totals
    ]
    if not any(one.reason is Reason.UNEXPLAINED for one in sums):
        sums.insert(0, ReasonSum(reason=Reason.UNEXPLAINED, differences=0, segments=0, amount=money(0)))
    return RunResult(
        upto=result.upto,
        mapping_version=result.mapping_version,
        platform_segments=result.platform_segments,
        carrier_segments=result.carrier_segments,
        ledger_segments=result.ledger_segments,
        platform_amount=money(result.platform_micros),
        carrier_amount=money(result.carrier_micros),
        totals=sums,
        month_edge=MonthEdge(
            at_begin=edges.at_begin, at_end=edges.at_end, month_before=edges.month_before, net=edges.net
        ),
        neighbours=[
            MonthBeside(month=one.month, statement=one.statement, content_digest=one.content_digest)
            for one in result.neighbours
        ],
        result_hash=result.result_hash,
        supersedes=result.supersedes,
    )


def difference_of(found: AMapping[str, Any]) -> DifferenceLine:
    """A difference as the table holds it."""
    message, day = found["message"], found["day"]
    return DifferenceLine(
        id=UUID(found["id"]),
        reason=Reason(found["reason"]),
        note=found["note"],
        carrier_id=found["carrier_id"],
        day=date.fromisoformat(day) if day else None,
        message=UUID(message) if message else None,
        part=found["part"],
        account=found["account"],
        year=found["year"],
        postings=found["postings"],
        rows=found["rows"],
        rows_month=found["rows_month"],
        platform_segments=found["platform_segments"],
        carrier_segments=found["carrier_segments"],
        ledger_segments=found["ledger_segments"],
        platform_amount=money(found["platform_micros"]),
        carrier_amount=money(found["carrier_micros"]),
        platform_status=found["platform_status"],
        carrier_status=found["carrier_status"],
        taken_at=_moment(found["taken_at"]),
        reported_at=_moment(found["reported_at"]),
        row_at=_moment(found["row_at"]),
        adjustment=found["adjustment"],
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
