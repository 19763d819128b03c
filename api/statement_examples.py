"""Examples of the doors about statements and the forecast."""

from typing import Any

_HASH = "4e20a5749e8aaff1f573471725fe8e3abd75bf00ef494dddbb05df751a03ce73"
_CHAIN = "509242624d77a74452093448f56b31a08e0626c51b626cc6d968e1262c611e06"
_AT = "2026-12-02T01:30:00.125000Z"
_AMOUNT = {"yuan": "4.56", "micros": 4_560_000}
_PRICE = {"yuan": "0.038", "micros": 38_000}
_STANDING = {
    "allowance": 300_000,
    "net": 300_120,
    "overage": 120,
    "by_price": [{"price_micros": 38_000, "segments": 120}],
    "amount_micros": 4_560_000,
    "adjusted_micros": 0,
    "closed": False,
}
_LINE = {
    "kind": "debits",
    "year": 2026,
    "period": "2026-11",
    "stated_in": "2026-11",
    "price_micros": 38_000,
    "first": 262_001,
    "last": 290_012,
    "postings": 28_012,
    "segments": 31_240,
    "included": 31_120,
    "overage": 120,
    "allowance": 0,
    "amount_micros": 4_560_000,
    "amount_fen": 456,
    "difference_micros": 0,
}
_FORECAST = {
    "method": "net_of_last_28_days",
    "as_of": "2026-11-30",
    "observed_days": 28,
    "observed_segments": 29_160,
    "runs_out_on": "2026-11-30",
    "net": 332_404,
    "overage": 32_404,
}
FORECAST = _FORECAST | {"amount": {"yuan": "1231.352", "micros": 1_231_352_000}}
STATEMENT = {
    "account": "demo",
    "customer": "示例科技有限公司",
    "period": "2026-11",
    "number": "demo-2026-11",
    "state": "issued",
    "issued_at": _AT,
    "open_until": "2027-01-01",
    "amount": _AMOUNT,
    "in_words": "肆元伍角陆分",
    "remaining": 0,
    "expired": 0,
    "lines": [
        {
            "line": 1,
            "kind": "debits",
            "year": 2026,
            "period": "2026-11",
            "stated_in": "2026-11",
            "price": _PRICE,
            "postings": 28_012,
            "segments": 31_240,
            "included": 31_120,
            "overage": 120,
            "allowance": 0,
            "amount": _AMOUNT,
            "billed": _AMOUNT,
            "difference_micros": 0,
        }
    ],
    "forecast": FORECAST,
    "hash": _HASH,
    "content": {
        "form": 1,
        "account": "demo",
        "customer": "示例科技有限公司",
        "period": "2026-11",
        "number": "demo-2026-11",
        "dispute_days": 30,
        "sections": [
            {
                "year": 2026,
                "after": 262_000,
                "upto": 290_012,
                "chain": _CHAIN,
                "opening": _STANDING | {"net": 268_880, "overage": 0, "by_price": [], "amount_micros": 0},
                "closing": _STANDING,
            }
        ],
        "lines": [_LINE],
        "amount_micros": 4_560_000,
        "amount_fen": 456,
        "difference_micros": 0,
        "remaining": 0,
        "expired": 0,
        "forecast": _FORECAST | {"amount_micros": 1_231_352_000},
        "rests_on": [],
    },
}
PREVIEW = {name: value for name, value in STATEMENT.items() if name not in ("issued_at", "open_until")} | {
    "state": "preview",
    "hash": "",
}
STATEMENTS = {
    "account": "demo",
    "statements": [
        {
            "period": "2026-11",
            "number": "demo-2026-11",
            "state": "issued",
            "amount": _AMOUNT,
            "issued_at": _AT,
            "open_until": "2027-01-01",
            "hash": _HASH,
        }
    ],
}
LINE_POSTINGS = {
    "account": "demo",
    "period": "2026-11",
    "line": 1,
    "postings": [
        {
            "posting": 290_012,
            "at": "2026-11-30T13:30:00.125000Z",
            "kind": "debited",
            "segments": 2,
            "included": 0,
            "overage": 2,
            "allowance": 0,
            "amount": {"yuan": "0.076", "micros": 76_000},
            "message": "5f0c6f0e-0d0b-5a1e-8f0a-3c1d2e4b5a69",
            "reason": "accepted",
        }
    ],
    "next_cursor": "",
}
NOTES: dict[str, dict[str, Any]] = {"agreement": {"note": "已核对，同意付款"}}
DISPUTES: dict[str, dict[str, Any]] = {"a dispute": {"reason": "第 3 行的条数与我方记录不符"}}
RESOLUTIONS: dict[str, dict[str, Any]] = {
    "by an adjustment": {
        "account": "demo",
        "reason": "运营商重复计费，已调整",
        "adjustment": "7b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b12",
    }
}
