"""Days are sealed once, each over the ledgers as they stood when it ended, by a key that never leaves its folder."""

import asyncio
import stat
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from domain import merkle
from domain.aggregates.seal import inclusion, leaf_octets, root_of, signed_octets
from domain.errors import BadInput
from domain.events.ledger import LedgerEvent
from domain.events.seal import Sealed
from domain.recorded import Context, Recorded
from domain.values import local_day
from infrastructure import bootstrap, sealing_key
from infrastructure.bootstrap import Platform, keys_dir
from infrastructure.prover import prove
from infrastructure.seal_book import BLOCK, SealBook
from infrastructure.sealing import find_seal, newest_seals, seal_days
from tests.support.door import run
from tests.support.past import ACCOUNT, FIRST_DAY, past, write
from tests.support.sample import settings_for

BY = Context(actor="test")
LAST_DAY = date(2026, 1, 5)


@pytest.fixture(scope="module")
def log() -> list[Recorded]:
    return past().log()


@pytest.fixture
def platform(database_url: str, tmp_path: Path, log: list[Recorded]) -> Iterator[Platform]:
    """A platform whose account sent and was billed long ago."""
    write(database_url, log)
    with bootstrap.platform(settings_for(database_url, tmp_path)) as made:
        yield made


def seal(platform: Platform, until: date = LAST_DAY) -> list[Sealed]:
    return list(run(seal_days(platform, until=until, context=BY)))


def standing(log: list[Recorded], day: date) -> dict[tuple[str, int], tuple[int, str]]:
    """The ledgers as they stood when a day ended, from the log itself."""
    found: dict[tuple[str, int], tuple[int, str]] = {}
    years = {one.stream: one.event.year for one in log if one.event.TOPIC == "ledger.opened"}
    for one in log:
        if isinstance(one.event, LedgerEvent) and local_day(one.at) <= day:
            found[ACCOUNT, years[one.stream]] = (one.version, one.event.chain)
    return found


def test_every_day_is_sealed_from_the_first_posting_on(platform: Platform, log: list[Recorded]):
    made = seal(platform)
    assert [one.day for one in made] == [
        FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)
    ]
    for one in made:
        leaves = {(leaf.account, leaf.year): (leaf.version, leaf.chain) for leaf in one.leaves}
        assert leaves == standing(log, one.day), one.day
        assert one.root == root_of(one.leaves)


def test_what_is_sealed_is_not_sealed_again_and_missed_days_are_caught_up(platform: Platform):
    first = seal(platform, FIRST_DAY)
    assert [one.day for one in first] == [FIRST_DAY]
    assert seal(platform, FIRST_DAY) == []
    assert len(seal(platform, FIRST_DAY + timedelta(days=3))) == 3
    days = [one.day for one in run(newest_seals(platform, limit=2))]
    assert days == [FIRST_DAY + timedelta(days=2), FIRST_DAY + timedelta(days=3)]


def test_two_who_seal_at_once_make_one_row_of_seals(platform: Platform):
    async def both() -> None:
        await asyncio.gather(
            *(seal_days(platform, until=FIRST_DAY + timedelta(days=9), context=BY) for _ in range(2))
        )

    run(both())
    seal(platform, FIRST_DAY + timedelta(days=9))
    days = [one.day for one in run(newest_seals(platform, limit=100))]
    assert days == [FIRST_DAY + timedelta(days=n) for n in range(10)]
    assert prove(platform.settings).findings == []


def test_a_day_that_is_not_over_is_refused(platform: Platform):
    with pytest.raises(BadInput) as refused:
        seal(platform, local_day(run(platform.store.now())))
    assert refused.value.code == "day_not_over"


def test_the_key_is_in_the_key_folder_for_its_owner_only_and_published(platform: Platform):
    made = seal(platform, FIRST_DAY)[0]
    file = keys_dir(platform.settings) / "seal"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = sealing_key.find(keys_dir(platform.settings))
    assert key is not None
    assert (key.key, SealBook(platform.store.recorder).public_key(key.key)) == (made.key, key.public_key)
    assert key.sign(signed_octets(made)) == made.signature
    rows = platform.store.recorder.rows("SELECT state FROM smsledger.stored_events")
    assert not any(file.read_bytes()[:32].hex().encode() in bytes(state) for (state,) in rows)


def test_one_ledger_is_shown_without_the_other(platform: Platform):
    seal(platform)
    found = run(find_seal(platform, None))
    assert found is not None
    sealed, _ = found
    shown = inclusion(sealed, ACCOUNT, 2025)
    assert shown is not None
    index, path = shown
    root = merkle.root_from(
        leaf_octets(sealed.leaves[index]),
        index=index,
        size=len(sealed.leaves),
        path=[bytes.fromhex(beside) for beside in path],
    )
    assert root is not None
    assert root.hex() == sealed.root


def test_a_log_without_ledgers_has_nothing_to_seal(database_url: str, tmp_path: Path):
    with bootstrap.platform(settings_for(database_url, tmp_path)) as made:
        assert run(seal_days(made, context=BY)) == []
        assert run(find_seal(made, None)) is None


def test_the_digest_of_a_stretch_does_not_depend_on_how_it_is_read(platform: Platform, monkeypatch):
    book = SealBook(platform.store.recorder)
    whole = book.digest(0, 3 * BLOCK)
    monkeypatch.setattr("infrastructure.seal_book._BLOCKS", 1)
    assert book.digest(0, 3 * BLOCK) == whole
    assert book.digest(1, 3 * BLOCK) != whole
