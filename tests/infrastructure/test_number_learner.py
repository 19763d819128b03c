"""A carrier's word that a number was ported counts from the next message on, and until the contrary is seen."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from application.manage_portability import set_carrier
from domain.aggregates import fold, message
from domain.aggregates.message import Status
from domain.events.message import SubmissionStarted
from domain.numbering import Known
from domain.recorded import Recorded
from domain.values import Carrier, FoundBy, local_day, stream_id
from infrastructure import portability
from infrastructure.bootstrap import Platform
from infrastructure.log_reader import LogReader
from infrastructure.number_learner import LearningFollower
from tests.support.networked import (
    MOBILE,
    accepted_of,
    add_link,
    make_network,
    record,
    report,
    send,
    take,
)
from tests.support.sample import BY

PORTED = "MB:1049"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes hear of changes at once."""
    monkeypatch.setattr(portability, "_AGE_SECONDS", 0.0)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


@contextmanager
def follower(platform: Platform) -> Iterator[LearningFollower]:
    with LogReader(platform.store.recorder) as log:
        yield LearningFollower(platform, log)


async def step(platform: Platform) -> int:
    """A learner that begins now goes to the end of the log."""
    with follower(platform) as begun:
        return await begun.step()


async def known(platform: Platform) -> Known | None:
    return (await platform.numbers.book()).find(f"+86{MOBILE}")


async def facts(platform: Platform) -> list[Recorded]:
    stream = stream_id("portability", local_day(platform.now()).isoformat())
    return list((await platform.store.load([stream])).get(stream, ()))


async def refuse(platform: Platform, id_: UUID, link: str, code: str) -> None:
    await record(platform, id_, SubmissionStarted(attempt=1, link=link))
    state = fold(message.evolve, (await platform.store.load([id_]))[id_])
    assert state is not None
    await record(platform, id_, *state.record_refused(code=code, retryable=False))


async def ported(platform: Platform) -> UUID:
    """A message whose receipt says that the number is not China Mobile's any more."""
    id_, accepted = await send(platform, MOBILE)
    assert (accepted.carrier, accepted.carrier_by) == (Carrier.MOBILE, FoundBy.SEGMENTS)
    await take(platform, id_, "mobile-1")
    await report(platform, id_, PORTED)
    return id_


def test_after_a_receipt_that_says_ported_the_next_message_goes_to_the_next_carrier(platform):
    async def story() -> None:
        await make_network(platform)
        first = await ported(platform)
        assert await step(platform) == 1
        _, accepted = await send(platform, MOBILE)
        assert (accepted.carrier, accepted.carrier_by) == (Carrier.UNICOM, FoundBy.LEARNED)
        assert accepted.segment_carrier is Carrier.MOBILE
        state = fold(message.evolve, (await platform.store.load([first]))[first])
        assert state is not None
        assert state.status is Status.FAILED

    run(story)


def test_a_refusal_teaches_as_a_receipt_does(platform):
    async def story() -> None:
        await make_network(platform)
        id_, _ = await send(platform, MOBILE)
        await refuse(platform, id_, "mobile-1", "ID:0043")
        assert await step(platform) == 1
        assert await known(platform) == Known(gone=frozenset({Carrier.MOBILE}))

    run(story)


def test_other_codes_teach_nothing(platform):
    async def story() -> None:
        await make_network(platform)
        for code in ("MK:0001", "UNDELIV", "DELIVRD"):
            id_, _ = await send(platform, MOBILE)
            await take(platform, id_, "mobile-1")
            await report(platform, id_, code)
        assert await step(platform) == 0
        assert await known(platform) is None

    run(story)


