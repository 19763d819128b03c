"""What the carriers' protocols let a link say: lengths, ranges, and the values that hold where none is given.

A link that says more than its protocol's fields hold would be refused by the carrier, or cut on the wire, later
and without a clear word: so it is refused here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domain.errors import BadInput
from domain.events.link import Breaker, Configured, Inbound, Tariff

_VISIBLE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x7e]+", re.ASCII)
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?!-){_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", re.ASCII)
"""A name of labels as DNS has them, or an address; of IPv6 only the letters are looked at."""
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_LETTERS = re.compile(r"[A-Za-z0-9 ]{1,11}", re.ASCII)
_MOST_CONNECTIONS = 64
_LAST_NODE = 0xFFFF_FFFF
_WE_PAY = Tariff().fee_user_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """A protocol's fields in octets of ASCII; 0 where it has no such field.

    `window`, `port` and `response_seconds` hold where the link says nothing. `agreed_window` is how many unanswered
    submits the protocol's document allows without an agreement, 0 where it has no such rule.
    """

    title: str
    family: str
    port: int
    window: int
    response_seconds: int
    account: int
    password: int
    number: int
    agreed_window: int = 0
    service_id: int = 0
    corp_id: int = 0
    fee_types: tuple[str, ...] = ()
    fee_code: int = 0
    payers: tuple[int, ...] = (_WE_PAY,)
    one_way: bool = False
    """A connection can log in to send only, or to receive only."""


def _cmpp(title: str, fee_types: tuple[str, ...]) -> Manner:
    """CMPP: CONNECT (Source_Addr 6), SUBMIT (Service_Id 10, FeeType 2, FeeCode 6, Src_Id 21), W = 16, T = 60 s.

    Fee_UserType 3 would need a paying number in each submit, which no link has.
    """
    return Manner(
        title=title,
        family="cmpp",
        port=7890,
        window=16,
        response_seconds=60,
        account=6,
        password=64,
        number=21,
        agreed_window=16,
        service_id=10,
        fee_types=fee_types,
        fee_code=6,
        payers=(0, 1, _WE_PAY),
    )


PROTOCOLS = {
    # SMPP 3.4 §4.1.1 (system_id and password end with a NUL), §5.2.8 (source_addr).
    "smpp34": Manner(
        title="SMPP 3.4",
        family="smpp",
        port=2775,
        window=64,
        response_seconds=10,
        account=15,
        password=8,
        number=20,
        one_way=True,
    ),
    "cmpp20": _cmpp("CMPP 2.0", ("01", "02", "03", "04", "05")),
    "cmpp30": _cmpp("CMPP 3.0", ("01", "02", "03")),
    # SGIP 1.2: Bind (16, 16), Submit (SPNumber 21, CorpId 5, ServiceType 10, FeeType 0-4, FeeValue 0-99999).
    "sgip12": Manner(
        title="SGIP 1.2",
        family="sgip",
        port=8801,
        window=32,
        response_seconds=30,
        account=16,
        password=16,
        number=21,
        agreed_window=32,
        service_id=10,
        corp_id=5,
        fee_types=("0", "1", "2", "3", "4"),
        fee_code=5,
    ),
    # SMGP 3.0: Login (ClientID 8, secret at most 15), Submit (ServiceID 10, FeeType 2, FeeCode 6), MsgSrc 8.
    "smgp30": Manner(
        title="SMGP 3.0",
        family="smgp",
        port=8890,
        window=16,
        response_seconds=60,
        account=8,
        password=15,
        number=21,
        agreed_window=16,
        service_id=10,
        corp_id=8,
        fee_types=("00", "01", "02", "03"),
        fee_code=6,
        one_way=True,
    ),
}
"""By the word that a link's configuration has for the protocol."""


def require_link(link: Configured) -> None:
    """Refuse what the link's protocol has no room for, or what cannot work.

    Refuses link_protocol, link_address, link_account, link_number, link_invalid, link_tariff, link_option,
    link_inbound, link_encryption.
    """
    manner = manner_of(link.protocol)
    _require_address(link.host, link.port, "")
    if not _fits(link.system_id, manner.account):
        detail = f"With {manner.title} the account has 1 to {manner.account} visible ASCII characters."
        raise BadInput("link_account", detail, field="system_id")
    _require_number(manner, link.source_address)
    _require_figures(link)
    _require_receivers(manner, link)
    _require_breaker(link.breaker)
    _require_tariff(manner, link.tariff)
    _require_smpp_only(manner, link)
    _require_inbound(manner, link.inbound)


