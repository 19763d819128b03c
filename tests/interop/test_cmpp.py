"""The project's link against an independent gateway that speaks CMPP 2.0 and 3.0."""

import asyncio

import pytest

from infrastructure.carriers.traffic import LinkPhase
from tests.infrastructure.carriers.rig import until
from tests.interop import strict_wire
from tests.interop.cmpp_gateway import CmppGateway, CmppHabits
from tests.interop.trial import (
    Expected,
    Trial,
)


def decimal(taken: strict_wire.Taken) -> str:
    """A message id as the link writes it."""
    return str(int.from_bytes(taken.id, "big"))


def cmpp(name: str, version: int) -> Trial:
    """One version of the protocol."""
    return Trial(
        name=name,
        make=lambda habits: CmppGateway(habits=habits, version=version),
        habits=CmppHabits,
        given={
            "protocol": name,
            "system_id": "901234",
            "password": "secret1234",
            "source_address": "10690001",
            "service_id": "SVC001",
        },
        expected=Expected(carrier_id=decimal),
        late_numbers={"first_id": 0xBBC5964003E9FFF0},
        refused=13,
        throttled=8,
        wrong_logins=[
            ({"password": "wrong"}, "3"),
            *(({"refuses_login_with": status}, str(status)) for status in (1, 2, 3, 5)),
        ],
    )


CMPP20, CMPP30 = cmpp("cmpp20", 0x20), cmpp("cmpp30", 0x30)
both_versions = pytest.mark.parametrize("trial", [CMPP20, CMPP30], ids=["cmpp20", "cmpp30"])


@both_versions
@pytest.mark.parametrize(
    "habits",
    [CmppHabits(keepalive_answer=b""), CmppHabits(answers_keepalive_with_keepalive=True)],
    ids=["without its octet", "with a question"],
)
def test_any_sign_of_life_keeps_the_line(trial: Trial, habits: CmppHabits):
    async def play() -> None:
        gateway = trial.make(habits)
        async with trial.link_to(gateway, keep_alive_seconds=0.03) as table:
            await until(lambda: gateway.keepalives >= 8)
            assert table.phases == [LinkPhase.CONNECTING, LinkPhase.BOUND]

    asyncio.run(play())


HABITS = {
    "71 octets of report": CmppHabits(report_octets=71),
    "60 octets of report": CmppHabits(report_octets=60),
    "spaces": CmppHabits(pads_with_spaces=True),
    "four octets of status": CmppHabits(status_octets_in_digest=4),
    "one octet of status": CmppHabits(status_octets_in_digest=1),
    "version 2.1": CmppHabits(says_version=0x21),
    "version 3.0": CmppHabits(says_version=0x30),
    "tests the line": CmppHabits(tests_the_line_every=7),
    "its own times": CmppHabits(vendor_times=b"00000000002611231726"),
}


@both_versions
@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
def test_a_habit_of_gateways_changes_nothing(trial: Trial, habits: CmppHabits):
    gateway, _ = trial.run(habits, trial.parts[::5])
    assert len(gateway.taken) == 60
