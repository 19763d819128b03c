"""Replays one world or many: `python -m tests.simulation [--years] --seed N`, or `--seeds N [--first N]`."""

import argparse
import sys
import time

from tests.simulation.run import report, simulate, simulate_years


def main() -> int:
    """Run what was asked for; 1 where a world went wrong."""
    arguments = argparse.ArgumentParser(prog="python -m tests.simulation")
    arguments.add_argument("--seed", type=int, help="replay this world and tell what happened")
    arguments.add_argument("--seeds", type=int, default=100, help="how many worlds")
    arguments.add_argument("--first", type=int, default=0, help="the first seed")
    arguments.add_argument("--years", action="store_true", help="worlds of two years instead of minutes")
    asked = arguments.parse_args()
    live = simulate_years if asked.years else simulate
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    began, bad, events = time.monotonic(), 0, 0
    for seed in seeds:
        world, wrong = live(seed)
        events += len(world.disk.log)
        bad += bool(wrong)
        if wrong or asked.seed is not None:
            print(report(world, wrong))
    print(f"{len(seeds)} worlds, {events} events, {time.monotonic() - began:.1f} s, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
