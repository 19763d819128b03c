"""The processes of the platform as commands: all of one machine by `up`, or each by its own name."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli_faults import explain
from api.cli_session import read_settings, said

if TYPE_CHECKING:
    from infrastructure.settings import Settings


SIMULATOR_PORT = 2775


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
    port: Annotated[int | None, typer.Option(help="Instead of SMSLEDGER_HTTP_PORT.")] = None,
) -> None:
    """Answer HTTP requests. Start it as often as you have cores: they share the port.

    Example: SMSLEDGER_HTTP_PORT=8080 smsledger api
    """
    from api.server import serve

    with _process("api") as settings:
        serve(settings if port is None else settings.model_copy(update={"http_port": port}))


def worker() -> None:
    """Own the links that nobody else owns, carry messages and bring receipts home.

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
    """Keep the read models up with the log. A second one waits for its turn.

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
        bool, typer.Option("--with-simulator", help="Also a simulated carrier on port 2775.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Of the API, instead of SMSLEDGER_HTTP_PORT.")] = None,
    api_processes: Annotated[
        int | None, typer.Option(help="Instead of SMSLEDGER_API_PROCESSES.", min=1, max=64)
    ] = None,
) -> None:
    """Everything on this machine, until Ctrl-C: servers, migrations and all processes, looked after.

    Example: smsledger up --with-simulator
    """
    from infrastructure.settings import load
    from infrastructure.stack import SimulatorPlan, run_until_stopped

    settings = load()
    changed = {"http_port": port, "api_processes": api_processes}
    settings = settings.model_copy(
        update={name: value for name, value in changed.items() if value is not None}
    )
    carrier = SimulatorPlan(port=SIMULATOR_PORT, accounts={"demo": "demo"}) if with_simulator else None
    run_until_stopped(settings, simulator=carrier, say=lambda text: typer.echo(text, err=True))


def simulator(
    port: Annotated[int, typer.Option(help="0 takes a free one and prints it.")] = SIMULATOR_PORT,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="ID:PASSWORD", envvar="SIMULATOR_ACCOUNTS", help="Who may bind."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed does the same to the same messages.")] = 1,
    submit_delay_ms: Annotated[float, typer.Option(help="Before every answer.")] = 0.0,
    refusal_rate: Annotated[float, typer.Option(help="Of messages refused for good, 0 to 1.")] = 0.0,
    throttle_rate: Annotated[float, typer.Option(help="Of submits answered 'too fast'.")] = 0.0,
    receipt_delay_ms: Annotated[str, typer.Option(metavar="MIN:MAX", help="Before a receipt.")] = "0:0",
    lost_rate: Annotated[float, typer.Option(help="Of receipts that never come.")] = 0.0,
    late_rate: Annotated[float, typer.Option(help="Of receipts that come seconds later.")] = 0.0,
    late_seconds: Annotated[float, typer.Option(help="How much later.")] = 5.0,
    double_rate: Annotated[float, typer.Option(help="Of receipts that come twice.")] = 0.0,
    early_rate: Annotated[float, typer.Option(help="Of receipts that come before the answer.")] = 0.0,
    failed_rate: Annotated[float, typer.Option(help="Of receipts that say: not delivered.")] = 0.0,
    silence_rate: Annotated[float, typer.Option(help="Of submits that are never answered.")] = 0.0,
    drop_every: Annotated[int, typer.Option(help="Cut the connection every so many submits.")] = 0,
    journal: Annotated[Path | None, typer.Option(help="Write what it saw to a file.")] = None,
) -> None:
    """A carrier that exists on this machine only: to try the platform, to test it, to break it on purpose.

    Example: smsledger simulator --account mobile:secret --receipt-delay-ms 50:500 --failed-rate 0.05
    """
    import asyncio

    from infrastructure.simulator.script import Script
    from infrastructure.simulator.server import run_simulator

    low, _, high = receipt_delay_ms.partition(":")
    try:
        script = Script(
            seed=seed,
            submit_delay_ms=submit_delay_ms,
            refusal_rate=refusal_rate,
            throttle_rate=throttle_rate,
            receipt_delay_ms_min=float(low),
            receipt_delay_ms_max=float(high or low),
            lost_rate=lost_rate,
            late_rate=late_rate,
            late_seconds=late_seconds,
            double_rate=double_rate,
            early_rate=early_rate,
            failed_rate=failed_rate,
            silence_rate=silence_rate,
            drop_every=drop_every,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    accounts = dict(_account(each) for each in account or ["demo:demo"])
    asyncio.run(
        run_simulator(
            host=host,
            port=port,
            accounts=accounts,
            script=script,
            journal=journal,
            on_ready=lambda taken: said(f"carrier on {host}:{taken}, accounts: {', '.join(accounts)}"),
        )
    )


def _account(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not name or not colon or not password:
        raise typer.BadParameter("an account is ID:PASSWORD")
    return name, password
