"""`smsledger link add`: how a carrier is reached. Passwords never come from the command line's arguments."""

import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli_session import AsJson, operator, said, work
from domain.errors import BadInput
from domain.events.link import Configured, Encryption, Inbound, Tariff
from domain.protocols import manner_of, notes, require_link
from domain.values import Carrier, stream_id

if TYPE_CHECKING:
    from application.configure_links import Passwords
    from infrastructure.bootstrap import Platform

PASSWORD_VARIABLE = "LINK_PASSWORD"  # noqa: S105 - the name of a variable
INBOUND_VARIABLE = "LINK_INBOUND_PASSWORD"
_NEEDED = {
    "host": "--host",
    "system_id": "--system-id",
    "source_address": "--source",
    "carriers": "--carrier",
}
_INBOUND = {"host": "--inbound-host", "port": "--inbound-port", "login": "--inbound-login"}


class ProtocolName(StrEnum):
    """The protocols a link can speak."""

    SMPP = "smpp34"
    CMPP2 = "cmpp20"
    CMPP3 = "cmpp30"
    SGIP = "sgip12"
    SMGP = "smgp30"


class IdFormat(StrEnum):
    """How a carrier writes one id in the submit answer and in the receipt."""

    SAME = "same"
    HEX_THEN_DECIMAL = "resp-hex-dlr-dec"
    DECIMAL_THEN_HEX = "resp-dec-hex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a call of the command says; what is not in it stays as it is, or has its default in a new link."""

    link: Mapping[str, Any] = field(default_factory=dict)
    tariff: Mapping[str, Any] = field(default_factory=dict)
    inbound: Mapping[str, Any] = field(default_factory=dict)
    breaker: Mapping[str, Any] = field(default_factory=dict)
    tls: bool | None = None
    authority: str | None = None


