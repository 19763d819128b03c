"""The processes of the platform as commands: all of one machine by `up`, or each by its own name."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli_faults import explain
from api.cli_session import read_settings, said

if TYPE_CHECKING:
    from infrastructure.settings import Settings


@contextmanager
def _process(name: str) -> "Iterator[Settings]":
    """The settings of a process, whose log has its name in every line; a fault of ours ends it in that log."""
    from infrastructure import log_lines

    settings = read_settings()
    usual = logging.getLogRecordFactory()

    def named(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401
        record = usual(*args, **kwargs)
        record.process_name = name
        return record

    logging.setLogRecordFactory(named)
    log_lines.configure(settings.log_level)
    try:
        yield settings
    except Exception as error:
        if explain(error) is not None:
            raise
        logging.getLogger(__name__).critical("the process ends by a fault", exc_info=True)
        raise SystemExit(1) from None


def api(
    port: Annotated[
        int | None, typer.Option(help="Instead of SMSLEDGER_HTTP_PORT.", min=1, max=65_535)
    ] = None,
) -> None:
    """Answer HTTP requests. Start it as often as you have cores: they share the port.

    Example: SMSLEDGER_HTTP_PORT=8080 smsledger api
    """
    from api.server import serve

    with _process("api") as settings:
        serve(settings if port is None else settings.model_copy(update={"http_port": port}))


def worker() -> None:
    """Own connections of links that nobody else owns, carry messages and bring receipts home.

    Example: smsledger worker
    """
    from infrastructure.processes import run_worker

    with _process("worker") as settings:
        run_worker(settings)


def dispatcher() -> None:
    """Turn the log into jobs. A second one waits for the first to end.

    Example: smsledger dispatcher
    """
    from infrastructure.processes import run_dispatcher

    with _process("dispatcher") as settings:
        run_dispatcher(settings)


def projector() -> None:
    """Keep the read models up with the log. Each has one owner; several projectors share them among themselves.

    Example: smsledger projector
    """
    from infrastructure.processes import run_projector

    with _process("projector") as settings:
        run_projector(settings)


def scheduler() -> None:
    """Do what time brings: days, the turn of the year, what got stuck. A second one waits.

    Example: smsledger scheduler
    """
    from infrastructure.processes import run_scheduler

    with _process("scheduler") as settings:
        run_scheduler(settings)


def migrate() -> None:
    """Bring the database up to this version. Doing it again is harmless.

    Example: SMSLEDGER_DATABASE_URL=postgresql://… smsledger migrate
    """
    from infrastructure import migrations, projector

    settings = read_settings()
    migrations.upgrade(settings.database_url, schema=settings.db_schema)
    projector.prepare(settings)
    said("the database is up to date")


def up(
    with_simulator: Annotated[
        bool, typer.Option("--with-simulator", help="Also simulated carriers, one for each protocol.")
    ] = False,
    control_port: Annotated[
        int | None, typer.Option(help="Of the simulated carriers: take orders over HTTP.", min=1, max=65_535)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Of the API, instead of SMSLEDGER_HTTP_PORT.", min=1, max=65_535)
    ] = None,
    api_processes: Annotated[
        int | None, typer.Option(help="Instead of SMSLEDGER_API_PROCESSES.", min=1, max=64)
    ] = None,
) -> None:
    """Everything on this machine, until Ctrl-C: servers, migrations and all processes, looked after.

    Example: smsledger up --with-simulator
    """
    from infrastructure.settings import load
    from infrastructure.simulator.offers import ACCOUNT, EVERY_PROTOCOL, default_ports
    from infrastructure.stack import SimulatorPlan, run_until_stopped

    settings = load()
    changed = {"http_port": port, "api_processes": api_processes}
    settings = settings.model_copy(
        update={name: value for name, value in changed.items() if value is not None}
    )
    if control_port and not with_simulator:
        raise typer.BadParameter("--control-port is of the simulated carriers: say --with-simulator too")
    options = ("--control-port", str(control_port)) if control_port else ()
    plan = SimulatorPlan(ports=default_ports(EVERY_PROTOCOL), accounts={ACCOUNT: ACCOUNT}, options=options)
    simulated = plan if with_simulator else None
    run_until_stopped(settings, simulator=simulated, say=lambda text: typer.echo(text, err=True))
