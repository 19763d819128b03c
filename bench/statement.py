"""A month of a million postings: issued as a statement, and its largest line followed down page by page.

    ./run bench statement [--postings 1000000] [--pages 400]

The postings are made by the ledger itself and stand in the log among the messages they belong to. The baselines
in the same run are what the database needs to count the same rows, and to hand them out without anybody reading.
"""

import argparse
import asyncio
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from application.follow_lines import follow_line
from application.issue_statements import issue
from application.read_statements import open_book
from bench.support.books import Books, write
from bench.support.report import Usage, show, spread_ms
from domain.aggregates.statement import Statement
from domain.events.statement import LineKind
from domain.periods import Period
from domain.recorded import Context
from domain.values import stream_id
from infrastructure import embedded, migrations
from infrastructure.bootstrap import Platform, platform
from infrastructure.posting_rows import kind_reader, reader
from infrastructure.settings import Settings

_BY = Context(actor="bench")
_PERIOD = Period(2026, 1)
_PAGE = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--postings", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=400)
    options = parser.parse_args()
    books = Books(postings=options.postings, accounts=1, days=30)
    with (
        tempfile.TemporaryDirectory(prefix="smsledger-bench-") as folder,
        embedded.start(Path(folder)) as servers,
    ):
        migrations.upgrade(servers.database_url)
        settings = Settings(
            database_url=servers.database_url, data_dir=Path(folder), keys_dir=Path(folder) / "keys"
        )
        began = time.perf_counter()
        events = write(servers.database_url, settings.db_schema, books.recorded())
        seeded = time.perf_counter() - began
        with platform(settings) as made:
            show(
                "statement",
                {
                    **_measure(made, books.names[0], options.pages),
                    "seeded_events": events,
                    "seed_seconds": round(seeded, 1),
                },
            )


def _measure(made: Platform, account: str, pages: int) -> dict[str, object]:
    counted = _count(made, account)
    drained = _drain(made, account)
    used = Usage({"bench": os.getpid()})
    used.start()
    before = used.total_mib()
    with _sampled(used):
        began = time.perf_counter()
        statement = asyncio.run(_issue(made, account))
        seconds = time.perf_counter() - began
    processes = used.figures()
    return {
        "issue_seconds": round(seconds, 2),
        "postings": statement.content.sections[0].upto,
        "per_s": round(statement.content.sections[0].upto / seconds),
        "process": processes["bench"],
        "grew_mib": used.total_mib() - before,
        "lines": len(statement.content.lines),
        "amount_fen": statement.content.amount_fen,
        "page_of": _PAGE,
        "debits_page": spread_ms(asyncio.run(_follow(made, account, statement, LineKind.DEBITS, pages))),
        "refunds_page": spread_ms(asyncio.run(_follow(made, account, statement, LineKind.REFUNDS, pages))),
        "baseline_count_seconds": round(counted, 2),
        "baseline_hand_out_seconds": round(drained, 2),
    }


@contextmanager
def _sampled(used: Usage) -> Iterator[None]:
    """Look at the memory ten times a second."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            used.sample()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def _issue(made: Platform, account: str) -> Statement:
    read = reader(made.store.recorder)
    statement, issued = await issue(made.store, read, account=account, period=_PERIOD, context=_BY)
    assert issued
    return statement


async def _follow(
    made: Platform, account: str, statement: Statement, kind: LineKind, pages: int
) -> list[float]:
    """Pages at random places of the largest line of a kind."""
    lines = statement.content.lines
    number = max(
        (n for n, line in enumerate(lines, 1) if line.kind is kind), key=lambda n: lines[n - 1].postings
    )
    line, chance, taken = lines[number - 1], random.Random(1), []
    assert (await open_book(made.store, account)).statements[_PERIOD] == statement
    for _ in range(pages):
        after = chance.randrange(line.first - 1, max(line.first, line.last - 50 * _PAGE))
        began = time.perf_counter()
        page = await follow_line(
            made.store,
            kind_reader(made.store.recorder),
            account=account,
            period=_PERIOD,
            line=number,
            after=after,
            limit=_PAGE,
        )
        taken.append(time.perf_counter() - began)
        assert len(page.postings) == _PAGE
    return taken


def _count(made: Platform, account: str) -> float:
    """Seconds in which the database counts the postings."""
    began = time.perf_counter()
    made.store.recorder.rows(
        f"SELECT count(*), sum(length(state)) FROM {made.settings.db_schema}.stored_events"
        " WHERE originator_id = %s",
        (stream_id("ledger", account, _PERIOD.year),),
    )
    return time.perf_counter() - began


def _drain(made: Platform, account: str) -> float:
    """Seconds in which the same rows come into this process and nobody looks at them."""
    began = time.perf_counter()
    stream = stream_id("ledger", account, _PERIOD.year)
    query = (
        f"SELECT originator_version, topic, state FROM {made.settings.db_schema}.stored_events"
        " WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version LIMIT 20000"
    )
    after = 0
    while rows := made.store.recorder.rows(query, (stream, after)):
        after = rows[-1][0]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