def require_password(protocol: str, password: str) -> None:
    """Refuse link_password: what no login of this protocol can carry."""
    manner = manner_of(protocol)
    _require_secret(password, manner, "password")


def require_inbound_password(password: str) -> None:
    """Refuse link_password: what no carrier can log in with at our port (SGIP)."""
    _require_secret(password, PROTOCOLS["sgip12"], "inbound.password")


def manner_of(protocol: str) -> Manner:
    """What a protocol holds. Refuses link_protocol."""
    if protocol not in PROTOCOLS:
        raise BadInput("link_protocol", f"The protocol is one of {', '.join(PROTOCOLS)}.", field="protocol")
    return PROTOCOLS[protocol]


def notes(link: Configured, beside: Iterable[Configured] = ()) -> tuple[str, ...]:
    """What is possible, and often not meant: sentences for the operator. `beside` are the other links that are
    enabled."""
    manner = manner_of(link.protocol)
    most = manner.agreed_window
    told = (
        (
            most and link.window > most,
            f"{manner.title} allows {most} unanswered submits a connection: have the carrier agree to more.",
        ),
        (
            manner.service_id and not link.tariff.service_id,
            "Most gateways refuse submits without the service id of the contract.",
        ),
        (
            manner.corp_id and not link.tariff.corp_id,
            "Most gateways refuse submits without the enterprise code (corp id).",
        ),
    )
    alone = (sentence for said, sentence in told if said)
    return (
        *alone,
        *(note for other in beside if other.name != link.name for note in _notes_of_two(link, other)),
    )


def _notes_of_two(link: Configured, other: Configured) -> Iterator[str]:
    """What two links take away from each other."""
    if (link.host, link.port, link.system_id) == (other.host, other.port, other.system_id):
        yield (
            f"Link {other.name} has this account too: the carrier gives the receipts of both to either, where they"
            " are lost. An account is one link, with several connections."
        )
    ours, theirs = link.inbound, other.inbound
    if ours and theirs and (ours.port, ours.login) == (theirs.port, theirs.login):
        yield f"Link {other.name} has this login at this port too: the carrier comes to one of them only."


def _require_secret(password: str, manner: Manner, field: str) -> None:
    if not 1 <= len(password) <= manner.password or not _PRINTABLE.fullmatch(password):
        detail = f"With {manner.title} the password has 1 to {manner.password} ASCII characters."
        raise BadInput("link_password", detail, field=field)


def _require_address(host: str, port: int, of: str) -> None:
    if not _HOST.fullmatch(host):
        raise BadInput(
            "link_address", "Give the host as a name or an address, without port.", field=f"{of}host"
        )
    if not 1 <= port <= 65_535:
        raise BadInput("link_address", "A port is 1 to 65535.", field=f"{of}port")


def _require_number(manner: Manner, number: str) -> None:
    """Only SMPP has senders of letters, of at most 11."""
    if 1 <= len(number) <= manner.number and _DIGITS.fullmatch(number):
        return
    if manner.family == "smpp" and _LETTERS.fullmatch(number):
        return
    detail = f"With {manner.title} the number messages come from has 1 to {manner.number} digits."
    raise BadInput("link_number", detail, field="source_address")


def _require_figures(link: Configured) -> None:
    ranges = (
        ("window", link.window, 1, 5_000),
        ("rate_per_second", link.rate_per_second, 0, 100_000),
        ("connections", link.connections, 1, _MOST_CONNECTIONS),
        ("response_timeout_seconds", link.response_timeout_seconds, 1, 600),
        ("keep_alive_seconds", link.keep_alive_seconds, 1, 3_600),
    )
    for field, value, least, most in ranges:
        _require_range(field, value, least, most)
    if not link.carriers or len(set(link.carriers)) < len(link.carriers):
        raise BadInput(
            "link_invalid", "Name each carrier whose numbers it takes, each once.", field="carriers"
        )


