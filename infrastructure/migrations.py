"""Runs the migrations of the schema: once at a time, forward only, before any process starts."""

import time

from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from alembic import command
from infrastructure.schema_version import MIGRATIONS

_TURN_SECONDS = 0.1


def upgrade(database_url: str, *, schema: str = "smsledger") -> None:
    """Bring a database up to the newest version; concurrent callers wait for each other."""
    url = database_url.replace("postgres://", "postgresql://", 1).replace(
        "postgresql://", "postgresql+psycopg://", 1
    )
    engine = create_engine(url, poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        _wait_for_turn(connection)
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
        connection.commit()
        config.attributes.update(connection=connection, schema=schema)
        command.upgrade(config, "head")
        connection.commit()
    engine.dispose()


def _wait_for_turn(connection: Connection) -> None:
    """Take the lock of migrations. Who waits holds no snapshot, for which a concurrent index would wait in turn."""
    take = text("SELECT pg_try_advisory_lock(hashtext('smsledger.migrations'))")
    while not connection.execute(take).scalar():
        connection.commit()
        time.sleep(_TURN_SECONDS)
    connection.commit()
