"""`smsledger simulator`: carriers that exist on this machine only, one or all of them in a process."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_link_add import ProtocolName
from api.cli_session import AsJson

if TYPE_CHECKING:
    from infrastructure.simulator.account import Callback
    from infrastructure.simulator.carriers import Carriers
    from infrastructure.simulator.offers import Offer
    from infrastructure.simulator.script import Script
    from infrastructure.simulator.server import SimulatorSettings

NOT_CALLED = "none"
_CALLING = "sgip12"
_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a call of the command asks for, by protocol where it differs."""

    protocols: tuple[str, ...]
    host: str
    ports: Mapping[str, int]
    accounts: Mapping[str, str] = field(repr=False)
    callback: "tuple[str, int] | None"
    callback_login: str
    callback_password: str = field(repr=False)
    scripts: "Mapping[str, Script]"
    journal: Path | None

    def settings(self, protocol: str) -> "SimulatorSettings":
        """Of one carrier."""
        from infrastructure.simulator.server import SimulatorSettings

        return SimulatorSettings(
            protocol=protocol,
            host=self.host,
            port=self.ports[protocol],
            accounts=self.accounts,
            script=self.scripts[protocol],
            callbacks={name: self._callback(name) for name in self.accounts} if self._calls(protocol) else {},
            journal=self._journal_of(protocol),
        )

    def _calls(self, protocol: str) -> bool:
        return self.callback is not None and protocol == _CALLING

    def _callback(self, account: str) -> "Callback":
        """The carrier comes as the account, unless it was said otherwise."""
        from infrastructure.simulator.account import Callback

        assert self.callback is not None
        host, port = self.callback
        return Callback(
            host=host,
            port=port,
            login=self.callback_login or account,
            password=self.callback_password or self.accounts[account],
            again_seconds=_AGAIN_SECONDS,
        )

    def _journal_of(self, protocol: str) -> Path | None:
        """Of several carriers each has a file of its own."""
        if self.journal is None or len(self.protocols) == 1:
            return self.journal
        return self.journal.with_stem(f"{self.journal.stem}-{protocol}")


def simulator(
    protocol: Annotated[
        list[ProtocolName] | None,
        typer.Option(help="What it speaks, smpp34 by default; several are possible."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="A carrier for each protocol.")] = False,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="[PROTOCOL=]PORT", help="Instead of the protocol's own; 0 takes a free one."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID:PASSWORD", envvar="SIMULATOR_ACCOUNTS", help="Who may bind; demo:demo by default."
        ),
    ] = None,
    callback: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="SGIP: where it brings receipts; none: over our connection."),
    ] = "127.0.0.1:8805",
    callback_login: Annotated[
        str, typer.Option(help="SGIP: as whom it comes; as the account by default.")
    ] = "",
    callback_password: Annotated[
        str,
        typer.Option(envvar="SIMULATOR_CALLBACK_PASSWORD", help="SGIP: with what; the account's by default."),
    ] = "",
    seed: Annotated[int, typer.Option(help="The same seed does the same to the same messages.")] = 1,
    submit_delay_ms: Annotated[float, typer.Option(help="Before every answer.")] = 0.0,
    refusal_rate: Annotated[float, typer.Option(help="Of messages refused for good, 0 to 1.")] = 0.0,
    throttle_rate: Annotated[float, typer.Option(help="Of submits answered 'too fast'.")] = 0.0,
    receipt_delay_ms: Annotated[str, typer.Option(metavar="MIN:MAX", help="Before a receipt.")] = "0:0",
    lost_rate: Annotated[float, typer.Option(help="Of receipts that never come.")] = 0.0,
    late_rate: Annotated[float, typer.Option(help="Of receipts that come seconds later.")] = 0.0,
    late_seconds: Annotated[float, typer.Option(help="How much later.")] = 5.0,
    double_rate: Annotated[float, typer.Option(help="Of receipts that come twice.")] = 0.0,
    early_rate: Annotated[float, typer.Option(help="Of receipts that come before the answer.")] = 0.0,
    failed_rate: Annotated[float, typer.Option(help="Of receipts that say: not delivered.")] = 0.0,
    silence_rate: Annotated[float, typer.Option(help="Of submits that are never answered.")] = 0.0,
    drop_every: Annotated[int, typer.Option(help="Cut the connection every so many submits.")] = 0,
    script: Annotated[
        list[str] | None,
        typer.Option(metavar="PROTOCOL.FIELD=VALUE", help="Of one carrier, above the options before."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Write what it saw to a file, one for each of several carriers.")
    ] = None,
    control_port: Annotated[
        int | None, typer.Option(help="Take orders over HTTP while it runs; 0 takes a free port.")
    ] = None,
    control_host: Annotated[str, typer.Option(help="Where it takes them.")] = "127.0.0.1",
    as_json: AsJson = False,
) -> None:
    """Carriers that exist on this machine only: to try the platform, to test it, to break them on purpose.

    Example: smsledger simulator --all --receipt-delay-ms 50:500 --failed-rate 0.05 --control-port 8089
    """
    protocols = _protocols(protocol or [], every=every)
    low, high = _range(receipt_delay_ms)
    of_all = {
        "seed": seed,
        "submit_delay_ms": submit_delay_ms,
        "refusal_rate": refusal_rate,
        "throttle_rate": throttle_rate,
        "receipt_delay_ms_min": low,
        "receipt_delay_ms_max": high,
        "lost_rate": lost_rate,
        "late_rate": late_rate,
        "late_seconds": late_seconds,
        "double_rate": double_rate,
        "early_rate": early_rate,
        "failed_rate": failed_rate,
        "silence_rate": silence_rate,
        "drop_every": drop_every,
    }
    order = Order(
        protocols=protocols,
        host=host,
        ports=_ports(port or [], protocols),
        accounts=_accounts(account or []),
        callback=None if callback == NOT_CALLED else _address(callback),
        callback_login=callback_login,
        callback_password=callback_password,
        scripts=_scripts(of_all, script or [], protocols),
        journal=journal,
    )
    control = None if control_port is None else (control_host, control_port)
    asyncio.run(_run(order, control=control, as_json=as_json))


