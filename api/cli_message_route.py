"""`smsledger message route`: why a message took its link, or where it would go now."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer

from api import tables
from api.cli_messages import Id
from api.cli_session import AsJson, work
from domain.errors import NotFound

if TYPE_CHECKING:
    from infrastructure.bootstrap import Platform


def route(id_: Id, as_json: AsJson = False) -> None:
    """Why a message took its link: whose the number is, each attempt, the links passed over, where it would go now."""
    found = work(lambda made: told_route(made, id_))
    if as_json:
        tables.write_json(found)
        return
    for sentence in found["words"]:
        typer.echo(sentence)


async def told_route(platform: "Platform", id_: UUID) -> dict[str, Any]:
    """What the HTTP interface answers. Refuses not_found."""
    import msgspec

    from api.message_route import message_route
    from application.explain_route import explain
    from application.manage_routes import STREAM
    from domain.events.message import Accepted
    from infrastructure.network import network_reader

    histories = await platform.store.load([id_, STREAM])
    history = histories.get(id_, ())
    if not history or not isinstance(history[0].event, Accepted):
        raise NotFound("not_found", "There is no such message.")
    network = network_reader(platform)
    told = await platform.store.in_thread(
        lambda: explain(id_, history, network, routes=histories.get(STREAM, ()))
    )
    document: dict[str, Any] = msgspec.to_builtins(message_route(id_, told))
    return document
