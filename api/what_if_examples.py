"""Examples of the door of what-if in openapi.json."""

from typing import Any


def _figures(segments: int, overage: int, price_micros: int) -> dict[str, Any]:
    micros = overage * price_micros
    money = {"yuan": f"{micros / 1_000_000:.2f}", "micros": micros}
    return {
        "segments": segments,
        "included": segments - overage,
        "overage": overage,
        "amount": money,
        "adjusted": {"yuan": "0.00", "micros": 0},
        "payable": money,
    }


_BILLED, _OTHER = _figures(420_000, 120_000, 38_000), _figures(411_600, 11_600, 40_000)
_DIFFERENCE = {
    "segments": -8_400,
    "included": 100_000,
    "overage": -108_400,
    "amount": {"yuan": "-4096.00", "micros": -4_096_000_000},
    "adjusted": {"yuan": "0.00", "micros": 0},
    "payable": {"yuan": "-4096.00", "micros": -4_096_000_000},
}
_SIDES = {"billed": _BILLED, "other": _OTHER, "difference": _DIFFERENCE}
_TERMS = {"allowance_segments": 400_000, "overage_price_micros": 40_000, "charge_on": "delivered"}
REQUESTS: dict[str, dict[str, Any]] = {
    "a year": {"terms": _TERMS, "year": 2026},
    "days": {"terms": {"overage_price_micros": 36_000}, "from": "2026-07-01", "to": "2026-09-30"},
}
ANSWER = {
    "account": "demo",
    "terms": _TERMS,
    "year": 2026,
    **_SIDES,
    "months": [{"month": "2026-11", **_SIDES}],
    "messages": 350_000,
    "refused_messages": 0,
    "refused_segments": 0,
    "uncertain_messages": 0,
}
