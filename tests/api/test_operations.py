"""Monitoring, probes and metrics: true, cheap, and without anybody's data."""

from pathlib import Path

import pytest
import redis

from infrastructure.bootstrap import platform
from tests.api.test_refusals import require_problem
from tests.support.door import Door, open_door, run
from tests.support.read_models import catch_up
from tests.support.sample import LINK, SIGNATURE, Sample, make_sample, settings_for

NOBODY = Sample(account="nobody", token="sl_nobody_0")
GOOD = {"phone": "13800138000", "signature": SIGNATURE, "text": "您好"}


def test_links_queues_and_lags_are_shown(database_url: str, redis_url: str, tmp_path: Path):
    settings = settings_for(database_url, tmp_path, redis_url=redis_url)
    with platform(settings) as made, open_door(made, run(make_sample(made))) as door:
        door.client.post("/v1/messages", json=GOOD)
        behind = door.client.get("/v1/monitoring").json()
        catch_up(made)
        with redis.Redis.from_url(redis_url) as client:
            client.hset(f"dramatiq:{LINK}.realtime.msgs", "some-job", "{}")
        body = door.client.get("/v1/monitoring").json()
    assert all(projection["lag"] > 0 for projection in behind["projections"])
    assert all(projection["lag"] == 0 for projection in body["projections"])
    (link,) = body["links"]
    assert (link["name"], link["enabled"], link["connected"]) == (LINK, True, False)
    assert link["queued"] == {"realtime": 1, "batch": 0}
    assert body["waiting_for_log"] == 0


def test_a_silent_broker_hides_the_queues_and_nothing_else(database_url: str, tmp_path: Path):
    settings = settings_for(database_url, tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock")
    with platform(settings) as made, open_door(made, run(make_sample(made))) as door:
        catch_up(made)
        (link,) = door.client.get("/v1/monitoring").json()["links"]
    assert link["queued"] is None


def test_alive_and_ready(door: Door):
    assert door.client.get("/healthz").json() == {"status": "ok", "checks": {}}
    ready = door.client.get("/readyz")
    assert ready.status_code == 200
    assert set(ready.json()["checks"].values()) == {"ok"}


def test_not_ready_before_the_migrations(empty_database_url: str, tmp_path: Path):
    with platform(settings_for(empty_database_url, tmp_path)) as made, open_door(made, NOBODY) as door:
        answer = door.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"database": "ok", "schema": "not migrated"}
        assert door.client.get("/healthz").status_code == 200


def test_not_ready_without_the_day_s_partition(database_url: str, tmp_path: Path):
    with platform(settings_for(database_url, tmp_path)) as made, open_door(made, NOBODY) as door:
        answer = door.client.get("/readyz")
        assert answer.status_code == 503
        assert "scheduler" in answer.json()["checks"]["today"]


def test_a_read_model_that_is_not_built_says_so(database_url: str, tmp_path: Path):
    with platform(settings_for(database_url, tmp_path)) as made:
        sample = run(make_sample(made))
        with made.store.datastore.get_connection() as connection:
            connection.execute("DROP SCHEMA smsledger_read CASCADE")
        with open_door(made, sample) as door:
            for path in ("/v1/messages", "/v1/statistics", "/v1/billing/ledger", "/v1/monitoring"):
                answer = door.client.get(path)
                require_problem(answer, status=503, code="read_model_missing")
                assert answer.headers["Retry-After"]


def test_metrics_count_by_route_status_and_code(own_door: Door):
    own_door.client.post("/v1/messages", json=GOOD | {"text": "字" * 100})
    own_door.client.post("/v1/messages", json=GOOD | {"phone": "no"})
    own_door.client.post("/v1/messages/bulk", json={"messages": [GOOD, GOOD | {"text": ""}]})
    own_door.client.get("/v1/messages/0e0f1a2b-0000-4000-8000-000000000000")
    own_door.client.get("/13800138000?phone=13800138000")
    catch_up(own_door.platform)
    page = own_door.client.get("/metrics")
    assert page.headers["Content-Type"].startswith("text/plain")
    lines = set(page.text.splitlines())
    for line in (
        'smsledger_http_requests_total{method="POST",route="/v1/messages",status="202"} 1.0',
        'smsledger_http_requests_total{method="POST",route="/v1/messages",status="422"} 1.0',
        'smsledger_http_requests_total{method="POST",route="/v1/messages/bulk",status="200"} 1.0',
        'smsledger_http_requests_total{method="GET",route="/v1/messages/{message_id}",status="404"} 1.0',
        'smsledger_http_requests_total{method="GET",route="unknown",status="404"} 1.0',
        'smsledger_refused_total{code="invalid_phone"} 1.0',
        'smsledger_refused_total{code="text_empty"} 1.0',
        "smsledger_messages_accepted_total 2.0",
        "smsledger_segments_accepted_total 3.0",
        "smsledger_waiting_entries 0.0",
        'smsledger_read_model_lag_events{name="messages_v1"} 0.0',
    ):
        assert line in lines
    groups = next(line for line in lines if line.startswith("smsledger_group_entries_sum"))
    assert float(groups.split()[1]) >= 3
    assert "13800138000" not in page.text


def test_metrics_are_there_while_the_read_models_are_not(database_url: str, tmp_path: Path):
    with platform(settings_for(database_url, tmp_path)) as made, open_door(made, NOBODY) as door:
        page = door.client.get("/metrics")
        assert page.status_code == 200
        assert "smsledger_read_model_lag_events{" not in page.text


@pytest.mark.parametrize("code", ["idempotency_conflict", "invalid_phone"])
def test_a_problem_s_type_leads_to_its_explanation(door: Door, code: str):
    body = door.client.get(f"/problems/{code}").json()
    assert body["code"] == code
    assert body in door.client.get("/problems").json()["problems"]


def test_an_unknown_problem_is_not_found(door: Door):
    require_problem(door.client.get("/problems/none"), status=404, code="not_found")
