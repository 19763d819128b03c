"""The port through which a use case reads a whole ledger: pages of postings with only what sums and lists need.

A statement or a reconciliation folds millions of them; the domain's own events would cost several times the time.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class PriceOf(Protocol):
    """Segments at a price, as `domain.events.ledger.AtPrice` says them."""

    @property
    def price_micros(self) -> int: ...
    @property
    def segments(self) -> int: ...


class TotalsOf(Protocol):
    """The ledger after a posting, as `domain.events.ledger.Totals` says it."""

    @property
    def allowance(self) -> int: ...
    @property
    def net(self) -> int: ...
    @property
    def overage(self) -> int: ...
    @property
    def amount_micros(self) -> int: ...
    @property
    def adjusted_micros(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def mixed(self) -> Sequence[PriceOf]: ...


class FactOf(Protocol):
    """The fields of every kind of posting; those a kind has not are 0 or empty."""

    @property
    def after(self) -> TotalsOf: ...
    @property
    def chain(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def debit(self) -> int: ...
    @property
    def segments(self) -> int: ...
    @property
    def included(self) -> int: ...
    @property
    def overage(self) -> int: ...
    @property
    def price_micros(self) -> int: ...
    @property
    def given_back(self) -> Sequence[PriceOf]: ...
    @property
    def adjustment(self) -> str: ...
    @property
    def amendment(self) -> int: ...
    @property
    def amount_micros(self) -> int: ...
    @property
    def period(self) -> str: ...
    @property
    def unused(self) -> int: ...


class PostingRow(NamedTuple):
    """One posting: its version, its topic, when it was recorded (RFC 3339, UTC) and its figures."""

    version: int
    topic: str
    at: str
    fact: FactOf


class ReadPostings(Protocol):
    """Reads the postings of a ledger with `after < version <= upto`, oldest first, a page at a time; blocking."""

    def __call__(
        self, account: str, year: int, *, after: int = 0, upto: int | None = None, page: int = 20_000
    ) -> Iterator[Sequence[PostingRow]]: ...


class ReadKind(Protocol):
    """Reads at most `limit` postings of one topic with `after < version <= upto`, oldest first; blocking."""

    def __call__(
        self, account: str, year: int, topic: str, *, after: int, upto: int, limit: int
    ) -> Sequence[PostingRow]: ...
