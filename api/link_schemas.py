"""What the doors of links take and answer with. A password is taken, and never answered."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from application.choose_route import Network
from domain.aggregates.link import Link
from domain.aggregates.route import Fitness
from domain.events.link import Breaker, Configured, Encryption, Inbound, Tariff
from domain.protocols import manner_of, notes
from domain.values import Carrier
from infrastructure.link_test import Outcome, Trial

Protocol = Literal["smpp34", "cmpp20", "cmpp30", "sgip12", "smgp30"]
IdFormat = Literal["same", "resp-hex-dlr-dec", "resp-dec-hex"]
State = Literal["enabled", "draining", "disabled"]
Password = Annotated[
    str, Meta(max_length=64, description="Write-only: kept sealed. Left out: the one that is sealed stays.")
]
_Text = Annotated[str, Meta(max_length=255)]
_DEFAULT_BREAKER = Breaker()


class LinkTariff(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What the carrier's contract wants in every submit; SMPP has none of it. An empty fee is "free"."""

    service_id: Annotated[_Text, Meta(description="CMPP Service_Id, SGIP ServiceType, SMGP ServiceID.")] = ""
    fee_user_type: Annotated[int, Meta(description="CMPP: who pays; 2 is the sender.")] = 2
    fee_type: _Text = ""
    fee_code: Annotated[_Text, Meta(description="In fen.")] = ""
    corp_id: Annotated[_Text, Meta(description="Our enterprise code: SGIP CorpId, SMGP MsgSrc.")] = ""
    node_id: Annotated[int, Meta(description="SGIP: our node's number, as the carrier gave it.")] = 0


