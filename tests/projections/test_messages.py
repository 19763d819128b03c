"""The history of messages shows what their own streams say."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from domain.aggregates.message import Status
from domain.events.contract import Terms
from domain.values import ChargeOn
from projections import batches, messages
from projections.messages import PROJECTION, CursorInvalid, MessageFilter, MessageLine
from tests.projections.conftest import Bench
from tests.projections.histories import History, Sent, colourful


def shown(bench: Bench, sent: list[Sent]) -> dict[UUID, MessageLine]:
    lines = messages.page(bench.cursor, "acme", MessageFilter(), limit=1_000).messages
    return {line.id: line for line in lines if line.id in {one.id for one in sent}}


def statuses(bench: Bench, sent: list[Sent]) -> set[str]:
    return {line.status for line in shown(bench, sent).values()}


def test_a_message_stands_where_its_stream_says_at_every_step(bench: Bench):
    story = History(recorder=bench.recorder)
    sent = story.accept(3, segments=2, batch="spring", template="greeting", client_reference='a\t\\"{,}\n')
    for step in (story.start, story.doubt, story.report):
        bench.catch_up(PROJECTION)
        assert statuses(bench, sent) == {sent[0].state.status}
        step(sent)
    bench.catch_up(PROJECTION)
    lines = shown(bench, sent)
    for one in sent:
        line = lines[one.id]
        assert line.status == Status.DELIVERED
        assert (line.account, line.batch, line.template) == ("acme", "spring", "greeting")
        assert line.client_reference == 'a\t\\"{,}\n'
        assert (line.segments, line.included, line.overage) == (2, 2, 0)
        assert (line.link, line.attempt) == ("mobile", 1)
        assert line.accepted_at == one.state.accepted_at
        assert line.expires_at == one.state.accepted.expires_at


def test_every_status_of_a_colourful_history_is_that_of_the_aggregate(bench: Bench):
    story = colourful(bench.recorder)
    bench.catch_up(PROJECTION)
    lines = shown(bench, story.everything)
    assert {one.id: one.state.status.value for one in story.everything} == {
        key: line.status for key, line in lines.items()
    }
    assert {one.id: one.state.refunded for one in story.everything} == {
        key: line.refunded for key, line in lines.items()
    }
    assert {line.status for line in lines.values()} == set(Status) - {Status.SUBMITTED, Status.SUBMITTING}


def test_how_the_log_is_cut_into_pages_does_not_matter(bench: Bench):
    colourful(bench.recorder, count=4)
    bench.catch_up(PROJECTION, page_events=100_000)
    whole = bench.rows(PROJECTION)
    bench.connection.execute("TRUNCATE messages_v1, batches_v1; UPDATE projection_tracking SET position = 0")
    bench.catch_up(PROJECTION, page_events=7)
    assert bench.rows(PROJECTION) == whole
    assert whole["messages_v1"]


def test_a_refused_attempt_waits_again_with_its_code_and_a_final_refusal_fails(bench: Bench):
    story = History(recorder=bench.recorder)
    sent = story.accept(1)
    story.start(sent)
    story.refuse(sent, code="ESME_RTHROTTLED", retryable=True)
    bench.catch_up(PROJECTION)
    (line,) = shown(bench, sent).values()
    assert (line.status, line.code, line.attempt, line.refunded) == (
        "accepted",
        "ESME_RTHROTTLED",
        1,
        False,
    )
    story.start(sent)
    story.refuse(sent, code="ESME_RINVDSTADR")
    bench.catch_up(PROJECTION)
    (line,) = shown(bench, sent).values()
    assert (line.status, line.code, line.attempt, line.refunded) == ("failed", "ESME_RINVDSTADR", 2, True)


def test_pages_by_cursor_show_every_message_of_the_account_once_and_newest_first(bench: Bench):
    story, other = History(recorder=bench.recorder), History(recorder=bench.recorder, account="other")
    sent = [*story.accept(7), *story.accept(4)]
    other.accept(3)
    bench.catch_up(PROJECTION)
    seen, cursor = [], ""
    while True:
        page = messages.page(bench.cursor, "acme", MessageFilter(), after=cursor, limit=3)
        seen += page.messages
        cursor = page.next_cursor
        if not cursor:
            break
    assert [line.id for line in seen] == [
        one.id for one in sorted(sent, key=lambda one: (one.state.accepted_at, one.id), reverse=True)
    ]


def test_a_page_is_filtered_by_time_status_and_batch(bench: Bench):
    story = History(recorder=bench.recorder)
    early, late = story.accept(2), story.accept(3, batch="spring")
    story.submit(late[:1])
    bench.catch_up(PROJECTION)

    def found(wanted: MessageFilter) -> set[object]:
        return {line.id for line in messages.page(bench.cursor, "acme", wanted).messages}

    at = late[0].state.accepted_at
    assert found(MessageFilter(since=at)) == {one.id for one in late}
    assert found(MessageFilter(until=at)) == {one.id for one in early}
    assert found(MessageFilter(status=Status.SUBMITTED)) == {late[0].id}
    assert found(MessageFilter(batch="spring", status=Status.ACCEPTED)) == {one.id for one in late[1:]}
    assert found(MessageFilter(batch="autumn")) == set()


@pytest.mark.parametrize("text", ["x", "AAAA", "%%%", "你好", "_" * 32, "A" * 400])
def test_a_cursor_of_nobody_is_refused(bench: Bench, text: str):
    with pytest.raises(CursorInvalid):
        messages.page(bench.cursor, "acme", MessageFilter(), after=text)


def test_the_sweeps_find_what_has_stood_still(bench: Bench):
    terms = Terms(term_years=50, charge_on=ChargeOn.DELIVERED)
    story = History(recorder=bench.recorder, terms=terms)
    waiting, started, submitted = story.accept(2), story.accept(3), story.accept(4)
    short = story.accept(1, valid_for=timedelta(0))
    story.start(started)
    story.submit(submitted)
    middle = story.now()
    later = story.accept(1)
    bench.catch_up(PROJECTION)
    cursor, end = bench.cursor, story.now()

    def ids(found: list[messages.Overdue]) -> set[object]:
        return {one.id for one in found}

    def expected(*groups: list[Sent]) -> set[object]:
        return {one.id for group in groups for one in group}

    def unreported(charge_on: ChargeOn) -> list[messages.Overdue]:
        return messages.unreported(cursor, before=end, charge_on=charge_on, limit=10)

    assert ids(messages.waiting(cursor, Status.ACCEPTED, before=middle, limit=10)) == expected(waiting, short)
    assert ids(messages.waiting(cursor, Status.SUBMITTING, before=end, limit=10)) == expected(started)
    two = messages.waiting(cursor, Status.SUBMITTING, before=end, limit=2)
    rest = messages.waiting(cursor, Status.SUBMITTING, before=end, limit=10, after=two[-1])
    assert len(two) == 2
    assert ids(two + rest) == expected(started)
    assert len(two + rest) == len(started)
    assert ids(messages.past_validity(cursor, now=end, limit=10)) == expected(short)
    assert ids(unreported(ChargeOn.DELIVERED)) == expected(submitted)
    assert unreported(ChargeOn.SUBMITTED) == []
    assert ids(messages.waiting(cursor, Status.ACCEPTED, before=end, limit=10)) == expected(
        waiting, short, later
    )


def test_a_batch_counts_its_messages_by_status_and_its_refusals(bench: Bench):
    story = colourful(bench.recorder, count=6)
    spring = [one for one in story.everything if one.batch == "spring"]
    for page_events in (3, 5, 100):
        bench.catch_up(PROJECTION, page_events=page_events)
        progress = batches.progress(bench.cursor, "acme", "spring")
        assert progress is not None
        assert progress.refused == 4
        assert progress.segments == sum(one.state.accepted.segments for one in spring)
        counted = {status: getattr(progress, status) for status in Status if getattr(progress, status)}
        assert counted == Counter(one.state.status.value for one in spring)
        assert progress.messages == sum(counted.values()) == len(spring)
        more = story.accept(3, batch="spring")
        story.submit(more)
        story.report(more[:1], "UNDELIV")
        spring += more
        # Everything after the first round is only counted by the next one.
    assert batches.progress(bench.cursor, "acme", "autumn") is None
    assert [one.batch for one in batches.newest(bench.cursor, "acme")] == ["spring"]
