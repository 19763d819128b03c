"""The links as a terminal shows them: a row a link, its connections beneath it where they are asked for."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from domain.values import SHANGHAI
from infrastructure.link_figures import LinkFigures
from infrastructure.link_standing import ConnectionStanding, LinkStanding, NetworkStanding

_COLOURS = {
    "ready": "green",
    "bound": "green",
    "broken": "bold yellow",
    "connecting": "yellow",
    "down": "bold red",
    "lost": "red",
    "refused": "bold red",
    "draining": "cyan",
    "disabled": "dim",
    "closed": "dim",
    "unknown": "dim",
}
_COLUMNS = {
    "link": "left",
    "state": "left",
    "since": "right",
    "conns": "right",
    "tps": "right",
    "window": "right",
    "queue": "right",
    "submit ms": "right",
    "receipt s": "right",
    "deliv %": "right",
    "in doubt": "right",
    "refused by code": "left",
    "last error": "left",
}
_LEAST_WANTED = (
    "receipt s",
    "window",
    "submit ms",
    "refused by code",
    "since",
    "in doubt",
    "tps",
    "queue",
    "deliv %",
)
"""What is left out of a narrow terminal, one column after the other; `--json` has everything."""
_ROOM_FOR_AN_ERROR = 20
_WIDEST = 1_000
_UNKNOWN = "–"
_CODES = 3
"""So many of the codes by which most was refused."""
_AGES = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def picture(
    network: NetworkStanding, links: Sequence[LinkStanding], *, at: datetime, connections: bool
) -> RenderableType:
    """A table, and beneath it what could not be seen. Pairs are median/99th percentile, or real-time+batch."""
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in _rows(links, at, connections=connections)]
    words = [f"{at.astimezone(SHANGHAI):%H:%M:%S}  {len(links)} links", *_absences(network, links)]
    return Group(_Fitting(rows), *words)


class _Fitting:
    """The table with as many columns as the terminal has room for: what is in it can be read whole."""

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = list(_COLUMNS)
        for least_wanted in _LEAST_WANTED:
            short = self._table([heading for heading in shown if heading != "last error"])
            wide = Measurement.get(console, options.update(max_width=_WIDEST), short).maximum
            if wide + _ROOM_FOR_AN_ERROR <= options.max_width:
                break
            shown.remove(least_wanted)
        yield self._table(shown)

    def _table(self, shown: Sequence[str]) -> Table:
        table = Table(header_style="bold")
        for heading in shown:
            right = _COLUMNS[heading] == "right"
            table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "last error")
        for row in self._rows:
            table.add_row(*(row[heading] for heading in shown))
        return table


def _rows(links: Sequence[LinkStanding], at: datetime, *, connections: bool) -> Iterator[Iterator[str]]:
    for link in links:
        yield _link(link, at)
        for each in link.connections if connections else ():
            yield _connection(each, at)


def _absences(network: NetworkStanding, links: Sequence[LinkStanding]) -> Iterator[str]:
    """What is not in the table, and why."""
    if not network.board:
        yield (
            "[yellow]Redis does not answer: links stand as the log knows them, without figures and queues[/]"
        )
    silent = [of.name for of in links if of.told == () and of.state != "disabled"]
    if silent:
        yield f"[yellow]no worker runs {escape(', '.join(silent))}[/]"
    for of in links:
        if of.connected and of.deaf:
            yield f"[bold red]no receipts can come over {escape(of.name)}: {escape(of.deaf)}[/]"


def _link(of: LinkStanding, at: datetime) -> Iterator[str]:
    state = of.condition if of.state == "enabled" else of.state
    queue = _UNKNOWN if of.queued is None else "+".join(f"{jobs:,}" for jobs in of.queued.values())
    yield escape(of.name)
    yield _coloured(state)
    yield _age(of.since, at)
    yield f"{of.bound}/{of.line.connections}"
    yield from _figures(of.figures, queue=queue, in_doubt=str(of.in_doubt_now))
    yield _error(of.figures, of.reason, at)


def _connection(of: ConnectionStanding, at: datetime) -> Iterator[str]:
    yield f"  {of.connection}" if of.direction == "both" else f"  {of.connection} {of.direction}s"
    yield _coloured(of.phase)
    yield _age(of.since, at)
    yield ""
    yield from _figures(of.figures, queue="", in_doubt=str(of.figures.in_doubt) if of.figures else "")
    yield _error(of.figures, of.reason, at)


def _figures(of: LinkFigures | None, *, queue: str, in_doubt: str) -> Iterator[str]:
    if of is None:
        yield from (_UNKNOWN, _UNKNOWN, queue, _UNKNOWN, _UNKNOWN, _UNKNOWN, in_doubt, "")
        return
    yield f"{of.tps:,.0f}"
    yield f"{of.window_used:,}/{of.window_size:,}"
    yield queue
    yield _pair(of.submit_ms_p50, of.submit_ms_p99)
    yield _pair(of.receipt_lag_seconds_p50, of.receipt_lag_seconds_p99)
    yield _UNKNOWN if of.delivered_percent is None else f"{of.delivered_percent:.1f}"
    yield in_doubt
    most = list(of.refusals.items())
    rest = "" if len(most) <= _CODES else " …"
    yield escape("  ".join(f"{code}: {count:,}" for code, count in most[:_CODES])) + rest


def _error(of: LinkFigures | None, reason: str, at: datetime) -> str:
    if of is None or not of.last_error or of.last_error_at is None:
        return escape(reason)
    return f"{escape(of.last_error)} [dim]({_age(of.last_error_at, at)} ago)[/]"


def _coloured(word: str) -> str:
    return f"[{_COLOURS[word]}]{word}[/]"


def _pair(half: float | None, most: float | None) -> str:
    return _UNKNOWN if half is None or most is None else f"{_short(half)}/{_short(most)}"


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"


def _age(since: datetime | None, at: datetime) -> str:
    """How long it is ago, in its two greatest units: 3h 4m."""
    if since is None:
        return _UNKNOWN
    rest = max(int((at - since).total_seconds()), 0)
    parts: list[str] = []
    for seconds, unit in _AGES:
        count, rest = divmod(rest, seconds)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
