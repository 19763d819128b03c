"""One message at a time on an idle system: from the accepted answer to the PDU at the carrier.

    ./run bench idle-latency [--messages 200]

Both ends take the machine's monotonic clock. `from_request` counts from the moment the request was sent.
The baseline in the same run is the bare round trip of `GET /healthz`.
"""

import argparse
import json
import time
from pathlib import Path

import httpx

from bench.support.report import show, spread_ms
from bench.support.stage import ACCOUNT, everything, usage, warm
from tests.support.stand import Stand, until


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=200)
    messages = parser.parse_args().messages
    with everything(api=1) as stage:
        stand = stage.stand
        warm(stage, times=20)
        until(lambda: stand.statuses().get("delivered", 0) >= 20, seconds=30, what="the warm-up is delivered")
        used = usage(stand)
        used.start()
        began = time.monotonic()
        sent, bare = _send(stand, messages)
        wire = _on_the_wire(stand, set(sent))
        idle = time.monotonic() - began
        processes = used.figures()
        after_answer = [(wire[phone] - answered) / 1e9 for phone, (_, answered) in sent.items()]
        from_request = [(wire[phone] - asked) / 1e9 for phone, (asked, _) in sent.items()]
        show(
            "idle-latency",
            {
                **spread_ms(after_answer),
                "from_request": spread_ms(from_request),
                "accept": spread_ms([(b - a) / 1e9 for a, b in sent.values()]),
                "healthz": spread_ms(bare),
                "messages": messages,
                "seconds": round(idle, 1),
                "processes": processes,
            },
        )


def _send(stand: Stand, messages: int) -> tuple[dict[str, tuple[int, int]], list[float]]:
    """Send one by one with a pause; request and answer times by destination, and bare round trips."""
    sent: dict[str, tuple[int, int]] = {}
    bare: list[float] = []
    headers = {"Authorization": f"Bearer {stand.tokens[ACCOUNT]}"}
    with httpx.Client(base_url=stand.url, trust_env=False, headers=headers) as client:
        for number in range(messages):
            phone = f"1300013{number:04d}"
            body = {
                "phone": phone,
                "signature": "示例科技",
                "text": "您的验证码是123456。",
                "category": "otp",
            }
            asked = time.monotonic_ns()
            client.post("/v1/messages", json=body).raise_for_status()
            sent[f"86{phone}"] = (asked, time.monotonic_ns())
            time.sleep(0.15 + (number % 7) * 0.01)
            tick = time.perf_counter()
            client.get("/healthz")
            bare.append(time.perf_counter() - tick)
    return sent, bare


def _on_the_wire(stand: Stand, wanted: set[str]) -> dict[str, int]:
    """When the carrier read each PDU, by destination, from its book."""
    journal: Path = stand.carriers["carrier"].journal
    found: dict[str, int] = {}

    def complete() -> bool:
        for line in journal.read_text().splitlines():
            entry = json.loads(line)
            destination = entry.get("destination")
            if entry["kind"] == "submit" and destination in wanted:
                found.setdefault(destination, entry["at_ns"])
        return len(found) == len(wanted)

    until(complete, seconds=30, what="every PDU is in the carrier's book")
    return found


if __name__ == "__main__":
    main()
