"""Runs a world to its end and has it audited."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from tests.simulation import virtual_time
from tests.simulation.auditor import audit
from tests.simulation.world import Plan, World, plan
from tests.simulation.years import Years, audit_years, plan_years


def simulate(seed: int) -> tuple[World, list[str]]:
    """The world of a seed at its end, and what is wrong with it."""
    return run(plan(seed))


def simulate_years(seed: int) -> tuple[World, list[str]]:
    """Two years and what comes after them, and what is wrong."""
    return run(plan_years(seed), Years, audit_years)


def run(
    planned: Plan,
    kind: Callable[[Plan], World] = World,
    judge: Callable[[World], list[str]] = audit,
) -> tuple[World, list[str]]:
    """A planned world at its end, and what is wrong with it."""

    async def live() -> tuple[World, list[str]]:
        world = kind(planned)
        try:
            await world.live()
        except TimeoutError:
            return world, ["it never came to rest", *judge(world)]
        return world, judge(world)

    return virtual_time.run(live())


def dying(planned: Plan, *, at: int) -> Plan:
    """The same world, in which the first worker dies at this step and nobody else does."""
    return replace(planned, worker_ends_at=at, freezes=0, crash_every=0, losses=0.0)


def freezing(planned: Plan, *, at: int) -> Plan:
    """The same world, in which the first worker freezes at this step, and every doubt is resolved by a resend."""
    return replace(planned, worker_ends_at=at, freezes=1, resends=1.0, crash_every=0, losses=0.0)


def report(world: World, wrong: list[str]) -> str:
    """What a person wants to know about a world, its seed first."""
    planned = world.plan
    lines = [
        f"seed {planned.seed}: {len(world.disk.log)} events, {len(world.messages())} messages",
        f"  {world.crashes} crashes, {sum(len(c.takes) for c in world.carriers.values())} parts taken",
        f"  replay: python -m tests.simulation {'--years ' * isinstance(world, Years)}--seed {planned.seed}",
        *(f"  WRONG {what}" for what in wrong),
    ]
    return "\n".join(lines)


def fingerprint(world: World) -> str:
    """A digest of everything that was recorded: the same for a seed on every machine and in every run."""
    digest = sha256()
    for row in world.disk.log:
        digest.update(f"{row.originator_id}|{row.originator_version}|{row.topic}|".encode() + row.state)
    return digest.hexdigest()
