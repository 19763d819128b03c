"""All settings, from `SMSLEDGER_*` variables or a TOML file, checked at start with a clear word."""

import os
import tomllib
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class SettingsError(Exception):
    """A setting is missing or wrong; the text names the variable and says what to do."""


_FIRST_SCHEMA = "smsledger"


class Settings(BaseSettings):
    """One field a setting; the environment wins over the file, the file over the default."""

    model_config = SettingsConfigDict(env_prefix="SMSLEDGER_", extra="forbid", frozen=True)

    database_url: str = Field(
        "", repr=False, description="PostgreSQL 15 to 18; empty starts the embedded server"
    )
    redis_url: str = Field(
        "", repr=False, description="Redis 6.2+ or Valkey; empty starts the embedded server"
    )
    data_dir: Path | None = Field(None, description="data of the embedded servers and the key store")
    keys_dir: Path | None = Field(None, description="key store; default: `keys` in the data folder")
    db_schema: str = Field(_FIRST_SCHEMA, pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="schema of the log")
    pool_size: int = Field(4, ge=2, le=64, description="database connections a process keeps")

    http_host: str = Field("127.0.0.1", description="where the API listens")
    http_port: int = Field(8080, ge=0, le=65535, description="port of the API")
    api_processes: int = Field(1, ge=1, le=64, description="API processes that `up` starts on one port")
    max_body_bytes: int = Field(2_000_000, ge=10_000, description="largest accepted HTTP body")
    max_waiting: int = Field(20_000, ge=100, description="messages waiting for the log before calls get 503")

    group_entries: int = Field(1_000, ge=1, le=10_000, description="most entries in one transaction")
    job_messages: int = Field(100, ge=1, le=1_000, description="messages in one job")
    worker_threads: int = Field(4, ge=1, le=32, description="threads a worker gives each lane of a link")
    worker_poll_ms: int = Field(
        40,
        ge=1,
        le=1_000,
        description="longest wait between looks at a queue, of one connection; several of a link take turns",
    )
    follow_poll_ms: int = Field(100, ge=10, le=2_000, description="longest wait of a follower for the log")
    page_events: int = Field(4_000, ge=10, le=50_000, description="events a projection applies at once")

    otp_validity_seconds: int = Field(300, ge=10, description="how long a one-time password may wait")
    notice_validity_seconds: int = Field(86_400, ge=10, description="how long a notice may wait")
    marketing_validity_seconds: int = Field(172_800, ge=10, description="how long marketing may wait")
    report_after_hours: int = Field(72, ge=1, description="hours without receipt before the policy decides")
    held_receipt_days: int = Field(7, ge=4, description="how long a receipt waits for a message to belong to")

    ported_order: str = Field(
        "mobile,unicom,telecom",
        pattern=r"^(mobile|unicom|telecom|broadnet)(,(mobile|unicom|telecom|broadnet))*$",
        description="who is asked next for a number that its own carrier does not have",
    )
    ported_codes: str = Field(
        "MB:1048,MB:1049,MB:1050,ID:0043,MH:0007",
        pattern=r"^[A-Za-z0-9:_/,.-]*$",
        description="codes that say a number was ported; `cmpp20/9` counts over that protocol only",
    )
    learned_number_days: int = Field(
        180, ge=1, le=180, description="how long a carrier's word that a number is not its own counts"
    )
    require_filing: bool = Field(
        False, description="take only links of carriers with which the signature is filed"
    )

    statement_day: int = Field(
        0,
        ge=0,
        le=28,
        description="day of a month from which the scheduler issues the month before; 0: never",
    )
    adjustment_limit_yuan: int = Field(100, ge=0, description="worth of an adjustment one person may approve")

    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="what is logged")

    url: str = Field("", description="where the commands of a client reach the API; else what runs here")
    api_key: str = Field("", repr=False, description="the API key of the commands of a client")

    @property
    def realm(self) -> str:
        """What leases and queues begin with, so that several logs share a PostgreSQL and a Redis.

        Nothing for the default schema: its names are those of versions that knew no realms, so that old and new
        processes side by side still exclude each other.
        """
        return "" if self.db_schema == _FIRST_SCHEMA else f"{self.db_schema}:"

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, then the file named by SMSLEDGER_CONFIG, then defaults."""
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        path = os.environ.get("SMSLEDGER_CONFIG")
        if path:
            sources += (TomlConfigSettingsSource(settings_cls, Path(path)),)
        return sources


def load(**overrides: object) -> Settings:
    """The settings of this process. Raises SettingsError with one line a fault."""
    path = os.environ.get("SMSLEDGER_CONFIG")
    if path and not Path(path).is_file():
        raise SettingsError("SMSLEDGER_CONFIG names a file that is not there")
    known = {f"SMSLEDGER_{name.upper()}" for name in Settings.model_fields} | {"SMSLEDGER_CONFIG"}
    strange = sorted(name for name in os.environ if name.startswith("SMSLEDGER_") and name not in known)
    if strange:
        raise SettingsError(f"unknown setting {', '.join(strange)}: see the table in docs/operations.md")
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"SMSLEDGER_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n".join(lines)) from None
    except UnicodeDecodeError:
        raise SettingsError("SMSLEDGER_CONFIG: the file is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"SMSLEDGER_CONFIG: the file is not TOML: {error}") from None
