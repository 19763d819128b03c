"""`smsledger link watch`: how the links do, again and again, until Ctrl-C."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli_faults import explain
from api.cli_session import read_settings
from domain.errors import NotFound, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from infrastructure.bootstrap import Platform
    from infrastructure.link_standing import LinkStanding, NetworkStanding

    Show = Callable[[NetworkStanding, Sequence[LinkStanding], datetime], None]


def watch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="All links by default.")
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.2, max=3_600)] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One look, for scripts.")] = False,
    connections: Annotated[
        bool, typer.Option("--connections", "-c", help="The connections of each link beneath it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document a line and look, as GET /v1/monitoring has it.")
    ] = False,
) -> None:
    """How the links do, live: state, since when, rate, window, queues, answer times, receipts, refusals, last error.

    Ctrl-C ends it. Where Redis or the workers are away it says so and shows what the log knows.
    """
    from infrastructure.bootstrap import platform

    settings = read_settings()
    wanted = tuple(names or ())
    with ExitStack() as opened:
        made = opened.enter_context(platform(settings))
        show = _lines if as_json else _table(opened, connections=connections)
        try:
            asyncio.run(_watch(made, wanted, show, every=None if once else every))
        except KeyboardInterrupt:
            return


async def _watch(made: "Platform", names: Sequence[str], show: "Show", *, every: float | None) -> None:
    """Look and show; `every` None does it once. What cannot be read is said and tried again, but not once only."""
    from api.standings import Standings

    standings = Standings(made)
    while True:
        try:
            network = await standings.look()
        except Exception as error:
            sentence = error.detail if isinstance(error, Refusal) else explain(error)
            if every is None or sentence is None:
                raise
            typer.echo(sentence, err=True)
        else:
            show(network, _chosen(network, names), made.now())
        if every is None:
            return
        await asyncio.sleep(every)


def _chosen(network: "NetworkStanding", names: Sequence[str]) -> "Sequence[LinkStanding]":
    known = {link.name: link for link in network.links}
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise NotFound("not_found", f"There is no link {missing[:32]}.", field="name")
    return [known[name] for name in names] if names else network.links


def _lines(network: "NetworkStanding", links: "Sequence[LinkStanding]", at: datetime) -> None:
    from msgspec import to_builtins

    from api.standings import link_answer

    document = {"at": at.isoformat(), "live": network.board, "links": [link_answer(each) for each in links]}
    typer.echo(json.dumps(to_builtins(document), ensure_ascii=False))


def _table(opened: ExitStack, *, connections: bool) -> "Show":
    """Draws over the last table in a terminal; elsewhere one table follows the other."""
    from rich.live import Live

    from api import tables
    from api.link_table import picture

    console = tables.console()
    live = opened.enter_context(Live(console=console, auto_refresh=False)) if console.is_terminal else None

    def show(network: "NetworkStanding", links: "Sequence[LinkStanding]", at: datetime) -> None:
        drawn = picture(network, links, at=at, connections=connections)
        if live is None:
            console.print(drawn)
        else:
            live.update(drawn, refresh=True)

    return show
