"""The sample customer of the demonstration: contract, signature, templates, key, and a link and a route for each
of the three carriers, in the carrier's own protocol."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from api.cli_keys import new_key
from api.demo_recipients import PAYMENT, STATEMENT
from application.manage_access import issue_key
from application.manage_contracts import go_live, sign_contract
from application.manage_links import configure_link
from application.manage_routes import set_route
from application.manage_templates import (
    approve_signature,
    approve_template,
    draft_signature,
    draft_template,
)
from domain.events.access import OF_ACCOUNTS
from domain.events.contract import Terms
from domain.events.link import Configured, Inbound, Tariff
from domain.events.route import RouteSet, Share
from domain.protocols import PROTOCOLS
from domain.recorded import Context
from domain.values import SHANGHAI, Carrier, Category
from infrastructure.bootstrap import Platform
from infrastructure.link_settings import inbound_purpose, password_purpose
from infrastructure.simulator.offers import ACCOUNT as CARRIERS_ACCOUNT
from infrastructure.stack import SimulatorPlan, free_ports

ACCOUNT: Final = "demo"
NAME: Final = "示例科技有限公司"
SIGNATURE: Final = "示例科技"
LOGIN: Final = "login-code"
LINKS: Final = {
    "mobile": ("cmpp20", (Carrier.MOBILE, Carrier.BROADNET)),
    "unicom": ("sgip12", (Carrier.UNICOM,)),
    "telecom": ("smgp30", (Carrier.TELECOM,)),
}
"""Each with its carrier's protocol and the networks it takes. A route has the name of its link."""
TEMPLATES: Final = {
    LOGIN: (Category.OTP, "您的验证码是${code}，5分钟内有效，请勿告诉他人。"),
    PAYMENT: (Category.NOTICE, "尊敬的${name}，您${month}的账单为${amount}元，请按时缴费。"),
    STATEMENT: (
        Category.NOTICE,
        (
            "尊敬的${name}，您${month}的电子对账单已生成，本期应缴${amount}元。请登录网上营业厅查看明细，或到就近营业"
            "网点办理缴费；如已缴费请忽略本短信。如对账单有疑问，请在十五日内与客户服务中心联系，感谢您的支持。"
        ),
    ),
}
# A little of everything that carriers do; lost receipts stay "not yet reported".
SCRIPT: Final = (
    *("--submit-delay-ms", "20", "--receipt-delay-ms", "100:900"),
    *("--refusal-rate", "0.01", "--failed-rate", "0.03", "--lost-rate", "0.004"),
    *("--double-rate", "0.03", "--late-rate", "0.01", "--late-seconds", "1", "--early-rate", "0.01"),
)
_TARIFFS: Final = {
    "cmpp20": Tariff(service_id="DEMO"),
    "sgip12": Tariff(service_id="DEMO", corp_id="12345", node_id=3_010_012_345),
    "smgp30": Tariff(service_id="DEMO", corp_id="12345678"),
}
_CONNECTIONS: Final = {"cmpp20": 2, "sgip12": 1, "smgp30": 2}
"""Windows of 16 or, in SGIP, 32: so each link can have 32 submits unanswered."""
_CONTEXT = Context(actor="cli:demo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The sample customer as it was registered, with the only showing of its key."""

    allowance: int
    token: str = field(repr=False)


def carriers(*, seed: int) -> SimulatorPlan:
    """The three simulated carriers on free ports, and one of ours for the carrier that comes to us."""
    protocols = [protocol for protocol, _ in LINKS.values()]
    callback, *ports = free_ports(1 + len(protocols))
    return SimulatorPlan(
        ports=dict(zip(protocols, ports, strict=True)),
        accounts={CARRIERS_ACCOUNT: CARRIERS_ACCOUNT},
        callback_port=callback,
        options=("--seed", str(seed), *SCRIPT),
    )


async def register(platform: Platform, plan: SimulatorPlan, *, allowance: int) -> Sample:
    """Everything that has to be there before a message is accepted."""
    store = platform.store
    terms = Terms(allowance_segments=allowance)
    await sign_contract(store, account=ACCOUNT, name=NAME, terms=terms, context=_CONTEXT)
    await go_live(store, account=ACCOUNT, on=datetime.now(SHANGHAI).date(), context=_CONTEXT)
    await draft_signature(store, account=ACCOUNT, name=SIGNATURE, context=_CONTEXT)
    await approve_signature(store, account=ACCOUNT, name=SIGNATURE, context=_CONTEXT)
    for code, (category, text) in TEMPLATES.items():
        await draft_template(
            store, account=ACCOUNT, code=code, category=category, text=text, context=_CONTEXT
        )
        await approve_template(store, account=ACCOUNT, code=code, context=_CONTEXT)
    for number, name in enumerate(LINKS):
        configured = _link(platform, plan, name, source=f"1069000{number}")
        await configure_link(store, configured=configured, context=_CONTEXT)
        await set_route(store, wanted=_route(name), context=_CONTEXT)
    public, secret = new_key()
    token = await issue_key(
        store,
        account=ACCOUNT,
        name="demonstration",
        scopes=tuple(OF_ACCOUNTS),
        public=public,
        secret=secret,
        context=_CONTEXT,
    )
    return Sample(allowance=allowance, token=token)


def _link(platform: Platform, plan: SimulatorPlan, name: str, *, source: str) -> Configured:
    protocol, networks = LINKS[name]
    manner, password = PROTOCOLS[protocol], plan.accounts[CARRIERS_ACCOUNT]
    configured = Configured(
        name=name,
        protocol=protocol,
        host="127.0.0.1",
        port=plan.ports[protocol],
        system_id=CARRIERS_ACCOUNT,
        sealed_password=platform.vault.seal_secret(password, purpose=password_purpose(name)),
        source_address=source,
        carriers=networks,
        window=manner.window,
        rate_per_second=0,
        response_timeout_seconds=10,
        connections=_CONNECTIONS[protocol],
        tariff=_TARIFFS[protocol],
    )
    if protocol != "sgip12":
        return configured
    sealed = platform.vault.seal_secret(password, purpose=inbound_purpose(name))
    inbound = Inbound(
        host="127.0.0.1", port=plan.callback_port, login=CARRIERS_ACCOUNT, sealed_password=sealed
    )
    return replace(configured, inbound=inbound)


def _route(link: str) -> RouteSet:
    """Numbers of the link's carrier take the link."""
    return RouteSet(
        name=link,
        priority=10,
        accounts=(),
        categories=(),
        carriers=LINKS[link][1],
        signatures=(),
        shares=(Share(link=link),),
        extension="",
        by=_CONTEXT.actor,
    )
