"""Examples of the doors of links and routes: one link of each protocol, a route, and what a trial says."""

from typing import Any

_BREAKER = {"refused_percent": 50, "undelivered_percent": 80, "least": 50, "open_seconds": 60}
_TARIFF = {
    "service_id": "MSGOK",
    "fee_user_type": 2,
    "fee_type": "01",
    "fee_code": "",
    "corp_id": "",
    "node_id": 0,
}
LINK: dict[str, Any] = {
    "name": "mobile-1",
    "state": "enabled",
    "condition": "ready",
    "reason": "",
    "hears": True,
    "protocol": "cmpp20",
    "host": "192.0.2.10",
    "port": 7890,
    "system_id": "901234",
    "source_address": "10690000",
    "carriers": ["mobile", "broadnet"],
    "window": 16,
    "rate_per_second": 200,
    "response_timeout_seconds": 60,
    "keep_alive_seconds": 30,
    "connections": 2,
    "receivers": 0,
    "id_format": "same",
    "system_type": "",
    "tariff": _TARIFF,
    "inbound": None,
    "breaker": _BREAKER,
    "encryption": None,
    "signs": False,
    "notes": [],
}
LINK_REQUESTS: dict[str, dict[str, Any]] = {
    "CMPP 2.0": {
        "protocol": "cmpp20",
        "host": "192.0.2.10",
        "system_id": "901234",
        "password": "the carrier's secret",
        "source_address": "10690000",
        "carriers": ["mobile", "broadnet"],
        "rate_per_second": 200,
        "connections": 2,
        "tariff": {"service_id": "MSGOK", "fee_type": "01"},
    },
    "SGIP 1.2": {
        "protocol": "sgip12",
        "host": "192.0.2.20",
        "system_id": "shili",
        "password": "our secret",
        "source_address": "10655000",
        "carriers": ["unicom"],
        "tariff": {"service_id": "SHILI", "corp_id": "12345", "node_id": 3_010_012_345},
        "inbound": {"host": "0.0.0.0", "port": 8801, "login": "smg", "password": "their secret"},  # noqa: S104
    },
    "SMGP 3.0": {
        "protocol": "smgp30",
        "host": "192.0.2.30",
        "system_id": "10659000",
        "password": "our secret",
        "source_address": "10659000",
        "carriers": ["telecom"],
        "connections": 3,
        "receivers": 1,
        "tariff": {"service_id": "SHILI", "corp_id": "12345678"},
    },
    "SMPP 3.4 with TLS": {
        "protocol": "smpp34",
        "host": "smsc.example.net",
        "port": 3550,
        "system_id": "shili",
        "password": "secret08",
        "source_address": "10690000",
        "carriers": ["mobile", "unicom", "telecom"],
        "id_format": "resp-hex-dlr-dec",
        "encryption": {"authority": ""},
    },
}
LINK_REASONS: dict[str, dict[str, Any]] = {
    "maintenance": {"reason": "the carrier's maintenance, 02:00 to 04:00"}
}
MEND_REASONS: dict[str, dict[str, Any]] = {
    "repaired": {"reason": "the carrier says that its gateway is repaired"}
}
LINK_TEST: dict[str, Any] = {
    "link": "mobile-1",
    "outcome": "refused",
    "code": "3",
    "said": "refused with 3: the password is wrong, or our clock differs too much from the carrier's",
    "steps": [
        {"step": "connect", "outcome": "done", "milliseconds": 8.2, "said": "connected"},
        {
            "step": "bind",
            "outcome": "refused",
            "milliseconds": 11.7,
            "said": "refused with 3: the password is wrong, or our clock differs too much from the carrier's",
        },
    ],
    "deliveries": 0,
}
_CONDITIONS: dict[str, Any] = {
    "priority": 10,
    "accounts": ["demo"],
    "categories": ["otp"],
    "carriers": ["mobile"],
    "signatures": [],
    "links": [{"link": "mobile-1", "weight": 7}, {"link": "mobile-2", "weight": 3}],
    "extension": "12",
    "extensions": [],
}
_BY_DIGITS: dict[str, Any] = {
    "priority": 20,
    "links": [{"link": "mobile-2", "weight": 1}],
    "extensions": ["20", "3"],
}
ROUTE_REQUESTS: dict[str, dict[str, Any]] = {
    "one-time passwords": _CONDITIONS,
    "by the sender's digits": _BY_DIGITS,
}
ROUTE: dict[str, Any] = {"name": "codes", **_CONDITIONS, "by": "key:1f2e3d4c5b6a"}
ROUTES: dict[str, Any] = {"routes": [ROUTE]}
ROUTE_TRIES: dict[str, dict[str, Any]] = {
    "a one-time password": {
        "account": "demo",
        "category": "otp",
        "carrier": "mobile",
        "signature": "示例科技",
        "extension": "2048",
    }
}
ROUTE_TRIED: dict[str, Any] = {
    "link": "mobile-2",
    "route": "codes",
    "extension": "122048",
    "fitness": "ready",
    "why": "Route codes is for it; mobile-2 is ready.",
    "among": [{"link": "mobile-2", "weight": 3, "percent": 100.0}],
    "passed_over": [{"link": "mobile-1", "fitness": "down", "why": "it is not connected"}],
}
