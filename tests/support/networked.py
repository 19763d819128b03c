"""The sample account with a link for each carrier, and messages that went over them as a test wants it."""

from dataclasses import replace
from uuid import UUID

from application.keep_circuits import open_circuit
from application.manage_links import configure_link, disable_link
from application.ports import Committed, Entry
from application.send_messages import Draft, SendMessages, Sent
from domain.aggregates import fold, message
from domain.events.link import ConditionEvent, Connected
from domain.events.message import Accepted, MessageEvent, SubmissionStarted, SubmittedPart
from domain.values import Carrier
from infrastructure.bootstrap import Platform, new_id
from infrastructure.network import condition_stream
from tests.support.sample import ACCOUNT, BY, LINK, SIGNATURE, link_to, make_sample

MOBILE, UNICOM, TELECOM = "13800138000", "13000130000", "18900189000"
LINKS = {Carrier.MOBILE: "mobile-1", Carrier.UNICOM: "unicom-1", Carrier.TELECOM: "telecom-1"}


async def make_network(platform: Platform) -> str:
    """The sample account with a connected link for each of the three networks; returns the token of its key."""
    sample = await make_sample(platform)
    await disable_link(platform.store, name=LINK, reason="others are there", context=BY)
    for carrier, name in LINKS.items():
        await add_link(platform, name, carrier)
    platform.directory.forget("links")
    return sample.token


async def add_link(
    platform: Platform,
    name: str,
    *carriers: Carrier,
    protocol: str = "smpp34",
    source_address: str = "1069",
) -> None:
    """One more link, connected."""
    made = replace(link_to(platform, host="127.0.0.1", port=2775, name=name), carriers=carriers)
    await configure_link(
        platform.store, configured=replace(made, protocol=protocol, source_address=source_address), context=BY
    )
    await connect_link(platform, name)


async def connect_link(platform: Platform, name: str) -> None:
    """Its carrier lets us in."""
    await record(platform, condition_stream(name), Connected(name=name))


async def send(
    platform: Platform, phone: str, *, text: str = "您的订单已发货。", extension: str = ""
) -> tuple[UUID, Accepted]:
    """One message, and what was accepted."""
    draft = Draft(phone=phone, signature=SIGNATURE, text=text, extension=extension)
    command = SendMessages(account=ACCOUNT, drafts=((new_id(), draft),), context=BY)
    (answer,) = await platform.sender(command)
    assert isinstance(answer, Sent), answer
    return answer.id, await accepted_of(platform, answer.id)


async def accepted_of(platform: Platform, id_: UUID) -> Accepted:
    """The founding fact of a message."""
    event = (await platform.store.load([id_]))[id_][0].event
    assert isinstance(event, Accepted)
    return event


async def take(platform: Platform, id_: UUID, link: str) -> None:
    """A carrier takes the message over a link."""
    await record(platform, id_, SubmissionStarted(attempt=1, link=link, route="default"))
    state = fold(message.evolve, (await platform.store.load([id_]))[id_])
    assert state is not None
    await record(
        platform, id_, *state.record_submitted(parts=(SubmittedPart(number=1, carrier_id=new_id()[:8]),))
    )


async def report(platform: Platform, id_: UUID, status: str) -> None:
    """The carrier reports on the message."""
    state = fold(message.evolve, (await platform.store.load([id_]))[id_])
    assert state is not None
    events = state.record_receipt(
        part=1, carrier_id=state.taken[0].carrier_id, status=status, error="", carrier_time=""
    )
    await record(platform, id_, *events)


async def break_link(platform: Platform, name: str, reason: str = "a test") -> None:
    """Its circuit opens."""
    link = next(link for link in await platform.directory.links() if link.name == name)
    await open_circuit(platform.store, link=link.configured, reason=reason, now=platform.now(), context=BY)


async def record(platform: Platform, stream: UUID, *events: MessageEvent | ConditionEvent) -> None:
    """Facts at the end of a stream."""
    entry = Entry(stream=stream, version=None, context=BY, events=events)
    (outcome,) = await platform.store.commit([entry])
    assert isinstance(outcome, Committed)
