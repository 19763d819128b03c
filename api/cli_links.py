"""`smsledger link`: where carriers are reached. Passwords never come from the command line's arguments."""

import getpass
import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, Reason, operator, said, work
from domain.errors import BadInput
from domain.events.link import Configured
from domain.values import Carrier, stream_id

if TYPE_CHECKING:
    from domain.aggregates.link import Link
    from infrastructure.bootstrap import Platform

app = typer.Typer(no_args_is_help=True, help="Links to carriers.")
Name = Annotated[str, typer.Argument(help="The link's name, for example mobile.")]
PASSWORD_VARIABLE = "LINK_PASSWORD"  # noqa: S105 - the name of a variable


class IdFormat(StrEnum):
    """How a carrier writes one id in the submit answer and in the receipt."""

    SAME = "same"
    HEX_THEN_DECIMAL = "resp-hex-dlr-dec"
    DECIMAL_THEN_HEX = "resp-dec-hex"


@app.command(
    epilog="Example: smsledger link add mobile --host 127.0.0.1 --port 2775 --system-id mobile "
    "--source 10690000 --carrier mobile. The password is asked for, or read from LINK_PASSWORD."
)
def add(
    name: Name,
    host: Annotated[str, typer.Option(help="Where the carrier listens.")],
    system_id: Annotated[str, typer.Option(help="The account the carrier gave.")],
    source: Annotated[str, typer.Option(help="The number messages come from (the access code).")],
    carrier: Annotated[list[Carrier], typer.Option(help="Whose numbers it takes; give it several times.")],
    port: Annotated[int, typer.Option(help="The carrier's port.")] = 2775,
    window: Annotated[int, typer.Option(help="Submits on their way at once.")] = 64,
    rate: Annotated[int, typer.Option(help="Submits a second at most, 0: no limit.")] = 0,
    answer_seconds: Annotated[int, typer.Option(help="Without answer for so long: in doubt.")] = 10,
    id_format: Annotated[
        IdFormat, typer.Option(help="How its ids are written in answer and receipt.")
    ] = IdFormat.SAME,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin.")
    ] = False,
) -> None:
    """Configure a link, or change how it is reached; a new one is enabled at once."""
    from application.manage_links import configure_link

    password = _password(from_stdin=password_stdin)
    _require_smpp(system_id=system_id, password=password)

    async def run(platform: "Platform") -> bool:
        configured = Configured(
            name=name,
            protocol="smpp34",
            host=host,
            port=port,
            system_id=system_id,
            sealed_password=await seal_password(platform, name, password),
            source_address=source,
            carriers=tuple(dict.fromkeys(carrier)),
            window=window,
            rate_per_second=rate,
            response_timeout_seconds=answer_seconds,
            id_format=id_format.value,
        )
        return bool(await configure_link(platform.store, configured=configured, context=operator()))

    changed = work(run)
    said(f"link {name}: " + ("configured" if changed else "nothing changed"))


async def seal_password(platform: "Platform", name: str, password: str) -> str:
    """The password sealed for the log; as it was sealed before where it is the same, so nothing changes."""
    from application.platform import load
    from domain.aggregates import link

    purpose = f"link:{name}"
    state, _ = await load(platform.store, stream_id("link", name), link.evolve)
    if state is not None:
        sealed = state.configured.sealed_password
        if platform.vault.open_secret(sealed, purpose=purpose) == password:
            return sealed
    return platform.vault.seal_secret(password, purpose=purpose)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif PASSWORD_VARIABLE in os.environ:
        password = os.environ[PASSWORD_VARIABLE]
    elif sys.stdin.isatty():
        password = getpass.getpass("password of the link: ")
    else:
        password = ""
    if not password:
        raise BadInput("password_missing", f"Give the password by {PASSWORD_VARIABLE} or --password-stdin.")
    return password


def _require_smpp(*, system_id: str, password: str) -> None:
    """Refuse what does not fit into a bind: 15 and 8 octets of ASCII (SMPP 3.4 §5.2.1, §5.2.2)."""
    for what, value, most in (("account", system_id, 15), ("password", password, 8)):
        if not value.isascii() or not 1 <= len(value) <= most:
            raise BadInput("link_invalid", f"With SMPP the {what} has 1 to {most} ASCII characters.")


@app.command(epilog="Example: smsledger link enable mobile")
def enable(name: Name) -> None:
    """Route messages to it."""
    from application.manage_links import enable_link

    done = work(lambda made: enable_link(made.store, name=name, context=operator()))
    said(f"link {name}: enabled" + ("" if done else " already"))


@app.command(epilog="Example: smsledger link disable mobile --reason maintenance")
def disable(name: Name, reason: Reason) -> None:
    """Route no more messages to it; what waits for it waits on."""
    from application.manage_links import disable_link

    done = work(lambda made: disable_link(made.store, name=name, reason=reason, context=operator()))
    said(f"link {name}: disabled" + ("" if done else " already"))


@app.command(epilog="Example: smsledger link drain mobile --reason maintenance")
def drain(name: Name, reason: Reason) -> None:
    """Route no more messages to it, give what waits to other links, finish what is on the wire."""
    from application.manage_links import drain_link

    done = work(lambda made: drain_link(made.store, name=name, reason=reason, context=operator()))
    said(f"link {name}: draining" + ("" if done else " already, or disabled"))


@app.command("list", epilog="Example: smsledger link list --json")
def list_links(as_json: AsJson = False) -> None:
    """All links and how they are configured."""

    async def run(platform: "Platform") -> list[dict[str, Any]]:
        return [
            {
                "name": link.name,
                "state": _state(link),
                "protocol": link.configured.protocol,
                "address": f"{link.configured.host}:{link.configured.port}",
                "system_id": link.configured.system_id,
                "source": link.configured.source_address,
                "carriers": list(link.configured.carriers),
                "window": link.configured.window,
                "rate": link.configured.rate_per_second,
            }
            for link in await platform.directory.links()
        ]

    columns = {
        "name": "name",
        "state": "state",
        "protocol": "protocol",
        "address": "address",
        "system_id": "account",
        "source": "source",
        "carriers": "carriers",
        "window": "window",
        "rate": "a second",
    }
    tables.show("links", columns, work(run), as_json=as_json)


def _state(link: "Link") -> str:
    if not link.enabled:
        return "disabled"
    return "draining" if link.draining else "enabled"
