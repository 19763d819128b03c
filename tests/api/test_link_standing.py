"""What operators see of links: in /v1/monitoring, in /metrics, and what the alerts of the rules file ask for."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from domain.events.link import Broken, Connected
from infrastructure.bootstrap import platform
from infrastructure.carriers.figures import ANSWER_SECONDS, LAG_SECONDS
from infrastructure.carriers.traffic import LinkPhase
from infrastructure.link_board import Board
from infrastructure.link_figures import ConnectionFigures
from infrastructure.network import breaker_stream, condition_stream
from tests.support.door import Door, open_door, run
from tests.support.networked import record
from tests.support.read_models import catch_up
from tests.support.sample import LINK, make_sample, settings_for

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "deploy" / "prometheus-rules.test.yml"
RULES, OPERATIONS = ROOT / "deploy" / "prometheus-rules.yml", ROOT / "docs" / "operations.md"
FIGURES = ConnectionFigures(
    link=LINK,
    connection=1,
    worker="gateway:4711",
    at=1_772_415_000.0,
    phase=LinkPhase.BOUND,
    since=1_772_411_400.0,
    window_size=32,
    window_used=5,
    rate=100.0,
    waiting_parts=2,
    taken=90,
    refused=9,
    throttled=4,
    in_doubt=1,
    delivered=70,
    failed=20,
    pending=3,
    replies=6,
    refusals={"8": 4, "5": 5},
    tps=12.0,
    tps_10s=11.5,
    answers={ANSWER_SECONDS.index(0.01): 50, ANSWER_SECONDS.index(0.12): 49},
    answers_lately={ANSWER_SECONDS.index(0.01): 50, ANSWER_SECONDS.index(0.12): 49},
    answer_seconds=6.4,
    lags={LAG_SECONDS.index(2.2): 90},
    lags_lately={LAG_SECONDS.index(2.2): 90},
    lag_seconds=180.0,
    delivered_lately=70,
    failed_lately=20,
    last_error="refused with 5",
    last_error_at=1_772_414_990.0,
)


@pytest.fixture
def door(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Door]:
    """An API with the sample's link, which is connected, and whose circuit is open."""
    settings = settings_for(database_url, tmp_path, redis_url=redis_url)
    with platform(settings) as made, open_door(made, run(make_sample(made))) as opened:
        run(record(made, condition_stream(LINK), Connected(name=LINK)))
        run(record(made, breaker_stream(LINK), Broken(name=LINK, reason="60 percent refused")))
        catch_up(made)
        yield opened


def tell(door: Door, *connections: ConnectionFigures) -> None:
    """Write figures on the board, as a worker does."""
    settings = door.platform.settings
    board = Board(settings.redis_url, schema=settings.db_schema)
    board.write(connections)
    board.close()


def monitored(door: Door) -> Any:  # noqa: ANN401  (what the API answers)
    answer = door.client.get("/v1/monitoring")
    assert answer.status_code == 200, answer.text
    return answer.json()


# Monitoring.


def test_monitoring_shows_what_workers_tell_of_a_link_and_of_its_connections(door: Door):
    tell(door, FIGURES)
    body = monitored(door)
    (link,) = body["links"]
    figures = link["figures"]
    assert body["live"]
    assert (link["state"], link["condition"], link["reason"]) == ("enabled", "broken", "60 percent refused")
    assert (link["connections_bound"], link["connections_configured"]) == (1, 1)
    assert (figures["tps"], figures["window_used"], figures["window_size"]) == (12.0, 5, 32)
    assert figures["refusals"] == {"5": 5, "8": 4}
    assert figures["delivered_percent"] == 77.8
    assert figures["submit_ms_p50"] == pytest.approx(10, abs=0.2)
    assert 100 < figures["submit_ms_p99"] <= 120
    assert (figures["last_error"], figures["last_error_at"]) == (
        "refused with 5",
        "2026-03-02T01:29:50Z",
    )
    (connection,) = link["connections"]
    assert (connection["phase"], connection["worker"]) == ("bound", "gateway:4711")
    assert connection["figures"] == figures


