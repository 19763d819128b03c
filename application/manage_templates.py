"""Templates and signatures: draft, approve, retire, file. Until the review exists an administrator approves."""

from collections.abc import Callable

from application.platform import change, load
from application.ports import Store
from domain.aggregates import link, signature, template
from domain.aggregates.route import require_room
from domain.aggregates.signature import Filing, Signature
from domain.aggregates.template import Template
from domain.errors import BadInput, Conflicting, NotFound
from domain.events import Event
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
    """Note where a signature stands with a carrier. Refuses not_found, filing_invalid, link_unknown, extension_unfit.

    A filing of one link needs that link to be the carrier's; its digits have to fit behind the link's number.
    """
    if filing.link:
        found, _ = await load(store, stream_id("link", filing.link), link.evolve)
        if found is None or filing.carrier not in found.configured.carriers:
            raise BadInput(
                "link_unknown", f"There is no link {filing.link[:32]} to {filing.carrier}.", field="link"
            )
        require_room(found.configured, filing.extension)
    return await _change_signature(store, account, name, lambda state: state.file(filing), context)


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
