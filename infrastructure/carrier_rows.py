"""A row of a carrier's file as a mapping reads it: checked, with money and time exact, and without the phone number.

A row that cannot be read never stops the others: it is kept with its number and a code for what is wrong.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from hashlib import blake2b

from application.ports import Vault
from domain.errors import BadInput
from domain.events.reconciliation import Columns, MappingSaved, MoneyUnit
from domain.numbering import normalise
from domain.values import SHANGHAI
from infrastructure.carrier_files import Cells

COLUMNS = (
    "statement",
    "number",
    "problem",
    "carrier_id",
    "at",
    "day",
    "segments",
    "status",
    "network",
    "price_micros",
    "amount_micros",
    "phone_index",
    "test",
)
"""Of the table of rows, in the order in which they are written."""
_MICROS = {MoneyUnit.YUAN: 1_000_000, MoneyUnit.FEN: 10_000, MoneyUnit.LI: 1_000}
_SUMS = ("合计", "总计", "小计", "total", "sum")
_SUM_LETTERS = frozenset("合总小tTsS ")
_ID = re.compile(r"[!-~]{1,64}", re.ASCII)
_ESCAPED = re.compile(r"[\\\t\n\r]")
_PHONE = re.compile(r"(?:\+?86|0086)?1[3-9]\d{9}", re.ASCII)
"""In the wrong column of a mapping; no number may get into the table."""
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+\d+", re.ASCII)
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?", re.ASCII)
_LOOSE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T](\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?", re.ASCII
)
_MOST_SEGMENTS = 1_000_000
_NULL = "\\N"


class _Problem(Exception):  # noqa: N818
    """Why a row cannot be read; the text is its code."""


@dataclass(frozen=True, slots=True)
class Places:
    """Which cell holds what; None where the file has no such column."""

    carrier_id: int
    time: int | None
    phone: int | None
    segments: int | None
    status: int | None
    price: int | None
    amount: int | None
    network: int | None


@dataclass(slots=True, kw_only=True)
class RowReader:
    """Turns cells into lines of COPY. `statement` is the id of the file."""

    mapping: MappingSaved
    places: Places
    statement: str
    vault: Vault
    test_numbers: frozenset[str] = frozenset()
    """Normalised."""
    rows: int = 0
    bad_rows: int = 0
    _content: int = 0
    _when: Callable[[str], datetime] = field(init=False)
    _networks: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what holds for every row."""
        self._when = moment_reader(self.mapping.time_format)
        self._networks = {word.upper(): str(carrier) for word, carrier in self.mapping.networks}

    @property
    def content_digest(self) -> str:
        """A digest of what all rows said so far, whatever their order."""
        return f"{self._content % 2**256:064x}"

    def line(self, number: int, cells: Cells) -> str:
        """A row as a line of COPY; empty for a line of sums."""
        if is_sum(cells):
            return ""
        try:
            said, phone = self._read(cells)
        except _Problem as problem:
            self.bad_rows += 1
            id_ = _cell(cells, self.places.carrier_id)
            id_ = id_ if _ID.fullmatch(id_) and not _PHONE.fullmatch(id_) and "\\" not in id_ else ""
            said, phone = f"{problem}\t{id_}\t{_NULL}\t{_NULL}\t0\t\t\t{_NULL}\t{_NULL}", f"{_NULL}\tf"
        self.rows += 1
        self._content += int.from_bytes(blake2b(said.encode(), digest_size=32).digest())
        return f"{self.statement}\t{number}\t{said}\t{phone}\n"

    def _read(self, cells: Cells) -> tuple[str, str]:
        places = self.places
        id_ = _cell(cells, places.carrier_id).lstrip("'")
        if not id_:
            raise _Problem("id_missing")
        if not _ID.fullmatch(id_) or "\\" in id_:
            raise _Problem("id_unreadable")
        if _SCIENTIFIC.fullmatch(id_):
            raise _Problem("id_rounded")
        if _PHONE.fullmatch(id_):
            raise _Problem("id_is_a_phone")
        at = self._at(cells)
        segments = _segments(_cell(cells, places.segments)) if places.segments is not None else 1
        status = _plain(_cell(cells, places.status))[:40] if places.status is not None else ""
        network = (
            self._networks.get(_cell(cells, places.network).upper(), "") if places.network is not None else ""
        )
        price = self._money(cells, places.price, "price_unreadable")
        amount = self._money(cells, places.amount, "amount_unreadable")
        # Without fractions: they mean nothing on a bill, and rows of other files would differ by them.
        text = at.isoformat(" ", "seconds") if at else ""
        when = f"{text}+08\t{text[:10]}" if at else f"{_NULL}\t{_NULL}"
        said = f"\t{id_}\t{when}\t{segments}\t{status}\t{network}\t{price}\t{amount}"
        return said, self._phone(cells, at.date() if at else None)

    def _at(self, cells: Cells) -> datetime | None:
        place = self.places.time
        if place is None:
            return None
        try:
            return self._when(_cell(cells, place))
        except ValueError:
            raise _Problem("time_unreadable") from None

    def _money(self, cells: Cells, place: int | None, problem: str) -> str:
        if place is None:
            return _NULL
        found = micros(_cell(cells, place), _MICROS[self.mapping.money_unit])
        if found is None:
            raise _Problem(problem)
        return found

    def _phone(self, cells: Cells, day: date | None) -> str:
        """The blind indexes of the row's day and the day before, and whether it is a test number. Carriers mask
        numbers or leave them out: that is no fault of the row."""
        place = self.places.phone
        text = _cell(cells, place) if place is not None else ""
        if not text:
            return f"{_NULL}\tf"
        try:
            phone = normalise(text)
        except BadInput:
            return f"{_NULL}\tf"
        days = (day, day - timedelta(days=1)) if day else ()
        index = b"".join(self.vault.phone_index(phone, each) or b"" for each in days)
        return (f"\\\\x{index.hex()}" if index else _NULL) + ("\tt" if phone in self.test_numbers else "\tf")


