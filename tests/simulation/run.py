"""Runs a world to its end and has it audited."""

from dataclasses import replace
from hashlib import sha256

from tests.simulation import virtual_time
from tests.simulation.auditor import audit
from tests.simulation.world import Plan, World, plan


def simulate(seed: int) -> tuple[World, list[str]]:
    """The world of a seed at its end, and what is wrong with it."""
    return run(plan(seed))


def run(planned: Plan) -> tuple[World, list[str]]:
    """A planned world at its end, and what is wrong with it."""

    async def live() -> tuple[World, list[str]]:
        world = World(planned)
        try:
            await world.live()
        except TimeoutError:
            return world, ["it never came to rest", *audit(world)]
        return world, audit(world)

    return virtual_time.run(live())


def dying(planned: Plan, *, at: int) -> Plan:
    """The same world, in which the first worker dies at this step and nobody else does."""
    return replace(planned, worker_dies_at=at, crash_every=0, losses=0.0)


def report(world: World, wrong: list[str]) -> str:
    """What a person wants to know about a world, its seed first."""
    planned = world.plan
    lines = [
        f"seed {planned.seed}: {len(world.disk.log)} events, {len(world.messages())} messages",
        f"  {world.crashes} crashes, {sum(len(c.takes) for c in world.carriers.values())} parts taken",
        f"  replay: python -m tests.simulation --seed {planned.seed}",
        *(f"  WRONG {what}" for what in wrong),
    ]
    return "\n".join(lines)


def fingerprint(world: World) -> str:
    """A digest of everything that was recorded: the same for a seed on every machine and in every run."""
    digest = sha256()
    for row in world.disk.log:
        digest.update(f"{row.originator_id}|{row.originator_version}|{row.topic}|".encode() + row.state)
    return digest.hexdigest()
