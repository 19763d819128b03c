"""The proof of a log of a million postings, with the messages they belong to, its contracts and its daily seals.

    ./run bench verify [--postings 1000000] [--processes 2]

What is measured is what `smsledger verify` does before it looks at the read models: every row read, decoded and
recomputed, every seal held. Writing the books is not counted. The baseline in the same run is the plain read of
the same rows, undecoded.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.support.books import Books, write
from bench.support.report import Usage, show
from domain.recorded import Context
from infrastructure import bootstrap, embedded, migrations
from infrastructure.prover import Proved, prove
from infrastructure.recorder import LedgerRecorder, connect
from infrastructure.sealing import seal_days
from infrastructure.settings import Settings

Made = TypeVar("Made")
_PAGE = 10_000


def main() -> None:
    """Measure and print."""
    options = _options()
    with (
        tempfile.TemporaryDirectory(prefix="smsledger-bench-") as folder,
        embedded.start(Path(folder)) as servers,
    ):
        settings = Settings(
            database_url=servers.database_url, data_dir=Path(folder), keys_dir=Path(folder) / "keys"
        )
        migrations.upgrade(settings.database_url)
        books = Books(postings=options.postings, accounts=options.accounts)
        began = time.monotonic()
        events = write(settings.database_url, settings.db_schema, books.recorded())
        seeding = time.monotonic() - began
        sealing, seals = _timed(lambda: _seal(settings, books))
        reading, rows = _timed(lambda: _read(settings))
        usage = Usage({"verify": os.getpid(), "postgresql": servers.postgres_pid})
        usage.start()
        verifying, proved = _timed(lambda: _prove(settings, options.processes, usage))
        assert proved.findings == [], proved.findings[:5]
        assert (proved.proof.postings, proved.seals) == (options.postings, seals)
        show(
            "verify",
            {
                "seconds": round(verifying, 1),
                "postings": proved.proof.postings,
                "postings_per_s": round(proved.proof.postings / verifying),
                "events": events,
                "seals": proved.seals,
                "processes_used": options.processes,
                "read_only_seconds": round(reading, 1),
                "read_only_rows": rows,
                "seal_seconds": round(sealing, 1),
                "seed_seconds": round(seeding, 1),
                "processes": usage.figures(),
            },
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--postings", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def _timed(work: Callable[[], Made]) -> tuple[float, Made]:
    began = time.monotonic()
    made = work()
    return time.monotonic() - began, made


def _seal(settings: Settings, books: Books) -> int:
    """Seal every day that has postings, and the next one."""
    with bootstrap.platform(settings) as platform:
        return len(asyncio.run(seal_days(platform, until=books.last_day, context=Context(actor="bench"))))


def _read(settings: Settings) -> int:
    """The same rows, read and thrown away."""
    datastore = connect(settings.database_url, schema=settings.db_schema, pool_size=2)
    recorder, count, after = LedgerRecorder(datastore), 0, 0
    query = (
        f"SELECT originator_id, originator_version, topic, state, notification_id FROM {settings.db_schema}"
        ".stored_events WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id"
    )
    head = recorder.rows(f"SELECT max(notification_id) FROM {settings.db_schema}.stored_events")[0][0]
    while after < head:
        count += len(recorder.rows(query, (after, after + _PAGE)))
        after += _PAGE
    datastore.close()
    return count


def _prove(settings: Settings, processes: int, usage: Usage) -> Proved:
    return prove(settings, processes=processes, reached=lambda _: usage.sample())


if __name__ == "__main__":
    main()
