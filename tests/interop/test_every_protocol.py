"""What a link owes a gateway of any protocol: the same plays for each, against the strict gateways of this folder."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from infrastructure.carriers.traffic import InDoubt, LinkPhase, Refused, Taken
from tests.infrastructure.carriers.rig import Desk, until
from tests.interop import strict_wire
from tests.interop.strict_wire import Gateway
from tests.interop.test_cmpp import CMPP20, CMPP30
from tests.interop.test_sgip import SGIP
from tests.interop.test_smgp import SMGP
from tests.interop.test_smpp import SMPP
from tests.interop.trial import (
    CODINGS,
    Trial,
    agree_on_answers,
    arrived,
    as_link_says,
    bare,
    left_unanswered,
    long,
    replies,
    send_all,
    sent_to,
    short,
)

TRIALS = {each.name: each for each in (CMPP20, CMPP30, SGIP, SMGP, SMPP)}
# A connection of SGIP that is idle is given up: it is not tested, and its numbers are of the whole link.
OF_ONE_LINE = {name: each for name, each in TRIALS.items() if each is not SGIP}
# SMGP was made after CMPP: the same farewell, the same words in a receipt.
COUSINS = {each.name: each for each in (CMPP20, CMPP30, SMGP)}

every_protocol = pytest.mark.parametrize("trial", TRIALS.values(), ids=TRIALS)
every_protocol_of_one_line = pytest.mark.parametrize("trial", OF_ONE_LINE.values(), ids=OF_ONE_LINE)
cousins = pytest.mark.parametrize("trial", COUSINS.values(), ids=COUSINS)


@every_protocol
def test_three_hundred_submits_are_taken_and_reported_on(trial: Trial):
    gateway, _ = trial.run(trial.habits(**trial.late_numbers), trial.parts)
    access = trial.given["source_address"]
    assert len(gateway.taken) == 300
    assert {taken.coding for taken in gateway.taken} == {CODINGS[name][0] for name in trial.codings}
    assert {taken.source for taken in gateway.taken} == {access, f"{access}12", f"{access}0199"}


@every_protocol
@pytest.mark.parametrize("segments", ["joined", "shredded"])
@pytest.mark.parametrize("receipts", ["before", "later"])
def test_no_border_of_the_stream_and_no_order_of_receipts_matters(
    trial: Trial, segments: strict_wire.Segments, receipts: strict_wire.Receipts
):
    habits = trial.habits(segments=segments, receipts=receipts, answers_in_batches_of=9)
    gateway, _ = trial.run(habits, trial.parts)
    assert len(gateway.taken) == 300


@every_protocol
def test_receipts_that_come_twice_come_twice(trial: Trial):
    trial.run(trial.habits(receipts="twice"), trial.parts[::5], receipts_each=2)


@every_protocol
def test_refusals_stay_and_throttled_parts_go_again(trial: Trial):
    gateway, table = trial.run(trial.habits(refuses_every=7, throttles_every=40), trial.parts)
    results = Counter(taken.result for taken in gateway.taken)
    assert results[trial.refused] > 30
    assert results[trial.throttled] > 5
    codes = Counter(answer.code for answer in table.answers if isinstance(answer, Refused))
    assert codes == {trial.code(result): results[result] for result in (trial.refused, trial.throttled)}


@every_protocol
def test_what_is_never_answered_is_in_doubt_and_not_sent_again(trial: Trial):
    gateway = trial.make(trial.habits(silent_every=10))
    settings = trial.settings(gateway)
    answers = asyncio.run(left_unanswered(gateway, trial.parts[:100], trial.expected, **settings))
    assert len(gateway.ignored) == 10
    assert Counter(map(type, answers)) == {Taken: 90, InDoubt: 10}


@every_protocol
def test_a_gateway_that_leaves_is_answered_and_met_again(trial: Trial):
    gateway, table = trial.run(trial.habits(leaves_at=50, leaves_unanswered=5), trial.parts[:150])
    assert gateway.visits == 2
    assert 5 <= len(gateway.ignored) <= gateway.window
    assert LinkPhase.LOST in table.phases
    assert max(Counter(map(arrived, [*gateway.taken, *gateway.ignored])).values()) == 1


@every_protocol_of_one_line
def test_the_line_is_tested_from_both_sides(trial: Trial):
    async def play() -> Gateway:
        gateway = trial.make(trial.habits(tests_the_line_every=3))
        async with trial.link_to(gateway, keep_alive_seconds=0.05) as table:
            await send_all(table, trial.parts[:30])
            await until(lambda: gateway.keepalives >= 3)
            assert table.phases.count(LinkPhase.BOUND) == 1
        return gateway

    assert asyncio.run(play()).unanswered() == 0


@every_protocol_of_one_line
@pytest.mark.parametrize("left", [0, 15])
def test_the_numbers_of_a_connection_wrap_on_both_sides(trial: Trial, left: int):
    async def play() -> None:
        first = trial.sequences[1] - left
        gateway = trial.make(trial.habits(first_sequence=first - 20))
        async with trial.link_to(gateway) as table:
            trial.count_from(table, first)
            answers = await send_all(table, trial.parts[:50])
            assert {type(answer) for answer in answers} == {Taken}
            await until(lambda: len(table.receipts) == 50)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("trial", "way"),
    [
        pytest.param(trial, way, id="-".join((name, *(f"{key}={value}" for key, value in way.items()))))
        for name, trial in TRIALS.items()
        for way in trial.ways_to_deliver
    ],
)
def test_replies_come_as_they_were_written(trial: Trial, way: Mapping[str, object]):
    async def play() -> Desk:
        gateway = trial.make(trial.habits(segments="shredded", **way))
        async with trial.link_to(gateway) as table:
            await table.link.ready()
            gateway.reply(sent)
            await until(lambda: len(table.replies) == len(sent))
        return table

    sent = [*replies(), *replies(prefix="86"), *replies(prefix="+86")]
    got = asyncio.run(play()).replies
    assert bare(got) == [replace(each, **trial.also_of_replies) for each in as_link_says(sent)]
    assert len({trial.name_of_reply(reply) for reply in got}) == len(sent)


@pytest.mark.parametrize(
    ("trial", "wrong", "code"),
    [
        pytest.param(trial, wrong, code, id="-".join((name, *map(str, wrong.values()))))
        for name, trial in TRIALS.items()
        for wrong, code in trial.wrong_logins
    ],
)
def test_a_refused_login_says_its_status_and_is_not_repeated_at_once(
    trial: Trial, wrong: Mapping[str, object], code: str
):
    async def play() -> Desk:
        ours = dict(wrong)
        gateway = trial.make(trial.habits(refuses_login_with=ours.pop("refuses_login_with", 0)))
        async with trial.link_to(gateway, reconnect_min_seconds=60.0, **ours) as table:
            await until(lambda: LinkPhase.REFUSED in table.phases)
        assert len(gateway.lines) == 1
        return table

    refused = next(state for state in asyncio.run(play()).states if state.phase is LinkPhase.REFUSED)
    assert code in refused.reason


@every_protocol
def test_the_parts_of_a_long_message_say_their_place(trial: Trial):
    parts = [*long(2), *long(3, reference_octets=2), short(4)]
    gateway, _ = trial.run(trial.habits(), parts)
    places = sorted((taken.udh or (0, 1, 1))[1:] for taken in gateway.taken)
    assert places == [(1, 1), (3, 1), (3, 1), (3, 2), (3, 2), (3, 3), (3, 3)]
    assert {arrived(taken) for taken in gateway.taken} == {sent_to(part) for part in parts}


@every_protocol
def test_a_link_that_closes_in_the_midst_of_traffic_leaves_nothing_open(trial: Trial):
    async def play() -> None:
        gateway = trial.make(trial.habits(answers_in_batches_of=5, receipts=trial.receipts_when_we_close))
        async with trial.link_to(gateway) as table:
            await table.link.ready()
            futures = [table.link.submit(part) for part in trial.parts[:40]]
            await until(lambda: len(gateway.taken) >= 5)
            await table.link.close()
            answers = [future.result() for future in futures]
            taken = [answer for answer in answers if isinstance(answer, Taken)]
            assert InDoubt not in map(type, answers)
            assert len(taken) == len(gateway.taken)
            sent = [part for part, answer in zip(trial.parts, answers, strict=False) if answer in taken]
            agree_on_answers(gateway, sent, taken, trial.expected)

    asyncio.run(play())


@cousins
def test_nothing_is_said_after_leave_is_taken_though_the_gateway_never_answers_it(trial: Trial):
    async def play() -> None:
        gateway = trial.make(trial.habits(lets_go=False))
        async with trial.link_to(gateway, keep_alive_seconds=0.03, close_timeout_seconds=0.3) as table:
            await send_all(table, trial.parts[:10])

    asyncio.run(play())


@cousins
def test_stats_come_as_the_gateway_writes_them(trial: Trial):
    stats = ("DELIVRD", "EXPIRED", "UNDELIV", "REJECTD", "MK:0001", "ID:0076", "BLACK", "DB:0141", "0")
    gateway, table = trial.run(trial.habits(stats=stats), trial.parts[:90])
    assert {receipt.status for receipt in table.receipts} == set(stats)
    assert len(gateway.taken) == 90
