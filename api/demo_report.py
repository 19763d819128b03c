"""What the demonstration shows at its end: bill, statistics, what went over each link, one message's life, refused
lines, the proof."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from rich.console import Console

from api import cli_verify, tables
from api.cli_message_route import told_route
from api.cli_messages import story
from api.cli_send import Client, RefusedLine
from api.read_side import read
from domain.protocols import PROTOCOLS
from infrastructure.bootstrap import Platform
from infrastructure.stack import StackError
from projections.links import links as links_of
from projections.messages import outcomes_by_link

_PAGES = 6
_LINES = 20


def heading(out: Console, text: str) -> None:
    """A rule with what follows."""
    out.print()
    out.rule(f"[bold]{text}[/]", align="left", style="dim")


def bill(out: Console, client: Client) -> None:
    """The year's totals."""
    answer = client.get("/v1/billing/ledger")
    totals = answer["totals"]
    heading(out, f"The bill of {answer['year']}")
    row = {
        "allowance": totals["allowance"],
        "net": totals["net"],
        "included": totals["included"],
        "overage": totals["overage"],
        "amount": totals["amount"],
        "postings": answer["postings"],
    }
    columns = {
        "allowance": "allowance",
        "net": "segments owed",
        "included": "included",
        "overage": "overage",
        "amount": "amount",
        "postings": "postings",
    }
    out.print(tables.table(columns, [row]))
    out.print(
        f"{totals['net']:,} segments = {totals['included']:,} included + {totals['overage']:,} overage "
        f"at 0.038 yuan = {totals['amount']['yuan']} yuan; what carriers refused was given back"
    )


def statistics(out: Console, client: Client) -> None:
    """By carrier and by template: total = delivered + failed + not yet reported."""
    heading(out, "Statistics")
    for group in ("carrier", "template"):
        answer = client.get("/v1/statistics", group_by=group)
        rows = [
            {**row, group: row[group] or ("free text" if group == "template" else "")}
            for row in answer["rows"]
        ]
        columns = {
            group: group,
            "total": "total",
            "delivered": "delivered",
            "failed": "failed",
            "not_yet_reported": "not yet reported",
            "segments": "segments",
        }
        out.print(tables.table(columns, [*rows, {**answer["total"], group: "total"}]))


async def links(out: Console, platform: Platform, account: str) -> None:
    """What went over each link, and in which protocol."""
    heading(out, "By link")
    lines, outcomes = await read(platform, lambda rows: (links_of(rows), outcomes_by_link(rows, account)))
    rows = []
    for line in lines:
        of = outcomes.get(line.name, {})
        rows.append(
            {
                "link": line.name,
                "protocol": PROTOCOLS[line.protocol].title,
                "networks": line.carriers,
                "messages": sum(of.values()),
                "delivered": of.get("delivered", 0),
                "failed": of.get("failed", 0),
                "open": sum(of.values()) - of.get("delivered", 0) - of.get("failed", 0),
                "parts": line.submitted_parts,
                "refused": line.refused,
                "receipts": line.receipts,
            }
        )
    columns = {
        "link": "link",
        "protocol": "protocol",
        "networks": "numbers of",
        "messages": "messages",
        "delivered": "delivered",
        "failed": "failed",
        "open": "not yet reported",
        "parts": "parts taken",
        "refused": "submissions refused",
        "receipts": "receipts",
    }
    out.print(tables.table(columns, rows))


def pick(client: Client) -> UUID:
    """A message worth telling: delivered, and if possible one that straddles the allowance, or a long one.

    Raises StackError where there is none.
    """
    best: dict[str, Any] = {}
    cursor = ""
    for _ in range(_PAGES):
        page = client.get("/v1/messages", limit="500", cursor=cursor)
        for line in page["messages"]:
            if _rank(line) > _rank(best):
                best = line
        cursor = page["next_cursor"]
        if not cursor:
            break
    if not best:
        raise StackError(
            "nothing was carried yet: this machine is too busy, or see the logs in the data folder"
        )
    return UUID(best["id"])


def _rank(line: dict[str, Any]) -> tuple[bool, bool, bool, bool]:
    if not line:
        return (False, False, False, False)
    straddles = line["included"] > 0 and line["overage"] > 0
    return (True, line["status"] == "delivered", straddles, line["segments"] > 1)


async def life(out: Console, platform: Platform, id_: UUID) -> None:
    """Every fact about one message, its debit among them, and why it took its link."""
    told = await story(platform, id_)
    heading(out, f"One message, from its events: {id_}")
    out.print(
        f"{told['status']}, {told['segments']} segments ({told['included']} included, "
        f"{told['overage']} overage, {told['amount']['yuan']} yuan) by link {told['link']}"
    )
    columns = {"at": "at", "event": "event", "by": "by", "details": "details"}
    out.print(tables.table(columns, told["events"]))
    for sentence in (await told_route(platform, id_))["words"]:
        out.print(sentence)


def refused(out: Console, lines: Sequence[RefusedLine]) -> None:
    """How many for which reason, and the first of them."""
    heading(out, f"Refused lines: {len(lines):,}; nothing was debited for them")
    counts = Counter(line.code for line in lines)
    out.print(", ".join(f"{code} {count:,}" for code, count in counts.most_common()))
    rows = [
        {"line": str(line.line), "phone": line.phone, "code": line.code, "detail": line.detail}
        for line in _varied(lines)
    ]
    columns = {"line": "line", "phone": "phone", "code": "code", "detail": "why"}
    out.print(tables.table(columns, rows))
    if len(lines) > len(rows):
        out.print(f"… and {len(lines) - len(rows):,} more")


def _varied(lines: Sequence[RefusedLine]) -> list[RefusedLine]:
    """A few of each reason, in the order of the file."""
    codes = Counter(line.code for line in lines)
    most = max(1, _LINES // max(1, len(codes)))
    seen: Counter[str] = Counter()
    chosen = []
    for line in lines:
        seen[line.code] += 1
        if seen[line.code] <= most:
            chosen.append(line)
    return chosen


def proof(out: Console, found: cli_verify.Verified) -> None:
    """What `smsledger verify` says."""
    heading(out, "smsledger verify")
    cli_verify.show(found)
