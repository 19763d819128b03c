"""What is known about ported numbers: kept under a digest, found in memory, heard of everywhere within seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from application.manage_portability import forget_number, import_numbers, set_carrier
from application.ports import NumberRow
from domain.errors import BadInput
from domain.numbering import Known
from domain.recorded import Context
from domain.values import Carrier, FoundBy, local_day
from infrastructure import portability
from infrastructure.bootstrap import Platform
from infrastructure.number_learner import sweep
from infrastructure.number_rows import NumberWriter
from infrastructure.portability import KnownNumbers

BY = Context(actor="test")
ONE, TWO, THREE = "+8613800138000", "+8613000130000", "+8618900189000"
MOBILE, UNICOM, TELECOM = Carrier.MOBILE, Carrier.UNICOM, Carrier.TELECOM


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


def set_to(carrier: Carrier, *gone: Carrier) -> Known:
    return Known(carrier=carrier, by=FoundBy.OVERRIDE, gone=frozenset(gone))


def listed(carrier: Carrier, *gone: Carrier) -> Known:
    return Known(carrier=carrier, by=FoundBy.LIST, gone=frozenset(gone))


def left(*gone: Carrier) -> Known:
    return Known(gone=frozenset(gone))


async def find(platform: Platform, phone: str = ONE) -> Known | None:
    """What a process knows that begins now."""
    return (await KnownNumbers(platform.store, platform.vault.number_digest).book()).find(phone)


async def say(platform: Platform, carrier: Carrier, phone: str = ONE) -> None:
    await set_carrier(platform.store, platform.vault, phone=phone, carrier=carrier, why="a test", context=BY)


async def take_in(platform: Platform, *rows: tuple[str, str]) -> dict[int, str]:
    numbered = [(place, phone, name) for place, (phone, name) in enumerate(rows, 1)]
    done = await import_numbers(platform.store, platform.vault, rows=numbered, why="a list", context=BY)
    return done.refused


def write(platform: Platform, *rows: NumberRow) -> None:
    with platform.store.datastore.get_connection() as connection, connection.transaction():
        NumberWriter("smsledger").write(connection, rows)


def learned(platform: Platform, carrier: Carrier, phone: str = ONE, *, days_ago: int = 0) -> NumberRow:
    day = local_day(platform.now()) - timedelta(days=days_ago)
    return NumberRow(digest=platform.vault.number_digest(phone), day=day, gone=carrier)


def test_of_a_number_that_nobody_spoke_of_nothing_is_known(platform):
    async def story() -> None:
        assert await find(platform) is None
        await say(platform, UNICOM, TWO)
        assert await find(platform) is None

    run(story)


def test_what_a_person_says_is_known_to_a_process_that_begins_later(platform):
    async def story() -> None:
        await say(platform, UNICOM)
        assert await find(platform) == set_to(UNICOM)

    run(story)


def test_a_process_hears_of_changes_without_reading_everything_again(platform, monkeypatch):
    async def story() -> None:
        monkeypatch.setattr(portability, "_AGE_SECONDS", 0.0)
        numbers = KnownNumbers(platform.store, platform.vault.number_digest)
        assert (await numbers.book()).find(ONE) is None
        first = await numbers.book()
        await say(platform, UNICOM)
        assert (await numbers.book()).find(ONE) == set_to(UNICOM)
        await forget_number(platform.store, platform.vault, phone=ONE, why="a test", context=BY)
        assert (await numbers.book()).find(ONE) is None
        assert await numbers.book() is first

    run(story)


def test_a_process_that_was_silent_for_long_reads_everything_again(platform, monkeypatch):
    async def story() -> None:
        monkeypatch.setattr(portability, "_AGE_SECONDS", 0.0)
        numbers = KnownNumbers(platform.store, platform.vault.number_digest)
        first = await numbers.book()
        monkeypatch.setattr(portability, "_LONGEST_SILENCE_SECONDS", 0.0)
        assert await numbers.book() is not first

    run(story)


def test_many_numbers_are_read_in_pieces_and_all_found(platform, monkeypatch):
    async def story() -> None:
        monkeypatch.setattr(portability, "_PIECE", 7)
        phones = [f"+86138001380{number:02}" for number in range(50)]
        await take_in(platform, *((phone, list(Carrier)[int(phone[-1]) % 3]) for phone in phones))
        book = await KnownNumbers(platform.store, platform.vault.number_digest).book()
        assert len(book) == 50
        assert [book.find(phone) for phone in phones] == [
            listed(list(Carrier)[int(phone[-1]) % 3]) for phone in phones
        ]
        assert book.find(ONE.replace("8000", "9999")) is None

    run(story)


def test_too_many_changes_are_read_as_a_whole(platform, monkeypatch):
    async def story() -> None:
        monkeypatch.setattr(portability, "_AGE_SECONDS", 0.0)
        monkeypatch.setattr(portability, "_MOST_CHANGES", 3)
        numbers = KnownNumbers(platform.store, platform.vault.number_digest)
        first = await numbers.book()
        await take_in(platform, *((f"138001380{number:02}", "unicom") for number in range(10)))
        second = await numbers.book()
        assert second is not first
        assert (len(second), len(second.changed)) == (10, 0)

    run(story)


def test_a_list_never_goes_before_a_person_and_a_person_always_before_a_list(platform):
    async def story() -> None:
        await say(platform, UNICOM)
        await take_in(platform, (ONE, "telecom"), (TWO, "telecom"))
        assert await find(platform) == set_to(UNICOM)
        await say(platform, MOBILE, TWO)
        assert await find(platform, TWO) == set_to(MOBILE)

    run(story)


def test_rows_of_a_list_that_cannot_be_are_named_by_their_place(platform):
    async def story() -> None:
        refused = await take_in(
            platform, ("1380013800", "unicom"), (ONE, "移动"), (TWO, "nobody"), (THREE, "")
        )
        assert refused == {1: "invalid_phone", 3: "carrier_unknown", 4: "carrier_unknown"}
        assert await find(platform) == listed(MOBILE)

    run(story)


def test_a_number_that_is_twice_in_one_piece_of_a_list_is_what_its_last_row_says(platform):
    async def story() -> None:
        await take_in(platform, (ONE, "unicom"), (TWO, "unicom"), (ONE, "telecom"))
        assert await find(platform) == listed(TELECOM)
        assert await find(platform, TWO) == listed(UNICOM)

    run(story)


def test_what_carriers_say_adds_up_until_all_three_have_said_it_and_then_the_last_word_counts(platform):
    async def story() -> None:
        for carrier, expected in (
            (MOBILE, left(MOBILE)),
            (UNICOM, left(MOBILE, UNICOM)),
            (TELECOM, left(TELECOM)),
        ):
            write(platform, learned(platform, carrier))
            assert await find(platform) == expected

    run(story)


def test_a_person_overrules_what_was_learned_and_a_newer_list_only_what_it_contradicts(platform):
    async def story() -> None:
        write(
            platform,
            learned(platform, MOBILE),
            learned(platform, MOBILE, TWO),
            learned(platform, UNICOM, TWO),
        )
        await say(platform, MOBILE)
        assert await find(platform) == set_to(MOBILE)
        await take_in(platform, (TWO, "unicom"))
        assert await find(platform, TWO) == listed(UNICOM, MOBILE)

    run(story)


def test_who_is_seen_again_is_not_gone(platform):
    async def story() -> None:
        digest, day = platform.vault.number_digest(ONE), local_day(platform.now())
        write(platform, learned(platform, MOBILE), learned(platform, UNICOM))
        write(platform, NumberRow(digest=digest, day=day, back=MOBILE))
        assert await find(platform) == left(UNICOM)

    run(story)


def test_what_was_learned_too_long_ago_is_let_go_and_the_rest_stays(platform):
    async def story() -> None:
        today = local_day(platform.now())
        write(platform, learned(platform, MOBILE, days_ago=181), learned(platform, MOBILE, TWO, days_ago=179))
        await say(platform, UNICOM, THREE)
        sweep(platform.store, today, learned_days=180)
        assert [await find(platform, phone) for phone in (ONE, TWO, THREE)] == [
            None,
            left(MOBILE),
            set_to(UNICOM),
        ]
        sweep(platform.store, today + timedelta(days=2), learned_days=180)
        rows = platform.store.recorder.rows("SELECT count(*) FROM smsledger.known_numbers")
        assert rows == [(2,)]

    run(story)


def test_neither_the_table_nor_the_log_has_a_number_or_its_lasting_digest(platform):
    async def story() -> None:
        await say(platform, UNICOM)
        await take_in(platform, (TWO, "telecom"))
        rows = platform.store.recorder.rows("SELECT state FROM smsledger.stored_events")
        log = b"".join(row[0] for row in rows)
        table = repr(platform.store.recorder.rows("SELECT * FROM smsledger.known_numbers"))
        for phone in (ONE, TWO):
            digest = platform.vault.number_digest(phone)
            assert phone[3:].encode() not in log
            assert str(digest).encode() not in log
            assert f"{digest & (1 << 64) - 1:x}".encode() not in log
            assert phone[3:] not in table

    run(story)


def test_the_digest_of_a_number_lasts_and_is_another_under_another_key(platform, tmp_path):
    from infrastructure.vault import FileVault, KeyStore

    first = platform.vault.number_digest(ONE)
    again = FileVault(KeyStore(platform.settings.keys_dir)).number_digest(ONE)
    other = FileVault(KeyStore(tmp_path / "elsewhere")).number_digest(ONE)
    assert first == again != other
    assert -(2**63) <= first < 2**63


@pytest.mark.parametrize(
    ("phone", "why"), [("1380013800", "a test"), (ONE, ""), (ONE, "13800138000 said so")]
)
def test_a_wrong_number_or_reason_changes_nothing(platform, phone, why):
    async def story() -> None:
        with pytest.raises(BadInput):
            await set_carrier(
                platform.store, platform.vault, phone=phone, carrier=UNICOM, why=why, context=BY
            )
        assert await find(platform) is None

    run(story)
