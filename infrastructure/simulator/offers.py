"""What somebody must know to reach the simulated carriers: for people as a command, for machines as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.protocols import PROTOCOLS
from infrastructure.simulator.account import Callback

__all__ = ["ACCOUNT", "EVERY_PROTOCOL", "INBOUND_PORT", "Offer", "default_ports"]

ACCOUNT = "demo"
"""Account and password where nobody gives others."""
INBOUND_PORT = 8805
"""Where China Unicom's gateway comes to us where nobody says otherwise; its own port is 8801."""
_BESIDE = {"cmpp30": 7891}
"""The port of who would have the same as another."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Whose gateway speaks the protocol, and a link to it that works."""

    carrier: str
    link: str
    numbers: tuple[str, ...]
    options: str


_MOBILE = ("mobile", "broadnet")
_KINDS = {
    "cmpp20": _Kind("China Mobile", "mobile", _MOBILE, "--source 10690000 --service-id DEMO"),
    "cmpp30": _Kind("China Mobile", "mobile-3", _MOBILE, "--source 10690000 --service-id DEMO"),
    "sgip12": _Kind(
        "China Unicom",
        "unicom",
        ("unicom",),
        "--source 10655000 --service-id DEMO --corp-id 12345 --node-id 3010012345",
    ),
    "smgp30": _Kind(
        "China Telecom",
        "telecom",
        ("telecom",),
        "--source 10659000 --service-id DEMO --corp-id 12345678",
    ),
    "smpp34": _Kind("any carrier", "world", ("mobile", "unicom", "telecom"), "--source 10690000"),
}
EVERY_PROTOCOL = tuple(_KINDS)
"""In the order in which people are told of them."""


def default_ports(protocols: Sequence[str]) -> dict[str, int]:
    """Return the usual port of each protocol; none is given twice."""
    ports: dict[str, int] = {}
    for protocol in protocols:
        usual = PROTOCOLS[protocol].port
        ports[protocol] = _BESIDE[protocol] if usual in ports.values() else usual
    return ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One account at a simulated carrier; `callback` is where that carrier comes to its client."""

    protocol: str
    host: str
    port: int
    account: str
    password: str = field(repr=False)
    callback: Callback | None = None

    def facts(self) -> Mapping[str, Any]:
        """Return what a link to it is configured with; the passwords are those of the call, and not here."""
        kind, callback = _KINDS[self.protocol], self.callback
        return {
            "carrier": kind.carrier,
            "protocol": self.protocol,
            "title": PROTOCOLS[self.protocol].title,
            "host": self.host,
            "port": self.port,
            "account": self.account,
            "inbound": callback and {"host": callback.host, "port": callback.port, "login": callback.login},
            "link_add": self.command(),
        }

    def command(self) -> str:
        """Return the words that configure a link to it, apart from how smsledger is called."""
        kind = _KINDS[self.protocol]
        carriers = " ".join(f"--carrier {name}" for name in kind.numbers)
        return (
            f"{self._passwords()}smsledger link add {kind.link} --protocol {self.protocol} --host {self.host} "
            f"--port {self.port} --system-id {self.account} {kind.options}{self._inbound()} {carriers}"
        )

    def _passwords(self) -> str:
        """Only the password everybody knows is shown."""
        theirs = f"LINK_INBOUND_PASSWORD={_shown(self.callback.password)} " if self.callback else ""
        return f"LINK_PASSWORD={_shown(self.password)} {theirs}"

    def _inbound(self) -> str:
        callback = self.callback
        if callback is None:
            return ""
        return (
            f" --inbound-host {callback.host} --inbound-port {callback.port} --inbound-login {callback.login}"
        )


def _shown(password: str) -> str:
    return password if password == ACCOUNT else "…"