def _require_receivers(manner: Manner, link: Configured) -> None:
    if link.receivers and not manner.one_way:
        detail = f"{manner.title} has no login that only receives: leave the receivers out."
        raise BadInput("link_option", detail, field="receivers")
    if not 0 <= link.receivers < link.connections:
        detail = "The receivers are some of the connections, and at least one has to send."
        raise BadInput("link_invalid", detail, field="receivers")


def _require_breaker(breaker: Breaker) -> None:
    ranges = (
        ("breaker.refused_percent", breaker.refused_percent, 0, 100),
        ("breaker.undelivered_percent", breaker.undelivered_percent, 0, 100),
        ("breaker.least", breaker.least, 1, 100_000),
        ("breaker.open_seconds", breaker.open_seconds, 1, 86_400),
    )
    for field, value, least, most in ranges:
        _require_range(field, value, least, most)


def _require_range(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise BadInput("link_invalid", f"{field} is {least} to {most}.", field=field)


def _require_tariff(manner: Manner, tariff: Tariff) -> None:
    """What a protocol has no field for would be ignored, so it is refused."""
    faults = (
        ("service_id", _unfit(tariff.service_id, manner.service_id), _up_to(manner.service_id)),
        ("corp_id", _unfit(tariff.corp_id, manner.corp_id), _up_to(manner.corp_id)),
        (
            "fee_type",
            bool(tariff.fee_type) and tariff.fee_type not in manner.fee_types,
            f"is one of {', '.join(manner.fee_types)}" if manner.fee_types else _NO_FIELD,
        ),
        (
            "fee_code",
            _unfit(tariff.fee_code, manner.fee_code)
            or bool(tariff.fee_code and not _DIGITS.fullmatch(tariff.fee_code)),
            f"is fen in 1 to {manner.fee_code} digits" if manner.fee_code else _NO_FIELD,
        ),
        (
            "fee_user_type",
            tariff.fee_user_type not in manner.payers,
            f"is one of {', '.join(map(str, manner.payers))}" if len(manner.payers) > 1 else _NO_FIELD,
        ),
        ("node_id", *_node_fault(manner, tariff.node_id)),
    )
    for field, wrong, words in faults:
        if wrong:
            detail = f"With {manner.title} the {field.replace('_', ' ')} {words}."
            raise BadInput("link_tariff", detail, field=f"tariff.{field}")


_NO_FIELD = "has no field: leave it out"


def _node_fault(manner: Manner, node: int) -> tuple[bool, str]:
    if manner.family != "sgip":
        return node != 0, _NO_FIELD
    return not 1 <= node <= _LAST_NODE, f"is 1 to {_LAST_NODE}: the number the carrier gave our node"


def _require_smpp_only(manner: Manner, link: Configured) -> None:
    smpp = manner.family == "smpp"
    if link.system_type and not (smpp and _fits(link.system_type, 12)):
        raise BadInput(
            "link_option", "Only SMPP has a system type, of up to 12 characters.", field="system_type"
        )
    if link.id_format != "same" and not smpp:
        raise BadInput("link_option", "Only SMPP's carriers write their ids in two ways.", field="id_format")
    if link.encryption is not None and not smpp:
        raise BadInput("link_encryption", f"{manner.title} has no TLS: leave it out.", field="encryption")


def _require_inbound(manner: Manner, inbound: Inbound | None) -> None:
    if manner.family != "sgip":
        if inbound is not None:
            detail = f"With {manner.title} receipts come over our own connection: leave inbound out."
            raise BadInput("link_inbound", detail, field="inbound")
        return
    if inbound is None:
        detail = "SGIP's carrier comes to us with receipts: say where it may, and as whom (inbound)."
        raise BadInput("link_inbound", detail, field="inbound")
    _require_address(inbound.host, inbound.port, "inbound.")
    if not _fits(inbound.login, manner.account):
        detail = f"The carrier's login has 1 to {manner.account} visible ASCII characters."
        raise BadInput("link_inbound", detail, field="inbound.login")


def _fits(text: str, most: int) -> bool:
    return 1 <= len(text) <= most and _VISIBLE.fullmatch(text) is not None


def _unfit(text: str, most: int) -> bool:
    """Whether a text that may be empty does not fit."""
    return bool(text) and not _fits(text, most)


def _up_to(most: int) -> str:
    return f"has up to {most} visible ASCII characters" if most else _NO_FIELD