def find_places(columns: Columns, header: Sequence[str] | None) -> Places:
    """Where the columns of a mapping are in a file with these headings. Refuses column_missing."""
    named = {name.strip(): place for place, name in reversed(list(enumerate(header or ())))}

    def find(name: str) -> int | None:
        if not name:
            return None
        if name in named:
            return named[name]
        if re.fullmatch(r"[A-Z]{1,2}", name):
            return _letters(name)
        raise BadInput(
            "column_missing", f"The file has no column {name}: change the mapping.", field="columns"
        )

    carrier_id = find(columns.carrier_id)
    assert carrier_id is not None
    others = (find(getattr(columns, name)) for name in Columns.__dataclass_fields__ if name != "carrier_id")
    return Places(carrier_id, *others)


def _letters(name: str) -> int:
    place = 0
    for letter in name:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def moment_reader(time_format: str) -> Callable[[str], datetime]:
    """A function that reads the times of a file, those of Shanghai; it raises ValueError."""
    if time_format:
        return lambda text: datetime.strptime(text, time_format).replace(tzinfo=None)  # noqa: DTZ007
    return _usual


def _usual(text: str) -> datetime:
    """2026-03-02 09:30:00, with T, with a zone, with slashes, without seconds, or as 14 digits."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        match = _DIGITS.fullmatch(text) or _LOOSE.fullmatch(text)
        if match is None:
            raise
        year, month, day, hour, minute, second = (int(piece or 0) for piece in match.groups())
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    return found if found.tzinfo is None else found.astimezone(SHANGHAI).replace(tzinfo=None)


@lru_cache(maxsize=100_000)
def micros(text: str, unit: int) -> str | None:
    """Money as integer micro-yuan for COPY, NULL for an empty cell; None where it is no such amount."""
    plain = text.strip("¥￥元 ").replace(",", "")
    if not plain:
        return _NULL
    try:
        exact = Decimal(plain) * unit
    except InvalidOperation:
        return None
    whole = int(exact) if exact.is_finite() else -1
    return str(whole) if exact == whole and 0 <= whole < 10**15 else None


@lru_cache(maxsize=10_000)
def _segments(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > _MOST_SEGMENTS:
        raise _Problem("segments_unreadable")
    return int(text)


def is_sum(cells: Cells) -> bool:
    """Whether a row is the file's own sum and no message."""
    first = cells[0] or next((cell for cell in cells if cell), "")
    return first[0] in _SUM_LETTERS and first.strip().lower().startswith(_SUMS)


def _cell(cells: Cells, place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def _plain(text: str) -> str:
    """Text that COPY takes as it is."""
    return _ESCAPED.sub(" ", text)