def add(
    name: Annotated[str, typer.Argument(help="The link's name, for example mobile.")],
    protocol: Annotated[
        ProtocolName | None, typer.Option(help="The carrier's protocol; smpp34 in a new link.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where the carrier listens.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Its port: 2775 SMPP, 7890 CMPP, 8801 SGIP, 8890 SMGP.")
    ] = None,
    system_id: Annotated[str | None, typer.Option(help="The account the carrier gave (SP id).")] = None,
    source: Annotated[
        str | None, typer.Option(help="The number messages come from (the access code).")
    ] = None,
    carrier: Annotated[
        list[Carrier] | None, typer.Option(help="Whose numbers it takes; give it several times.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Unanswered submits a connection: 64 SMPP, 16 CMPP and SMGP, 32 SGIP.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Submits a second of all connections, 0: no limit.")
    ] = None,
    connections: Annotated[int | None, typer.Option(help="How many the carrier allows at once.")] = None,
    receivers: Annotated[
        int | None,
        typer.Option(help="SMPP, SMGP: so many of them only receive, and the others only send; 0: both."),
    ] = None,
    answer_seconds: Annotated[
        int | None,
        typer.Option(help="Without answer for so long: in doubt. 10 SMPP, 60 CMPP and SMGP, 30 SGIP."),
    ] = None,
    keep_alive: Annotated[
        int | None, typer.Option(help="After so many silent seconds we ask; SGIP: the connection is renewed.")
    ] = None,
    service_id: Annotated[str | None, typer.Option(help="Service code of the contract, not SMPP.")] = None,
    corp_id: Annotated[str | None, typer.Option(help="Our enterprise code: SGIP, SMGP.")] = None,
    node_id: Annotated[int | None, typer.Option(help="Our node's number: SGIP.")] = None,
    fee_user_type: Annotated[int | None, typer.Option(help="Who pays: CMPP; 2 is the sender.")] = None,
    fee_type: Annotated[str | None, typer.Option(help="The protocol's word; empty: free.")] = None,
    fee_code: Annotated[str | None, typer.Option(help="Fee in fen; empty: none.")] = None,
    inbound_host: Annotated[
        str | None, typer.Option(help="SGIP: the address of ours that the carrier comes to.")
    ] = None,
    inbound_port: Annotated[int | None, typer.Option(help="SGIP: the port of ours.")] = None,
    inbound_login: Annotated[
        str | None, typer.Option(help="SGIP: the name by which the carrier logs in.")
    ] = None,
    system_type: Annotated[str | None, typer.Option(help="SMPP: where the carrier wants one.")] = None,
    id_format: Annotated[
        IdFormat | None, typer.Option(help="SMPP: how ids are written in answer and receipt.")
    ] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="SMPP: encrypted with TLS.")] = None,
    authority: Annotated[
        Path | None, typer.Option(help="PEM file of the only authority to trust; without: the system's.")
    ] = None,
    signs: Annotated[
        bool | None, typer.Option("--signs/--no-signs", help="The carrier writes the signature itself.")
    ] = None,
    breaker_refused: Annotated[
        int | None, typer.Option(help="Percent of answers refused at which the circuit opens, 0: never.")
    ] = None,
    breaker_undelivered: Annotated[
        int | None, typer.Option(help="Percent of receipts not delivered at which it opens, 0: never.")
    ] = None,
    breaker_least: Annotated[int | None, typer.Option(help="So many have to be there to judge.")] = None,
    breaker_seconds: Annotated[int | None, typer.Option(help="Others go first for so long.")] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Passwords from stdin: ours, in a second line the carrier's."),
    ] = False,
    ask_password: Annotated[
        bool, typer.Option("--ask-password", help="Ask for new passwords of a link that there is.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Configure a link, or change what is given of one; a new one is enabled at once.

    Passwords come from LINK_PASSWORD and, where the carrier logs in to us (SGIP), LINK_INBOUND_PASSWORD; from stdin;
    or they are asked for. Changes take effect within a second or two. `link test` tries what is configured.
    """
    link = {
        "protocol": protocol.value if protocol else None,
        "host": host,
        "port": port,
        "system_id": system_id,
        "source_address": source,
        "carriers": tuple(dict.fromkeys(carrier)) if carrier else None,
        "window": window,
        "rate_per_second": rate,
        "connections": connections,
        "receivers": receivers,
        "response_timeout_seconds": answer_seconds,
        "keep_alive_seconds": keep_alive,
        "id_format": id_format.value if id_format else None,
        "system_type": system_type,
        "signs": signs,
    }
    tariff = {
        "service_id": service_id,
        "corp_id": corp_id,
        "node_id": node_id,
        "fee_user_type": fee_user_type,
        "fee_type": fee_type,
        "fee_code": fee_code,
    }
    change = Change(
        link=_given(link),
        tariff=_given(tariff),
        inbound=_given({"host": inbound_host, "port": inbound_port, "login": inbound_login}),
        breaker=_given(
            {
                "refused_percent": breaker_refused,
                "undelivered_percent": breaker_undelivered,
                "least": breaker_least,
                "open_seconds": breaker_seconds,
            }
        ),
        tls=tls,
        authority=_read(authority) if authority else None,
    )
    changed, told = work(lambda made: _save(made, name, change, from_stdin=password_stdin, ask=ask_password))
    for note in told:
        typer.echo(f"note: {note}", err=True)
    outcome = "configured" if changed else "nothing changed"
    said(f"link {name}: {outcome}", as_json=as_json, link=name, changed=changed, notes=told)


async def _save(
    platform: "Platform", name: str, change: Change, *, from_stdin: bool, ask: bool
) -> tuple[bool, tuple[str, ...]]:
    """Whether something changed, and what the operator should know of the link."""
    from application.configure_links import save_link
    from application.platform import load
    from domain.aggregates import link

    stream = stream_id("link", name)
    before, _ = await load(platform.store, stream, link.evolve)
    # Values are refused before a person is asked for a password.
    wanted = changed_link(name, before.configured if before else None, change)
    done = await save_link(
        platform.store,
        platform.vault,
        name=name,
        draft=lambda known: changed_link(name, known, change),
        passwords=_passwords(wanted, before.configured if before else None, from_stdin=from_stdin, ask=ask),
        context=operator(),
    )
    beside = [each.configured for each in await platform.directory.links() if each.enabled]
    return bool(done), notes(wanted, beside)


def changed_link(name: str, known: Configured | None, change: Change) -> Configured:
    """A link with what a call changes, its passwords not looked at. Refuses link_incomplete and what is impossible."""
    protocol = change.link.get("protocol", known.protocol if known else ProtocolName.SMPP.value)
    base = _new(name, protocol, change.link) if known is None else _in_protocol(known, protocol)
    made = replace(
        base,
        **change.link,
        tariff=replace(base.tariff, **change.tariff),
        inbound=_inbound(base.inbound, change.inbound),
        breaker=replace(base.breaker, **change.breaker),
        encryption=_encryption(base.encryption, change),
    )
    require_link(made)
    return made


def _new(name: str, protocol: str, given: Mapping[str, Any]) -> Configured:
    missing = [option for field_name, option in _NEEDED.items() if field_name not in given]
    if missing:
        raise BadInput(
            "link_incomplete", f"There is no link {name[:32]} yet: give {', '.join(missing)} as well."
        )
    manner = manner_of(protocol)
    return Configured(
        name=name,
        protocol=protocol,
        host="",
        port=manner.port,
        system_id="",
        sealed_password="",
        source_address="",
        carriers=(),
        window=manner.window,
        rate_per_second=0,
        response_timeout_seconds=manner.response_seconds,
    )


def _in_protocol(known: Configured, protocol: str) -> Configured:
    """The link as it is; in a protocol of another family without what only its own had, and with new defaults."""
    manner = manner_of(protocol)
    if manner.family == manner_of(known.protocol).family:
        return known
    return replace(
        known,
        port=manner.port,
        window=manner.window,
        response_timeout_seconds=manner.response_seconds,
        tariff=Tariff(),
        inbound=None,
        encryption=None,
        system_type="",
        id_format="same",
        receivers=known.receivers if manner.one_way else 0,
    )


def _inbound(known: Inbound | None, given: Mapping[str, Any]) -> Inbound | None:
    if not given:
        return known
    if known is None and len(given) < len(_INBOUND):
        missing = [option for field_name, option in _INBOUND.items() if field_name not in given]
        raise BadInput(
            "link_inbound", f"Say where the carrier comes to us: give {', '.join(missing)} as well."
        )
    return replace(known or Inbound(host="", port=0, login="", sealed_password=""), **given)


def _encryption(known: Encryption | None, change: Change) -> Encryption | None:
    """An authority alone asks for TLS too."""
    if change.tls is False:
        return None
    if change.authority is not None:
        return Encryption(authority=change.authority)
    return known or (Encryption() if change.tls else None)


def _passwords(wanted: Configured, known: Configured | None, *, from_stdin: bool, ask: bool) -> "Passwords":
    """What is given; asked for at a terminal where it is missing, or where the operator says so."""
    from application.configure_links import Passwords

    new, first = known is None, known is None or known.inbound is None
    own = _Source(PASSWORD_VARIABLE, "password of the link", ask or new)
    theirs = _Source(INBOUND_VARIABLE, "password of the carrier at our port", ask or first)
    password = own.read(from_stdin=from_stdin)
    if from_stdin and password is None:
        raise BadInput("password_missing", "The first line of stdin is empty: write the password there.")
    inbound = theirs.read(from_stdin=from_stdin) if wanted.inbound is not None else None
    if ask and password is None and inbound is None:
        detail = (
            f"No password was given. Without a terminal say it in {PASSWORD_VARIABLE} or by --password-stdin."
        )
        raise BadInput("password_missing", detail)
    return Passwords(own=password, inbound=inbound)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a password comes from."""

    variable: str
    question: str
    ask: bool

    def read(self, *, from_stdin: bool) -> str | None:
        """The password, None where none is given; a new link is then refused by password_missing."""
        if from_stdin:
            return sys.stdin.readline().rstrip("\r\n") or None
        if self.variable in os.environ:
            return os.environ[self.variable] or None
        if self.ask and sys.stdin.isatty():
            return getpass.getpass(f"{self.question}: ") or None
        return None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _read(authority: Path) -> str:
    try:
        return authority.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        detail = "The file of the authority cannot be read: give a PEM file."
        raise BadInput("link_encryption", detail, field="authority") from None
