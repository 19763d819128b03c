"""The recorded traffic of one account, read in bulk for a what-if: blocking, a page at a time."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from psycopg.sql import SQL, Identifier

from application.platform import load
from application.what_if import TOPICS, OtherTerms, Replay, Span, replay
from domain.aggregates import contract
from domain.errors import BadInput, NotFound
from domain.recorded import Recorded
from domain.values import local_day, stream_id
from infrastructure.bootstrap import Platform
from infrastructure.mapper import decode_row
from infrastructure.recorder import LedgerRecorder

_PAGE = 50_000
"""Positions of the log looked through at a time."""
_EVENT = "originator_id, originator_version, topic, state, notification_id"


async def what_if(
    platform: Platform, *, account: str, span: Span, terms: OtherTerms, most: int | None = None
) -> Replay:
    """Replay an account's traffic under other terms. Refuses not_found, terms_invalid, what_if_too_large.

    `most` is how many postings may be replayed; None: however many there are.
    """
    terms.require_possible()
    store = platform.store
    agreed, _ = await load(store, stream_id("contract", account), contract.evolve)
    if agreed is None:
        raise NotFound("not_found", f"There is no account {account}.", field="account")
    lasts = [await store.last_posting(account, year) for year in span.years]
    postings = sum(last.version for last in lasts if last is not None)
    if not postings:
        raise NotFound("not_found", f"Nothing was posted for {account} in {span.years}.", field="account")
    if most is not None and postings > most:
        raise BadInput(
            "what_if_too_large",
            f"{postings} postings are too many for a call: use the command line.",
            field="year",
        )
    now = await store.now()
    years = {year: terms.allowance_of(agreed, year) for year in span.years}
    traffic = _Traffic(store.recorder, account)
    made = Replay(
        account=account,
        span=span,
        terms=terms,
        allowances={year: allowance for year, allowance in years.items() if allowance is not None},
        unknown_policy=agreed.terms_on(local_day(now)).unknown_policy,
        report_after=timedelta(hours=platform.settings.report_after_hours),
        history=traffic.history,
    )
    return await asyncio.to_thread(lambda: replay(made, traffic.facts(span), now=now))


class _Traffic:
    """An account's facts about messages and money. Rows of others are left out by the database."""

    def __init__(self, recorder: LedgerRecorder, account: str) -> None:
        self._recorder = recorder
        self._account = account
        table = SQL("{}.{}").format(
            Identifier(recorder.datastore.schema), Identifier(recorder.events_table_name)
        )
        texts = {
            "head": "SELECT coalesce(max(notification_id), 0) FROM {}",
            "begin": "SELECT min(notification_id) FROM {} WHERE originator_id = ANY(%s)"
            " AND originator_version = 1",
            "page": f"SELECT {_EVENT} FROM {{}} WHERE notification_id >= %s AND notification_id < %s"
            " AND topic = ANY(%s) AND position(%s::bytea in state) > 0 ORDER BY notification_id",
            "stream": f"SELECT {_EVENT} FROM {{}} WHERE originator_id = %s ORDER BY originator_version",
        }
        self._queries = {name: SQL(text).format(table).as_bytes() for name, text in texts.items()}

    def facts(self, span: Span) -> Iterator[Recorded]:
        """Facts from the opening of the first ledger to the head of the log, in order."""
        ledgers = [stream_id("ledger", self._account, year) for year in span.years]
        begin = self._recorder.rows(self._queries["begin"], (ledgers,))[0][0]
        head = self._recorder.rows(self._queries["head"])[0][0]
        named = f'"account":"{self._account}"'.encode()
        for start in range(begin or head + 1, head + 1, _PAGE):
            window = (start, min(start + _PAGE, head + 1), list(TOPICS), named)
            for row in self._recorder.rows(self._queries["page"], window):
                yield decode_row(*row)

    def history(self, id_: UUID) -> list[Recorded]:
        """All facts of one message."""
        return [decode_row(*row) for row in self._recorder.rows(self._queries["stream"], (id_,))]