async def _run(order: Order, *, control: tuple[str, int] | None, as_json: bool) -> None:
    """Say what there is once it is there, and serve until a signal."""
    from infrastructure.simulator.carriers import serve_carriers
    from infrastructure.simulator.server import stop_on_signal

    stop = stop_on_signal()
    async with AsyncExitStack() as opened:
        carriers = await opened.enter_async_context(
            serve_carriers({protocol: order.settings(protocol) for protocol in order.protocols})
        )
        url = None
        if control is not None:
            from api.simulator_control import control_port

            host, port = control
            url = await opened.enter_async_context(control_port(carriers, host=host, port=port))
        _tell(_offers(carriers), url, as_json=as_json)
        await stop.wait()


def _offers(carriers: "Carriers") -> "list[Offer]":
    from infrastructure.simulator.offers import Offer

    return [
        Offer(
            protocol=each.settings.protocol,
            host=each.settings.host,
            port=each.port,
            account=account.system_id,
            password=account.password,
            callback=account.callback,
        )
        for each in carriers
        for account in each.accounts.values()
    ]


def _tell(offers: "Iterable[Offer]", control: str | None, *, as_json: bool) -> None:
    """What to put into `link add`, for people or for machines."""
    facts = [offer.facts() for offer in offers]
    if as_json:
        document = {"accounts": facts, "control": control}
        # One line: whoever started it reads a line and goes on.
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    tables.console().print(tables.table(_COLUMNS, map(_row, facts), title="simulated carriers"))
    typer.echo("a link to each (in a checkout it is ./run smsledger):")
    for fact in facts:
        typer.echo(f"  {fact['link_add']}")
    if control is not None:
        typer.echo(f"control port: curl {control}/")
    typer.echo("Ctrl-C ends it")


_COLUMNS = {
    "carrier": "carrier",
    "title": "protocol",
    "address": "address",
    "account": "account",
    "comes": "comes to us at",
}


def _row(fact: Mapping[str, Any]) -> Mapping[str, Any]:
    inbound = fact["inbound"]
    comes = f"{inbound['host']}:{inbound['port']} as {inbound['login']}" if inbound else ""
    return {**fact, "address": f"{fact['host']}:{fact['port']}", "comes": comes}


def _protocols(chosen: Sequence[ProtocolName], *, every: bool) -> tuple[str, ...]:
    from infrastructure.simulator.offers import EVERY_PROTOCOL

    if every and chosen:
        raise typer.BadParameter("--all is every protocol: leave --protocol out")
    if every:
        return EVERY_PROTOCOL
    return tuple(dict.fromkeys(name.value for name in chosen or [ProtocolName.SMPP]))


def _ports(given: Sequence[str], protocols: Sequence[str]) -> Mapping[str, int]:
    """The protocols' own ports with what is given; a bare port is that of the only carrier, 0 holds for all."""
    from infrastructure.simulator.offers import default_ports

    ports = default_ports(protocols)
    for text in given:
        name, equals, digits = text.rpartition("=")
        if not digits.isdecimal() or int(digits) > 65_535 or (equals and name not in ports):
            raise typer.BadParameter(f"a port is PORT or PROTOCOL=PORT, with {', '.join(protocols)}")
        if not equals and len(protocols) > 1 and int(digits):
            raise typer.BadParameter("several carriers cannot share a port: say PROTOCOL=PORT")
        ports |= {name: int(digits)} if equals else dict.fromkeys(ports, int(digits))
    return ports


def _accounts(given: Sequence[str]) -> dict[str, str]:
    from infrastructure.simulator.offers import ACCOUNT

    return dict(map(_account, given or [f"{ACCOUNT}:{ACCOUNT}"]))


def _account(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not name or not colon or not password:
        raise typer.BadParameter("an account is ID:PASSWORD")
    return name, password


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65_535:
        raise typer.BadParameter(f"a callback is HOST:PORT or {NOT_CALLED}")
    return host, int(port)


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise typer.BadParameter("the delay of receipts is MIN:MAX milliseconds") from None


def _scripts(
    of_all: Mapping[str, object], given: Sequence[str], protocols: Sequence[str]
) -> "dict[str, Script]":
    """Each carrier's script. Refuses unknown_field and invalid_value."""
    from infrastructure.simulator.script import Script, changed
    from infrastructure.simulator.server import codes_of

    fields: dict[str, dict[str, object]] = {name: dict(of_all) for name in protocols}
    for text in given:
        where, equals, value = text.partition("=")
        name, _, of_script = where.partition(".")
        if not equals or name not in fields:
            raise typer.BadParameter(f"a script is PROTOCOL.FIELD=VALUE, with {', '.join(protocols)}")
        fields[name][of_script] = _value(value)
    return {name: changed(Script(), fields[name], codes=codes_of(name)) for name in protocols}


def _value(text: str) -> object:
    """A number, a list, or a word as it stands."""
    try:
        return json.loads(text)
    except ValueError:
        return text
