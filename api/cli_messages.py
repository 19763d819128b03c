"""`smsledger message`: what became of one message, and what a person decides about it."""

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from api import tables
from api.cli_session import AsJson, Reason, operator, said, work
from domain.errors import BadInput, NotFound
from domain.events.message import Charged, SubmittedPart

if TYPE_CHECKING:
    from domain.aggregates.message import Message
    from domain.recorded import Recorded
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Single messages.")
Id = Annotated[UUID, typer.Argument(metavar="ID", help="The message's id.")]

_SHOWN_ELSEWHERE = frozenset({"of", "sealed", "body_digest", "chain", "account", "after"})


@app.command(epilog="Example: smsledger message show 0e9b1c2d-…")
def show(id_: Id, as_json: AsJson = False) -> None:
    """Where a message stands and every fact about it. Number and text are not shown: they are sealed."""
    found = work(lambda made: story(made, id_))
    if as_json:
        tables.write_json(found)
        return
    tables.show_one({key: value for key, value in found.items() if key != "events"}, as_json=False)
    columns = {"at": "at", "event": "event", "by": "by", "details": "details"}
    tables.console().print(tables.table(columns, found["events"]))


async def story(platform: "Platform", id_: UUID) -> dict[str, Any]:
    """A message as its events tell it, its debit among them. Refuses not_found."""
    from domain.aggregates import fold, message

    history = (await platform.store.load([id_])).get(id_, ())
    state = fold(message.evolve, history)
    if state is None:
        raise NotFound("not_found", "There is no such message.")
    accepted = state.accepted
    debit = await platform.store.postings(
        accepted.account, accepted.charged.year, after=accepted.charged.posting - 1, limit=1
    )
    return {**_summary(id_, state), "events": [_fact(each) for each in (*debit, *history)]}


def _summary(id_: UUID, state: "Message") -> dict[str, Any]:
    accepted, charged = state.accepted, state.accepted.charged
    return {
        "id": str(id_),
        "account": accepted.account,
        "status": state.status,
        "carrier": accepted.carrier,
        "link": state.link,
        "template": accepted.template,
        "segments": accepted.segments,
        "included": charged.included,
        "overage": charged.overage,
        "amount": tables.money(charged.overage * charged.price_micros),
        "refunded": state.refunded,
        "accepted_at": state.accepted_at,
        "expires_at": accepted.expires_at,
    }


def _fact(recorded: "Recorded") -> dict[str, Any]:
    event = recorded.event
    told = [
        (each.name, getattr(event, each.name)) for each in fields(event) if each.name not in _SHOWN_ELSEWHERE
    ]
    return {
        "at": recorded.at,
        "event": event.TOPIC,
        "version": recorded.version,
        "by": recorded.context.actor,
        "details": " ".join(
            f"{name}={_plain(value)}"
            for name, value in told
            if value not in ("", (), None) and value is not False
        ),
    }


def _plain(value: object) -> str:
    """A value of an event in few characters."""
    match value:
        case tuple():
            return ",".join(map(_plain, value))
        case SubmittedPart():
            return f"{value.number}:{value.carrier_id}"
        case Charged():
            return f"{value.year}/{value.posting}"
        case datetime():
            return tables.cell(value)
        case _:
            return str(value)


@app.command(epilog="Example: smsledger message cancel 0e9b1c2d-… --reason 'wrong text'")
def cancel(id_: Id, reason: Reason) -> None:
    """Take a message back that no carrier has yet, and refund it."""
    from application.settle_messages import cancel as decide

    done = work(lambda made: decide(made.store, [id_], reason=reason, context=operator()))
    said(f"message {id_}: " + ("cancelled and refunded" if done else "a carrier may have it: nothing done"))
    if not done:
        raise typer.Exit(1)


@app.command(epilog="Example: smsledger message resolve 0e9b1c2d-… --give-up --reason 'carrier has it not'")
def resolve(
    id_: Id,
    reason: Reason,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send it again: the phone may get it twice.")
    ] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Leave it; a late receipt still counts.")
    ] = False,
) -> None:
    """Decide about a submission in doubt: sent, and never answered."""
    from application.settle_messages import resolve_doubt

    if resend == give_up:
        raise BadInput("resend_or_give_up", "Say either --resend or --give-up.")
    done = work(lambda made: resolve_doubt(made.store, id_, resend=resend, reason=reason, context=operator()))
    said(f"message {id_}: " + ("decided" if done else "is not in doubt: nothing done"))
    if not done:
        raise typer.Exit(1)
