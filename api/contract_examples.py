"""Examples of the doors about contracts, amendments, fees and adjustments."""

from typing import Any

_TERMS = {
    "allowance_segments": 300_000,
    "overage_price_micros": 38_000,
    "charge_on": "submitted",
    "counting": "70/67",
    "unknown_policy": "charged",
    "term_years": 2,
    "retention_months": 6,
    "partial_years": "full",
    "spending_cap_micros": None,
    "alarm_percents": [80, 95, 100],
    "dispute_days": 30,
    "notice_days": 30,
    "fixed_fee_micros": 98_000_000_000,
    "stage_shares": [5, 4, 1],
}
_STAGE = {
    "stage": 1,
    "amount": {"yuan": "49000.00", "micros": 49_000_000_000},
    "falls_on": "2026-01-05",
    "state": "paid",
    "invoice": "INV-2026-017",
    "due_on": "2026-02-04",
    "paid_on": "2026-01-29",
}
AMENDMENT = {
    "number": 1,
    "effective_from": "2027-01-01",
    "state": "proposed",
    "terms": _TERMS | {"overage_price_micros": 36_000, "term_years": 4},
    "retroactive": False,
    "notice_waived": False,
    "reason": "补充协议一：续签两年，超出单价 0.036 元",
    "proposed_by": "key:1f2e3d4c5b6a",
    "approved_by": ["key:1f2e3d4c5b6a"],
}
CONTRACT = {
    "account": "demo",
    "name": "示例科技有限公司",
    "state": "live",
    "signed_on": "2026-01-05",
    "live_on": "2026-03-01",
    "term_ends_on": "2028-03-01",
    "terms": _TERMS,
    "amendments": [AMENDMENT],
    "stages": [_STAGE],
}
AMENDMENT_REQUESTS: dict[str, dict[str, Any]] = {
    "a new price": {
        "account": "demo",
        "effective_from": "2027-01-01",
        "terms": {"overage_price_micros": 36_000, "term_years": 4},
        "reason": "补充协议一：续签两年，超出单价 0.036 元",
    }
}
REASONS: dict[str, dict[str, Any]] = {"a reason": {"account": "demo", "reason": "发票逾期未付"}}
ACCOUNTS: dict[str, dict[str, Any]] = {"an account": {"account": "demo"}}
INVOICES: dict[str, dict[str, Any]] = {
    "an invoice": {"account": "demo", "invoice": "INV-2026-017", "due_on": "2026-02-04"}
}
PAYMENTS: dict[str, dict[str, Any]] = {
    "a payment": {"account": "demo", "paid_on": "2026-01-29", "reference": "银行回单 4711"}
}
_ADJUSTMENT_ID = "7b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b12"
ADJUSTMENT_REQUESTS: dict[str, dict[str, Any]] = {
    "a credit": {
        "account": "demo",
        "id": _ADJUSTMENT_ID,
        "period": "2026-10",
        "segments": -120,
        "reason": "运营商重复计费",
        "reference": "对账 2026-10",
    }
}
ADJUSTMENT = {
    "id": _ADJUSTMENT_ID,
    "account": "demo",
    "period": "2026-10",
    "year": 2026,
    "segments": -120,
    "amount": {"yuan": "0.00", "micros": 0},
    "reason": "运营商重复计费",
    "reference": "对账 2026-10",
    "state": "requested",
    "requested_by": "key:1f2e3d4c5b6a",
    "approvals_needed": 2,
    "approved_by": ["key:1f2e3d4c5b6a"],
}
ADJUSTMENTS = {"adjustments": [ADJUSTMENT]}
LEDGERS = {
    "account": "demo",
    "ledgers": [
        {
            "year": 2026,
            "postings": 290_012,
            "chain": "9f2c1b7e5d3a4f60817263544536271809fedcba9876543210f0e1d2c3b4a596",
            "totals": {
                "allowance": 300_000,
                "net": 300_120,
                "included": 300_000,
                "overage": 120,
                "remaining": 0,
                "amount": {"yuan": "4.56", "micros": 4_560_000},
                "adjusted": {"yuan": "0.00", "micros": 0},
                "payable": {"yuan": "4.56", "micros": 4_560_000},
                "closed": False,
            },
        }
    ],
}
ALARMS = {
    "account": "demo",
    "year": 2026,
    "alarms": [
        {
            "percent": 80,
            "allowance": 300_000,
            "net": 240_001,
            "posting": 231_200,
            "at": "2026-09-01T02:03:04Z",
        }
    ],
}
