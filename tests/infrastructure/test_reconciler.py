"""Two months with every fault in them: each is found with its right reason, and nothing else is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from application.manage_links import configure_link
from application.reconcile_statements import runs, save_mapping
from domain.events.reconciliation import BilledOn, MappingSaved, Receipts, RowsAre, RunCompleted
from domain.reconciling import Reason
from domain.recorded import Context
from domain.values import Carrier
from infrastructure import bootstrap, reconciliations
from infrastructure.bootstrap import Platform
from infrastructure.reconciler import test_purpose as purpose_of_test_numbers
from infrastructure.reconciler import work_off
from tests.support.billed_months import (
    DECEMBER,
    LINK,
    NOVEMBER,
    TEST_PHONE,
    GoldenMonths,
    Story,
    Truth,
    mapping,
    moment,
)
from tests.support.door import run
from tests.support.sample import link_to, settings_for

BY = Context(actor="test")


@pytest.fixture
def platform(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    with bootstrap.platform(settings_for(database_url, tmp_path)) as made:
        yield made


@pytest.fixture
def months(platform: Platform) -> GoldenMonths:
    return GoldenMonths(story=Story(platform=platform))


def settle_in(platform: Platform, months: GoldenMonths, saved: MappingSaved | None = None) -> None:
    """Write the story, then configure the link and save the mapping."""
    months.story.write()
    link = link_to(platform, host="127.0.0.1", port=2775, name=LINK)
    run(configure_link(platform.store, configured=replace(link, carriers=(Carrier.MOBILE,)), context=BY))
    numbers = platform.vault.seal_secret(TEST_PHONE, purpose=purpose_of_test_numbers(LINK))
    run(save_mapping(platform.store, wanted=saved or mapping(sealed_test_numbers=numbers), context=BY))


def reconcile(platform: Platform, file: Path, month: str = NOVEMBER) -> RunCompleted:
    """Import and match; the recorded run."""
    asked = run(reconciliations.begin(platform, link=LINK, month=month, mapping=LINK, by="test"))
    done = run(work_off(platform, asked.id, file=file))
    assert (done.state, done.problem) == ("completed", "")
    return recorded(platform, done.id, month)


def recorded(platform: Platform, id_, month: str = NOVEMBER) -> RunCompleted:
    return next(one for one in run(runs(platform.store, LINK, month)) if one.run == id_)


def found(platform: Platform, completed: RunCompleted) -> list[dict]:
    """All differences of a run, page by page."""
    rows: list[dict] = []
    cursor = ""
    while True:
        page, cursor = run(reconciliations.page(platform, completed.run, reason=None, cursor=cursor, limit=7))
        rows += page
        if not cursor:
            return rows


def truth_of(rows: list[dict]) -> Truth:
    return {(row["carrier_id"], Reason(row["reason"]), row["note"]) for row in rows}


def test_a_clean_month_has_no_difference(platform, months, tmp_path):
    months.clean()
    settle_in(platform, months)
    completed = reconcile(platform, months.november.write(tmp_path / "file.csv"))
    assert found(platform, completed) == []
    assert completed.totals == ()
    assert completed.platform_segments == completed.carrier_segments > 0
    assert completed.platform_micros == completed.carrier_micros


def test_every_fault_is_found_with_its_one_right_reason(platform, months, tmp_path):
    months.clean()
    months.faults()
    settle_in(platform, months)
    completed = reconcile(platform, months.november.write(tmp_path / "file.csv"))
    rows = found(platform, completed)
    assert truth_of(rows) == months.truth
    assert len(rows) == len(months.truth)
    assert {reason for _, reason, _ in months.truth} == set(Reason) - {Reason.MONTH_EDGE}
    assert rows[0]["reason"] == Reason.UNEXPLAINED


def test_what_is_billed_less_what_is_expected_is_the_sum_of_all_reasons(platform, months, tmp_path):
    months.clean()
    months.faults()
    settle_in(platform, months)
    completed = reconcile(platform, months.november.write(tmp_path / "file.csv"))
    segments = sum(total.segments for total in completed.totals)
    micros = sum(total.amount_micros for total in completed.totals)
    assert completed.carrier_segments - completed.platform_segments == segments
    assert completed.carrier_micros - completed.platform_micros == micros


def test_the_turn_of_the_month_nets_to_zero_over_two_months(platform, months, tmp_path):
    months.clean()
    months.edges()
    settle_in(platform, months)
    november = reconcile(platform, months.november.write(tmp_path / "november.csv"))
    december = reconcile(platform, months.december.write(tmp_path / "december.csv"), DECEMBER)
    assert truth_of(found(platform, december)) == months.december_truth
    again = run(reconciliations.rerun(platform, november.run, by="test"))
    done = run(work_off(platform, again.id))
    assert truth_of(found(platform, recorded(platform, done.id))) == months.truth
    edges = run(reconciliations.read(platform, december.run)).edges
    assert edges is not None
    assert (edges.at_begin, edges.net) == (2, 0)


def test_while_the_next_file_is_not_here_the_edge_is_told_as_open(platform, months, tmp_path):
    months.edges()
    settle_in(platform, months)
    completed = reconcile(platform, months.november.write(tmp_path / "november.csv"))
    notes = {row["note"] for row in found(platform, completed) if row["reason"] == Reason.MONTH_EDGE}
    assert notes == {"other_month", "other_month_not_here"}


def test_the_order_of_the_rows_changes_nothing(platform, months, tmp_path):
    months.clean()
    months.faults()
    settle_in(platform, months)
    first = reconcile(platform, months.november.write(tmp_path / "a.csv"))
    done = run(reconciliations.read(platform, first.run))
    asked = run(
        reconciliations.begin(
            platform, link=LINK, month=NOVEMBER, mapping=LINK, by="test", upto=done.run.upto
        )
    )
    shuffled = months.november.write(tmp_path / "b.csv", shuffled=5, encoding="gb18030")
    second = recorded(platform, run(work_off(platform, asked.id, file=shuffled)).id)
    assert second.result_hash == first.result_hash
    assert second.supersedes == first.run
    ids = [{row["id"] for row in found(platform, one)} for one in (first, second)]
    assert ids[0] == ids[1]


def test_a_rerun_up_to_the_same_position_has_the_same_hash_and_supersedes(platform, months, tmp_path):
    months.clean()
    months.faults()
    settle_in(platform, months)
    first = reconcile(platform, months.november.write(tmp_path / "file.csv"))
    again = run(reconciliations.rerun(platform, first.run, by="test", upto=first.upto))
    done = run(work_off(platform, again.id))
    second = recorded(platform, done.id)
    assert (second.result_hash, second.supersedes) == (first.result_hash, first.run)
    assert run(reconciliations.read(platform, first.run)).superseded_by == second.run


def test_no_phone_number_is_left_in_the_database(platform, months, tmp_path):
    months.clean()
    months.faults()
    settle_in(platform, months)
    reconcile(platform, months.november.write(tmp_path / "file.csv"))
    for table in ("carrier_statement_rows", "reconciliation_differences", "reconciliations"):
        rows = platform.store.recorder.rows(f"SELECT t::text FROM smsledger.{table} AS t")
        assert not [row for row in rows if "13800138" in row[0] or "13000130" in row[0]]


def test_a_file_with_a_row_a_message_is_matched_by_the_id_of_any_part(platform, months, tmp_path):
    at = moment("11-10 09:00:00")
    send, bill = months.story.send, months.november.bill
    for place in range(3):
        long = send(at, parts=3)
        bill(long.ids[place], at, segments=3)
    bill(send(at).ids[0], at)
    short = send(at, parts=2)
    bill(short.ids[1], at, segments=1)
    missing = send(at, parts=2)
    settle_in(platform, months, mapping(rows_are=RowsAre.MESSAGES))
    completed = reconcile(platform, months.november.write(tmp_path / "file.csv"))
    assert truth_of(found(platform, completed)) == {
        (short.ids[0], Reason.SEGMENT_COUNT, "carrier_and_parts"),
        (missing.ids[0], Reason.MISSING_AT_CARRIER, "no_row"),
    }
    assert (completed.platform_segments, completed.carrier_segments) == (14, 11)


def test_where_one_part_is_reported_the_others_share_its_receipt(platform, months, tmp_path):
    at = moment("11-10 09:00:00")
    long = months.story.send(at, parts=2, status="")
    months.story.report(long.id, at, long.ids[:1], "DELIVRD")
    for id_ in long.ids:
        months.november.bill(id_, at)
    settle_in(platform, months, replace(mapping(), receipts=Receipts.ONE_PART))
    completed = reconcile(platform, months.november.write(tmp_path / "file.csv"))
    assert found(platform, completed) == []
    run(save_mapping(platform.store, wanted=mapping(), context=BY))
    again = run(reconciliations.rerun(platform, completed.run, by="test"))
    done = run(work_off(platform, again.id))
    told = truth_of(found(platform, recorded(platform, done.id)))
    assert told == {(long.ids[1], Reason.NO_RECEIPT, "billed")}


def test_a_carrier_that_charges_what_it_took_may_bill_what_failed(platform, months, tmp_path):
    at = moment("11-10 09:00:00")
    send, bill = months.story.send, months.november.bill
    bill(send(at, status="UNDELIV").ids[0], at, status="UNDELIV")
    bill(send(at, status="").ids[0], at, status="")
    free = send(at, status="UNDELIV")
    bill(free.ids[0], at, status="UNDELIV", amount="0")
    ported = send(at, status="PORTED")
    missing = send(at, status="")
    settle_in(platform, months, mapping(billed_on=BilledOn.SUBMITTED))
    completed = reconcile(platform, months.november.write(tmp_path / "file.csv"))
    assert truth_of(found(platform, completed)) == {
        (free.ids[0], Reason.UNEXPLAINED, "failed_and_not_billed"),
        (ported.ids[0], Reason.PORTED_NUMBER, "not_billed"),
        (missing.ids[0], Reason.MISSING_AT_CARRIER, "no_row"),
    }
