"""A page takes effect once, a fault skips nothing, and one projector works at a time."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.recorded import Recorded
from infrastructure import projector
from projections import runner, statistics, tracking
from projections.catalogue import PROJECTIONS
from projections.lag import lag
from projections.projection import ReadCursor
from tests.projections.conftest import Bench, eventually, running
from tests.projections.histories import History, colourful

STATISTICS = statistics.PROJECTION


def counted(bench: Bench) -> int:
    (line,) = statistics.lines(bench.cursor, "acme")
    return line.total


def at_head(bench: Bench) -> bool:
    return all(bench.position(projection) == bench.log.head() for projection in PROJECTIONS)


def test_a_replayed_page_is_applied_once(bench: Bench):
    History(recorder=bench.recorder).accept(5)
    window = bench.log.window(0, 1_000, STATISTICS.topics)
    runner.apply_window(bench.connection, STATISTICS, after=0, window=window)
    with pytest.raises(tracking.Moved):
        runner.apply_window(bench.connection, STATISTICS, after=0, window=window)
    assert counted(bench) == 5


def test_a_page_that_fails_leaves_neither_rows_nor_position(bench: Bench):
    History(recorder=bench.recorder).accept(5)

    def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
        statistics.apply(cursor, events)
        raise ZeroDivisionError

    window = bench.log.window(0, 1_000, STATISTICS.topics)
    with pytest.raises(ZeroDivisionError):
        runner.apply_window(bench.connection, replace(STATISTICS, apply=apply), after=0, window=window)
    assert counted(bench) == 0
    assert bench.position(STATISTICS) == 0


def test_all_read_models_follow_the_log(bench: Bench):
    with running(*(bench.follower(projection, page_events=50) for projection in PROJECTIONS)):
        story = colourful(bench.recorder, count=5)
        eventually(lambda: at_head(bench))
        story.accept(1)
        eventually(lambda: at_head(bench))
    assert counted(bench) == len(story.everything)


def test_a_projection_that_raises_is_tried_again_and_skips_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    faults = iter(range(2))

    def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
        if next(faults, None) is not None:
            raise ValueError("13800138000")
        statistics.apply(cursor, events)

    History(recorder=bench.recorder).accept(5)
    with caplog.at_level(logging.ERROR), running(bench.follower(replace(STATISTICS, apply=apply))):
        eventually(lambda: bench.position(STATISTICS) == bench.log.head())
    assert counted(bench) == 5
    assert "statistics_v1 stopped after position 0: ValueError" in caplog.text
    assert "13800138000" not in caplog.text


def test_the_second_projector_waits_until_the_first_ends(bench: Bench):
    story = History(recorder=bench.recorder)
    first, second = bench.follower(STATISTICS), bench.follower(STATISTICS)
    with running(first) as stop_first:
        story.accept(3)
        eventually(lambda: first.position == bench.log.head())
        with running(second):
            story.accept(4)
            eventually(lambda: first.position == bench.log.head())
            assert second.position == 0
            stop_first.set()
            eventually(lambda: second.position == bench.log.head())
    assert counted(bench) == 7


def test_followers_go_on_after_their_connections_were_cut(bench: Bench):
    followers = [bench.follower(projection, page_events=20) for projection in PROJECTIONS]
    with running(*followers):
        story = colourful(bench.recorder, count=5)
        for _ in range(3):
            bench.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            story.accept(5)
        eventually(lambda: at_head(bench))
    assert counted(bench) == len(story.everything)
    for projection in PROJECTIONS:
        assert projector.verify_one(projection, bench.models.workshop).differences == ()


def test_the_lag_is_in_positions_and_in_seconds_since_the_next_event(bench: Bench):
    story = History(recorder=bench.recorder)
    bench.catch_up(*PROJECTIONS[1:])
    sent = story.accept(3)

    def lags() -> dict[str, tuple[int, float]]:
        now = sent[0].state.accepted_at + timedelta(seconds=7)
        schema = bench.models.schema
        found = lag(bench.log, bench.connection, schema, PROJECTIONS, now=now)
        return {one.name: (one.behind, one.seconds) for one in found}

    behind = lags()
    assert behind[PROJECTIONS[0].name][0] == bench.log.head()
    assert behind[PROJECTIONS[1].name] == (7, 7.0)
    bench.catch_up()
    assert set(lags().values()) == {(0, 0.0)}


def test_the_projector_runs_until_it_is_told_to_stop(bench: Bench):
    story = History(recorder=bench.recorder)
    stop = threading.Event()
    thread = threading.Thread(target=projector.run, args=(bench.models.settings, stop))
    thread.start()
    try:
        story.accept(3)
        eventually(lambda: at_head(bench))
        assert {one.behind for one in projector.lag(bench.models)} == {0}
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()


def test_many_can_make_the_schema_at_once(bench: Bench):
    bench.connection.execute("DROP SCHEMA smsledger_read CASCADE")
    threads = [threading.Thread(target=projector.prepare, args=(bench.models.settings,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {bench.position(projection) for projection in PROJECTIONS} == {0}
