"""`smsledger route shadow`: recorded messages through a changed route table. Nothing is sent, nothing is written."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from api import tables
from api.cli_session import AsJson, work
from domain.errors import BadInput
from domain.events.route import RouteSet, Share
from domain.values import SHANGHAI, Carrier, Category

if TYPE_CHECKING:
    from application.choose_route import Network
    from application.shadow_routes import Shadow
    from infrastructure.bootstrap import Platform

_AGO = re.compile(r"(\d{1,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NOWHERE = "(no link)"


class _Listed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A route as `smsledger route list --json` and GET /v1/routes write it."""

    name: str
    links: list[str | Share]
    priority: int = 100
    accounts: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    signatures: tuple[str, ...] = ()
    extension: str = ""
    by: str = ""


class _Table(msgspec.Struct, kw_only=True):
    routes: list[_Listed]


def shadow(
    table: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="The changed table: what `route list --json` writes, edited."
        ),
    ],
    since: Annotated[str, typer.Option(help="From then on: 24h, 90m, 7d, or a time.")] = "24h",
    until: Annotated[str, typer.Option(help="Up to then; up to now by default.")] = "0s",
    as_they_are: Annotated[
        bool,
        typer.Option(
            "--as-they-are", help="With links down and broken as they are now, not all enabled ones ready."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Try a changed route table on recorded messages: who would go elsewhere. Nothing is sent, nothing is written."""
    routes = _routes(table.read_bytes())
    found = work(lambda made: _try(made, routes, since, until, as_they_are=as_they_are))
    if as_json:
        tables.write_json(found)
        return
    typer.echo(
        f"{found['messages']:,} messages; {found['elsewhere']:,} would take another link,"
        f" {found['without_link']:,} none"
    )
    tables.show("links", {name: name.replace("_", " ") for name in _OF_LINKS}, found["links"], as_json=False)
    columns = {name: name for name in ("from", "to", "messages", "samples")}
    tables.show("moved", columns, found["moved"], as_json=False)


_OF_LINKS = ("link", "before", "before_percent", "after", "after_percent")


async def _try(
    platform: "Platform", routes: list[RouteSet], since: str, until: str, *, as_they_are: bool
) -> dict[str, Any]:
    from application.shadow_routes import all_ready
    from infrastructure.network import network_reader

    now = await platform.store.now()
    begins, ends = _moment(since, now), _moment(until, now)
    network = await platform.store.in_thread(network_reader(platform))
    standing = network if as_they_are else all_ready(network)
    found = await platform.store.in_thread(lambda: _shadow(platform, standing, routes, begins, ends))
    return {"since": begins, "until": ends, **_document(found)}


def _shadow(
    platform: "Platform", network: "Network", routes: list[RouteSet], begins: datetime, ends: datetime
) -> "Shadow":
    from application.shadow_routes import shadow, table_of
    from domain.events.message import Accepted
    from infrastructure.log_reader import LogReader
    from infrastructure.log_span import facts_between

    changed = table_of(routes, links=[link.name for link in network.links])
    with LogReader(platform.store.recorder) as log, tables.progress_bar() as progress:
        bar = progress.add_task("messages", total=None)
        pages = facts_between(log, begins, ends, [Accepted.TOPIC])
        return shadow(pages, network, changed, went=lambda count: progress.advance(bar, count))


def _document(found: "Shadow") -> dict[str, Any]:
    names = sorted(found.before.keys() | found.after.keys())
    return {
        "messages": found.messages,
        "elsewhere": found.elsewhere,
        "without_link": found.after[""],
        "links": [
            {
                "link": name or _NOWHERE,
                "before": found.before[name],
                "before_percent": found.share(found.before, name),
                "after": found.after[name],
                "after_percent": found.share(found.after, name),
            }
            for name in names
        ],
        "moved": [
            {
                "from": before or _NOWHERE,
                "to": after or _NOWHERE,
                "messages": count,
                "samples": list(map(str, found.samples[before, after])),
            }
            for (before, after), count in found.moved.most_common()
        ],
    }


def _routes(document: bytes) -> list[RouteSet]:
    """The routes of a file. Refuses table_invalid, route_invalid."""
    try:
        listed = msgspec.json.decode(document, type=_Table).routes
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput("table_invalid", f"The file is no route table: {error}") from None
    return [_route(each) for each in listed]


def _route(listed: _Listed) -> RouteSet:
    shares = tuple(each if isinstance(each, Share) else _share(each) for each in listed.links)
    fields: dict[str, Any] = msgspec.structs.asdict(listed)
    del fields["links"]
    return RouteSet(**fields, shares=shares)


def _share(text: str) -> Share:
    link, _, weight = text.partition(":")
    if weight and not (weight.isascii() and weight.isdecimal() and len(weight) <= 5):
        raise BadInput("route_invalid", "Give a link as LINK or LINK:WEIGHT, for example mobile-1:7.")
    return Share(link=link, weight=int(weight or 1))


def _moment(text: str, now: datetime) -> datetime:
    """So long ago, or a time; without an offset it is Shanghai's. Refuses since_invalid."""
    ago = _AGO.fullmatch(text)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput("since_invalid", "Give 24h, 90m, 7d, or a time like 2026-11-24T08:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=SHANGHAI)
