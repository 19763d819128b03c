"""The forecast: when the package is used up and what the year will cost, if the use goes on as it was."""

from datetime import date, datetime, timedelta

from application.ports import Store
from application.search_postings import last_before, totals_at
from domain.aggregates.contract import Contract
from domain.events.ledger import Totals
from domain.events.statement import Balance, Forecast
from domain.values import local_day, year_start

DAYS = 28
"""Four whole weeks: every weekday counts the same."""
LAST_28_DAYS, YEAR_SO_FAR = "net_of_last_28_days", "net_of_year_so_far"
_DAY = timedelta(days=1)


def forecast(
    *, now: Totals | Balance, observed_days: int, observed_segments: int, as_of: date, price_micros: int
) -> Forecast:
    """Carry the net use of the observed days on, in whole segments. Refunds beyond the debits count as no use.

    The package runs out on the first day after whose use nothing of it is left; where it is used up
    already, that is `as_of`.
    """
    use = max(0, observed_segments)
    left = (date(as_of.year, 12, 31) - as_of).days
    net = now.net + (2 * left * use + observed_days) // (2 * observed_days)
    overage = max(0, net - now.allowance)
    return Forecast(
        method=LAST_28_DAYS if observed_days == DAYS else YEAR_SO_FAR,
        as_of=as_of,
        observed_days=observed_days,
        observed_segments=observed_segments,
        runs_out_on=_runs_out(max(0, now.allowance - now.net), use, observed_days, as_of, left),
        net=net,
        overage=overage,
        amount_micros=now.payable_micros + max(0, overage - now.overage) * price_micros,
    )


def _runs_out(remaining: int, use: int, observed_days: int, as_of: date, left: int) -> date | None:
    if not remaining:
        return as_of
    if not use:
        return None
    days = -(-remaining * observed_days // use)
    return as_of + timedelta(days=days) if days <= left else None


def window(*, cut: datetime, live_on: date | None) -> tuple[datetime, int]:
    """Since when use is observed, and how many days that is until `cut`: 28, or the year so far where shorter.

    The year begins for a customer with the first day of the contract.
    """
    as_of = local_day(cut - datetime.resolution)
    start = year_start(as_of.year)
    if live_on is not None and live_on.year == as_of.year:
        start = start + (live_on - date(as_of.year, 1, 1))
    since = cut - DAYS * _DAY
    if since >= start:
        return since, DAYS
    return start, max(1, -((start - cut) // _DAY))


async def forecast_at(store: Store, account: str, contract: Contract, *, cut: datetime) -> Forecast:
    """The forecast from everything that was recorded before a moment, in the year of that moment."""
    as_of = local_day(cut - datetime.resolution)
    upto = await last_before(store, account, as_of.year, cut)
    now = await totals_at(store, account, as_of.year, upto) if upto else None
    since, days = window(cut=cut, live_on=contract.live_on)
    began = await last_before(store, account, as_of.year, since, most=upto)
    before = await totals_at(store, account, as_of.year, began) if began else Totals(allowance=0)
    now = now or Totals(allowance=contract.allowance_for(as_of.year, on=as_of))
    return forecast(
        now=now,
        observed_days=days,
        observed_segments=now.net - before.net,
        as_of=as_of,
        price_micros=contract.terms_on(as_of).overage_price_micros,
    )