def test_a_link_that_no_worker_tells_of_is_down(door: Door):
    (link,) = monitored(door)["links"]
    assert (link["condition"], link["reason"], link["figures"]) == ("down", "no worker runs it", None)
    assert link["queued"] == {"realtime": 0, "batch": 0}


def test_without_redis_links_stand_as_the_log_knows_them(database_url: str, tmp_path: Path):
    settings = settings_for(database_url, tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock")
    with platform(settings) as made, open_door(made, run(make_sample(made))) as door:
        run(record(made, condition_stream(LINK), Connected(name=LINK)))
        catch_up(made)
        body = monitored(door)
        page = door.client.get("/metrics").text
    (link,) = body["links"]
    assert (body["live"], link["condition"], link["figures"], link["queued"]) == (False, "ready", None, None)
    assert [each["phase"] for each in link["connections"]] == ["bound"]
    assert "smsledger_redis_up 0.0" in page.splitlines()
    assert f'smsledger_link_up{{link="{LINK}"}} 1.0' in page.splitlines()


# Metrics.


def samples(door: Door) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every series of the page by name, as Prometheus's own parser reads it."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(door.client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_metrics_have_the_figures_of_each_connection(door: Door):
    tell(door, FIGURES)
    lines = set(door.client.get("/metrics").text.splitlines())
    one = f'connection="1",link="{LINK}"'

    def upto(bound: str) -> str:
        return f'connection="1",le="{bound}",link="{LINK}"'

    for line in (
        "smsledger_database_up 1.0",
        "smsledger_redis_up 1.0",
        f'smsledger_link_up{{link="{LINK}"}} 1.0',
        f'smsledger_link_circuit_open{{link="{LINK}"}} 1.0',
        f'smsledger_link_queue_jobs{{lane="batch",link="{LINK}"}} 0.0',
        f'smsledger_link_submits_total{{{one},result="taken"}} 90.0',
        f'smsledger_link_submits_total{{{one},result="in_doubt"}} 1.0',
        f'smsledger_link_refusals_total{{code="8",{one}}} 4.0',
        f'smsledger_link_receipts_total{{{one},verdict="delivered"}} 70.0',
        f"smsledger_link_throttled_total{{{one}}} 4.0",
        f"smsledger_link_window_used{{{one}}} 5.0",
        f"smsledger_link_rate_limit{{{one}}} 100.0",
        f"smsledger_link_last_error_timestamp_seconds{{{one}}} 1.77241499e+09",
        f"smsledger_link_submit_seconds_bucket{{{upto('0.01')}}} 50.0",
        f"smsledger_link_submit_seconds_bucket{{{upto('0.1')}}} 50.0",
        f"smsledger_link_submit_seconds_bucket{{{upto('0.22')}}} 99.0",
        f"smsledger_link_submit_seconds_bucket{{{upto('+Inf')}}} 99.0",
        f"smsledger_link_submit_seconds_sum{{{one}}} 6.4",
        f"smsledger_link_receipt_lag_seconds_bucket{{{upto('2.2')}}} 90.0",
    ):
        assert line in lines, line


def test_metrics_say_since_when_a_link_is_as_it_is(door: Door):
    tell(door, FIGURES)
    (link,) = monitored(door)["links"]
    ((labels, since),) = samples(door)["smsledger_link_state_since_timestamp_seconds"]
    assert labels == {"link": LINK}
    assert datetime.fromtimestamp(since, UTC) == datetime.fromisoformat(link["since"])


def test_what_has_no_limit_and_made_no_error_has_no_series_for_them(door: Door):
    tell(door, replace(FIGURES, rate=None, last_error="", last_error_at=0.0))
    found = samples(door)
    assert found["smsledger_link_window_used"] == [({"link": LINK, "connection": "1"}, 5.0)]
    assert not {"smsledger_link_rate_limit", "smsledger_link_last_error_timestamp_seconds"} & set(found)


def test_a_link_that_no_worker_tells_of_is_not_up_and_has_no_counters(door: Door):
    found = samples(door)
    assert found["smsledger_link_up"] == [({"link": LINK}, 0.0)]
    assert found["smsledger_link_enabled"] == [({"link": LINK}, 1.0)]
    assert "smsledger_link_submits_total" not in found


def test_metrics_say_that_the_database_is_away(door: Door):
    with door.platform.store.datastore.get_connection() as connection:
        connection.execute("DROP SCHEMA smsledger_read CASCADE")
    found = samples(door)
    assert found["smsledger_database_up"] == [({}, 0.0)]
    assert "smsledger_redis_up" not in found


# Alerts.


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


PROMQL = {
    *("by", "on", "and", "unless", "max", "min", "sum"),
    *("absent", "delta", "deriv", "histogram_quantile", "min_over_time", "rate"),
}
LABELS_OF_PROMETHEUS = {"instance", "le"}
SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')


def test_alerts_ask_only_for_what_the_page_shows(door: Door):
    tell(door, FIGURES)
    found = samples(door)
    labels = {name for series in found.values() for each, _ in series for name in each}
    known = PROMQL | LABELS_OF_PROMETHEUS | labels | set(found)
    for rule in alerts():
        words = re.findall(r"\b[a-z]\w+", re.sub(r"\{[^}]*\}|\[[^]]*\]", "", rule["expr"]))
        assert set(words) - known == set(), rule["alert"]
        assert any(word in found for word in words), rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")"), rule["alert"]
        for metric, matchers in SELECTOR.findall(rule["expr"]):
            for label, values in MATCHER.findall(matchers):
                there = {each.get(label) for each, _ in found[metric]}
                assert set(values.split("|")) <= there, rule["alert"]


