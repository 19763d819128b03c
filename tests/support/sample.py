"""The sample account of the tests: a live contract, a signature, templates, keys and a link, made by the use cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from application.manage_access import issue_key
from application.manage_contracts import go_live, sign_contract
from application.manage_links import configure_link
from application.manage_templates import (
    approve_signature,
    approve_template,
    draft_signature,
    draft_template,
)
from domain.events.access import OF_ACCOUNTS, Scope
from domain.events.contract import Terms
from domain.events.link import Configured
from domain.recorded import Context
from domain.values import Carrier, Category, local_day
from infrastructure import projector
from infrastructure.bootstrap import Platform, new_id
from infrastructure.scheduler import prepare_day
from infrastructure.settings import Settings

ACCOUNT = "demo"
SIGNATURE = "示例科技"
LINK = "sample"
CODE_TEMPLATE, NOTICE_TEMPLATE, DRAFT_TEMPLATE = "login-code", "statement", "unapproved"
BY = Context(actor="test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was made: an account and the token of a key with every scope but unmasked history."""

    account: str
    token: str


def settings_for(database_url: str, folder: Path, *, redis_url: str = "", **others: object) -> Settings:
    """Settings of a platform with a key store of its own."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=folder,
        keys_dir=folder / "keys",
        **others,  # type: ignore[arg-type]
    )


async def make_sample(
    platform: Platform,
    *,
    account: str = ACCOUNT,
    terms: Terms | None = None,
    live_on: date | None = None,
    link_host: str = "127.0.0.1",
    link_port: int = 2775,
) -> Sample:
    """An account that can send, and the read models' tables. `platform` is left open."""
    store = platform.store
    today = local_day(await store.now())
    for day in (today, today + timedelta(days=1)):
        await prepare_day(platform, day)
    projector.prepare(platform.settings)
    await sign_contract(store, account=account, name="示例科技有限公司", terms=terms or Terms(), context=BY)
    await go_live(store, account=account, on=live_on or today, context=BY)
    await draft_signature(store, account=account, name=SIGNATURE, context=BY)
    await approve_signature(store, account=account, name=SIGNATURE, context=BY)
    await _templates(platform, account)
    await configure_link(store, configured=link_to(platform, host=link_host, port=link_port), context=BY)
    scopes = [scope for scope in sorted(OF_ACCOUNTS) if scope is not Scope.UNMASKED]
    return Sample(account=account, token=await key_with(platform, scopes, account=account))


async def key_with(platform: Platform, scopes: Sequence[Scope], *, account: str = ACCOUNT) -> str:
    """The token of a new key with these scopes."""
    return await issue_key(
        platform.store,
        account=account,
        name="a test",
        scopes=tuple(scopes),
        public=new_id()[:8],
        secret=new_id() + new_id(),
        context=BY,
    )


def link_to(platform: Platform, *, host: str, port: int, name: str = LINK) -> Configured:
    """A link that takes the numbers of every carrier."""
    return Configured(
        name=name,
        protocol="smpp34",
        host=host,
        port=port,
        system_id="sample",
        sealed_password=platform.vault.seal_secret("secret", purpose=f"link:{name}"),
        source_address="1069",
        carriers=tuple(Carrier),
        window=32,
        rate_per_second=0,
        response_timeout_seconds=5,
    )


async def _templates(platform: Platform, account: str) -> None:
    texts = {
        CODE_TEMPLATE: (Category.OTP, "验证码${code}，${minutes}分钟内有效。"),
        NOTICE_TEMPLATE: (Category.NOTICE, "${name}您好，本月账单${amount}元。"),
        DRAFT_TEMPLATE: (Category.NOTICE, "尚未审核。"),
    }
    for code, (category, text) in texts.items():
        await draft_template(
            platform.store, account=account, code=code, category=category, text=text, context=BY
        )
        if code != DRAFT_TEMPLATE:
            await approve_template(platform.store, account=account, code=code, context=BY)
