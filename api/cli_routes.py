"""`smsledger route`: which messages take which links, in which order and shares."""

import re
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from api import tables
from api.cli_session import AsJson, By, Reason, person, said, work
from domain.errors import BadInput
from domain.events.route import RouteSet, Share
from domain.recorded import Context
from domain.values import Carrier, Category

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Routes: which messages take which links.")
Name = Annotated[str, typer.Argument(help="The route's name, for example codes.")]
_NO_LINK = 1
_SHARE = re.compile(r"([a-z0-9-]{1,32})(?::(\d{1,5}))?", re.ASCII)


@app.command(
    "set", epilog="Example: smsledger route set codes --category otp --link mobile-1:7 --link mobile-2:3"
)
def set_route(
    name: Name,
    link: Annotated[
        list[str], typer.Option(help="A link and its weight, LINK or LINK:WEIGHT; several times.")
    ],
    priority: Annotated[int, typer.Option(help="The smaller number is asked first.")] = 100,
    account: Annotated[list[str] | None, typer.Option(help="Only of these accounts.")] = None,
    category: Annotated[list[Category] | None, typer.Option(help="Only of these categories.")] = None,
    carrier: Annotated[list[Carrier] | None, typer.Option(help="Only to numbers of these carriers.")] = None,
    signature: Annotated[list[str] | None, typer.Option(help="Only with these signatures.")] = None,
    for_extension: Annotated[
        list[str] | None,
        typer.Option(metavar="DIGITS", help="Only where the sender asks for digits that begin so."),
    ] = None,
    extension: Annotated[
        str, typer.Option(help="Digits behind the link's number, so that replies find their account.")
    ] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Make a route, or make it anew: what is not given is empty, and holds for every message.

    It holds for what is accepted from now on, without a restart. `route try` says what it does.
    """
    context = person(by)
    wanted = RouteSet(
        name=name,
        priority=priority,
        accounts=tuple(account or ()),
        categories=tuple(category or ()),
        carriers=tuple(carrier or ()),
        signatures=tuple(signature or ()),
        shares=tuple(map(_share, link)),
        extension=extension,
        extensions=tuple(for_extension or ()),
        by=context.actor,
    )
    changed, told = work(lambda made: _set(made, wanted, context))
    for note in told:
        typer.echo(f"note: {note}", err=True)
    outcome = "set" if changed else "nothing changed"
    said(f"route {name}: {outcome}", as_json=as_json, route=name, changed=changed, notes=told)


async def _set(platform: "Platform", wanted: RouteSet, context: Context) -> tuple[bool, tuple[str, ...]]:
    """Whether something changed, and what the operator should know."""
    from application import doubt_routes, manage_routes

    done = await manage_routes.set_route(platform.store, wanted=wanted, context=context)
    return bool(done), await doubt_routes.notes(platform.directory, wanted)


@app.command(epilog="Example: smsledger route remove codes --reason 'one link is enough'")
def remove(name: Name, reason: Reason, by: By = "", as_json: AsJson = False) -> None:
    """Ask a route no more, from the next message on."""
    from application.manage_routes import remove_route

    work(lambda made: remove_route(made.store, name=name, reason=reason, context=person(by)))
    said(f"route {name}: removed", as_json=as_json, route=name, changed=True)


@app.command("list", epilog="Example: smsledger route list --json")
def list_routes(as_json: AsJson = False) -> None:
    """All routes in the order in which they are asked; where none is for a message, its carrier's links share it."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        from msgspec import to_builtins

        from api.route_schemas import route_answer
        from application.manage_routes import read_routes

        return [to_builtins(route_answer(one)) for one in (await read_routes(platform.store)).routes]

    rows = work(run)
    shown = rows if as_json else [row | {"links": _shares(row["links"])} for row in rows]
    conditions = ("accounts", "categories", "carriers", "signatures", "extensions")
    names = ("priority", "name", "links", *conditions, "extension")
    tables.show(
        "routes",
        {name: name for name in names},
        shown,
        as_json=as_json,
        empty="every link serves its carriers",
    )


@app.command(
    "try",
    epilog="Example: smsledger route try --account acme --category otp --carrier mobile; exit code 1 where no link "
    "may take it",
)
def try_route(
    account: Annotated[str, typer.Option(help="Whose message.")],
    category: Annotated[Category, typer.Option(help="What it is for.")],
    carrier: Annotated[Carrier, typer.Option(help="Whose number it goes to.")],
    signature: Annotated[str, typer.Option(help="With this signature.")] = "",
    extension: Annotated[str, typer.Option(help="With these digits, that the sender asks for.")] = "",
    message: Annotated[
        UUID | None, typer.Option(help="The message's id, which decides among links of equal rank.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Which link a message would take now, and why, with the links that were passed over. Nothing is sent."""

    async def run(platform: "Platform") -> dict[str, Any]:
        from msgspec import to_builtins

        from api.route_schemas import RouteTry
        from api.routes import try_on

        asked = RouteTry(
            account=account,
            category=category,
            carrier=carrier,
            signature=signature,
            extension=extension,
            message=message,
        )
        found: dict[str, Any] = to_builtins(await try_on(platform, asked))
        return found

    found = work(run)
    if as_json:
        tables.write_json(found)
    else:
        _tell(found)
    if found["link"] is None:
        raise typer.Exit(_NO_LINK)


def _tell(found: dict[str, Any]) -> None:
    typer.echo(f"link: {found['link'] or 'none'}")
    typer.echo(f"why: {found['why']}")
    if found["extension"]:
        typer.echo(f"extension: {found['extension']}")
    for one in found["among"] if len(found["among"]) > 1 else ():
        typer.echo(f"among: {one['link']}, {one['percent']} %")
    for one in found["passed_over"]:
        typer.echo(f"passed over: {one['link']}, {one['fitness']}: {one['why']}")


def _shares(links: list[dict[str, Any]]) -> list[str]:
    return [f"{one['link']}:{one['weight']}" for one in links]


def _share(text: str) -> Share:
    found = _SHARE.fullmatch(text)
    if found is None:
        raise BadInput("route_invalid", "Give a link as LINK or LINK:WEIGHT, for example mobile-1:7.")
    return Share(link=found[1], weight=int(found[2] or 1))
