"""The project's link against an independent gateway that speaks SMGP 3.0."""

import pytest

from tests.interop import strict_wire
from tests.interop.smgp_gateway import KEYS, SmgpGateway, SmgpHabits, binary_id
from tests.interop.trial import (
    Expected,
    Trial,
)


def hexadecimal(taken: strict_wire.Taken) -> str:
    """A message id as the link writes it."""
    return taken.id.hex().upper()


def err(stat: str) -> str:
    """What stands beside a stat, where the habits do not say."""
    return "000" if stat == "DELIVRD" else "999"


SMGP = Trial(
    name="smgp30",
    make=lambda habits: SmgpGateway(habits=habits),
    habits=SmgpHabits,
    given={
        "protocol": "smgp30",
        "system_id": "10690001",
        "password": "secret1234",
        "source_address": "10690001",
        "service_id": "SVC001",
        "corp_id": "12345678",
    },
    expected=Expected(carrier_id=hexadecimal, error_code=err),
    late_numbers={"first_id": 999_850},
    refused=47,
    throttled=1,
    wrong_logins=[
        ({"password": "wrong"}, "21"),
        *(({"refuses_login_with": status}, str(status)) for status in (1, 2, 20, 21, 22, 128)),
    ],
)


HABITS = {
    **{f"keys: {keys}": SmgpHabits(keys=keys) for keys in KEYS},
    "id in digits": SmgpHabits(id_in_hex=True),
    "id in digits, keys: lower": SmgpHabits(id_in_hex=True, keys="lower"),
    "ids of any octets": SmgpHabits(message_id=binary_id, own_id=binary_id),
    "no text": SmgpHabits(text=b""),
    "a text that looks like keys": SmgpHabits(text=b"020 stat:REJECTD err"),
    "parameters nobody asked for": SmgpHabits(unasked_tlvs=True),
    "spaces": SmgpHabits(pads_with_spaces=True),
    "one octet of status": SmgpHabits(status_octets_in_digest=1),
    "version 1.3": SmgpHabits(says_version=0x13),
    "tests the line": SmgpHabits(tests_the_line_every=7),
}


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
def test_a_habit_of_gateways_changes_nothing(habits: SmgpHabits):
    gateway, _ = SMGP.run(habits, SMGP.parts[::5])
    assert len(gateway.taken) == 60


def test_codes_beyond_the_document_come_as_they_are():
    SMGP.run(
        SmgpHabits(stats=("UNDELIV",), err="601"),
        SMGP.parts[:9],
        Expected(carrier_id=hexadecimal, error_code=lambda _: "601"),
    )
