"""Templates and signatures: draft, approve, retire, file. Until the review exists an administrator approves."""

from collections.abc import Callable
from dataclasses import replace

from application.look_up_history import require_reason
from application.platform import change
from application.ports import Store
from domain.aggregates import fold, link, signature, template
from domain.aggregates.route import require_room
from domain.aggregates.signature import Filing, Signature
from domain.aggregates.template import Template
from domain.errors import BadInput, Conflicting, NotFound
from domain.events import Event
from domain.events.link import Configured
from domain.recorded import Context
from domain.values import Category, stream_id


async def draft_template(
    store: Store, *, account: str, code: str, category: Category, text: str, context: Context
) -> tuple[Event, ...]:
    """A new template; the same again is nothing to do. Refuses already_exists, template_code, template_text."""

    def decide(state: Template | None) -> tuple[Event, ...]:
        if state is None:
            return template.draft(account=account, code=code, category=category, text=text)
        if (state.text, state.category) == (text, category):
            return ()
        raise Conflicting("already_exists", f"There is another template {code}.", field="code")

    return await change(store, stream_id("template", account, code), template.evolve, decide, context)


async def approve_template(store: Store, *, account: str, code: str, context: Context) -> tuple[Event, ...]:
    """Allow sending it. Refuses not_found."""
    return await _change_template(store, account, code, lambda state: state.approve(), context)


async def retire_template(
    store: Store, *, account: str, code: str, reason: str, context: Context
) -> tuple[Event, ...]:
    """Forbid sending it. Refuses not_found."""
    return await _change_template(store, account, code, lambda state: state.retire(reason=reason), context)


async def draft_signature(store: Store, *, account: str, name: str, context: Context) -> tuple[Event, ...]:
    """A new signature; nothing to do where it is there. Refuses signature_name."""

    def decide(state: Signature | None) -> tuple[Event, ...]:
        return () if state else signature.draft(account=account, name=name)

    return await change(store, stream_id("signature", account, name), signature.evolve, decide, context)


async def approve_signature(store: Store, *, account: str, name: str, context: Context) -> tuple[Event, ...]:
    """Allow its use. Refuses not_found."""
    return await _change_signature(store, account, name, lambda state: state.approve(), context)


async def retire_signature(
    store: Store, *, account: str, name: str, reason: str, context: Context
) -> tuple[Event, ...]:
    """Forbid its use. Refuses not_found."""
    return await _change_signature(store, account, name, lambda state: state.retire(reason=reason), context)


async def file_signature(
    store: Store, *, account: str, name: str, filing: Filing, context: Context
) -> tuple[Event, ...]:
    """Note where a signature stands with a carrier.

    A filing of one link needs that link to be the carrier's; its digits have to fit behind the number of that
    link, or of every link to the carrier. Refuses not_found, filing_invalid, link_unknown, extension_unfit,
    reason_required (a phone number in the reason of a rejection).
    """
    if filing.reason:
        filing = replace(filing, reason=require_reason(filing.reason))
    for each in await _links_of(store, filing):
        require_room(each, filing.extension)
    return await _change_signature(store, account, name, lambda state: state.file(filing), context)


async def _links_of(store: Store, filing: Filing) -> list[Configured]:
    """The links that a filing is for. Refuses link_unknown."""
    if filing.link:
        streams = [stream_id("link", filing.link)]
    else:
        streams = [founding.stream for founding in await store.founded(Configured.TOPIC)]
    states = [fold(link.evolve, history) for history in (await store.load(streams)).values()]
    found = [each.configured for each in states if each and filing.carrier in each.configured.carriers]
    if filing.link and not found:
        detail = f"There is no link {filing.link[:32]} to {filing.carrier}."
        raise BadInput("link_unknown", detail, field="link")
    return found


async def _change_template(
    store: Store,
    account: str,
    code: str,
    command: Callable[[Template], tuple[Event, ...]],
    context: Context,
) -> tuple[Event, ...]:
    def decide(state: Template | None) -> tuple[Event, ...]:
        if state is None:
            raise NotFound("not_found", f"There is no template {code}.", field="code")
        return command(state)

    return await change(store, stream_id("template", account, code), template.evolve, decide, context)


async def _change_signature(
    store: Store,
    account: str,
    name: str,
    command: Callable[[Signature], tuple[Event, ...]],
    context: Context,
) -> tuple[Event, ...]:
    def decide(state: Signature | None) -> tuple[Event, ...]:
        if state is None:
            raise NotFound("not_found", "There is no such signature.", field="name")
        return command(state)

    return await change(store, stream_id("signature", account, name), signature.evolve, decide, context)
