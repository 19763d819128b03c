"""The project's link against an independent gateway that speaks CMPP 2.0 and 3.0."""

import asyncio
from typing import Any

import pytest

from infrastructure.carriers.traffic import InDoubt, LinkPhase, Refused, Taken
from tests.infrastructure.carriers.rig import until
from tests.interop import strict_wire
from tests.interop.cmpp_gateway import CmppGateway, CmppHabits
from tests.interop.trial import (
    Expected,
    as_link_says,
    exercise,
    link_to,
    long,
    replies,
    send_all,
    short,
    three_hundred,
)

VERSIONS = {0x20: "cmpp20", 0x30: "cmpp30"}


def decimal(taken: strict_wire.Taken) -> str:
    """A message id as the link writes it."""
    return str(int.from_bytes(taken.id, "big"))


EXPECTED = Expected(carrier_id=decimal)


def settings(version: int, **changes: Any) -> dict[str, Any]:
    """A link of that version with what its contract says."""
    given = {
        "protocol": VERSIONS[version],
        "system_id": "901234",
        "password": "secret1234",
        "source_address": "10690001",
        "service_id": "SVC001",
    }
    return {**given, **changes}


def run(version: int, habits: CmppHabits, parts: list[Any], expected: Expected = EXPECTED, **changes: Any):
    gateway = CmppGateway(habits=habits, version=version)
    table = asyncio.run(exercise(gateway, parts, expected, **settings(version), **changes))
    return gateway, table


@pytest.mark.parametrize("version", VERSIONS)
def test_three_hundred_submits_are_taken_and_reported_on(version: int):
    gateway, _ = run(version, CmppHabits(first_id=0xBBC5964003E9FFF0), three_hundred())
    assert len(gateway.taken) == 300
