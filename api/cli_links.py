"""`smsledger link`: the links to the carriers, and what a carrier says to each."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import cli_link_add, cli_link_watch, tables
from api.cli_session import AsJson, Reason, operator, said, work
from domain.errors import NotFound

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform
    from infrastructure.link_test import Trial

app = typer.Typer(no_args_is_help=True, help="Links to carriers.")
Name = Annotated[str, typer.Argument(help="The link's name, for example mobile.")]
_NOT_BOUND = 1
_LONGEST_WAIT = 60

app.command(
    epilog="Examples: LINK_PASSWORD=... smsledger link add mobile --protocol cmpp20 --host 192.0.2.10 "
    "--system-id 901234 --source 10690000 --service-id MSGOK --carrier mobile · "
    "smsledger link add mobile --window 32 · docs/gateway.md has one for each protocol."
)(cli_link_add.add)
app.command(
    epilog="Examples: smsledger link watch · smsledger link watch mobile -c · smsledger link watch --once --json"
)(cli_link_watch.watch)


@app.command(epilog="Example: smsledger link show mobile --json")
def show(name: Name, as_json: AsJson = False) -> None:
    """How a link is configured and how it does; its passwords are never shown."""

    async def run(platform: "Platform") -> dict[str, Any]:
        found = next((row for row in await _rows(platform) if row["name"] == name), None)
        if found is None:
            raise NotFound("not_found", f"There is no link {name[:32]}.", field="name")
        return found

    tables.show_one(work(run), as_json=as_json)


@app.command("list", epilog="Example: smsledger link list --json")
def list_links(as_json: AsJson = False) -> None:
    """All links: where they lead, whether messages are routed there, and how they do."""
    columns = {
        "name": "name",
        "state": "state",
        "condition": "condition",
        "protocol": "protocol",
        "address": "address",
        "system_id": "account",
        "source_address": "source",
        "carriers": "carriers",
        "connections": "connections",
        "window": "window",
        "rate_per_second": "a second",
    }
    rows = work(_rows)
    shown = rows if as_json else [row | _words(row) for row in rows]
    tables.show("links", columns, shown, as_json=as_json)


@app.command(epilog="Example: smsledger link enable mobile")
def enable(name: Name, as_json: AsJson = False) -> None:
    """Route messages to it."""
    from application.manage_links import enable_link

    done = work(lambda made: enable_link(made.store, name=name, context=operator()))
    _told(name, "enabled", changed=bool(done), otherwise="enabled already", as_json=as_json)


@app.command(epilog="Example: smsledger link disable mobile --reason maintenance")
def disable(name: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Route no more messages to it, end its connections, give what waits to other links after five seconds."""
    from application.manage_links import disable_link

    done = work(lambda made: disable_link(made.store, name=name, reason=reason, context=operator()))
    _told(name, "disabled", changed=bool(done), otherwise="disabled already", as_json=as_json)


@app.command(epilog="Example: smsledger link drain mobile --reason maintenance")
def drain(name: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Route no more messages to it, give what waits to other links, finish what is on the wire."""
    from application.manage_links import drain_link

    done = work(lambda made: drain_link(made.store, name=name, reason=reason, context=operator()))
    _told(name, "draining", changed=bool(done), otherwise="draining already, or disabled", as_json=as_json)


@app.command(epilog="Example: smsledger link mend mobile --reason 'the carrier says it is repaired'")
def mend(name: Name, reason: Reason, as_json: AsJson = False) -> None:
    """Close its circuit before its time is over: it is taken again, and judged as if nothing had been."""
    from application.keep_circuits import mend_link

    done = work(lambda made: mend_link(made.store, name=name, reason=reason, context=operator()))
    _told(name, "mended", changed=bool(done), otherwise="its circuit is closed already", as_json=as_json)


@app.command(
    "test", epilog="Example: smsledger link test mobile; exit code 0 only where the carrier let us in"
)
def try_link(
    name: Name,
    wait: Annotated[
        int | None,
        typer.Option(
            help="Seconds that each step waits; the link's own answer time, at most 10, where it is not given.",
            min=1,
            max=_LONGEST_WAIT,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Connect to the carrier, log in, ask for a sign of life, take leave; say what it answered to each.

    From this machine, on a connection of its own, whether the link is enabled or not. Carriers count connections:
    one that allows no further one refuses this, and some end another one for it. Nothing is submitted. Whether the
    carrier comes to us (SGIP) is not tried: its worker has that port.
    """
    trial = work(lambda platform: _try(platform, name, wait))
    if as_json:
        from msgspec import to_builtins

        from api.link_schemas import trial_answer

        tables.write_json(to_builtins(trial_answer(name, trial)))
    else:
        _tell_trial(name, trial)
    if trial.outcome != "bound":
        raise typer.Exit(_NOT_BOUND)


async def _try(platform: "Platform", name: str, wait: int | None) -> "Trial":
    from infrastructure.link_test import try_configured

    return await try_configured(platform, name=name, wait_seconds=wait)


def _tell_trial(name: str, trial: "Trial") -> None:
    for step in trial.steps:
        words = step.step.replace("_", " ")
        typer.echo(f"{words:<10} {step.milliseconds:>9.1f} ms  {step.said}")
    if trial.deliveries:
        typer.echo(
            f"{trial.deliveries} receipts or replies came meanwhile; the carrier was asked to send them again"
        )
    typer.echo(f"link {name}: {trial.outcome.value.replace('_', ' ')}")


def _words(row: Mapping[str, Any]) -> dict[str, str]:
    """What a table says otherwise than a document."""
    deaf = row["condition"] != "down" and not row["hears"]
    return {
        "address": f"{row['host']}:{row['port']}",
        "condition": row["condition"] + (", no receipts" if deaf else ""),
        "connections": f"{row['connections']}"
        + (f", {row['receivers']} receive" if row["receivers"] else ""),
    }


async def _rows(platform: "Platform") -> list[dict[str, Any]]:
    """Links as the HTTP interface shows them."""
    from msgspec import to_builtins

    from api.link_schemas import link_answers
    from infrastructure.network import read_network

    network = await asyncio.to_thread(read_network, platform.store)
    return [to_builtins(shown) for shown in link_answers(network)]


def _told(name: str, state: str, *, changed: bool, otherwise: str, as_json: bool) -> None:
    said(
        f"link {name}: {state if changed else otherwise}",
        as_json=as_json,
        link=name,
        changed=changed,
    )
