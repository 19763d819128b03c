"""Replies are listed by account, newest first, whole ones in the place of their parts."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.events import Event
from domain.values import stream_id
from projections import replies
from projections.replies import CursorInvalid, ReplyFilter, ReplyLine, page
from tests.domain.facts import part_of_reply, whole_reply
from tests.projections.conftest import Bench
from tests.projections.histories import History

ACME = ReplyFilter(account="acme")


@pytest.fixture
def story(bench: Bench) -> History:
    return History(recorder=bench.recorder)


def receive(story: History, name: str, *events: Event, version: int = 0) -> None:
    story.append(stream_id("reply", name), version, *events)


def shown(bench: Bench, wanted: ReplyFilter = ACME) -> list[ReplyLine]:
    bench.catch_up(replies.PROJECTION, page_events=3)
    return list(page(bench.cursor, wanted, limit=50).replies)


def test_a_reply_is_listed_for_its_account_alone_and_nobody_s_for_nobody(bench, story):
    receive(story, "one", whole_reply("acme", keyword="TD"))
    receive(story, "two", whole_reply("bolt"))
    receive(story, "three", whole_reply(""))
    (line,) = shown(bench)
    assert (line.account, line.keyword, line.extension, line.matched_by) == ("acme", "TD", "12", "extension")
    assert (line.part, line.parts, line.sealed_id) == (0, 1, line.id)
    assert [each.matched_by for each in shown(bench, ReplyFilter(account=""))] == ["nobody"]
    assert len(shown(bench, ReplyFilter(account=None))) == 3


@pytest.mark.parametrize("page_events", [1, 100])
def test_parts_are_listed_apart_until_the_whole_takes_their_place(bench, story, page_events):
    receive(story, "one", part_of_reply(part=2))
    (half,) = shown(bench)
    assert (half.part, half.parts) == (2, 2)
    assert half.sealed_id != half.id
    receive(story, "one", part_of_reply(part=1), whole_reply(parts=2), version=1)
    bench.catch_up(replies.PROJECTION, page_events=page_events)
    (whole,) = shown(bench)
    assert (whole.id, whole.part, whole.parts) == (half.id, 0, 2)


def test_pages_follow_each_other_without_gap_or_overlap(bench, story):
    for number in range(7):
        receive(story, str(number), whole_reply())
    everything = shown(bench)
    assert everything == sorted(everything, key=lambda line: line.received_at, reverse=True)
    found: list[ReplyLine] = []
    after = ""
    while True:
        one = page(bench.cursor, ACME, after=after, limit=3)
        found += one.replies
        after = one.next_cursor
        if not after:
            break
    assert found == everything


@pytest.mark.parametrize("wrong", ["x", "AAAA", "é", "A" * 48])
def test_what_no_page_gave_is_no_cursor(bench, wrong):
    with pytest.raises(CursorInvalid):
        page(bench.cursor, ACME, after=wrong)


def test_replies_are_found_by_time_and_by_the_ids_of_a_phone(bench, story):
    for name in ("one", "two"):
        receive(story, name, whole_reply())
    now = datetime.now(UTC)
    later, earlier = now + timedelta(hours=1), now - timedelta(hours=1)
    assert len(shown(bench, ReplyFilter(account="acme", since=earlier, until=later))) == 2
    assert shown(bench, ReplyFilter(account="acme", since=later)) == []
    assert shown(bench, ReplyFilter(account="acme", until=earlier)) == []
    mine = stream_id("reply", "two")
    assert [line.id for line in shown(bench, ReplyFilter(account="acme", sealed_ids=[mine]))] == [mine]
    assert shown(bench, ReplyFilter(account="acme", sealed_ids=[])) == []
