"""The log is the outbox: what follows from it is in the queues before the position is recorded, never the reverse."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder

from application.choose_route import Network
from application.ports import Entry
from application.reactions import SubmitJob
from application.submit_messages import Via
from domain.aggregates.link import Link
from domain.aggregates.route import RouteTable
from domain.events.link import ConditionEvent, Connected, Lost
from domain.events.message import Accepted, DoubtResolved, SubmissionRefused
from domain.recorded import Context
from domain.values import Carrier, Lane
from infrastructure import jobs
from infrastructure.dispatcher import TRACKING, Dispatcher
from infrastructure.jobs import make_broker, waiting, without_job
from infrastructure.log_reader import LogReader
from infrastructure.recorder import LedgerRecorder
from infrastructure.rerouting import Rerouting
from tests.application.office import configured
from tests.domain.facts import accepted
from tests.domain.test_route import made
from tests.projections.histories import History, Sent

BY = Context(actor="test")
ONE = Link(configured=configured("one", Carrier.MOBILE, Carrier.UNICOM), enabled=True)
TWO = Link(configured=configured("two", Carrier.MOBILE), enabled=True)


def network(*links: Link, **conditions: ConditionEvent) -> Network:
    """These links, all connected unless it is said otherwise, and no routes."""
    known: dict[str, ConditionEvent] = {link.name: Connected(name=link.name) for link in links}
    facts = {name: (fact,) for name, fact in (known | conditions).items()}
    return Network(links=links, conditions=facts, table=RouteTable())


def facts(ids: Sequence[UUID]) -> dict[UUID, Accepted]:
    """What a message is routed by, for ids that are in no log: the carrier stands in the id."""
    return {id_: replace(accepted(), carrier=list(Carrier)[id_.int % len(Carrier)]) for id_ in ids}


def id_for(carrier: Carrier, number: int = 0) -> UUID:
    """An id of which `facts` says this carrier."""
    return UUID(int=list(Carrier).index(carrier) + len(Carrier) * number)


class ForgetfulTracking(PostgresTrackingRecorder):
    """Dies just before the position is recorded, as often as it is told to."""

    deaths = 0

    def insert_tracking(self, tracking: Tracking) -> None:
        if self.deaths:
            self.deaths -= 1
            raise IntegrityError("killed between the jobs and the position")
        super().insert_tracking(tracking)


class Post:
    """A dispatcher over a log and an empty Redis."""

    def __init__(self, recorder: LedgerRecorder, broker: RedisBroker, log: LogReader, *links: Link) -> None:
        self.broker = broker
        self.tracking = ForgetfulTracking(recorder.datastore)
        self.story = History(recorder=recorder)
        self.network = network(*links)
        self.recorder = recorder
        self.log = log
        self.dispatcher = Dispatcher(
            log=log,
            tracking=self.tracking,
            broker=broker,
            network=lambda: self.network,
            accepted=self.facts,
            job_messages=10,
        )

    def facts(self, messages: Sequence[UUID]) -> dict[UUID, Accepted]:
        """Those of messages in the log; made up for others."""
        return facts(messages) | {one.id: one.state.accepted for one in self.story.everything}

    @contextmanager
    def following(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self.dispatcher.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=30)

    def position(self) -> int:
        return self.tracking.max_tracking_id(TRACKING) or 0

    def caught_up(self) -> bool:
        return self.position() == self.log.head()

    def in_jobs(self, link: str = "one", lane: Lane = Lane.REALTIME) -> list[str]:
        return [id_ for job in self.jobs(link, lane) for id_ in job.args[2]]

    def jobs(self, link: str = "one", lane: Lane = Lane.REALTIME) -> list["dramatiq.Message[None]"]:
        name = f"{self.broker.namespace}:{jobs.queue_name(link, lane)}"
        both = [*self.broker.client.hvals(f"{name}.msgs"), *self.broker.client.hvals(f"{name}.DQ.msgs")]  # type: ignore[misc]
        return [dramatiq.Message.decode(each) for each in both]


def eventually(true: Callable[[], object], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)


def ids(sent: list[Sent]) -> list[str]:
    return [str(one.id) for one in sent]


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    made = make_broker(redis_url)
    yield made
    made.close()


@pytest.fixture
def log(recorder: LedgerRecorder) -> Iterator[LogReader]:
    with LogReader(recorder, poll_seconds=0.02) as reader:
        yield reader


@pytest.fixture
def post(recorder: LedgerRecorder, broker: RedisBroker, log: LogReader) -> Post:
    return Post(recorder, broker, log, ONE)


def test_every_accepted_message_gets_a_job_in_the_lane_of_its_link(post):
    realtime = post.story.accept(3)
    batch = post.story.accept(25, batch="spring")
    with post.following():
        eventually(post.caught_up)
    assert sorted(post.in_jobs()) == sorted(ids(realtime))
    assert sorted(post.in_jobs(lane=Lane.BATCH)) == sorted(ids(batch))
    assert [len(job.args[2]) for job in post.jobs(lane=Lane.BATCH)] == [10, 10, 5]


def test_a_job_carries_ids_only(post):
    post.story.accept(1)
    with post.following():
        eventually(post.caught_up)
    (job,) = post.jobs()
    assert (job.args[0], job.args[1], job.kwargs) == (
        "one",
        "realtime",
        {"route": "default", "passed_over": [], "extension": ""},
    )
    assert UUID(job.args[2][0])


def test_what_comes_later_is_dispatched_as_it_comes(post):
    with post.following():
        first = post.story.accept(1)
        eventually(lambda: set(post.in_jobs()) == set(ids(first)))
        second = post.story.accept(1)
        eventually(lambda: set(post.in_jobs()) == set(ids(first + second)))


def test_a_dispatcher_killed_between_jobs_and_position_does_the_jobs_again_and_loses_none(post):
    sent = post.story.accept(5)
    post.tracking.deaths = 1
    with post.following():
        eventually(post.caught_up)
    assert sorted(post.in_jobs()) == sorted(ids(sent) * 2)


def test_a_new_dispatcher_goes_on_where_the_last_one_stopped(post, recorder, broker, log):
    post.story.accept(5)
    with post.following():
        eventually(post.caught_up)
    broker.flush_all()
    later = post.story.accept(2)
    with post.following():
        eventually(post.caught_up)
    assert sorted(post.in_jobs()) == sorted(ids(later))


def test_two_dispatchers_at_once_lose_nothing(post, recorder, broker, log):
    second = Dispatcher(
        log=log,
        tracking=PostgresTrackingRecorder(recorder.datastore),
        broker=broker,
        network=lambda: network(ONE),
        accepted=facts,
        job_messages=10,
    )
    stop = threading.Event()
    other = threading.Thread(target=second.run, args=(stop,))
    other.start()
    sent: list[Sent] = []
    try:
        with post.following():
            for _ in range(10):
                sent += post.story.accept(3)
            eventually(post.caught_up)
    finally:
        stop.set()
        other.join(timeout=30)
    assert set(post.in_jobs()) == set(ids(sent))


def test_a_refusal_for_the_moment_and_a_resend_get_another_job(post, broker):
    (refused, resent) = post.story.accept(2)
    with post.following():
        eventually(post.caught_up)
    broker.flush_all()
    again = SubmissionRefused(
        link="one", carrier=Carrier.MOBILE, lane=Lane.REALTIME, code="88", retryable=True, attempt=3
    )
    resolved = DoubtResolved(carrier=Carrier.MOBILE, lane=Lane.BATCH, resend=True, reason="")
    for_good = SubmissionRefused(
        link="one", carrier=Carrier.MOBILE, lane=Lane.REALTIME, code="11", retryable=False, attempt=1
    )
    post.recorder.commit(
        [
            Entry(stream=refused.id, version=None, context=BY, events=(again,)),
            Entry(stream=resent.id, version=None, context=BY, events=(resolved,)),
            Entry(stream=uuid4(), version=None, context=BY, events=(for_good,)),
        ]
    )
    with post.following():
        eventually(post.caught_up)
    assert post.in_jobs() == [str(refused.id)]
    (delayed,) = post.jobs()
    assert delayed.queue_name == "one.realtime.DQ"
    assert delayed.options["eta"] - delayed.message_timestamp >= 8_000
    assert post.in_jobs(lane=Lane.BATCH) == [str(resent.id)]


def test_the_links_of_a_carrier_share_its_messages(recorder, broker, log):
    post = Post(recorder, broker, log, ONE, TWO)
    for number in range(4):
        post.dispatcher.dispatch([SubmitJob(id_for(Carrier.MOBILE, number), Carrier.MOBILE, Lane.REALTIME)])
    assert len(post.in_jobs("one")) + len(post.in_jobs("two")) == 4
    assert post.dispatcher.links_of(Carrier.MOBILE) == ["one", "two"]
    assert post.dispatcher.links_of(Carrier.UNICOM) == ["one"]


def test_a_carrier_without_a_link_leaves_its_messages_to_the_sweep_and_stops_nobody(post):
    jobs_for = [
        SubmitJob(id_for(carrier), carrier, Lane.REALTIME) for carrier in (Carrier.TELECOM, Carrier.MOBILE)
    ]
    post.dispatcher.dispatch(jobs_for)
    assert post.in_jobs() == [str(jobs_for[1].message)]


def test_messages_that_no_link_takes_are_one_line_for_each_carrier(post, caplog):
    nobody = [
        SubmitJob(id_for(carrier, number), carrier, Lane.BATCH)
        for carrier in (Carrier.TELECOM, Carrier.BROADNET)
        for number in range(50)
    ]
    assert post.dispatcher.dispatch(nobody) == 0
    lines = [record.getMessage() for record in caplog.records if "no route has" in record.message]
    assert sorted(lines) == [
        f"no route has an enabled link for {carrier}: 50 messages wait for the sweep"
        for carrier in sorted((Carrier.TELECOM, Carrier.BROADNET))
    ]


def test_a_disabled_link_gets_no_jobs(recorder, broker, log):
    post = Post(recorder, broker, log, Link(configured=ONE.configured), TWO)
    post.dispatcher.dispatch(
        [SubmitJob(id_for(Carrier.MOBILE, number), Carrier.MOBILE, Lane.REALTIME) for number in range(3)]
    )
    assert (len(post.in_jobs("one")), len(post.in_jobs("two"))) == (0, 3)


def test_while_redis_is_away_no_position_is_recorded_and_nothing_is_lost(post, recorder, log, broker):
    sent = post.story.accept(3)
    away = Dispatcher(
        log=log,
        tracking=post.tracking,
        broker=make_broker("redis://127.0.0.1:9/0"),
        network=lambda: network(ONE),
        accepted=facts,
        job_messages=10,
    )
    stop = threading.Event()
    thread = threading.Thread(target=away.run, args=(stop,))
    thread.start()
    stop.wait(0.3)
    stop.set()
    thread.join(timeout=30)
    assert post.position() == 0
    with post.following():
        eventually(post.caught_up)
    assert sorted(post.in_jobs()) == sorted(ids(sent))


# The queues.


def test_jobs_that_wait_are_delayed_or_held_are_counted_and_their_messages_are_known(broker):
    known = [uuid4() for _ in range(4)]
    jobs.enqueue(broker, link="one", lane=Lane.BATCH, messages=known[:2])
    jobs.enqueue(broker, link="one", lane=Lane.BATCH, messages=known[2:], delay_seconds=600)
    jobs.enqueue(broker, link="one", lane=Lane.REALTIME, messages=[uuid4()])
    assert waiting(broker, link="one", lane=Lane.BATCH) == 2
    unknown = uuid4()
    assert without_job(broker, links=["two", "one"], lane=Lane.BATCH, messages=[*known, unknown]) == {unknown}
    consumer = broker.consume("one.batch", prefetch=1, timeout=1_000)
    assert next(consumer) is not None
    assert waiting(broker, link="one", lane=Lane.BATCH) == 2
    consumer.close()


def test_a_queue_nobody_used_is_empty(broker):
    assert waiting(broker, link="nobody", lane=Lane.BATCH) == 0
    unknown = uuid4()
    assert without_job(broker, links=["nobody"], lane=Lane.BATCH, messages=[unknown]) == {unknown}


def test_the_actor_gets_what_was_enqueued_and_a_failed_job_comes_back(broker):
    calls: list[tuple[str, Lane, list[UUID], Via]] = []
    done = threading.Event()
    way = Via(route="codes", passed_over=("two:down",), extension="0012")

    def handle(link: str, lane: Lane, messages: Sequence[UUID], via: Via) -> None:
        calls.append((link, lane, list(messages), via))
        if len(calls) == 1:
            raise RuntimeError("the link is gone")
        done.set()

    jobs.define_submit(broker, handle)
    message = uuid4()
    jobs.enqueue(broker, link="one", lane=Lane.REALTIME, messages=[message], via=way)
    worker = dramatiq.Worker(broker, queues={"one.realtime"}, worker_timeout=20, worker_threads=1)
    worker.start()
    try:
        assert done.wait(30)
    finally:
        worker.stop()
    assert calls == [("one", Lane.REALTIME, [message], way)] * 2


def test_the_digits_of_the_route_go_with_the_job_and_those_of_senders_split_none(recorder, broker, log):
    post = Post(recorder, broker, log, ONE)
    codes = replace(made("codes", "one"), extension="0012")
    post.network = replace(post.network, table=RouteTable(routes=(codes,)))
    asked = [accepted(extension=digits) for digits in ("", "1", "2")]
    post.dispatcher.dispatch(SubmitJob(uuid4(), Carrier.MOBILE, Lane.BATCH, accepted=each) for each in asked)
    (job,) = post.jobs("one", Lane.BATCH)
    assert len(job.args[2]) == 3
    assert job.kwargs == {"route": "codes", "passed_over": [], "extension": "0012"}


def test_messages_go_over_another_link_while_theirs_is_down(recorder, broker, log):
    post = Post(recorder, broker, log, ONE, TWO)
    post.network = network(ONE, TWO, one=Lost(name="one", reason="reset"))
    sent = [SubmitJob(id_for(Carrier.MOBILE, number), Carrier.MOBILE, Lane.BATCH) for number in range(5)]
    post.dispatcher.dispatch(sent)
    assert (len(post.in_jobs("one", Lane.BATCH)), len(post.in_jobs("two", Lane.BATCH))) == (0, 5)
    (job,) = post.jobs("two", Lane.BATCH)
    assert job.kwargs == {"route": "default", "passed_over": ["one:down"], "extension": ""}


def test_what_waits_for_a_link_that_stays_down_is_given_to_another(recorder, broker, log):
    post, now = Post(recorder, broker, log, ONE, TWO), [0.0]
    rerouting = Rerouting(broker, post.dispatcher, clock=lambda: now[0])
    waiting_ids = [id_for(Carrier.MOBILE, number) for number in range(12)]
    post.network = network(ONE)
    post.dispatcher.dispatch([SubmitJob(id_, Carrier.MOBILE, Lane.REALTIME) for id_ in waiting_ids])
    post.network = network(ONE, TWO, one=Lost(name="one", reason="reset"))
    assert rerouting.step() == 0, "a connection that is back soon keeps its jobs"
    now[0] = 5.0
    assert rerouting.step() == 12
    assert (post.in_jobs("one"), sorted(post.in_jobs("two"))) == ([], sorted(map(str, waiting_ids)))
    assert rerouting.step() == 0


def test_what_has_no_other_way_stays_where_it_waits(recorder, broker, log):
    post, now = Post(recorder, broker, log, ONE), [0.0]
    rerouting = Rerouting(broker, post.dispatcher, clock=lambda: now[0])
    post.dispatcher.dispatch([SubmitJob(id_for(Carrier.MOBILE), Carrier.MOBILE, Lane.REALTIME)])
    post.network = network(ONE, one=Lost(name="one", reason="reset"))
    rerouting.step()
    now[0] = 60.0
    assert rerouting.step() == 0
    assert len(post.in_jobs("one")) == 1


def test_a_draining_link_gives_away_what_waits_and_gets_nothing_new(recorder, broker, log):
    post, now = Post(recorder, broker, log, ONE, TWO), [0.0]
    rerouting = Rerouting(broker, post.dispatcher, clock=lambda: now[0])
    post.network = network(ONE)
    post.dispatcher.dispatch([SubmitJob(id_for(Carrier.MOBILE), Carrier.MOBILE, Lane.REALTIME)])
    post.network = network(replace(ONE, draining=True), TWO)
    rerouting.step()
    now[0] = 5.0
    assert rerouting.step() == 1
    post.dispatcher.dispatch([SubmitJob(id_for(Carrier.MOBILE, 7), Carrier.MOBILE, Lane.REALTIME)])
    assert (len(post.in_jobs("one")), len(post.in_jobs("two"))) == (0, 2)
