"""The sample customer of the demonstration: contract, signature, templates, key and three links."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from api.cli_keys import new_key
from api.demo_recipients import PAYMENT, STATEMENT
from application.manage_access import issue_key
from application.manage_contracts import go_live, sign_contract
from application.manage_links import configure_link
from application.manage_templates import (
    approve_signature,
    approve_template,
    draft_signature,
    draft_template,
)
from domain.events.access import OF_ACCOUNTS
from domain.events.contract import Terms
from domain.events.link import Configured
from domain.recorded import Context
from domain.values import SHANGHAI, Carrier, Category
from infrastructure.bootstrap import Platform
from infrastructure.stack import SimulatorPlan

ACCOUNT: Final = "demo"
NAME: Final = "示例科技有限公司"
SIGNATURE: Final = "示例科技"
LOGIN: Final = "login-code"
LINKS: Final = {
    "mobile": (Carrier.MOBILE, Carrier.BROADNET),
    "unicom": (Carrier.UNICOM,),
    "telecom": (Carrier.TELECOM,),
}
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
_CONTEXT = Context(actor="cli:demo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The sample customer as it was registered, with the only showing of its key."""

    allowance: int
    token: str = field(repr=False)


def carriers(*, port: int, seed: int) -> SimulatorPlan:
    """One simulated carrier with an account for each link."""
    accounts = dict.fromkeys(LINKS, "demo")
    return SimulatorPlan(port=port, accounts=accounts, options=("--seed", str(seed), *SCRIPT))


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
    return Configured(
        name=name,
        protocol="smpp34",
        host="127.0.0.1",
        port=plan.port,
        system_id=name,
        sealed_password=platform.vault.seal_secret(plan.accounts[name], purpose=f"link:{name}"),
        source_address=source,
        carriers=LINKS[name],
        window=32,
        rate_per_second=0,
        response_timeout_seconds=10,
    )
