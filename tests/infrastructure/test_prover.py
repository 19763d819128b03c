"""A true log is proved, in one process or two; whatever is changed in a row of it is found and ends no proof."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest

from application.issue_statements import issue
from domain.aggregates.statement import content_hash
from domain.events.statement import Issued, Section
from domain.periods import parse
from domain.recorded import Context
from domain.values import stream_id
from infrastructure import bootstrap, posting_rows, sealing_key
from infrastructure.bootstrap import Platform, keys_dir
from infrastructure.mapper import encode
from infrastructure.prover import Proved, prove
from infrastructure.sealing import seal_days
from tests.support.door import run
from tests.support.past import ACCOUNT, past, write
from tests.support.sample import settings_for

BY = Context(actor="test")
LAST_DAY = date(2026, 1, 5)
STATED = ("2025-11", "2025-12", "2026-01", "2025")
SAMPLE = 1
"""Positions tried in each row, besides its ends."""


@pytest.fixture
def platform(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform whose years are billed, stated and sealed."""
    write(database_url, past().log())
    with bootstrap.platform(settings_for(database_url, tmp_path)) as made:
        read = posting_rows.reader(made.store.recorder)
        for period in STATED:
            run(issue(made.store, read, account=ACCOUNT, period=parse(period), context=BY))
        run(seal_days(made, until=LAST_DAY, context=BY))
        yield made


def codes(platform: Platform, **how: int) -> set[str]:
    return {finding.code for finding in proved(platform, **how).findings}


def proved(platform: Platform, **how: int) -> Proved:
    return prove(platform.settings, **how)


def change(platform: Platform, statement: str, *parameters: object) -> None:
    with psycopg.connect(platform.settings.database_url) as connection:
        assert connection.execute(statement, parameters).rowcount == 1


def test_a_true_log_with_everything_in_it_is_proved(platform: Platform):
    found = proved(platform)
    assert found.findings == []
    assert found.last_seal is not None
    assert (found.seals, found.last_seal.day, found.proof.statements.count) == (47, LAST_DAY, len(STATED))
    assert {(ledger.account, ledger.year): ledger.version for ledger in found.proof.ledgers.values()} == {
        ("acme", 2025): 22,
        ("acme", 2026): 2,
    }


@pytest.mark.parametrize("stretch", [1, 7, 40])
def test_stretches_prove_what_the_whole_proves(platform: Platform, stretch: int):
    whole, apart = proved(platform), proved(platform, processes=1, stretch=stretch)
    assert apart.findings == []
    assert (apart.proof.events, apart.proof.postings) == (whole.proof.events, whole.proof.postings)
    assert apart.proof.ledgers == whole.proof.ledgers


def test_two_processes_prove_what_one_proves(platform: Platform):
    found = proved(platform, processes=2, stretch=150)
    assert found.findings == []
    assert found.proof.postings == 24
    change(
        platform,
        "DELETE FROM smsledger.stored_events WHERE topic = 'ledger.adjusted' AND originator_version = 19",
    )
    assert {"not_dense", "adjustment_missing", "log_altered"} <= codes(platform, processes=2, stretch=150)


def rows(platform: Platform) -> list[tuple[int, str, bytes]]:
    with psycopg.connect(platform.settings.database_url) as connection:
        return connection.execute(
            "SELECT notification_id, topic, state FROM smsledger.stored_events ORDER BY 1"
        ).fetchall()


def set_state(platform: Platform, position: int, state: bytes) -> None:
    change(
        platform, "UPDATE smsledger.stored_events SET state = %s WHERE notification_id = %s", state, position
    )


def places(topic: str, state: bytes, chance: random.Random) -> list[int]:
    """Ends and a sample; of what is not sealed yet only within the fact: its envelope is under the next seal."""
    start = state.index(b'"fact"') if topic in ("seal.sealed", "statement.issued") else 0
    return sorted({start, len(state) - 1, *chance.sample(range(start, len(state)), SAMPLE)})


def test_a_flipped_bit_of_any_row_is_found_and_ends_no_proof(platform: Platform):
    chance = random.Random(20261124)
    missed = []
    everything = [row for row in rows(platform) if row[1] != "seal.key_created"]
    seals = [row for row in everything if row[1] == "seal.sealed"]
    for position, topic, state in [row for row in everything if row[1] != "seal.sealed"] + seals[::16]:
        for place in places(topic, state, chance):
            flipped = bytearray(state)
            flipped[place] ^= 1 << chance.randrange(8)
            set_state(platform, position, bytes(flipped))
            if not proved(platform).findings:
                missed.append((topic, place, state[max(0, place - 30) : place + 5]))
        set_state(platform, position, state)
    assert missed == []
    assert codes(platform) == set()


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("topic = 'ledger.debitee'", "unreadable"),
        ("topic = 'message.submitted'", "log_altered"),
        ("topic = NULL", "unreadable"),
        ("state = NULL", "log_altered"),
        ("state = ''", "log_altered"),
        ("originator_id = '00000000-0000-0000-0000-000000000001'", "log_altered"),
        ("originator_version = 99", "log_altered"),
        ("notification_id = 20000", "log_altered"),
    ],
)
@pytest.mark.parametrize(
    "topic", ["ledger.debited", "message.accepted", "contract.amended", "link.configured"]
)
def test_an_altered_column_is_found(platform: Platform, topic: str, setting: str, code: str):
    which = (
        "SELECT max(notification_id) FROM smsledger.stored_events WHERE topic = %s AND notification_id < 60"
    )
    change(platform, f"UPDATE smsledger.stored_events SET {setting} WHERE notification_id = ({which})", topic)
    assert code in codes(platform)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("DELETE FROM smsledger.stored_events WHERE topic = 'link.configured'", "log_altered"),
        (
            "DELETE FROM smsledger.stored_events WHERE topic = 'seal.sealed' AND originator_version = 7",
            "seal_missing",
        ),
        ("DELETE FROM smsledger.stored_events WHERE topic = 'seal.key_created'", "seal_signature_wrong"),
        (
            "UPDATE smsledger.stored_events SET topic = 'link.lost' WHERE originator_version = 47",
            "unreadable",
        ),
    ],
)
def test_what_is_gone_is_found(platform: Platform, what: str, code: str):
    change(platform, what)
    assert code in codes(platform)


