"""What is accepted after a link, a route or a filing was changed goes by the change, at once."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dramatiq.brokers.redis import RedisBroker
from eventsourcing.postgres import PostgresTrackingRecorder

from application.manage_links import disable_link, drain_link, enable_link
from application.manage_routes import remove_route, set_route
from application.manage_templates import file_signature
from domain.aggregates.signature import Filing, FilingState
from domain.events.route import RouteSet, Share
from domain.values import Carrier, Lane
from infrastructure import bootstrap, filings, jobs, network
from infrastructure.bootstrap import Platform
from infrastructure.dispatcher import TRACKING
from infrastructure.processes import dispatcher_of
from tests.infrastructure.test_dispatcher import eventually
from tests.support.networked import LINKS, MOBILE, add_link, make_network, send
from tests.support.sample import ACCOUNT, BY, SIGNATURE, settings_for

ONE, TWO = LINKS[Carrier.MOBILE], "mobile-2"
OVER_TWO = RouteSet(
    name="two",
    priority=1,
    accounts=(),
    categories=(),
    carriers=(),
    signatures=(),
    shares=(Share(link=TWO),),
    extension="",
    by="test",
)


class Post:
    """A dispatcher that follows the log meanwhile, and what it put into the queues."""

    def __init__(self, ours: Platform, broker: RedisBroker) -> None:
        self.ours = ours
        self.broker = broker
        self._tracking = PostgresTrackingRecorder(ours.store.datastore)

    def does(self, change: Coroutine[Any, Any, object]) -> None:
        asyncio.run(_of(change))

    def link_of_next(self) -> str:
        """Where the next message goes."""
        id_, _ = asyncio.run(send(self.ours, MOBILE))
        eventually(lambda: (self._tracking.max_tracking_id(TRACKING) or 0) >= self._head())
        return next((link for link in (ONE, TWO) if id_ in self._messages(link)), "")

    def _head(self) -> int:
        head = self.ours.store.recorder.max_notification_id()
        assert head is not None
        return head

    def _messages(self, link: str) -> set[UUID]:
        pages = jobs.pages(self.broker, link=link, lane=Lane.REALTIME)
        more = jobs.pages(self.broker, link=link, lane=Lane.BATCH)
        return {UUID(str(id_)) for page in (*pages, *more) for job in page for id_ in job.messages}


async def _of(change: Coroutine[Any, Any, object]) -> None:
    await change


@pytest.fixture
def post(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Post]:
    """Nothing that was read is ever too old: only what the log says makes the dispatcher read again."""
    monkeypatch.setattr(network, "_AGE_SECONDS", 3_600)
    monkeypatch.setattr(filings, "_AGE_SECONDS", 3_600)
    settings = settings_for(database_url, tmp_path, redis_url=redis_url, require_filing=True)
    broker, stop = jobs.make_broker(redis_url), threading.Event()
    with bootstrap.platform(settings) as ours:
        asyncio.run(_of(make_network(ours)))
        asyncio.run(file_over(ours, ONE, FilingState.FILED))
        with dispatcher_of(ours, broker) as dispatcher:
            thread = threading.Thread(target=dispatcher.run, args=(stop,))
            thread.start()
            try:
                yield Post(ours, broker)
            finally:
                stop.set()
                thread.join(timeout=30)
    broker.close()


async def file_over(ours: Platform, link: str, state: FilingState) -> None:
    reason = "a test" if state is FilingState.REJECTED else ""
    filing = Filing(carrier=Carrier.MOBILE, link=link, state=state, reason=reason)
    await file_signature(ours.store, account=ACCOUNT, name=SIGNATURE, filing=filing, context=BY)


def test_every_change_counts_from_the_next_message_on(post: Post):
    ours, store = post.ours, post.ours.store
    assert post.link_of_next() == ONE
    post.does(add_link(ours, TWO, Carrier.MOBILE))
    post.does(file_over(ours, TWO, FilingState.FILED))
    post.does(file_over(ours, ONE, FilingState.REJECTED))
    assert post.link_of_next() == TWO
    post.does(drain_link(store, name=TWO, reason="a test", context=BY))
    post.does(file_over(ours, ONE, FilingState.FILED))
    assert post.link_of_next() == ONE
    post.does(enable_link(store, name=TWO, context=BY))
    post.does(set_route(store, wanted=OVER_TWO, context=BY))
    assert post.link_of_next() == TWO
    post.does(remove_route(store, name="two", reason="a test", context=BY))
    post.does(disable_link(store, name=TWO, reason="a test", context=BY))
    assert post.link_of_next() == ONE
