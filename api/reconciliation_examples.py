"""The examples of the doors of reconciliation."""

from typing import Any

_RUN = "9b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b13"
_STATEMENT = "8b7a0d0c-3c0b-4b1e-9a53-6d1f5c1e2b14"
_DIFFERENCE = "3b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b16"
_ADJUSTMENT = "7b7a0d0c-3c0b-5b1e-9a53-6d1f5c1e2b12"
_MESSAGE = "5f0c6f0e-0d0b-5a1e-8f0a-3c1d2e4b5a69"
_AT = "2026-12-02T01:30:00.125000Z"
_HASH = "24f66ff22b5d6d0585574925221631ab7df330ac508341dff2a4e40fd29c7030"
_COLUMNS = {
    "carrier_id": "消息ID",
    "time": "提交时间",
    "phone": "",
    "segments": "条数",
    "status": "状态",
    "price": "单价",
    "amount": "金额",
    "network": "",
}
MAPPING_REQUEST: dict[str, dict[str, Any]] = {
    "parts": {
        "columns": {"carrier_id": "消息ID", "time": "提交时间", "status": "状态", "amount": "金额"},
        "billed_on": "delivered",
        "price_micros": 31_000,
    }
}
MAPPING: dict[str, Any] = {
    "name": "mobile-1",
    "version": 1,
    "columns": _COLUMNS,
    "header_row": 1,
    "time_format": "",
    "money_unit": "yuan",
    "rows_are": "parts",
    "billed_on": "submitted",
    "receipts": "each part",
    "price": {"yuan": "0.031", "micros": 31_000},
    "rounding_micros": 10_000,
    "delivered_statuses": ["DELIVRD", "成功"],
    "pending_statuses": ["UNKNOWN", "未知"],
    "ported_statuses": ["携转", "携号转网"],
    "networks": {"移动": "mobile", "联通": "unicom", "电信": "telecom", "广电": "broadnet"},
    "late_hours": 72,
    "edge_minutes": 120,
    "has_test_numbers": False,
}
_SUMMARY: dict[str, Any] = {
    "id": _RUN,
    "link": "mobile-1",
    "month": "2026-11",
    "mapping": "mobile-1",
    "by": "key:ab12cd34",
    "state": "completed",
    "phase": "",
    "done": 1_000_012,
    "problem": "",
    "requested_at": _AT,
    "finished_at": _AT,
}
LIST: dict[str, Any] = {"reconciliations": [_SUMMARY]}
STARTED: dict[str, Any] = {
    **_SUMMARY,
    "state": "waiting",
    "done": 0,
    "finished_at": None,
    "statement": _STATEMENT,
    "rows": 0,
    "bad_rows": 0,
    "file_digest": "",
    "superseded_by": None,
    "result": None,
}
RECONCILIATION: dict[str, Any] = {
    **_SUMMARY,
    "statement": _STATEMENT,
    "rows": 1_000_012,
    "bad_rows": 3,
    "file_digest": "0f343b0931126a20f133d67c2b018a3b1b1b5a0a0b1c0d0e0f10111213141516",
    "superseded_by": None,
    "result": {
        "upto": 6_000_123,
        "mapping_version": 1,
        "platform_segments": 1_000_000,
        "carrier_segments": 1_000_009,
        "ledger_segments": 1_000_000,
        "platform_amount": {"yuan": "31000.00", "micros": 31_000_000_000},
        "carrier_amount": {"yuan": "31000.279", "micros": 31_000_279_000},
        "totals": [
            {
                "reason": "UNEXPLAINED",
                "differences": 0,
                "segments": 0,
                "amount": {"yuan": "0.00", "micros": 0},
            },
            {
                "reason": "MISSING_AT_PLATFORM",
                "differences": 9,
                "segments": 9,
                "amount": {"yuan": "0.279", "micros": 279_000},
            },
        ],
        "month_edge": {"at_begin": 12, "at_end": -7, "month_before": -12, "net": 0},
        "neighbours": [{"month": "2026-10", "statement": _STATEMENT, "content_digest": _HASH}],
        "result_hash": _HASH,
        "supersedes": None,
    },
}
DIFFERENCES: dict[str, Any] = {
    "differences": [
        {
            "id": _DIFFERENCE,
            "reason": "FAILED_BUT_BILLED",
            "note": "billed",
            "carrier_id": "0A1B2C3D",
            "day": "2026-11-02",
            "message": _MESSAGE,
            "part": 1,
            "account": "demo",
            "year": 2026,
            "postings": [20_481, 20_777],
            "rows": [4_711],
            "rows_month": 0,
            "platform_segments": 0,
            "carrier_segments": 1,
            "ledger_segments": 0,
            "platform_amount": {"yuan": "0.00", "micros": 0},
            "carrier_amount": {"yuan": "0.031", "micros": 31_000},
            "platform_status": "UNDELIV",
            "carrier_status": "DELIVRD",
            "taken_at": _AT,
            "reported_at": _AT,
            "row_at": _AT,
            "adjustment": None,
        }
    ],
    "next_cursor": "",
}
RERUN: dict[str, dict[str, Any]] = {"again": {}, "as_it_was": {"upto": 6_000_123}}
RESOLUTION: dict[str, dict[str, Any]] = {
    "credit": {"reason": "the carrier confirmed that it failed", "segments": -1}
}
RESOLVED: dict[str, Any] = {"difference": _DIFFERENCE, "adjustment": _ADJUSTMENT, "approvals": 2}
SELF: dict[str, Any] = {
    "since": "2026-11-02",
    "until": "2026-11-02",
    "upto": 120_450,
    "accounts": 1,
    "messages": 1_000,
    "debited": 1_310,
    "refunded": 12,
    "agrees": False,
    "differences": [
        {
            "account": "demo",
            "day": "2026-11-02",
            "what": "accepted segments",
            "left": "ledger",
            "left_value": 1_310,
            "right": "read model messages",
            "right_value": 1_309,
            "messages": [_MESSAGE],
        }
    ],
}
