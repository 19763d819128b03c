"""The double-entry export is clean to Beancount's own checker, and an error in it is not."""

import asyncio
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from beancount import loader
from beancount.core import data, realization

from application.export_beancount import export_beancount
from domain.errors import NotFound
from tests.support.past import ACCOUNT, Past, past

CHECK = Path(sys.executable).with_name("bean-check")


@pytest.fixture(scope="module")
def told() -> Past:
    return past()


def exported(told: Past, *, each: bool, year: int = 2025) -> str:
    async def lines() -> list[str]:
        made = export_beancount(told.office.store, account=ACCOUNT, year=year, each=each)
        return [line async for line in made]

    return "\n".join(asyncio.run(lines())) + "\n"


def checked(text: str, folder: Path) -> tuple[int, str]:
    file = folder / "ledger.beancount"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([str(CHECK), "--no-cache", str(file)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def balances(text: str) -> dict[str, Decimal]:
    """What the accounts end with, those that are not empty."""
    entries, errors, _ = loader.load_string(text)
    assert errors == []
    root = realization.realize(entries)
    return {
        account.account: position.units.number
        for account in realization.iter_children(root)
        for position in account.balance
    }


@pytest.mark.parametrize("each", [False, True])
def test_a_ledger_with_everything_in_it_is_clean(told: Past, tmp_path: Path, each: bool):
    text = exported(told, each=each)
    assert checked(text, tmp_path) == (0, "")
    assert text.count(" balance ") == 5 * 3
    for words in (
        "the year opens",
        "refunds, refused",
        "amendment 2",
        "adjustment 0",
        "what is left expires",
    ):
        assert words in text, words


def test_a_day_is_one_transaction_a_kind_and_price_or_one_a_posting(told: Past):
    def transactions(text: str) -> int:
        entries, _, _ = loader.load_string(text)
        return sum(isinstance(entry, data.Transaction) for entry in entries)

    day, posting = (transactions(exported(told, each=each)) for each in (False, True))
    assert (day, posting) == (13, 22)


@pytest.mark.parametrize("each", [False, True])
def test_the_accounts_end_with_what_the_ledger_says(told: Past, each: bool):
    found = balances(exported(told, each=each))
    last = asyncio.run(told.office.store.last_posting(ACCOUNT, 2025))
    after = last.event.after
    assert found == {
        "Assets:Prepaid:Acme:2025": 2,
        "Assets:Receivable:Acme:2025": Decimal(after.payable_micros) / 1_000_000,
        "Expenses:Expired:Acme:2025": 1,
        "Expenses:Included:Acme:2025": after.net - after.overage,
        "Income:Adjustments:Acme:2025": Decimal(-after.adjusted_micros) / 1_000_000,
        "Income:Allowance:Acme:2025": -after.allowance,
    }


def test_another_year_stands_in_accounts_of_its_own(told: Past, tmp_path: Path):
    text = exported(told, each=False, year=2026)
    assert checked(text, tmp_path) == (0, "")
    assert "Acme:2025" not in text


@pytest.mark.parametrize(
    ("pattern", "other"),
    [
        (r"(Prepaid:Acme:2025)  6 SEG", r"\1  7 SEG"),
        (r"-2 SEG @ 0.048 CNY", "-2 SEG @ 0.038 CNY"),
        (r"(balance Assets:Receivable:Acme:2025)  0", r"\1  1"),
    ],
)
def test_an_entry_that_is_wrong_is_not_clean(told: Past, tmp_path: Path, pattern: str, other: str):
    text = exported(told, each=True)
    assert re.search(pattern, text), text
    assert checked(re.sub(pattern, other, text, count=1), tmp_path)[0] == 1


def test_a_ledger_that_is_not_there_is_refused(told: Past):
    with pytest.raises(NotFound):
        exported(told, each=False, year=2024)
