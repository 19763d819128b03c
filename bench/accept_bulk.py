"""The bulk endpoint: 1,000 messages a call, one account, 4 callers; with one process writing and with four.

    ./run bench accept-bulk [--seconds 12] [--callers 4] [--writers 4]

Every message is segmented, sealed, debited and durable before its call is answered. The baseline in the same
run is one caller who sends the same messages one by one.
"""

import argparse
from dataclasses import replace

from bench.support.load import Load, apply, bulk_body, single_body
from bench.support.report import show, spread_ms
from bench.support.stage import ACCOUNT, everything, usage, warm

_SIZE = 1_000
_PREPARED = 60
"""Different calls made beforehand: making them while measuring would measure the maker."""


def main() -> None:
    """Measure and print."""
    options = _options()
    one = _measure(1, options)
    many = _measure(options.writers, options)
    show(
        "accept-bulk",
        {
            "per_s": many["per_s"],
            "per_s_one_writer": one["per_s"],
            "callers": options.callers,
            "writers": options.writers,
            "one_by_one_per_s": one["one_by_one_per_s"],
            "with_one_writer": one,
            "with_all_writers": many,
        },
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--writers", type=int, default=4)
    return parser.parse_args()


def _measure(writers: int, options: argparse.Namespace) -> dict[str, object]:
    """Accepting alone: the others would carry what is accepted and take their share of the two cores."""
    with everything(api=writers, others=(), allowance=100_000_000) as stage:
        stand = stage.stand
        warm(stage)
        bodies = [bulk_body(number, batch="bench", size=_SIZE) for number in range(_PREPARED)]
        load = Load(
            host="127.0.0.1",
            ports=stage.ports,
            connections=options.callers,
            seconds=options.seconds,
            path="/v1/messages/bulk",
            token=stand.tokens[ACCOUNT],
            body=lambda number: bodies[number % _PREPARED],
        )
        used = usage(stand)
        before = stand.facts("message.accepted")
        used.start()
        answers = apply(load)
        processes = used.figures()
        accepted = stand.facts("message.accepted") - before
        assert answers.statuses == {200: accepted // _SIZE}, (
            answers.statuses,
            accepted,
            answers.first_body[:500],
        )
        assert stand.facts("ledger.debited") == stand.facts("message.accepted")
        single = apply(_single(load))
        return {
            "per_s": round(accepted / answers.elapsed),
            **spread_ms(answers.seconds),
            "messages": accepted,
            "one_by_one_per_s": round(len(single.seconds) / single.elapsed),
            "processes": processes,
        }


def _single(load: Load) -> Load:
    return replace(load, connections=1, seconds=3.0, path="/v1/messages", body=single_body)


if __name__ == "__main__":
    main()
