"""The whole way: bulk-accepted, dispatched, submitted over SMPP, receipts recorded, read models caught up.

    ./run bench end-to-end [--messages 60000]

The clock runs from the first accept to the last read model. The baseline in the same run is smpplib's own
client, one message in flight, against the same simulator: what a script without a window reaches.
"""

import argparse
import threading
import time
from dataclasses import dataclass, field

import smpplib.client
import smpplib.consts

from bench.support.load import Load, apply, bulk_body
from bench.support.report import Usage, percentile, show
from bench.support.stage import ACCOUNT, everything, usage, warm
from tests.support.stand import SECRET, Stand, until

_SIZE = 1_000


@dataclass(slots=True)
class Watch:
    """Looks at the log and the read models twice a second while the load runs."""

    stand: Stand
    used: Usage
    began: float = field(default_factory=time.monotonic)
    lags: list[float] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)
    final: int = 0

    def look(self, expected: int) -> bool:
        """One look; whether everything expected is final and every read model has seen the whole log."""
        counts = dict(
            self.stand.rows(
                "SELECT topic, count(*) FROM stored_events WHERE topic = ANY(%s) GROUP BY topic",
                (["message.accepted", "message.submitted", "message.receipt_recorded"],),
            )
        )
        now = time.monotonic() - self.began
        for topic, count in counts.items():
            if count >= expected and topic not in self.last:
                self.last[topic] = now
        self.lags.append(self._lag_seconds())
        self.used.sample()
        statuses = self.stand.statuses()
        self.final = sum(statuses.get(s, 0) for s in ("delivered", "failed", "expired", "in_doubt"))
        return self.final >= expected and self.stand.behind() == 0

    def _lag_seconds(self) -> float:
        """Age of the oldest event that the slowest read model has not seen."""
        (row,) = self.stand.rows(
            "SELECT extract(epoch FROM now() - (convert_from(state, 'UTF8')::json->>'at')::timestamptz)"
            " FROM stored_events WHERE notification_id > (SELECT min(position) FROM projection_tracking)"
            " UNION ALL SELECT 0 ORDER BY 1 DESC LIMIT 1"
        )
        return float(row[0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=60_000)
    messages = parser.parse_args().messages
    with everything(api=1) as stage:
        stand = stage.stand
        baseline = _baseline(stand)
        warm(stage)
        until(lambda: stand.statuses().get("delivered", 0) >= 50, seconds=30, what="the warm-up is delivered")
        bodies = [bulk_body(number, batch="bench", size=_SIZE) for number in range(messages // _SIZE)]
        load = Load(
            host="127.0.0.1",
            ports=stage.ports,
            connections=4,
            seconds=120,
            path="/v1/messages/bulk",
            token=stand.tokens[ACCOUNT],
            body=lambda number: bodies[number],
            most=len(bodies),
        )
        used = usage(stand)
        used.start()
        watch = Watch(stand, used)
        accepting = threading.Thread(target=lambda: apply(load))
        accepting.start()
        expected = len(bodies) * _SIZE + 50
        until(lambda: watch.look(expected), seconds=170, what="everything is final", every=0.5)
        elapsed = time.monotonic() - watch.began
        accepting.join()
        doubtful = stand.statuses().get("in_doubt", 0)
        show(
            "end-to-end",
            {
                "per_s": round((expected - 50) / elapsed),
                "messages": expected - 50,
                "elapsed_s": round(elapsed, 1),
                "accept_per_s": _rate(watch, "message.accepted", expected),
                "submit_per_s": _rate(watch, "message.submitted", expected),
                "receipt_per_s": _rate(watch, "message.receipt_recorded", expected),
                "projection_lag_p99_s": round(percentile(watch.lags, 0.99), 2),
                "in_doubt": doubtful,
                "smpplib_one_in_flight_per_s": baseline,
                "memory_mib_ours": used.total_mib(without=("postgresql", "valkey", "simulator")),
                "processes": used.figures(),
            },
        )


def _rate(watch: Watch, topic: str, expected: int) -> int:
    return round((expected - 50) / watch.last[topic]) if topic in watch.last else 0


def _baseline(stand: Stand) -> int:
    """Messages a second of smpplib's own client with one in flight, for three seconds."""
    spec = next(iter(stand.links.values()))
    client = smpplib.client.Client(
        "127.0.0.1", stand.carrier_of(spec.name).port, allow_unknown_opt_params=True
    )
    client.set_message_sent_handler(lambda **_: None)
    client.connect()
    client.bind_transmitter(system_id=spec.name, password=SECRET)
    sent = 0
    until_then = time.monotonic() + 3.0
    while time.monotonic() < until_then:
        client.send_message(
            source_addr="1069",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="8613800138000",
            short_message="基线".encode("utf-16-be"),
            data_coding=smpplib.consts.SMPP_ENCODING_ISO10646,
            registered_delivery=0,
        )
        client.read_once()
        sent += 1
    client.unbind()
    client.disconnect()
    return round(sent / 3.0)


if __name__ == "__main__":
    main()
