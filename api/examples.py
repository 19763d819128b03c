"""The examples of openapi.json. A test decodes each by the structure it stands for."""

from typing import Any

_ID = "5f0c6f0e-0d0b-5a1e-8f0a-3c1d2e4b5a69"
_FREE = {"yuan": "0.00", "micros": 0}
_PRICE = {"yuan": "0.038", "micros": 38_000}
_AS_OF = {"position": 120_450, "head": 120_452}
_AT = "2026-03-02T01:30:00.125000Z"
_TOTALS = {
    "allowance": 300_000,
    "net": 300_120,
    "included": 300_000,
    "overage": 120,
    "remaining": 0,
    "amount": {"yuan": "4.56", "micros": 4_560_000},
    "adjusted": {"yuan": "0.00", "micros": 0},
    "payable": {"yuan": "4.56", "micros": 4_560_000},
    "closed": False,
}

SEND: dict[str, dict[str, Any]] = {
    "text": {"phone": "13800138000", "signature": "示例科技", "text": "您的包裹已到驿站，取件码 6-2048。"},
    "template": {
        "phone": "+86 138 0013 8000",
        "signature": "示例科技",
        "template": "login-code",
        "variables": {"code": "482913", "minutes": "5"},
        "client_reference": "login-77120",
        "validity_seconds": 120,
    },
    "with digits": {
        "phone": "13800138000",
        "signature": "示例科技",
        "text": "您对本次服务满意吗？请回复 1 至 5。",
        "extension": "2048",
    },
}
ACCEPTED = {
    "id": _ID,
    "status": "accepted",
    "segments": 1,
    "included": 1,
    "overage": 0,
    "price": _PRICE,
    "amount": _FREE,
    "ledger_year": 2026,
    "posting": 20_481,
    "replayed": False,
}
BULK: dict[str, dict[str, Any]] = {
    "template": {
        "batch": "march-statements",
        "signature": "示例科技",
        "template": "statement",
        "messages": [
            {"phone": "13800138000", "variables": {"name": "王女士", "amount": "128.50"}, "id": "stmt-0001"},
            {
                "phone": "13000130000",
                "variables": {"name": "李先生", "amount": "64.00"},
                "id": "stmt-0002",
                "extension": "2048",
            },
        ],
    }
}
BULK_ANSWER = {
    "batch": "march-statements",
    "totals": {"accepted": 1, "refused": 1, "replayed": 0, "segments": 1, "included": 1, "overage": 0},
    "outcomes": [
        {
            "status": "accepted",
            "index": 0,
            "id": _ID,
            "state": "accepted",
            "segments": 1,
            "included": 1,
            "overage": 0,
            "replayed": False,
        },
        {
            "status": "refused",
            "index": 1,
            "error": {
                "code": "unassigned_phone",
                "detail": "The number's prefix is not given to any mobile carrier.",
                "field": "phone",
            },
        },
    ],
}
DETAIL = {
    "id": _ID,
    "status": "delivered",
    "category": "notice",
    "lane": "realtime",
    "carrier": "mobile",
    "signature": "示例科技",
    "template": "",
    "batch": "",
    "client_reference": "",
    "extension": "",
    "accepted_at": _AT,
    "expires_at": "2026-03-03T01:30:00.125000Z",
    "segments": 1,
    "parts": 1,
    "charge": {
        "ledger_year": 2026,
        "posting": 20_481,
        "segments": 1,
        "included": 1,
        "overage": 0,
        "price": _PRICE,
        "amount": _FREE,
        "refunded": False,
    },
    "timeline": [
        {"at": _AT, "kind": "accepted"},
        {"at": _AT, "kind": "submission_started", "link": "mobile-1", "attempt": 1},
        {
            "at": _AT,
            "kind": "submitted",
            "link": "mobile-1",
            "parts": [{"part": 1, "carrier_id": "0A1B2C3D"}],
        },
        {
            "at": _AT,
            "kind": "receipt_recorded",
            "part": 1,
            "carrier_id": "0A1B2C3D",
            "code": "DELIVRD",
            "error": "000",
            "carrier_time": "2603020930",
        },
        {"at": _AT, "kind": "delivered"},
    ],
}
LIST = {
    "messages": [
        {
            "id": _ID,
            "status": "delivered",
            "status_at": _AT,
            "accepted_at": _AT,
            "category": "notice",
            "lane": "batch",
            "carrier": "mobile",
            "link": "mobile-1",
            "template": "statement",
            "batch": "march-statements",
            "client_reference": "",
            "segments": 1,
            "included": 1,
            "overage": 0,
            "code": "",
            "refunded": False,
        }
    ],
    "next_cursor": "",
    "as_of": _AS_OF,
}
HISTORY = {
    "messages": [
        {
            "id": _ID,
            "accepted_at": _AT,
            "status": "delivered",
            "phone": "+86138****8000",
            "text": "【示例科技】…",
            "signature": "示例科技",
            "template": "statement",
            "carrier": "mobile",
            "segments": 1,
            "code": "DELIVRD",
        }
    ],
    "unmasked": False,
    "more": False,
}
_PERIOD = {
    "period": "2026-03",
    "price": _PRICE,
    "debits": 290_010,
    "debited": 300_130,
    "refunds": 10,
    "refunded": 10,
    "included": 300_000,
    "overage": 120,
    "amount": {"yuan": "4.56", "micros": 4_560_000},
    "adjusted": 0,
    "adjusted_amount": {"yuan": "0.00", "micros": 0},
}
LEDGER = {
    "account": "demo",
    "year": 2026,
    "opened": True,
    "postings": 290_012,
    "chain": "9f2c1b7e5d3a4f60817263544536271809fedcba9876543210f0e1d2c3b4a596",
    "totals": _TOTALS,
    "months": [_PERIOD],
    "days": [_PERIOD | {"period": "2026-03-02"}],
    "as_of": _AS_OF,
}
POSTINGS = {
    "account": "demo",
    "year": 2026,
    "postings": [
        {
            "posting": 290_012,
            "at": _AT,
            "kind": "debited",
            "message": _ID,
            "reason": "accepted",
            "segments": 2,
            "included": 0,
            "overage": 2,
            "price": _PRICE,
            "amount": {"yuan": "0.076", "micros": 76_000},
            "after": _TOTALS,
            "chain": "9f2c1b7e5d3a4f60817263544536271809fedcba9876543210f0e1d2c3b4a596",
        }
    ],
    "next_cursor": "",
}
_COUNTS = {"total": 1_000, "delivered": 951, "failed": 24, "not_yet_reported": 25, "segments": 1_310}
STATISTICS = {
    "rows": [{**_COUNTS, "day": "2026-03-02", "carrier": "mobile"}],
    "total": _COUNTS,
    "as_of": _AS_OF,
}
_LIVE = {
    "tps": 96.0,
    "tps_10s": 94.3,
    "window_used": 5,
    "window_size": 32,
    "rate_per_second": 100.0,
    "waiting_parts": 0,
    "waiting_receipts": 2,
    "submit_ms_p50": 38.2,
    "submit_ms_p99": 117.5,
    "receipt_lag_seconds_p50": 3.4,
    "receipt_lag_seconds_p99": 41.0,
    "delivered_percent": 98.7,
    "delivered_lately": 4_112,
    "failed_lately": 54,
    "taken": 51_200,
    "refused": 14,
    "throttled": 11,
    "in_doubt": 0,
    "not_sent": 0,
    "delivered": 50_440,
    "failed": 662,
    "pending": 0,
    "replies": 31,
    "refusals": {"8": 11, "5": 3},
    "last_error": "refused with 8",
    "last_error_at": _AT,
}
MONITORING = {
    "live": True,
    "links": [
        {
            "name": "mobile-1",
            "protocol": "cmpp30",
            "carriers": ["mobile"],
            "state": "enabled",
            "condition": "ready",
            "since": _AT,
            "reason": "",
            "enabled": True,
            "connected": True,
            "hears": True,
            "connections_bound": 1,
            "connections_configured": 1,
            "submitted": 51_200,
            "refused": 14,
            "in_doubt": 0,
            "receipts": 51_102,
            "in_doubt_now": 0,
            "queued": {"realtime": 0, "batch": 3},
            "figures": _LIVE,
            "connections": [
                {
                    "connection": 1,
                    "direction": "both",
                    "phase": "bound",
                    "since": _AT,
                    "reason": "",
                    "worker": "gateway-1:4711",
                    "figures": _LIVE,
                }
            ],
        }
    ],
    "projections": [{"name": "messages_v1", "position": 120_450, "lag": 2}],
    "head": 120_452,
    "waiting_for_log": 0,
}
HEALTHY = {"status": "ok", "checks": {}}
READY = {"status": "ok", "checks": {"database": "ok", "schema": "ok"}}
PROBLEMS = {
    "problems": [
        {
            "code": "text_empty",
            "status": 422,
            "title": "The text is empty",
            "advice": "Give at least one visible character.",
        }
    ]
}
