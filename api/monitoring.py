"""For operators and their machines: links, queues and lags, whether a process lives, whether it can work."""

import asyncio
import time
from collections.abc import Iterable
from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Request, Response
from psycopg.sql import SQL, Identifier

from api import examples
from api.answers import answer
from api.auth import platform_of, requires
from api.describing import operation
from api.errors import CATALOGUE
from api.read_side import head, positions, read
from api.report_schemas import (
    Health,
    MonitoringAnswer,
    ProblemCatalogue,
    ProblemKind,
    ProjectionLag,
)
from api.standings import PROBE_SECONDS, link_answer
from domain.aggregates.access import Key
from domain.errors import NotFound, Refusal
from domain.events.access import Scope
from domain.values import local_day
from infrastructure import schema_version
from infrastructure.bootstrap import Platform
from infrastructure.metrics import CONTENT_TYPE
from projections.projection import ReadCursor

router = APIRouter(tags=["operations"])


@router.get(
    "/v1/monitoring",
    **operation(
        "Links, lanes and lags",
        scope=Scope.MONITORING,
        answer=MonitoringAnswer,
        example=examples.MONITORING,
        problems=("read_model_missing",),
    ),
)
async def read_monitoring(
    request: Request,
    key: Annotated[Key, Depends(requires(Scope.MONITORING))],  # noqa: ARG001
) -> Response:
    """Links as their workers tell and as the log knows them, jobs in their queues, and how far each read model is
    behind. Without Redis there are no live figures and no queues."""
    platform = platform_of(request)
    position_by_name, end = await read(platform, lambda rows: _positions(rows, platform))
    network = await request.app.standings.look()
    return answer(
        MonitoringAnswer(
            live=network.board,
            links=[link_answer(each) for each in network.links],
            projections=[
                ProjectionLag(name=name, position=position, lag=max(0, end - position))
                for name, position in position_by_name.items()
            ],
            head=end,
            waiting_for_log=platform.store.waiting,
        )
    )


@router.get("/healthz", **operation("Alive?", answer=Health, example=examples.HEALTHY))
async def healthz() -> Response:
    """The process answers; says nothing about what it depends on."""
    return answer(Health(status="ok", checks={}))


@router.get(
    "/readyz",
    **operation(
        "Ready?",
        answer=Health,
        example=examples.READY,
        also={503: "Not ready; `checks` says why."},
    ),
)
async def readyz(request: Request) -> Response:
    """The database answers, is migrated, and takes today's messages. On a connection of its own, at most 3 s."""
    try:
        async with asyncio.timeout(PROBE_SECONDS + 1):
            checks = await asyncio.to_thread(_probe, platform_of(request))
    except (psycopg.Error, TimeoutError):
        checks = {"database": "does not answer"}
    ready = all(state == "ok" for state in checks.values())
    return answer(Health(status="ok" if ready else "not ready", checks=checks), 200 if ready else 503)


@router.get(
    "/metrics", response_class=Response, summary="Figures for Prometheus", openapi_extra={"security": []}
)
async def read_metrics(request: Request) -> Response:
    """Text format 0.0.4. Each API process has its own figures of requests; those of links are the same in each."""
    await asyncio.gather(request.app.lags.refresh(), request.app.standings.refresh())
    return Response(request.app.metrics.page(), media_type=CONTENT_TYPE)


@router.get("/problems", **operation("All problems", answer=ProblemCatalogue, example=examples.PROBLEMS))
async def read_problems() -> Response:
    """Every code the API answers with, its status, and what to do about it."""
    return answer(ProblemCatalogue(problems=[_problem(code) for code in CATALOGUE]))


@router.get(
    "/problems/{code}",
    **operation(
        "One problem", answer=ProblemKind, example=examples.PROBLEMS["problems"][0], problems=("not_found",)
    ),
)
async def read_problem(code: str) -> Response:
    """Where the `type` of a problem document leads."""
    if code not in CATALOGUE:
        raise NotFound("not_found", "There is no such problem.", field="code")
    return answer(_problem(code))


class Lags:
    """The read models' lags as last looked at, for gauges that cannot wait."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._known: dict[str, int] = {}
        self._looked = float("-inf")

    def __call__(self) -> Iterable[tuple[str, int]]:
        """Name and events behind."""
        return self._known.items()

    async def refresh(self) -> None:
        """Look again, at most once a second; what cannot be read is not shown."""
        if time.monotonic() - self._looked < 1:
            return
        self._looked = time.monotonic()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                found, end = await read(self._platform, lambda rows: _positions(rows, self._platform))
        except (Refusal, TimeoutError):
            self._known = {}
        except Exception:  # noqa: BLE001  (the page must show what else there is)
            self._known = {}
        else:
            self._known = {name: max(0, end - position) for name, position in found.items()}


def _positions(rows: ReadCursor, platform: Platform) -> tuple[dict[str, int], int]:
    return positions(rows), head(rows, platform.settings.db_schema)


def _probe(platform: Platform) -> dict[str, str]:
    schema = platform.settings.db_schema
    partition = f"sealed_messages_{local_day(platform.now()):%Y%m%d}"
    with psycopg.connect(platform.settings.database_url, connect_timeout=PROBE_SECONDS) as connection:
        connection.execute(SQL("SET statement_timeout = {}").format(PROBE_SECONDS * 1_000))
        known = connection.execute(
            "SELECT to_regclass(%s), to_regclass(%s)", (f"{schema}.schema_version", f"{schema}.{partition}")
        ).fetchone()
        if known is None or known[0] is None:
            return {"database": "ok", "schema": "not migrated"}
        query = SQL("SELECT version_num FROM {}").format(Identifier(schema, "schema_version"))
        version = connection.execute(query).fetchone()
    newest = version is not None and version[0] == schema_version.newest()
    return {
        "database": "ok",
        "schema": "ok" if newest else "not at the newest migration",
        "today": "ok" if known[1] else "today's partition is missing: start the scheduler",
    }


def _problem(code: str) -> ProblemKind:
    kind = CATALOGUE[code]
    return ProblemKind(code=code, status=kind.status, title=kind.title, advice=kind.advice)
