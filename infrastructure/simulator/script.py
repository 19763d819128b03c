"""What a simulated carrier does with each message: a pure function of a seed, so that a run can be repeated."""

import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, NamedTuple, TypeVar

import msgspec

from domain.errors import BadInput
from domain.events.link import Direction

__all__ = ["SMPP_CODES", "Codes", "Fate", "PlannedReceipt", "Script", "changed", "decide"]

_DRAWS = struct.Struct(">8I")
_DOUBLE_AFTER_SECONDS = 0.05
_STATUS = re.compile(r"[A-Z]{1,7}", re.ASCII)
_ERROR = re.compile(r"[0-9]{3}", re.ASCII)

_Choice = TypeVar("_Choice")


class Codes(NamedTuple):
    """A protocol's codes for "too fast" and for some refusals for good, and the largest that fits its answer."""

    throttled: int
    refusals: tuple[int, ...]
    largest: int = 0xFF


SMPP_CODES = Codes(0x58, (0x0B, 0x45, 0x65), 0xFFFF_FFFF)


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """Rates are 0 to 1 and independent of each other; the default carrier delivers everything at once.

    By the message (number and payload): refusal, silence (no answer at all), failed, lost (no receipt), late,
    double, early (receipt before the answer). By the count of submits: throttling and, every `drop_every`
    submits (0 = never), the connection dropped after the message was taken and before it was answered.
    Without `refusal_codes` those of the protocol are used. `id_format` is for SMPP. `logins` are the directions the
    account may log in for.
    """

    seed: int = 1
    submit_delay_ms: float = 0.0
    refusal_rate: float = 0.0
    refusal_codes: tuple[int, ...] = ()
    throttle_rate: float = 0.0
    silence_rate: float = 0.0
    drop_every: int = 0
    receipt_delay_ms_min: float = 0.0
    receipt_delay_ms_max: float = 0.0
    early_rate: float = 0.0
    lost_rate: float = 0.0
    late_rate: float = 0.0
    late_seconds: float = 5.0
    double_rate: float = 0.0
    failed_rate: float = 0.0
    failed_codes: tuple[tuple[str, str], ...] = (("UNDELIV", "001"), ("REJECTD", "006"), ("EXPIRED", "027"))
    id_format: Literal["same", "resp-hex-dlr-dec", "resp-dec-hex"] = "same"
    logins: tuple[Direction, ...] = ("both", "send", "receive")

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith("_rate") and not 0 <= value <= 1:
                raise ValueError(f"{each.name} must be between 0 and 1")
            if isinstance(value, float) and not 0 <= value < float("inf"):
                raise ValueError(f"{each.name} must not be below 0")
        if self.drop_every < 0:
            raise ValueError("drop_every must not be below 0")
        if self.receipt_delay_ms_min > self.receipt_delay_ms_max:
            raise ValueError("receipt_delay_ms_min must not be above receipt_delay_ms_max")


def changed(script: Script, changes: Mapping[str, object], *, codes: Codes) -> Script:
    """Return the script with these fields, of a carrier whose protocol has these codes.

    Refuses unknown_field and invalid_value.
    """
    known = {each.name for each in fields(Script)}
    unknown = set(changes) - known
    if unknown:
        raise BadInput("unknown_field", f"The fields of a script are {', '.join(sorted(known))}.")
    try:
        made = msgspec.convert(asdict(script) | dict(changes), Script)
    except msgspec.ValidationError as error:
        raise BadInput("invalid_value", f"{error}.") from None
    if not all(0 < code <= codes.largest for code in made.refusal_codes):
        detail = f"A refusal is 1 to {codes.largest} in this protocol."
        raise BadInput("invalid_value", detail, field="refusal_codes")
    failures = made.failed_codes
    if not failures or not all(_STATUS.fullmatch(word) and _ERROR.fullmatch(code) for word, code in failures):
        detail = "A failure is a status of up to 7 capital letters, and 3 digits."
        raise BadInput("invalid_value", detail, field="failed_codes")
    return made


@dataclass(frozen=True, slots=True)
class PlannedReceipt:
    """A receipt to send `after_seconds`; 0 or less with `early` = before the answer."""

    after_seconds: float
    status: str
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What happens to one submit: `status` of the answer (0 = taken), and what follows.

    `outcome` is what becomes of the message in the end, also where no receipt says so.
    """

    status: int = 0
    throttled: bool = False
    silent: bool = False
    drop: bool = False
    early: bool = False
    receipts: tuple[PlannedReceipt, ...] = ()
    outcome: PlannedReceipt | None = None


def decide(
    script: Script, *, count: int, destination: str, payload: bytes, codes: Codes = SMPP_CODES
) -> Fate:
    """Return the fate of the `count`-th submit (from 1) of an account."""
    by_count = _draws(f"{script.seed} {count}".encode())
    if by_count[0] < script.throttle_rate:
        return Fate(status=codes.throttled, throttled=True)
    refusal, silence, early, lost, late, double, failed, delay = _draws(
        f"{script.seed} {destination} ".encode() + payload
    )
    if refusal < script.refusal_rate:
        refusals = script.refusal_codes or codes.refusals
        return Fate(status=_choose(refusals, refusal / script.refusal_rate))
    outcome = _outcome(script, late=late, failed=failed, delay=delay)
    receipts: tuple[PlannedReceipt, ...] = () if lost < script.lost_rate else (outcome,)
    if receipts and double < script.double_rate:
        receipts = outcome, replace(outcome, after_seconds=outcome.after_seconds + _DOUBLE_AFTER_SECONDS)
    return Fate(
        silent=silence < script.silence_rate,
        drop=script.drop_every > 0 and count % script.drop_every == 0,
        early=early < script.early_rate,
        receipts=receipts,
        outcome=outcome,
    )


def _outcome(script: Script, *, late: float, failed: float, delay: float) -> PlannedReceipt:
    status, error = "DELIVRD", "000"
    if failed < script.failed_rate:
        status, error = _choose(script.failed_codes, failed / script.failed_rate)
    low, high = script.receipt_delay_ms_min, script.receipt_delay_ms_max
    seconds = (low + delay * (high - low)) / 1000
    if late < script.late_rate:
        seconds += script.late_seconds
    return PlannedReceipt(seconds, status, error)


def _draws(key: bytes) -> tuple[float, ...]:
    """Eight numbers from 0 to below 1."""
    return tuple([each / 2**32 for each in _DRAWS.unpack(hashlib.blake2b(key, digest_size=32).digest())])


def _choose(choices: tuple[_Choice, ...], draw: float) -> _Choice:
    return choices[int(draw * len(choices))]