class LinkBreaker(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """When the link's circuit opens: a share of its latest answers refused, or of its receipts not delivered."""

    refused_percent: Annotated[int, Meta(description="0: never for that reason.")] = (
        _DEFAULT_BREAKER.refused_percent
    )
    undelivered_percent: Annotated[int, Meta(description="0: never for that reason.")] = (
        _DEFAULT_BREAKER.undelivered_percent
    )
    least: Annotated[int, Meta(description="So many have to be there to judge.")] = _DEFAULT_BREAKER.least
    open_seconds: Annotated[int, Meta(description="Others go first for so long.")] = (
        _DEFAULT_BREAKER.open_seconds
    )


class LinkEncryption(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """TLS to the carrier (SMPP)."""

    authority: Annotated[
        str, Meta(description="PEM of the only authority that is trusted; empty: the system's.")
    ] = ""


class LinkInboundRequest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the carrier comes to us with receipts, and as whom (SGIP)."""

    host: Annotated[_Text, Meta(description="The address of ours to listen at.")]
    port: int
    login: Annotated[_Text, Meta(description="The name by which the carrier logs in.")]
    password: Password | None = None


class LinkInbound(Struct, kw_only=True):
    """Where the carrier comes to us, and as whom."""

    host: str
    port: int
    login: str


class LinkRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A link as it shall be: what is left out has its default, but for passwords, which stay."""

    protocol: Protocol
    host: Annotated[_Text, Meta(description="Where the carrier listens.")]
    port: Annotated[int | None, Meta(description="By the protocol where it is left out.")] = None
    system_id: Annotated[_Text, Meta(description="The account that the carrier gave.")]
    password: Password | None = None
    source_address: Annotated[_Text, Meta(description="The number that messages come from.")]
    carriers: Annotated[tuple[Carrier, ...], Meta(description="Whose numbers it takes.")]
    window: Annotated[int | None, Meta(description="Unanswered submits a connection; by the protocol.")] = (
        None
    )
    rate_per_second: Annotated[int, Meta(description="Of all connections together; 0: no limit.")] = 0
    response_timeout_seconds: Annotated[
        int | None, Meta(description="Without answer for so long: in doubt. By the protocol.")
    ] = None
    keep_alive_seconds: Annotated[int, Meta(description="After so long a silence we ask.")] = 30
    connections: Annotated[int, Meta(description="How many the carrier allows at once.")] = 1
    receivers: Annotated[
        int,
        Meta(
            description="SMPP, SMGP: so many of the connections, the last, log in to receive only, the others to send"
            " only; 0: each does both."
        ),
    ] = 0
    id_format: Annotated[IdFormat, Meta(description="SMPP: how ids look in answer and receipt.")] = "same"
    system_type: Annotated[_Text, Meta(description="SMPP: where the carrier wants one.")] = ""
    tariff: LinkTariff = LinkTariff()
    inbound: LinkInboundRequest | None = None
    breaker: LinkBreaker = LinkBreaker()
    encryption: LinkEncryption | None = None
    signs: Annotated[bool, Meta(description="The carrier writes the signature itself.")] = False


class LinkAnswer(Struct, kw_only=True):
    """A link as it stands."""

    name: str
    state: State
    condition: Annotated[
        Literal["ready", "broken", "down"],
        Meta(
            description="ready: connected and its circuit closed; broken: circuit open; down: not connected."
        ),
    ]
    reason: Annotated[str, Meta(description="Why it is broken or down, as far as it is known.")]
    hears: Annotated[
        bool, Meta(description="A connection that receives is bound: receipts and replies can come.")
    ]
    protocol: Protocol
    host: str
    port: int
    system_id: str
    source_address: str
    carriers: tuple[Carrier, ...]
    window: int
    rate_per_second: int
    response_timeout_seconds: int
    keep_alive_seconds: int
    connections: int
    receivers: int
    id_format: IdFormat
    system_type: str
    tariff: LinkTariff
    inbound: LinkInbound | None = None
    breaker: LinkBreaker
    encryption: LinkEncryption | None = None
    signs: bool
    notes: Annotated[list[str], Meta(description="What is possible, and often not meant.")]


class LinkList(Struct, kw_only=True):
    """All links by name."""

    links: list[LinkAnswer]


class LinkReason(Struct, kw_only=True, forbid_unknown_fields=True):
    """Why, for the log."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class LinkTestStep(Struct, kw_only=True):
    """One step of a test."""

    step: Literal["connect", "bind", "keep_alive", "unbind"]
    outcome: Outcome
    milliseconds: float
    said: Annotated[str, Meta(description="What the carrier answered, in words.")]


class LinkTest(Struct, kw_only=True):
    """What the carrier answered on a connection of its own."""

    link: str
    outcome: Annotated[Outcome, Meta(description="bound: the carrier let us in.")]
    code: Annotated[str, Meta(description="The carrier's own code where it refused, else empty.")]
    said: str
    steps: list[LinkTestStep]
    deliveries: Annotated[
        int,
        Meta(
            description="Receipts and replies that came meanwhile; the carrier was asked to send them again."
        ),
    ]


def state_of(link: Link) -> State:
    """Whether messages are routed to it."""
    if not link.enabled:
        return "disabled"
    return "draining" if link.draining else "enabled"


def link_answers(network: Network) -> list[LinkAnswer]:
    """All links by name."""
    return [link_answer(link, network) for link in sorted(network.links, key=lambda link: link.name)]


def link_answer(link: Link, network: Network) -> LinkAnswer:
    """A link with everything but its passwords."""
    shown = link.configured
    plain = (
        "name",
        "protocol",
        "host",
        "port",
        "system_id",
        "source_address",
        "carriers",
        "window",
        "rate_per_second",
        "response_timeout_seconds",
        "keep_alive_seconds",
        "connections",
        "receivers",
        "id_format",
        "system_type",
        "signs",
    )
    return LinkAnswer(
        **{name: getattr(shown, name) for name in plain},
        state=state_of(link),
        condition=_CONDITIONS[network.condition(link)],
        reason=network.reason(link),
        hears=network.hears(link),
        tariff=msgspec.convert(shown.tariff, LinkTariff, from_attributes=True),
        inbound=_inbound(shown.inbound),
        breaker=msgspec.convert(shown.breaker, LinkBreaker, from_attributes=True),
        encryption=LinkEncryption(authority=shown.encryption.authority) if shown.encryption else None,
        notes=list(notes(shown, (other.configured for other in network.links if other.enabled))),
    )


_CONDITIONS: dict[Fitness, Literal["ready", "broken", "down"]] = {
    Fitness.READY: "ready",
    Fitness.BROKEN: "broken",
    Fitness.DOWN: "down",
    Fitness.NONE: "down",
}


def _inbound(inbound: Inbound | None) -> LinkInbound | None:
    if inbound is None:
        return None
    return LinkInbound(host=inbound.host, port=inbound.port, login=inbound.login)


def configured_of(name: str, body: LinkRequest) -> Configured:
    """The link that a body asks for, its passwords not sealed yet."""
    manner = manner_of(body.protocol)
    inbound = body.inbound
    return Configured(
        name=name,
        protocol=body.protocol,
        host=body.host,
        port=manner.port if body.port is None else body.port,
        system_id=body.system_id,
        sealed_password="",
        source_address=body.source_address,
        carriers=body.carriers,
        window=manner.window if body.window is None else body.window,
        rate_per_second=body.rate_per_second,
        response_timeout_seconds=(
            manner.response_seconds
            if body.response_timeout_seconds is None
            else body.response_timeout_seconds
        ),
        id_format=body.id_format,
        system_type=body.system_type,
        keep_alive_seconds=body.keep_alive_seconds,
        connections=body.connections,
        receivers=body.receivers,
        tariff=msgspec.convert(body.tariff, Tariff, from_attributes=True),
        inbound=Inbound(host=inbound.host, port=inbound.port, login=inbound.login, sealed_password="")
        if inbound
        else None,
        breaker=msgspec.convert(body.breaker, Breaker, from_attributes=True),
        encryption=Encryption(authority=body.encryption.authority) if body.encryption else None,
        signs=body.signs,
    )


def trial_answer(name: str, trial: Trial) -> LinkTest:
    """What a trial found."""
    return LinkTest(
        link=name,
        outcome=trial.outcome,
        code=trial.code,
        said=trial.said,
        steps=[msgspec.convert(step, LinkTestStep, from_attributes=True) for step in trial.steps],
        deliveries=trial.deliveries,
    )