def restate(platform: Platform, period: str, **changes: object) -> None:
    """Another content of a statement, with the hash that belongs to it."""
    stream = stream_id("statement", ACCOUNT, period)
    (recorded,) = run(platform.store.load([stream]))[stream]
    assert isinstance(recorded.event, Issued)
    content = replace(recorded.event.content, **changes)  # type: ignore[arg-type]
    forged = replace(recorded, event=Issued(content=content, hash=content_hash(content)))
    change(
        platform,
        "UPDATE smsledger.stored_events SET state = %s WHERE originator_id = %s AND originator_version = 1",
        encode(forged),
        stream,
    )


def sections_of(platform: Platform, period: str) -> tuple[Section, ...]:
    stream = stream_id("statement", ACCOUNT, period)
    event = run(platform.store.load([stream]))[stream][0].event
    assert isinstance(event, Issued)
    return event.content.sections


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain": "0" * 64}, "statement_differs"),
        ({"upto": 9}, "statement_differs"),
        ({"after": 1}, "statement_gap"),
        ({"upto": 99}, "statement_differs"),
        ({"upto": 0, "after": 3}, "statement_differs"),
    ],
)
def test_a_statement_of_another_range_or_chain_is_found_though_its_hash_is_its_own(
    platform: Platform, changes: dict[str, object], code: str
):
    first, *rest = sections_of(platform, "2025-11")
    restate(platform, "2025-11", sections=(replace(first, **changes), *rest))  # type: ignore[arg-type]
    assert code in codes(platform)


def test_a_statement_whose_sums_are_others_is_found(platform: Platform):
    restate(platform, "2025-12", amount_fen=0)
    assert "statement_sums_wrong" in codes(platform)


def test_a_year_that_rests_on_a_month_that_was_stated_otherwise_is_found(platform: Platform):
    restate(platform, "2025-12", customer="somebody else")
    assert codes(platform) == {"statement_rest_wrong"}


def test_a_statement_that_is_not_what_its_hash_was_made_of_is_found(platform: Platform):
    stream = stream_id("statement", ACCOUNT, "2025-11")
    change(
        platform,
        "UPDATE smsledger.stored_events SET state = convert_to(replace(convert_from(state, 'UTF8'),"
        " 'acme-2025-11', 'acme-2025-12'), 'UTF8') WHERE originator_id = %s",
        stream,
    )
    assert codes(platform) == {"statement_hash_wrong"}


def test_a_month_that_is_gone_from_the_statements_is_found(platform: Platform):
    stream = stream_id("statement", ACCOUNT, "2025-11")
    change(platform, "DELETE FROM smsledger.stored_events WHERE originator_id = %s", stream)
    assert codes(platform) == {"statement_gap", "statement_rest_wrong"}


def test_a_ledger_that_was_computed_anew_from_its_beginning_is_found_by_the_seals(platform: Platform):
    """Somebody who rewrites a whole ledger, chain and messages included, has no key to seal it with."""
    told = past(text="字" * 71).log()
    with psycopg.connect(platform.settings.database_url) as connection:
        connection.execute("DELETE FROM smsledger.stored_events WHERE topic !~ '^(seal|statement)'")
        first = connection.execute("SELECT min(notification_id) FROM smsledger.stored_events").fetchone()
        assert first is not None
        connection.execute("SELECT setval('smsledger.stored_events_notification_id_seq', 1, false)")
    write(platform.settings.database_url, told)
    found = codes(platform)
    assert found >= {"seal_differs", "log_altered"}
    assert not found & {"chain_broken", "totals_wrong", "debits_differ"}


def test_seals_by_another_key_than_that_of_the_key_store_are_found(platform: Platform):
    (keys_dir(platform.settings) / "seal").unlink()
    sealing_key.get_or_create(keys_dir(platform.settings))
    assert codes(platform) == {"seal_key_unknown"}


def test_without_the_key_store_the_seals_are_proved_by_the_published_key(platform: Platform):
    (keys_dir(platform.settings) / "seal").unlink()
    assert codes(platform) == set()
