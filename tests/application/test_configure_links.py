"""A link is kept as it was said, with its passwords sealed; what is not said again stays."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from application.configure_links import Passwords, inbound_purpose, password_purpose, save_link
from application.platform import load
from domain.aggregates import link
from domain.errors import BadInput
from domain.events import Event
from domain.events.link import Configured, Enabled, Encryption, Inbound, Tariff
from domain.values import stream_id
from infrastructure.vault import FileVault, KeyStore
from tests.application.office import BY, Office, configured, story

SGIP = replace(
    configured("unicom"),
    protocol="sgip12",
    tariff=Tariff(node_id=3_010_012_345),
    inbound=Inbound(host="192.0.2.1", port=8801, login="smg", sealed_password=""),
)
PASSWORDS = Passwords(own="secret08", inbound="theirs")
PEM = "-----BEGIN CERTIFICATE-----\nbm90IGE=\n-----END CERTIFICATE-----\n"


class Desk:
    """Where links are saved, and looked at again."""

    def __init__(self, folder: Path) -> None:
        self.store = Office().store
        self.vault = FileVault(KeyStore(folder))

    async def save(
        self, wanted: Configured | Callable[[Configured | None], Configured], passwords: Passwords
    ) -> tuple[Event, ...]:
        draft = (lambda _: wanted) if isinstance(wanted, Configured) else wanted
        name = wanted.name if isinstance(wanted, Configured) else "mobile"
        return await save_link(
            self.store, self.vault, name=name, draft=draft, passwords=passwords, context=BY
        )

    async def configured(self, name: str) -> Configured:
        state, _ = await load(self.store, stream_id("link", name), link.evolve)
        assert state is not None
        return state.configured

    async def opened(self, name: str) -> tuple[str, str]:
        """Both passwords, the second empty where there is none."""
        kept = await self.configured(name)
        own = self.vault.open_secret(kept.sealed_password, purpose=password_purpose(name))
        if kept.inbound is None:
            return own, ""
        return own, self.vault.open_secret(kept.inbound.sealed_password, purpose=inbound_purpose(name))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "keys")


@story
async def test_a_new_link_is_enabled_and_its_passwords_are_sealed(desk: Desk):
    made, enabled = await desk.save(SGIP, PASSWORDS)
    assert isinstance(made, Configured)
    assert isinstance(enabled, Enabled)
    assert "secret08" not in repr(made)
    assert "theirs" not in repr(made)
    assert await desk.opened("unicom") == ("secret08", "theirs")


@story
async def test_the_same_again_changes_nothing(desk: Desk):
    await desk.save(SGIP, PASSWORDS)
    assert await desk.save(SGIP, PASSWORDS) == ()
    assert await desk.save(SGIP, Passwords()) == ()


@story
async def test_one_password_changes_and_the_other_stays(desk: Desk):
    await desk.save(SGIP, PASSWORDS)
    (changed,) = await desk.save(SGIP, Passwords(inbound="another"))
    assert isinstance(changed, Configured)
    assert await desk.opened("unicom") == ("secret08", "another")


@story
async def test_a_new_link_without_a_password_is_refused_and_leaves_nothing(desk: Desk):
    for wanted, passwords, field in (
        (configured(), Passwords(), "password"),
        (SGIP, Passwords(own="secret08"), "inbound.password"),
    ):
        with pytest.raises(BadInput, match="password_missing") as refused:
            await desk.save(wanted, passwords)
        assert refused.value.field == field
        assert await load(desk.store, stream_id("link", wanted.name), link.evolve) == (None, 0)


@story
async def test_a_draft_builds_on_what_is_configured_at_that_moment(desk: Desk):
    await desk.save(configured(), Passwords(own="secret08"))
    await desk.save(replace(configured(), port=2776), Passwords())

    def wider(known: Configured | None) -> Configured:
        assert known is not None
        return replace(known, window=200)

    await desk.save(wider, Passwords())
    kept = await desk.configured("mobile")
    assert (kept.port, kept.window) == (2776, 200)


@story
async def test_a_password_that_stays_must_fit_the_new_protocol(desk: Desk):
    smgp = replace(configured(), protocol="smgp30", system_id="shili")
    await desk.save(smgp, Passwords(own="fifteen-letters"))
    with pytest.raises(BadInput, match="link_password"):
        await desk.save(replace(configured(), protocol="smpp34"), Passwords())
    assert (await desk.configured("mobile")).protocol == "smgp30"


@story
async def test_a_password_that_cannot_be_opened_here_has_to_be_given_again(desk: Desk, tmp_path: Path):
    await desk.save(configured(), Passwords(own="secret08"))
    desk.vault = FileVault(KeyStore(tmp_path / "other keys"))
    assert len(await desk.save(replace(configured(), window=3), Passwords())) == 1
    with pytest.raises(BadInput, match="password_unreadable"):
        await desk.save(replace(configured(), protocol="smgp30"), Passwords())
    await desk.save(replace(configured(), protocol="smgp30"), Passwords(own="secret08"))
    assert await desk.opened("mobile") == ("secret08", "")


@story
async def test_a_carrier_s_password_needs_a_carrier_that_comes_to_us(desk: Desk):
    with pytest.raises(BadInput, match="link_inbound"):
        await desk.save(configured(), PASSWORDS)


@pytest.mark.parametrize(
    "authority", ["no PEM", PEM, PEM + "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n", "x" * 200_001, "证书"]
)
@story
async def test_an_authority_is_certificates_and_nothing_else(authority: str, desk: Desk):
    wanted = replace(configured(), encryption=Encryption(authority=authority))
    with pytest.raises(BadInput, match="link_encryption") as refused:
        await desk.save(wanted, Passwords(own="secret08"))
    assert authority not in str(refused.value)


@pytest.mark.parametrize("name", ["", "Mobile", "a" * 33, "mobile one", "-mobile"])
@story
async def test_a_name_is_short_and_plain(name: str, desk: Desk):
    with pytest.raises(BadInput, match="link_name"):
        await desk.save(configured(name), Passwords(own="secret08"))
