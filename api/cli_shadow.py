"""`smsledger route shadow`: recorded messages through a changed route table. Nothing is sent, nothing is written."""

import re
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from api import tables
from api.cli_session import AsJson, work
from application.shadow_routes import Links
from domain.errors import BadInput
from domain.events.route import RouteSet, Share
from domain.values import SHANGHAI, Carrier, Category

if TYPE_CHECKING:
    from application.choose_route import Network
    from application.shadow_routes import Shadow, Way
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
    extensions: tuple[str, ...] = ()
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
    links: Annotated[
        Links,
        typer.Option(
            help="How fit links are taken to be: as they were then, as far as it was recorded; all enabled ones "
            "ready; or as they do now."
        ),
    ] = Links.THEN,
    as_json: AsJson = False,
) -> None:
    """Try a changed route table on recorded messages: who would go elsewhere. Nothing is sent, nothing is written.

    With `--links then` messages are compared with the decision that was taken, and decisions that the table as it
    stands would not take again are listed apart.
    """
    routes = _routes(table.read_bytes())
    found = work(lambda made: _try(made, routes, since, until, links=links))
    if as_json:
        tables.write_json(found)
        return
    _tell(found)


_OF_LINKS = ("link", "before", "before_percent", "after", "after_percent")
_OF_MOVED = ("from", "to", "messages", "samples")
_OF_UNLIKE = ("route_then", "then", "route_now", "now", "messages")


def _tell(found: dict[str, Any]) -> None:
    typer.echo(
        f"{found['messages']:,} messages; {found['elsewhere']:,} would go another way,"
        f" {found['without_link']:,} none"
    )
    _show("links", _OF_LINKS, found["links"])
    _show("moved", _OF_MOVED, found["moved"])
    if found["unlike"]:
        typer.echo("the table as it stands would not decide again what was decided then:")
        _show("unlike", _OF_UNLIKE, found["unlike"])


def _show(noun: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    tables.show(noun, {name: name.replace("_", " ") for name in columns}, rows, as_json=False)


async def _try(
    platform: "Platform", routes: list[RouteSet], since: str, until: str, *, links: Links
) -> dict[str, Any]:
    from infrastructure.network import network_reader

    now = await platform.store.now()
    begins, ends = _moment(since, now), _moment(until, now)
    if begins >= ends:
        raise BadInput("since_invalid", "The span ends before it begins.")
    network = await platform.store.in_thread(network_reader(platform))
    standing = network if links is Links.NOW else network.all_ready()
    run = partial(_shadow, platform, standing, routes, (begins, ends), then=links is Links.THEN)
    found = await platform.store.in_thread(run)
    return {"since": begins.isoformat(), "until": ends.isoformat(), "links_as": links, **_document(found)}


def _shadow(
    platform: "Platform",
    network: "Network",
    routes: list[RouteSet],
    span: tuple[datetime, datetime],
    *,
    then: bool,
) -> "Shadow":
    from application.shadow_routes import shadow, table_of
    from domain.events.message import Accepted
    from infrastructure.log_reader import LogReader
    from infrastructure.log_span import facts_between
    from infrastructure.network import decided_of

    changed = table_of(routes, links=network.links)
    decisions = partial(decided_of, platform.store) if then else None
    with LogReader(platform.store.recorder) as log, tables.progress_bar() as progress:
        bar = progress.add_task("messages", total=None)
        pages = facts_between(log, *span, [Accepted.TOPIC])
        went = partial(progress.advance, bar)
        return shadow(pages, network, changed, decisions=decisions, went=went)


def _document(found: "Shadow") -> dict[str, Any]:
    names = sorted(found.before.keys() | found.after.keys())
    return {
        "messages": found.messages,
        "decided": found.decided,
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
                "from": _written(before),
                "to": _written(after),
                "messages": count,
                "samples": list(map(str, found.samples[before, after])),
            }
            for (before, after), count in found.moved.most_common()
        ],
        "unlike": [
            {
                "route_then": route_then,
                "then": _written(then),
                "route_now": route_now,
                "now": _written(now),
                "messages": count,
            }
            for (route_then, then, route_now, now), count in found.unlike.most_common()
        ],
    }


def _written(way: "Way") -> str:
    """A link, with the digits behind its number: `unicom-2+12`."""
    link, extension = way
    return (link or _NOWHERE) + (f"+{extension}" if extension else "")


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
