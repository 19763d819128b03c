"""Why a message took its link, over HTTP: for its own account only, from what was recorded, rerouting included."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import dramatiq
import pytest
from eventsourcing.postgres import PostgresTrackingRecorder

from application.manage_contracts import sign_contract
from application.manage_routes import set_route
from application.reactions import SubmitJob
from domain.events.access import OF_ACCOUNTS
from domain.events.contract import Terms
from domain.events.link import Lost
from domain.events.message import SubmissionStarted
from domain.values import Carrier, Lane
from infrastructure import jobs
from infrastructure.bootstrap import platform
from infrastructure.dispatcher import Dispatcher
from infrastructure.log_reader import LogReader
from infrastructure.network import accepted_of, condition_stream, read_network
from infrastructure.rerouting import PATIENCE_SECONDS, Rerouting
from tests.api.test_refusals import require_problem
from tests.domain.test_route import made
from tests.support.door import Door, open_door, run
from tests.support.networked import MOBILE, add_link, make_network, record, report, send, take
from tests.support.sample import BY, Sample, key_with, settings_for


@pytest.fixture
def door(database_url: str, tmp_path: Path) -> Iterator[Door]:
    """A door on a platform with a connected link for each of the three networks."""
    with platform(settings_for(database_url, tmp_path)) as opened:
        token = run(make_network(opened))
        with open_door(opened, Sample(account="demo", token=token)) as door:
            yield door


def told(door: Door, id_: UUID) -> dict[str, Any]:
    answer = door.client.get(f"/v1/messages/{id_}/route")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def started(**changes: object) -> SubmissionStarted:
    return SubmissionStarted(**({"attempt": 1, "link": "mobile-1", "route": "codes"} | changes))  # type: ignore[arg-type]


def test_a_message_tells_its_carrier_its_route_and_its_outcome(door: Door):
    route = made(
        "codes", ("mobile-1", 3), extension="12", carriers=(Carrier.MOBILE,), accounts=("demo", "rival")
    )
    run(set_route(door.platform.store, wanted=route, context=BY))
    id_, _ = run(send(door.platform, MOBILE))
    run(record(door.platform, id_, started(extension="12", passed_over=("mobile-2:down",))))
    body = told(door, id_)
    assert (body["id"], body["status"], body["now"]) == (str(id_), "submitting", None)
    assert (body["carrier"], body["found_by"], body["segment_carrier"]) == ("mobile", "segments", "mobile")
    (attempt,) = body["attempts"]
    assert attempt.pop("at")
    assert attempt == {
        "attempt": 1,
        "route": "codes",
        "link": "mobile-1",
        "connection": 1,
        "extension": "12",
        "passed_over": [{"link": "mobile-2", "why": "down"}],
        "rule": {
            "priority": 10,
            "conditions": ["account", "carrier"],
            "among": [{"link": "mobile-1", "weight": 3}],
        },
        "outcome": "under_way",
        "code": "",
    }
    assert len(body["words"]) == 2


def test_neither_a_number_nor_another_account_is_in_the_answer(door: Door):
    route = made("codes", "mobile-1", accounts=("demo", "rival"))
    run(set_route(door.platform.store, wanted=route, context=BY))
    id_, _ = run(send(door.platform, MOBILE))
    run(take(door.platform, id_, "mobile-1"))
    run(report(door.platform, id_, "DELIVRD"))
    text = door.client.get(f"/v1/messages/{id_}/route").text
    assert '"outcome":"delivered"' in text
    assert MOBILE not in text
    assert "rival" not in text


def test_a_message_of_another_account_is_not_there_and_neither_is_one_that_never_was(door: Door):
    id_, _ = run(send(door.platform, MOBILE))
    contract = sign_contract(door.platform.store, account="rival", name="示例科技", terms=Terms(), context=BY)
    run(contract)
    stranger = run(key_with(door.platform, sorted(OF_ACCOUNTS), account="rival"))
    answer = door.client.get(f"/v1/messages/{id_}/route", headers=door.as_key(stranger))
    require_problem(answer, status=404, code="not_found")
    for wrong in (UUID(int=7), "no-id"):
        require_problem(door.client.get(f"/v1/messages/{wrong}/route"), status=404, code="not_found")


def test_a_key_that_may_not_read_is_refused(door: Door):
    id_, _ = run(send(door.platform, MOBILE))
    sender = run(key_with(door.platform, [next(s for s in OF_ACCOUNTS if s == "messages:send")]))
    answer = door.client.get(f"/v1/messages/{id_}/route", headers=door.as_key(sender))
    require_problem(answer, status=403, code="missing_scope")


def test_a_message_that_waits_says_where_it_would_go(door: Door):
    run(record(door.platform, condition_stream("mobile-1"), Lost(name="mobile-1", reason="kicked")))
    id_, _ = run(send(door.platform, MOBILE))
    body = told(door, id_)
    assert body["attempts"] == []
    assert body["now"] == {
        "link": "mobile-1",
        "route": "default",
        "extension": "",
        "fitness": "down",
        "passed_over": [],
    }


def test_digits_that_were_asked_for_are_told_behind_those_of_the_route_and_unfit_links_with_why(door: Door):
    run(add_link(door.platform, "mobile-2", Carrier.MOBILE, source_address="1" * 18))
    routes = (
        made("tight", "mobile-2", priority=1, extensions=("20",)),
        made("codes", "mobile-1", priority=2, extension="12"),
    )
    for route in routes:
        run(set_route(door.platform.store, wanted=route, context=BY))
    id_, _ = run(send(door.platform, MOBILE, extension="2048"))
    now = told(door, id_)["now"]
    assert (now["link"], now["route"], now["extension"]) == ("mobile-1", "codes", "122048")
    assert now["passed_over"] == [{"link": "mobile-2", "why": "unfit"}]
    assert "mobile-2, behind whose number its digits did not fit" in told(door, id_)["words"][-1]
    run(record(door.platform, id_, started(link="mobile-1", route="codes", extension="122048")))
    assert told(door, id_)["attempts"][0]["extension"] == "122048"


def test_what_rerouting_gave_to_another_link_says_which_one_it_waited_for(door: Door, redis_url: str):
    made_by, now = door.platform, [0.0]
    id_, accepted = run(send(made_by, MOBILE))
    broker = jobs.make_broker(redis_url)
    with LogReader(made_by.store.recorder) as log:
        dispatcher = Dispatcher(
            log=log,
            tracking=PostgresTrackingRecorder(made_by.store.datastore),
            broker=broker,
            network=lambda: read_network(made_by.store),
            accepted=partial(accepted_of, made_by.store),
            job_messages=10,
        )
        dispatcher.dispatch([SubmitJob(id_, Carrier.MOBILE, accepted.lane)])
        run(record(made_by, condition_stream("mobile-1"), Lost(name="mobile-1", reason="kicked")))
        run(add_link(made_by, "mobile-2", Carrier.MOBILE))
        rerouting = Rerouting(broker, dispatcher, clock=lambda: now[0])
        rerouting.step()
        now[0] = PATIENCE_SECONDS
        assert rerouting.step() == 1
    via = dict(_job(broker, "mobile-2", accepted.lane).kwargs)
    broker.close()
    run(record(made_by, id_, started(link="mobile-2", **via | {"passed_over": tuple(via["passed_over"])})))
    (attempt,) = told(door, id_)["attempts"]
    assert (attempt["link"], attempt["route"]) == ("mobile-2", "default")
    assert attempt["passed_over"] == [{"link": "mobile-1", "why": "down"}]
    assert "Before it came mobile-1, which was not connected." in told(door, id_)["words"][1]


def _job(broker: Any, link: str, lane: Lane) -> "dramatiq.Message[None]":  # noqa: ANN401
    """The only job that waits for a link."""
    name = f"{broker.namespace}:{jobs.queue_name(link, lane)}.msgs"
    (packed,) = broker.client.hvals(name)
    return dramatiq.Message.decode(packed)
