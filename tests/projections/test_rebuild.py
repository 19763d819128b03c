"""What is built from the first event equals what grew event by event, and killing a rebuild harms nothing."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.recorded import Recorded
from projections import messages, statistics
from projections.catalogue import PROJECTIONS
from projections.projection import Projection, ReadCursor
from projections.rebuild import AlreadyRunning, rebuild, verify
from tests.projections.conftest import Bench, eventually, running
from tests.projections.histories import History, colourful

MESSAGES = messages.PROJECTION
EACH = pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)


class Killed(BaseException):
    """As abrupt as the test can be: nothing in the program catches it."""


def tables_in(bench: Bench, schema: str) -> set[str]:
    found = bench.connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
    return {name for (name,) in found} - {"projection_tracking"}


@EACH
def test_a_rebuilt_read_model_equals_the_live_one(bench: Bench, projection: Projection):
    colourful(bench.recorder, count=5)
    bench.catch_up(projection, page_events=13)
    live = bench.rows(projection)
    seen = []
    done = rebuild(
        projection,
        replace(bench.models.workshop, page_events=50),
        progress=lambda reached, target: seen.append((reached, target)),
    )
    assert done.differences == ()
    assert done.position == bench.position(projection) == bench.log.head()
    assert bench.rows(projection) == live
    assert any(live.values())
    assert seen[0] == (50, bench.log.head())
    assert seen[-1] == (bench.log.head(), bench.log.head())
    assert tables_in(bench, "smsledger_rebuild") == set()


@EACH
def test_a_read_model_is_proved_against_the_log(bench: Bench, projection: Projection):
    colourful(bench.recorder, count=3)
    bench.catch_up(projection, page_events=13)
    proved = verify(projection, replace(bench.models.workshop, page_events=31))
    assert (proved.differences, proved.position) == ((), bench.log.head())
    assert tables_in(bench, "smsledger_verify") == set()


def test_a_proof_stops_where_the_live_one_stands(bench: Bench):
    story = colourful(bench.recorder, count=3)
    bench.catch_up(MESSAGES)
    stands = bench.position(MESSAGES)
    story.accept(5)
    proved = verify(MESSAGES, bench.models.workshop)
    assert (proved.differences, proved.position) == ((), stands)


def test_a_proof_finds_what_was_changed_lost_and_invented(bench: Bench):
    story = colourful(bench.recorder, count=3)
    bench.catch_up()
    delivered = [one for one in story.everything if one.state.status == "delivered"]
    changed, lost = delivered[0].id, delivered[1].id
    bench.connection.execute("UPDATE messages_v1 SET overage = overage + 1 WHERE id = %s", (changed,))
    bench.connection.execute("DELETE FROM messages_v1 WHERE id = %s", (lost,))
    bench.connection.execute(
        "INSERT INTO batches_v1 (account, batch, first_at) VALUES ('acme', 'ghost', now())"
    )
    in_messages, in_batches = verify(MESSAGES, bench.models.workshop).differences
    assert (in_messages.table, in_messages.missing, in_messages.unexpected) == ("messages_v1", 2, 1)
    assert set(in_messages.keys) == {str(changed), str(lost)}
    assert (in_batches.missing, in_batches.unexpected, in_batches.keys) == (0, 1, ("acme/ghost",))


def test_a_rebuild_says_what_was_wrong_and_heals_it(bench: Bench):
    colourful(bench.recorder, count=3)
    bench.catch_up(statistics.PROJECTION)
    bench.connection.execute("UPDATE statistics_v1 SET delivered = delivered + 1")
    done = rebuild(statistics.PROJECTION, bench.models.workshop)
    assert done.differences is not None
    assert [one.table for one in done.differences] == ["statistics_v1"]
    assert verify(statistics.PROJECTION, bench.models.workshop).differences == ()


def test_a_killed_rebuild_leaves_the_live_one_alone_and_the_next_one_works(bench: Bench):
    story = colourful(bench.recorder, count=3)
    bench.catch_up(MESSAGES)
    live = bench.rows(MESSAGES)

    def die(reached: int, target: int) -> None:
        if reached > target // 2:
            raise Killed

    with pytest.raises(Killed):
        rebuild(MESSAGES, replace(bench.models.workshop, page_events=20), progress=die)
    assert tables_in(bench, "smsledger_rebuild") == {"messages_v1", "batches_v1"}
    assert bench.rows(MESSAGES) == live
    story.accept(2)
    bench.catch_up(MESSAGES)
    assert rebuild(MESSAGES, bench.models.workshop).differences == ()


def test_a_rebuild_whose_last_page_fails_leaves_the_live_one_alone(bench: Bench):
    story = colourful(bench.recorder, count=3)
    bench.catch_up(MESSAGES)

    def late_events(reached: int, target: int) -> None:
        """What happens after the rebuild aimed at the head is left for the transaction of the swap."""
        if reached == target:
            story.accept(1)
            bench.catch_up(MESSAGES)

    def apply(cursor: ReadCursor, events: Sequence[Recorded]) -> None:
        if events[-1].position > aimed:
            raise Killed
        messages.apply(cursor, events)

    aimed = bench.log.head()
    with pytest.raises(Killed):
        rebuild(replace(MESSAGES, apply=apply), bench.models.workshop, progress=late_events)
    assert verify(MESSAGES, bench.models.workshop).differences == ()
    assert bench.position(MESSAGES) == bench.log.head()


def test_a_rebuild_under_load_is_swapped_in_between_two_pages(bench: Bench):
    story = colourful(bench.recorder, count=3)
    with running(*(bench.follower(projection, page_events=20) for projection in PROJECTIONS)) as stop:
        load = threading.Thread(target=lambda: [story.accept(5) for _ in range(40)])
        load.start()
        for projection in PROJECTIONS:
            rebuild(projection, replace(bench.models.workshop, page_events=50))
        load.join()
        eventually(lambda: all(bench.position(p) == bench.log.head() for p in PROJECTIONS))
        stop.set()
    for projection in PROJECTIONS:
        assert verify(projection, bench.models.workshop).differences == ()
    (line,) = statistics.lines(bench.cursor, "acme")
    assert line.total == len(story.everything)


def test_two_rebuilds_of_one_read_model_do_not_meet(bench: Bench):
    History(recorder=bench.recorder).accept(1)
    raised = []

    def second(*_: int) -> None:
        with pytest.raises(AlreadyRunning):
            rebuild(MESSAGES, bench.models.workshop)
        raised.append(True)

    rebuild(MESSAGES, bench.models.workshop, progress=second)
    assert raised == [True]


def test_a_read_model_that_never_ran_is_built_by_a_rebuild(bench: Bench):
    story = colourful(bench.recorder, count=2)
    bench.connection.execute("DROP SCHEMA smsledger_read CASCADE")
    done = rebuild(statistics.PROJECTION, bench.models.workshop)
    assert done.differences is None
    (line,) = statistics.lines(bench.cursor, "acme")
    assert line.total == len(story.everything)
    assert bench.position(statistics.PROJECTION) == bench.log.head()
