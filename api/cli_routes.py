"""`smsledger route`: which messages take which links, in which order and shares."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, By, Reason, person, said, work
from domain.errors import BadInput
from domain.events.route import RouteSet, Share
from domain.values import Carrier, Category

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Routes: which messages take which links.")
Name = Annotated[str, typer.Argument(help="The route's name, for example codes.")]
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
    by: By = "",
) -> None:
    """Make a route, or make it anew. It takes effect within a second or two, without a restart."""
    from application.manage_routes import set_route as decide

    context = person(by)
    wanted = RouteSet(
        name=name,
        priority=priority,
        accounts=tuple(account or ()),
        categories=tuple(category or ()),
        carriers=tuple(carrier or ()),
        signatures=tuple(signature or ()),
        shares=tuple(map(_share, link)),
        extension="",
        by=context.actor,
    )
    done = work(lambda made: decide(made.store, wanted=wanted, context=context))
    said(f"route {name}: " + ("set" if done else "nothing changed"))


@app.command(epilog="Example: smsledger route remove codes --reason 'one link is enough'")
def remove(name: Name, reason: Reason, by: By = "") -> None:
    """Ask a route no more."""
    from application.manage_routes import remove_route

    work(lambda made: remove_route(made.store, name=name, reason=reason, context=person(by)))
    said(f"route {name}: removed")


@app.command("list", epilog="Example: smsledger route list --json")
def list_routes(as_json: AsJson = False) -> None:
    """All routes in the order in which they are asked; where none is for a message, its carrier's links share it."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        from application.manage_routes import read_routes

        table = await read_routes(platform.store)
        return [
            {
                "name": route.name,
                "priority": route.priority,
                "links": [f"{share.link}:{share.weight}" for share in route.shares],
                "accounts": list(route.accounts),
                "categories": list(route.categories),
                "carriers": list(route.carriers),
                "signatures": list(route.signatures),
            }
            for route in table.routes
        ]

    names = ("priority", "name", "links", "accounts", "categories", "carriers", "signatures")
    tables.show(
        "routes",
        {name: name for name in names},
        work(run),
        as_json=as_json,
        empty="every link serves its carriers",
    )


def _share(text: str) -> Share:
    found = _SHARE.fullmatch(text)
    if found is None:
        raise BadInput("route_invalid", "Give a link as LINK or LINK:WEIGHT, for example mobile-1:7.")
    return Share(link=found[1], weight=int(found[2] or 1))