def test_a_code_may_count_over_one_protocol_only(platform):
    async def story() -> None:
        await make_network(platform)
        settings = platform.settings.model_copy(update={"ported_codes": "cmpp20/9"})
        changed = Platform(**{n: getattr(platform, n) for n in Platform.__slots__} | {"settings": settings})
        id_, _ = await send(platform, MOBILE)
        await refuse(platform, id_, "mobile-1", "9")
        assert await step(changed) == 0
        await add_link(platform, "mobile-2", Carrier.MOBILE, protocol="cmpp20")
        platform.directory.forget("links")
        id_, _ = await send(platform, MOBILE)
        await refuse(platform, id_, "mobile-2", "9")
        assert await step(changed) == 1

    run(story)


def test_a_link_to_several_networks_does_not_say_whose_a_number_is_not(platform):
    async def story() -> None:
        await make_network(platform)
        await add_link(platform, "all-1", Carrier.MOBILE, Carrier.UNICOM)
        platform.directory.forget("links")
        id_, _ = await send(platform, MOBILE)
        await take(platform, id_, "all-1")
        await report(platform, id_, PORTED)
        assert await step(platform) == 0

    run(story)


def test_many_messages_to_one_number_teach_once_and_a_second_learner_nothing_more(platform):
    async def story() -> None:
        await make_network(platform)
        for id_ in [(await send(platform, MOBILE))[0] for _ in range(3)]:
            await take(platform, id_, "mobile-1")
            await report(platform, id_, PORTED)
        assert await step(platform) == 1
        assert await step(platform) == 0
        assert len(await facts(platform)) == 1

    run(story)


def test_a_delivery_in_the_same_network_of_what_was_on_its_way_takes_it_back(platform):
    async def story() -> None:
        await make_network(platform)
        other, _ = await send(platform, MOBILE)
        await take(platform, other, "mobile-1")
        await ported(platform)
        assert await step(platform) == 1
        await report(platform, other, "DELIVRD")
        assert await step(platform) == 1
        assert [each.event.TOPIC for each in await facts(platform)] == [
            "portability.ported_out",
            "portability.seen_again",
        ]
        _, accepted = await send(platform, MOBILE)
        assert (accepted.carrier, accepted.carrier_by) == (Carrier.MOBILE, FoundBy.SEGMENTS)

    run(story)


def test_a_delivery_by_the_next_carrier_takes_nothing_back(platform):
    async def story() -> None:
        await make_network(platform)
        await ported(platform)
        await step(platform)
        id_, _ = await send(platform, MOBILE)
        await take(platform, id_, "unicom-1")
        await report(platform, id_, "DELIVRD")
        assert await step(platform) == 0
        assert await known(platform) == Known(gone=frozenset({Carrier.MOBILE}))

    run(story)


def test_the_next_carrier_is_the_first_in_order_that_has_a_link(platform):
    async def story() -> None:
        from application.manage_links import disable_link

        await make_network(platform)
        await ported(platform)
        await step(platform)
        await disable_link(platform.store, name="unicom-1", reason="a test", context=BY)
        platform.directory.forget("links")
        id_, accepted = await send(platform, MOBILE)
        assert accepted.carrier is Carrier.TELECOM
        assert await accepted_of(platform, id_) == accepted

    run(story)


def test_what_a_person_says_stands_whatever_a_carrier_says_later(platform):
    async def story() -> None:
        await make_network(platform)
        await set_carrier(
            platform.store, platform.vault, phone=MOBILE, carrier=Carrier.MOBILE, why="a test", context=BY
        )
        id_, accepted = await send(platform, MOBILE)
        assert accepted.carrier_by is FoundBy.OVERRIDE
        await take(platform, id_, "mobile-1")
        await report(platform, id_, PORTED)
        assert await step(platform) == 1
        _, accepted = await send(platform, MOBILE)
        assert (accepted.carrier, accepted.carrier_by) == (Carrier.MOBILE, FoundBy.OVERRIDE)

    run(story)


def test_no_fact_of_the_learner_names_the_message_that_taught_it(platform):
    async def story() -> None:
        await make_network(platform)
        id_ = await ported(platform)
        await step(platform)
        (fact,) = await facts(platform)
        assert str(id_) not in repr(fact)
        assert MOBILE not in repr(fact)

    run(story)
