"""What carriers mean by refusing a login: the codes of each protocol's document, in words an operator can act on."""

from collections.abc import Mapping

__all__ = ["UNKNOWN_CODE", "meaning"]

UNKNOWN_CODE = "a code of the carrier's own: ask it"
_PASSWORD = "the account or the password is wrong, or the carrier does not expect us from this address"  # noqa: S105
_TOO_MANY = (
    "the account has as many connections as it may have: one may hang from before, or a worker holds them"
)
_NOT_NOW = "the carrier has trouble of its own: try again later"

_SMPP = {
    "0x01": "the carrier finds the length of the message wrong",
    "0x02": "the carrier finds the length of the command wrong",
    "0x03": "the carrier does not know the bind: is it SMPP 3.4?",
    "0x04": "the carrier is in no state to take a bind",
    "0x05": "the account is bound already: it allows no further connection",
    "0x08": _NOT_NOW,
    "0x0D": "the bind failed: the account, the password, our address, the number of connections, or the direction:"
    " some grant only logins that send or only receive (receivers)",
    "0x0E": "the password is wrong",
    "0x0F": "the account (system id) is not known",
    "0x14": "the carrier's queue is full: try again later",
    "0x53": "the system type is wrong",
    "0x58": "too many binds in a short time: wait",
    "0x64": _NOT_NOW,
    "0x65": "the carrier refuses for good: ask it",
    "0x66": "the carrier rejects us: ask it",
}
_CMPP = {
    "1": "the carrier cannot read the connect: is it this version of CMPP?",
    "2": "the account (Source_Addr) is not known, or the carrier does not expect us from this address",
    "3": "the password is wrong, or our clock differs too much from the carrier's",
    "4": "the carrier does not speak this version of CMPP: configure the other one",
    "5": "another error, often too many connections",
}
_SGIP = {
    "1": _PASSWORD,
    "2": "the account is logged in already: it allows no further connection",
    "3": f"{_TOO_MANY}; at gateways with CMPP's numbers the account or the password is wrong",
    "4": "the carrier does not take this kind of login (an SP's, type 1)",
    "5": f"the carrier cannot read the bind; at gateways with CMPP's numbers {_TOO_MANY}",
    "11": _NOT_NOW,
    "32": "the carrier cannot read the bind",
    "34": "too many logins in a short time: wait",
}
_SMGP = {
    "1": _NOT_NOW,
    "2": f"{_TOO_MANY}; at gateways with CMPP's numbers the account is not known",
    "3": "a number of CMPP's: the account or the password is wrong, or our clock differs too much",
    "5": f"a number of CMPP's: often {_TOO_MANY}",
    "10": "the carrier cannot read the login",
    "11": "the carrier does not know the login: is it SMGP 3.0, and may the account log in for this direction"
    " (receivers)?",
    "20": "the carrier does not expect us from this address",
    "21": "the account or the password is wrong, or our clock differs too much from the carrier's",
    "22": "the carrier does not speak this version of SMGP",
    "49": "the service code (SPCode) is not known",
    "76": "the account has expired",
}
_CODES: Mapping[str, Mapping[str, str]] = {
    "smpp34": _SMPP,
    "cmpp20": _CMPP,
    "cmpp30": _CMPP,
    "sgip12": _SGIP,
    "smgp30": _SMGP,
}


def meaning(protocol: str, code: str) -> str:
    """What the code of a refused login means, for people."""
    return _CODES.get(protocol, {}).get(code, UNKNOWN_CODE)
