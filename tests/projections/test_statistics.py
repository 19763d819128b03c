"""Statistics add up at every moment, whatever is revised."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from domain.events.message import Cause, Delivered, Dimensions, Failed
from domain.recorded import Context, Recorded
from domain.values import Carrier
from projections import statistics
from projections.runner import apply_window
from projections.statistics import PROJECTION, By, StatisticsLine
from tests.projections.conftest import Bench
from tests.projections.histories import History, colourful

OF = Dimensions(
    account="acme",
    carrier=Carrier.MOBILE,
    template="",
    accepted_at=datetime(2026, 7, 1, 15, 59, 59, tzinfo=UTC),
    segments=3,
)


def whole(bench: Bench) -> StatisticsLine:
    (line,) = statistics.lines(bench.cursor, "acme")
    return line


def recorded(event: Delivered | Failed) -> Recorded:
    return Recorded(
        stream=UUID(int=1),
        version=5,
        at=datetime(2026, 8, 1, tzinfo=UTC),
        context=Context(actor="x"),
        event=event,
    )


def test_the_total_is_delivered_and_failed_and_not_yet_reported_after_every_page(bench: Bench):
    story = colourful(bench.recorder, count=6)
    while bench.position(PROJECTION) < bench.log.head():
        after = bench.position(PROJECTION)
        window = bench.log.window(after, 9, PROJECTION.topics)
        apply_window(bench.connection, PROJECTION, after=after, window=window)
        line = whole(bench)
        assert line.total == line.delivered + line.failed + line.not_yet_reported
        assert min(line[3:]) >= 0
        assert line.not_yet_reported >= 0
    line = whole(bench)
    assert line.total == len(story.everything)
    assert line.segments == sum(one.state.accepted.segments for one in story.everything)
    assert (line.delivered, line.reported_failed, line.expired, line.cancelled) == (12, 12, 3, 1)
    assert line.not_yet_reported == 8


def test_a_revision_moves_a_message_from_failed_to_delivered_and_back(bench: Bench):
    story = History(recorder=bench.recorder)
    sent = story.accept(2, segments=2)
    story.submit(sent)
    seen = []
    for status in ("UNDELIV", "DELIVRD", "UNDELIV", "DELIVRD"):
        story.report(sent, status)
        bench.catch_up(PROJECTION)
        line = whole(bench)
        seen.append((line.total, line.delivered, line.delivered_segments, line.failed, line.not_yet_reported))
    failed, delivered = (2, 0, 0, 2, 0), (2, 2, 4, 0, 0)
    assert seen == [failed, delivered, failed, delivered]


def test_lines_are_grouped_by_any_choice_of_day_carrier_and_template(bench: Bench):
    story = History(recorder=bench.recorder)
    story.accept(1, carrier=Carrier.MOBILE)
    story.accept(2, carrier=Carrier.UNICOM)
    story.accept(4, carrier=Carrier.UNICOM, template="greeting")
    History(recorder=bench.recorder, account="other").accept(8)
    bench.catch_up(PROJECTION)

    def grouped(*by: By) -> list[tuple[object, ...]]:
        found = statistics.lines(bench.cursor, "acme", group_by=by)
        return [(line.carrier, line.template, line.total) for line in found]

    assert grouped() == [(None, None, 7)]
    assert grouped(By.DAY) == [(None, None, 7)]
    assert grouped(By.CARRIER) == [("mobile", None, 1), ("unicom", None, 6)]
    assert grouped(By.TEMPLATE) == [(None, "", 3), (None, "greeting", 4)]
    assert grouped(By.TEMPLATE, By.CARRIER) == [
        ("mobile", "", 1),
        ("unicom", "", 2),
        ("unicom", "greeting", 4),
    ]


def test_days_are_chosen_inclusively_and_nothing_is_zero(bench: Bench):
    story = History(recorder=bench.recorder)
    story.accept(1)
    bench.catch_up(PROJECTION)
    (day,) = [line.day for line in statistics.lines(bench.cursor, "acme", group_by=[By.DAY])]
    assert day is not None

    def total(since: date | None, until: date | None) -> int:
        (line,) = statistics.lines(bench.cursor, "acme", since=since, until=until)
        return line.total

    assert total(day, day) == 1
    assert total(None, day) == total(day, None) == 1
    assert total(date(2000, 1, 1), date(2000, 1, 2)) == 0


def test_an_outcome_counts_on_the_day_of_acceptance_in_shanghai():
    before_midnight = recorded(Delivered(of=OF))
    midnight = replace(OF, accepted_at=datetime(2026, 7, 1, 16, 0, 0, tzinfo=UTC))
    after_midnight = recorded(Failed(cause=Cause.RECEIPT, code="UNDELIV", refunded=False, of=midnight))
    added = statistics.fold([before_midnight, after_midnight])
    assert {key[1]: (of.delivered, of.failed) for key, of in added.items()} == {
        date(2026, 7, 1): (1, 0),
        date(2026, 7, 2): (0, 1),
    }


def test_a_revision_within_a_page_leaves_one_outcome():
    failed = Failed(cause=Cause.RECEIPT, code="UNDELIV", refunded=False, of=OF)
    (counts,) = statistics.fold([recorded(failed), recorded(Delivered(of=OF, revises="failed"))]).values()
    assert (counts.failed, counts.delivered, counts.delivered_segments) == (0, 1, 3)
