"""The overage of a ledger by price: how it grows at the price in force, and at which prices it is given back."""

from domain.errors import Conflicting
from domain.events.ledger import AtPrice, Totals

_MOST_SEGMENTS, _MOST_MICROS = 10**9, 10**18
"""What corrections may bring a year to: beyond it the sums would not fit the columns of the read models."""


def require_room(before: Totals, *, segments: int, amount_micros: int) -> None:
    """Refuse adjustment_too_large: a correction to less than nothing, or to more than a ledger can hold."""
    if segments < 0 and before.net + segments < 0:
        raise Conflicting(
            "adjustment_too_large", "The year has fewer segments than are to be credited.", field="segments"
        )
    if segments > 0 and before.net + segments > _MOST_SEGMENTS:
        raise Conflicting("adjustment_too_large", "A year cannot hold that many segments.", field="segments")
    if abs(before.adjusted_micros + amount_micros) > _MOST_MICROS:
        raise Conflicting("adjustment_too_large", "Nobody can mean that much money.", field="amount_micros")


def moved(before: Totals, net: int, allowance: int, price_micros: int) -> tuple[Totals, tuple[AtPrice, ...]]:
    """The totals with another net or allowance, and the overage that is given back by it, by price.

    New overage is at `price_micros`. Overage is given back at that price while there is any, then at the
    price of what began first.
    """
    overage = max(0, net - allowance)
    more = overage - before.overage
    amount = before.amount_micros + more * price_micros
    given_back: tuple[AtPrice, ...] = ()
    mixed = before.mixed
    if more and (mixed or amount != overage * price_micros):
        # There is overage at another price, too: the rare case of a price that changed within the year.
        outstanding = {part.price_micros: part.segments for part in before.overage_by_price}
        if more > 0:
            outstanding[price_micros] = outstanding.get(price_micros, 0) + more
        else:
            given_back = _take(outstanding, -more, price_micros)
        left = tuple(AtPrice(price, segments) for price, segments in outstanding.items() if segments)
        amount = sum(part.price_micros * part.segments for part in left)
        mixed = left if len(left) > 1 else ()
    elif more < 0:
        given_back = (AtPrice(price_micros, -more),)
    after = Totals(
        allowance=allowance,
        net=net,
        overage=overage,
        amount_micros=amount,
        closed=before.closed,
        adjusted_micros=before.adjusted_micros,
        mixed=mixed,
    )
    return after, given_back


def _take(outstanding: dict[int, int], segments: int, price_micros: int) -> tuple[AtPrice, ...]:
    """Take segments off the overage by price, in place; what was taken, by price."""
    taken: list[AtPrice] = []
    for price in (price_micros, *outstanding):
        part = min(segments, outstanding.get(price, 0))
        if part:
            outstanding[price] -= part
            segments -= part
            taken.append(AtPrice(price, part))
    return tuple(taken)


def one_price(given_back: tuple[AtPrice, ...], price_micros: int) -> tuple[int, tuple[AtPrice, ...]]:
    """The price of what is given back where it is one, and the parts where there are several."""
    if len(given_back) == 1:
        return given_back[0].price_micros, ()
    return price_micros, given_back


def listed(parts: tuple[AtPrice, ...]) -> str:
    """Parts as the line of a posting writes them: `price:segments,…`."""
    return ",".join(f"{part.price_micros}:{part.segments}" for part in parts)
