"""Followers that stand close together read the log once, and each gets what it asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.events.ledger import Debited
from domain.events.message import Accepted
from infrastructure.log_reader import LogReader
from projections.log import Window
from projections.sharing import SharedLog
from tests.projections.conftest import Bench
from tests.projections.histories import History

TOPICS = (Accepted.TOPIC, Debited.TOPIC)


@dataclass
class CountedLog:
    """The real log, with a note of every window that is read from it."""

    log: LogReader
    read: list[int] = field(default_factory=list)

    def head(self) -> int:
        return self.log.head()

    def window(self, after: int, limit: int, topics: Sequence[str] = ()) -> Window:
        self.read.append(after)
        return self.log.window(after, limit, topics)


def test_a_stretch_is_read_once_and_everybody_gets_his_topics(bench: Bench):
    History(recorder=bench.recorder).accept(10)
    counted = CountedLog(bench.log)
    shared = SharedLog(log=counted, topics=TOPICS)
    accepted, debited = (shared.window(0, 1_000, [topic]) for topic in TOPICS)
    assert {type(recorded.event) for recorded in accepted.events} == {Accepted}
    assert {type(recorded.event) for recorded in debited.events} == {Debited}
    assert len(accepted.events) == len(debited.events) == 10
    assert accepted.end == debited.end == bench.log.head()
    assert counted.read == [0]


def test_who_stands_within_a_stretch_gets_the_rest_of_it(bench: Bench):
    History(recorder=bench.recorder).accept(10)
    counted = CountedLog(bench.log)
    shared = SharedLog(log=counted, topics=TOPICS)
    shared.window(0, 12, TOPICS)
    rest = shared.window(5, 12, TOPICS)
    assert [recorded.position for recorded in rest.events] == list(range(6, 13))
    assert rest.end == 12
    assert counted.read == [0]


def test_who_stands_at_its_end_reads_on(bench: Bench):
    story = History(recorder=bench.recorder)
    story.accept(10)
    counted = CountedLog(bench.log)
    shared = SharedLog(log=counted, topics=TOPICS)
    end = shared.window(0, 1_000, TOPICS).end
    story.accept(1)
    assert len(shared.window(end, 1_000, TOPICS).events) == 2
    assert counted.read == [0, end]


def test_who_is_alone_reads_for_himself_and_only_what_he_wants(bench: Bench):
    History(recorder=bench.recorder).accept(10)
    counted = CountedLog(bench.log)
    shared = SharedLog(log=counted, topics=TOPICS)
    assert shared.window(bench.log.head(), 5, [Accepted.TOPIC]).end == bench.log.head()
    counted.read.clear()
    for _ in range(2):
        window = shared.window(0, 5, [Debited.TOPIC])
        assert {recorded.event.TOPIC for recorded in window.events} == {Debited.TOPIC}
        assert window.end == 5
    assert counted.read == [0, 0]


def test_all_who_are_far_behind_together_share(bench: Bench):
    History(recorder=bench.recorder).accept(20)
    counted = CountedLog(bench.log)
    shared = SharedLog(log=counted, topics=TOPICS)
    for topic in TOPICS:
        shared.window(0, 5, [topic])
    counted.read.clear()
    for after in (5, 10, 15):
        windows = [shared.window(after, 5, [topic]) for topic in TOPICS]
        assert [window.end for window in windows] == [after + 5] * 2
    assert counted.read == [5, 10, 15]


def test_nothing_new_is_looked_for_again(bench: Bench):
    shared = SharedLog(log=bench.log, topics=TOPICS)
    assert shared.window(0, 10, TOPICS).end == 0
    story = History(recorder=bench.recorder)
    story.accept(1)
    assert len(shared.window(0, 10, TOPICS).events) == 2
