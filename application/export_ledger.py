"""A ledger as a file that proves itself: every posting with what its hash is made of, and the newest seal.

JSON Lines: a header, one line a posting, a line with totals and seal. `scripts/verify_ledger.py` checks it
without any of this code. Form: docs/ledger-chain.md.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, assert_never

from application.ports import Store
from domain.aggregates.seal import inclusion, leaf_octets
from domain.errors import NotFound
from domain.events.ledger import (
    Adjusted,
    AllowanceChanged,
    AtPrice,
    Closed,
    Debited,
    LedgerEvent,
    Opened,
    Refunded,
    Totals,
)
from domain.events.seal import Sealed
from domain.recorded import Recorded

FORMAT = "smsledger-ledger-1"
_PAGE = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Line = dict[str, Any]


async def export_ledger(
    store: Store, *, account: str, year: int, seal: tuple[Sealed, str] | None
) -> AsyncIterator[Line]:
    """The lines of the file, in order; `seal` is the newest one with its public key. Refuses not_found."""
    last: Recorded | None = None
    yield {"format": FORMAT, "account": account, "year": year}
    async for recorded in postings(store, account=account, year=year):
        yield posting_line(recorded)
        last = recorded
    assert last is not None
    yield {
        "postings": last.version,
        "totals": _totals(_event(last).after),
        "chain": _event(last).chain,
        "seal": seal_proof(*seal, account, year) if seal else None,
    }


async def postings(store: Store, *, account: str, year: int) -> AsyncIterator[Recorded]:
    """Every posting of a ledger, in order. Refuses not_found."""
    version = 0
    while page := await store.postings(account, year, after=version, limit=_PAGE):
        for recorded in page:
            yield recorded
        version = page[-1].version
    if not version:
        raise NotFound("not_found", f"There is no ledger of {account} in {year}.")


def posting_line(recorded: Recorded) -> Line:
    """A posting with every field that its hash is made of."""
    event = _event(recorded)
    line: Line = {
        "posting": recorded.version,
        "at": (recorded.at - _EPOCH) // datetime.resolution,
        "topic": event.TOPIC,
        **_facts(event),
        "after": _totals(event.after),
        "chain": event.chain,
    }
    return line


def seal_proof(sealed: Sealed, public_key: str, account: str, year: int) -> Line | None:
    """That a ledger is under a seal: the leaf, the way up to the root, and what is signed; None where it is not."""
    found = inclusion(sealed, account, year)
    if found is None:
        return None
    index, path = found
    return {
        "leaf": leaf_octets(sealed.leaves[index]).decode(),
        "index": index,
        "path": path,
        "day": sealed.day.isoformat(),
        "position": sealed.position,
        "leaves": len(sealed.leaves),
        "root": sealed.root,
        "log": sealed.log,
        "previous": sealed.previous,
        "key": sealed.key,
        "public_key": public_key,
        "signature": sealed.signature,
    }


def _event(recorded: Recorded) -> LedgerEvent:
    assert isinstance(recorded.event, LedgerEvent)
    return recorded.event


def _facts(event: LedgerEvent) -> Line:
    match event:
        case Opened():
            return {}
        case Debited():
            return {"message": str(event.message), "reason": event.reason.value, **_figures(event)}
        case Refunded():
            return {
                "message": str(event.message),
                "reason": event.reason.value,
                "debit": event.debit,
                **_figures(event),
                "given_back": _pairs(event.given_back),
            }
        case AllowanceChanged():
            return {
                "amendment": event.amendment,
                "segments": event.segments,
                "overage": event.overage,
                "price_micros": event.price_micros,
                "given_back": _pairs(event.given_back),
            }
        case Adjusted():
            return {
                "adjustment": str(event.adjustment),
                **_figures(event),
                "amount_micros": event.amount_micros,
                "period": event.period,
                "reason": event.reason,
                "reference": event.reference,
                "requested_by": event.requested_by,
                "approved_by": list(event.approved_by),
                "given_back": _pairs(event.given_back),
            }
        case Closed():
            return {"unused": event.unused}
        case _:
            assert_never(event)


def _figures(event: Debited | Refunded | Adjusted) -> Line:
    return {
        "segments": event.segments,
        "included": event.included,
        "overage": event.overage,
        "price_micros": event.price_micros,
    }


def _totals(after: Totals) -> Line:
    return {
        "allowance": after.allowance,
        "net": after.net,
        "overage": after.overage,
        "amount_micros": after.amount_micros,
        "closed": after.closed,
        "adjusted_micros": after.adjusted_micros,
        "mixed": _pairs(after.mixed),
    }


def _pairs(parts: tuple[AtPrice, ...]) -> list[list[int]]:
    return [[part.price_micros, part.segments] for part in parts]
