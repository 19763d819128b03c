"""A month of one link against the carrier's file: import and match of a million rows, three in a hundred faulty.

    ./run bench reconcile [--rows 1000000]

The log is seeded first (a million messages with their debits, submissions, receipts and outcomes, six events each),
which is not counted. Every fault has to be found with its right reason. The baseline in the same run is reading the
file alone.
"""

import argparse
import asyncio
import csv
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from application.manage_links import configure_link
from application.reconcile_statements import runs, save_mapping
from bench.support import carrier_month
from bench.support.report import Usage, show
from domain.events.link import Configured
from domain.events.reconciliation import Columns, MappingSaved
from domain.recorded import Context
from domain.values import Carrier
from infrastructure import embedded, migrations, reconciliations
from infrastructure.bootstrap import Platform, platform
from infrastructure.reconciler import work_off
from infrastructure.settings import Settings

_BY = Context(actor="bench")
_LOOK_SECONDS = 0.2
_LINK = Configured(
    name=carrier_month.LINK,
    protocol="smpp34",
    host="127.0.0.1",
    port=2775,
    system_id="bench",
    sealed_password="",
    source_address="1069",
    carriers=(Carrier.MOBILE,),
    window=100,
    rate_per_second=0,
    response_timeout_seconds=5,
)
_MAPPING = MappingSaved(
    name=carrier_month.LINK,
    columns=Columns(
        carrier_id="消息ID", time="提交时间", segments="条数", status="状态", price="单价", amount="金额"
    ),
    price_micros=carrier_month.PRICE_MICROS,
)


def main() -> None:
    """Seed, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with (
        tempfile.TemporaryDirectory(prefix="smsledger-bench-") as folder,
        embedded.start(Path(folder)) as servers,
    ):
        migrations.upgrade(servers.database_url)
        file = Path(folder) / "statement.csv"
        began = time.perf_counter()
        carrier_month.seed(servers.database_url, "smsledger", rows)
        truth = carrier_month.statement(file, rows)
        seeded = time.perf_counter() - began
        settings = Settings(
            database_url=servers.database_url, data_dir=Path(folder), keys_dir=Path(folder) / "keys"
        )
        usage = Usage({"postgresql": servers.postgres_pid})
        with platform(settings) as made, _watched(usage):
            found, figures = asyncio.run(_reconcile(made, file))
        assert found == dict(truth), (found, truth)
        postgresql = usage.figures()
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        show(
            "reconcile",
            {
                **figures,
                "rows": rows,
                "faults": sum(truth.values()),
                "right_reasons_percent": 100,
                "peak_mib": own + usage.total_mib(),
                "peak_mib_of_the_process": own,
                "reading_the_file_alone_s": _baseline(file),
                "seeding_s": round(seeded, 1),
                "processes": postgresql,
            },
        )


@contextmanager
def _watched(usage: Usage) -> Iterator[None]:
    """Look at the memory while it works."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            usage.sample()

    usage.start()
    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


async def _reconcile(made: Platform, file: Path) -> tuple[dict[str, int], dict[str, object]]:
    """Import and match; differences by reason, and seconds by phase."""
    await configure_link(made.store, configured=_LINK, context=_BY)
    await save_mapping(made.store, wanted=_MAPPING, context=_BY)
    asked = await reconciliations.begin(
        made, link=carrier_month.LINK, month=carrier_month.MONTH, mapping=carrier_month.LINK, by="bench"
    )
    seen: dict[str, float] = {}
    began = time.perf_counter()
    done = await work_off(
        made,
        asked.id,
        file=file,
        told=lambda phase, _done: seen.setdefault(phase, time.perf_counter() - began) and None,
    )
    seconds = time.perf_counter() - began
    assert done.state == "completed", done.problem
    (completed,) = await runs(made.store, carrier_month.LINK, carrier_month.MONTH)
    facts, matching = seen["matching facts"], seen["matching rows"]
    return {total.reason: total.differences for total in completed.totals}, {
        "seconds": round(seconds, 1),
        "rows_per_s": round(completed.carrier_segments / seconds),
        "import_s": round(facts, 1),
        "facts_s": round(matching - facts, 1),
        "match_s": round(seconds - matching, 1),
    }


def _baseline(file: Path) -> float:
    began = time.perf_counter()
    with file.open(encoding="utf-8", newline="") as opened:
        count = sum(1 for _ in csv.reader(opened))
    assert count
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    main()