def test_the_page_shows_every_metric_that_the_documents_name(door: Door):
    tell(door, FIGURES)
    families = {
        family.name: family.type
        for family in text_string_to_metric_families(door.client.get("/metrics").text)
    }
    shown = {f"{name}_total" if kind == "counter" else name for name, kind in families.items()}
    named = set(re.findall(r"`(smsledger_(?:link_\w+|\w+_up))`", OPERATIONS.read_text(encoding="utf-8")))
    assert named - shown == set()
    assert len(named) > 10


def test_every_alert_that_the_documents_name_is_there():
    named = set(re.findall(r"`(Smsledger\w+)`", OPERATIONS.read_text(encoding="utf-8")))
    assert named == {rule["alert"] for rule in alerts()}


def test_every_alert_says_how_bad_it_is_and_what_to_do_in_both_languages():
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        notes = rule["annotations"]
        assert set(notes) == {"summary", "summary_zh", "description", "description_zh"}
        assert re.search("[\u4e00-\u9fff]", notes["summary_zh"]), rule["alert"]
        assert re.search("[\u4e00-\u9fff]", notes["description_zh"]), rule["alert"]


def test_every_alert_is_made_to_fire_by_a_case_of_promtools():
    text = CASES.read_text(encoding="utf-8")
    fired = set(re.findall(r'alertname="(\w+)", alertstate="firing"', text))
    assert fired == {rule["alert"] for rule in alerts()}


def test_promtool_finds_that_the_alerts_fire_when_they_should():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool, which comes with Prometheus, is not on this machine")
    for words in (("check", "rules", str(RULES)), ("test", "rules", str(CASES))):
        done = subprocess.run([promtool, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("code", ["13800138000", "\n"])
def test_nothing_that_is_told_wrongly_breaks_the_page(door: Door, redis_url: str, code: str):
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"smsledger:smsledger:figures:{LINK}:1", code)
    assert samples(door)["smsledger_link_up"] == [({"link": LINK}, 0.0)]
