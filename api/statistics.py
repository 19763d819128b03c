"""What was sent and what became of it, in numbers: total = delivered + failed + not yet reported."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import UNSET

from api import examples
from api.answers import answer
from api.auth import platform_of, requires
from api.describing import operation
from api.read_side import read_as_of
from api.report_schemas import (
    StatisticsAnswer,
    StatisticsRow,
)
from domain.aggregates.access import Key
from domain.errors import BadInput
from domain.events.access import Scope
from projections import statistics
from projections.statistics import By, StatisticsLine

router = APIRouter(tags=["statistics"])


@router.get(
    "/v1/statistics",
    **operation(
        "Counts by day, carrier and template",
        scope=Scope.STATISTICS,
        answer=StatisticsAnswer,
        example=examples.STATISTICS,
        problems=("invalid_value", "read_model_missing"),
    ),
)
async def read_statistics(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.STATISTICS))],
    since: Annotated[date | None, Query(alias="from", description="First day of acceptance.")] = None,
    until: Annotated[date | None, Query(alias="to", description="Last day of acceptance.")] = None,
    group_by: Annotated[
        str, Query(max_length=40, description="Any of day, carrier, template, with commas.", examples=["day"])
    ] = "day",
) -> Response:
    """Messages by the day they were accepted (Asia/Shanghai), from the read model."""
    groups = _groups(group_by)
    (lines, total), as_of = await read_as_of(
        platform_of(request),
        statistics.PROJECTION.name,
        lambda rows: (
            statistics.lines(rows, key.account, since=since, until=until, group_by=groups),
            statistics.lines(rows, key.account, since=since, until=until),
        ),
    )
    rows = [_row(line) for line in lines]
    return answer(StatisticsAnswer(rows=rows, total=_row(total[0]), as_of=as_of))


def _groups(text: str) -> list[By]:
    try:
        return [By(name) for name in dict.fromkeys(text.split(","))] if text else []
    except ValueError:
        raise BadInput(
            "invalid_value", "Group by day, carrier or template, with commas between.", field="group_by"
        ) from None


def _row(line: StatisticsLine) -> StatisticsRow:
    return StatisticsRow(
        total=line.total,
        delivered=line.delivered,
        failed=line.failed,
        not_yet_reported=line.not_yet_reported,
        segments=line.segments,
        day=UNSET if line.day is None else line.day,
        carrier=UNSET if line.carrier is None else line.carrier,
        template=UNSET if line.template is None else line.template,
    )
