"""A phone answers over the carrier of any protocol: sealed in the log, for the right account, acknowledged after."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from application.carriage import Reply
from application.manage_routes import set_route
from application.record_replies import ReplyRecorder
from application.submit_messages import Via
from domain.events.reply import MatchedBy, ReplyReceived
from domain.events.route import RouteSet, Share
from domain.recorded import Recorded
from infrastructure.bootstrap import Platform
from infrastructure.simulator.account import Account
from infrastructure.simulator.script import Fate
from infrastructure.simulator.server import Simulator, serve
from infrastructure.simulator.speech import Submit
from tests.infrastructure import test_worker
from tests.infrastructure.carriers.rig import until
from tests.infrastructure.test_worker import (
    BY,
    accept,
    all_delivered,
    bound,
    carrier_of,
    configure,
    to,
    workers,
)
from tests.support.sample import LINK, make_sample

ours = test_worker.ours
PHONE = f"86138{0:08d}"
"""Of the first message that `accept` makes."""
NUMBER = "10690001"
CODES = RouteSet(
    name="codes",
    priority=10,
    accounts=("demo",),
    categories=(),
    carriers=(),
    signatures=(),
    shares=(Share(link=LINK),),
    extension="12",
    by="cli:test",
)


@asynccontextmanager
async def working(ours: Platform, protocol: str, **changes: float) -> AsyncIterator[Simulator]:
    """A worker bound to a carrier of some protocol."""
    await make_sample(ours)
    async with (
        await serve(carrier_of(LINK, protocol=protocol, **changes)) as simulator,
        workers(ours) as running,
    ):
        await configure(ours, to(ours, simulator.port, protocol=protocol, source_address=NUMBER))
        running.start()
        await until(lambda: bound(simulator) == 1)
        yield simulator


def write(simulator: Simulator, text: str, *, to: str = NUMBER, header: bytes = b"") -> None:
    """Somebody writes on a phone."""
    payload = header + text.encode("utf-16-be")
    simulator.reply(LINK, phone=PHONE, to=to, payload=payload, udh=bool(header))


def replies(platform: Platform) -> list[Recorded]:
    """Whole replies, oldest first."""
    query = b"SELECT originator_id FROM smsledger.stored_events WHERE topic = 'reply.received' ORDER BY notification_id"
    streams: list[UUID] = [row[0] for row in platform.store.recorder.rows(query)]
    histories = platform.store.histories(streams)
    return [histories[stream][-1] for stream in streams]


async def opened(platform: Platform, recorded: Recorded) -> tuple[str, str] | None:
    event = recorded.event
    assert isinstance(event, ReplyReceived)
    rows = await platform.store.sealed_replies([(event.sealed.day, recorded.stream)])
    return platform.vault.open(
        account=event.of.account,
        message=recorded.stream,
        sealed=event.sealed,
        ciphertext=rows[recorded.stream],
    )


@pytest.mark.parametrize("protocol", ["smpp34", "cmpp20", "cmpp30", "smgp30", "sgip12"])
def test_a_phone_s_answers_are_sealed_for_their_account_and_acknowledged(ours: Platform, protocol: str):
    async def play() -> None:
        async with working(ours, protocol) as simulator:
            (sent,) = await accept(ours, 1)
            await all_delivered(ours, [sent])
            write(simulator, "退订")
            await until(lambda: len(replies(ours)) == 1)
            await set_route(ours.store, wanted=CODES, context=BY)
            write(simulator, "好的", to=NUMBER + "123")
            await until(lambda: len(replies(ours)) == 2)
            write(simulator, "后半", header=b"\5\0\3\7\2\2")
            write(simulator, "前半", header=b"\5\0\3\7\2\1")
            await until(lambda: len(replies(ours)) == 3)
            first, second, third = replies(ours)
            assert [
                (e.of.account, e.of.extension, e.of.matched_by, e.keyword) for e in facts(first, second)
            ] == [
                ("demo", "", MatchedBy.RECENT, "退订"),
                ("demo", "123", MatchedBy.EXTENSION, ""),
            ]
            assert facts(first)[0].of.message == str(sent)
            texts = [await opened(ours, each) for each in (first, second, third)]
            assert texts == [("+" + PHONE, text) for text in ("退订", "好的", "前半后半")]
            assert {each.context.actor for each in (first, second, third)} == {f"link:{LINK}"}

    asyncio.run(play())


@pytest.mark.parametrize("protocol", ["smpp34", "cmpp20", "cmpp30", "smgp30", "sgip12"])
def test_the_sender_s_digits_are_on_the_wire_and_come_back_with_the_reply(
    ours: Platform, protocol: str, monkeypatch: pytest.MonkeyPatch
):
    numbers: list[str] = []
    note = Simulator.note_submit

    def noted(self: Simulator, account: Account, fate: Fate, carrier_id: str, submit: Submit) -> None:
        pdu = submit.note
        numbers.append(str(pdu["source_addr"] if isinstance(pdu, dict) else pdu.source))  # type: ignore[attr-defined]
        note(self, account, fate, carrier_id, submit)

    monkeypatch.setattr(Simulator, "note_submit", noted)

    async def play() -> None:
        async with working(ours, protocol) as simulator:
            await set_route(ours.store, wanted=CODES, context=BY)
            plain = await accept(ours, 1, via=Via(route="codes", extension="12"), extension="2048")
            await all_delivered(ours, plain)
            other = await accept(ours, 1, start=1, extension="77")
            await all_delivered(ours, other)
            assert numbers == [NUMBER + "12" + "2048", NUMBER + "77"]
            write(simulator, "好的", to=numbers[0])
            await until(lambda: len(replies(ours)) == 1)
            write(simulator, "谢谢", to=numbers[0] + "5")
            await until(lambda: len(replies(ours)) == 2)
            write(simulator, "收到", to=numbers[1])
            await until(lambda: len(replies(ours)) == 3)
            assert [
                (e.of.account, e.of.extension, e.of.asked, e.of.matched_by) for e in facts(*replies(ours))
            ] == [
                ("demo", "122048", "2048", MatchedBy.EXTENSION),
                ("demo", "1220485", "20485", MatchedBy.EXTENSION),
                ("demo", "77", "77", MatchedBy.RECENT),
            ]

    asyncio.run(play())


def facts(*recorded: Recorded) -> list[ReplyReceived]:
    return [each.event for each in recorded if isinstance(each.event, ReplyReceived)]


@pytest.mark.parametrize("protocol", ["smpp34", "cmpp30", "smgp30", "sgip12"])
def test_a_reply_whose_acknowledgement_was_lost_comes_again_and_is_stored_once(
    ours: Platform, protocol: str, monkeypatch: pytest.MonkeyPatch
):
    record = ReplyRecorder.__call__
    calls = 0

    async def forgetful(self: ReplyRecorder, link: str, batch: Sequence[Reply]) -> None:
        nonlocal calls
        calls += 1
        await record(self, link, batch)
        if calls == 1:
            raise RuntimeError("dead between the commit and the answer")

    monkeypatch.setattr(ReplyRecorder, "__call__", forgetful)

    async def play() -> None:
        async with working(ours, protocol, resend_seconds=0.2) as simulator:
            write(simulator, "好的")
            await until(lambda: calls > 1 and simulator.owed(LINK) == 0)
            assert len(replies(ours)) == 1

    asyncio.run(play())
