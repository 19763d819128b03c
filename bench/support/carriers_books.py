"""How long things took as the carriers saw it: from a submit to the acknowledgement of its receipt."""

import json
from pathlib import Path

from bench.support.report import spread_ms

_Part = tuple[str, str]
"""Link and carrier's id."""


def carriers_ms(folder: Path) -> dict[str, dict[str, float]]:
    """From submit to receipt stored, the carrier's own delay included; and from the sent receipt until it is stored."""
    submitted: dict[_Part, int] = {}
    sent: dict[_Part, int] = {}
    whole: list[float] = []
    stored: list[float] = []
    for file in sorted(folder.glob("carrier*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                part, at_ns = (entry["system_id"], entry["carrier_id"]), entry["at_ns"]
                if entry["kind"] == "submit":
                    submitted[part] = at_ns
                elif entry["step"] == "sent":
                    sent.setdefault(part, at_ns)
                elif entry["step"] == "acked" and part in sent and part in submitted:
                    stored.append((at_ns - sent.pop(part)) / 1e9)
                    whole.append((at_ns - submitted.pop(part)) / 1e9)
    return {"submit_to_receipt": spread_ms(whole), "receipt_stored": spread_ms(stored)}
