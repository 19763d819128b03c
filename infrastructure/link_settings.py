"""A link's configuration as a connection needs it, with the secrets opened."""

from application.configure_links import inbound_purpose, password_purpose
from domain.events.link import Configured, Inbound
from infrastructure.carriers.traffic import LinkSettings
from infrastructure.vault import FileVault

__all__ = ["inbound_purpose", "link_settings", "password_purpose"]


def link_settings(configured: Configured, vault: FileVault, *, connection: int = 1) -> LinkSettings:
    """Settings of one of the link's connections; the first one is where the carrier's own connection belongs.

    Raises ValueError where a secret cannot be opened with the keys of this machine.
    """
    tariff, encrypted = configured.tariff, configured.encryption
    inbound = configured.inbound if connection == 1 else None
    return LinkSettings(
        name=configured.name,
        connection=connection,
        direction=configured.direction(connection),
        protocol=configured.protocol,
        host=configured.host,
        port=configured.port,
        system_id=configured.system_id,
        password=vault.open_secret(configured.sealed_password, purpose=password_purpose(configured.name)),
        system_type=configured.system_type,
        source_address=configured.source_address,
        service_id=tariff.service_id,
        fee_user_type=tariff.fee_user_type,
        fee_type=tariff.fee_type,
        fee_code=tariff.fee_code,
        corp_id=tariff.corp_id,
        node_id=tariff.node_id,
        listener_host=inbound.host if inbound else "",
        listener_port=inbound.port if inbound else 0,
        listener_login=inbound.login if inbound else "",
        listener_password=_inbound_password(configured.name, inbound, vault) if inbound else "",
        encrypted=encrypted is not None,
        authority=encrypted.authority if encrypted else "",
        window=configured.window,
        rate_per_second=configured.rate_of(connection),
        response_timeout_seconds=configured.response_timeout_seconds,
        keep_alive_seconds=configured.keep_alive_seconds,
        id_format=configured.id_format,
    )


def _inbound_password(name: str, inbound: Inbound, vault: FileVault) -> str:
    return vault.open_secret(inbound.sealed_password, purpose=inbound_purpose(name))
