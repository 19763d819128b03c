"""The real PostgreSQL and the real Redis every test shares, with a database of its own for each test.

SMSLEDGER_DATABASE_URL and SMSLEDGER_REDIS_URL name servers to test against; without them embedded ones start.
"""

import itertools
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, settings
from psycopg import sql

from infrastructure import embedded, migrations

GIVEN_DATABASE_URL = os.environ.get("SMSLEDGER_DATABASE_URL", "")
GIVEN_REDIS_URL = os.environ.get("SMSLEDGER_REDIS_URL", "")
REDIS_NUMBERS = itertools.cycle(range(16))

# A busy machine is no finding.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Every test makes a database; what it survives is the death of processes, not of the machine.
FAST = {"fsync": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def servers() -> Iterator[embedded.EmbeddedServers]:
    """Embedded servers of this test run, in a folder that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="smsledger-tests-") as folder,
        embedded.start(Path(folder), postgres_options=FAST) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> str:
    """The database under which test databases are made."""
    if GIVEN_DATABASE_URL:
        return GIVEN_DATABASE_URL
    running: embedded.EmbeddedServers = request.getfixturevalue("servers")
    return running.database_url


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """The name of a database with every migration applied, from which the others are copied."""
    name = f"smsledger_template_{secrets.token_hex(4)}"
    create_database(server_url, name)
    try:
        migrations.upgrade(with_database(server_url, name))
        yield name
    finally:
        drop_database(server_url, name)


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A migrated, empty database for one test."""
    name = f"smsledger_test_{secrets.token_hex(4)}"
    create_database(server_url, name, template=template_database)
    try:
        yield with_database(server_url, name)
    finally:
        drop_database(server_url, name)


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database without any migration, for one test."""
    name = f"smsledger_test_{secrets.token_hex(4)}"
    create_database(server_url, name)
    try:
        yield with_database(server_url, name)
    finally:
        drop_database(server_url, name)


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty numbered Redis database for one test; on a given server only one that was empty before."""
    if GIVEN_REDIS_URL:
        url = first_empty(GIVEN_REDIS_URL)
    else:
        running: embedded.EmbeddedServers = request.getfixturevalue("servers")
        url = with_number(running.redis_url, next(REDIS_NUMBERS))
    flush(url)
    try:
        yield url
    finally:
        flush(url)


def create_database(server_url: str, name: str, *, template: str = "template1") -> None:
    """Create a database as a copy of another one that nobody is connected to."""
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))


def drop_database(server_url: str, name: str) -> None:
    """Drop a database and whoever is still connected to it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def with_database(server_url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def with_number(url: str, number: int) -> str:
    """The same Redis, another numbered database."""
    if url.startswith("unix://"):
        return f"{url.partition('?')[0]}?db={number}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


def first_empty(url: str) -> str:
    """A numbered database without keys, so that a test run never deletes what is not its own.

    Processes that test side by side have their own share of the sixteen.
    """
    place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for number in range(place, 16, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))):
        candidate = with_number(url, number)
        with redis.Redis.from_url(candidate) as client:
            if client.dbsize() == 0:
                return candidate
    pytest.fail(
        "all databases of SMSLEDGER_REDIS_URL hold keys; each process of the tests needs an empty one"
    )


def flush(url: str) -> None:
    """Empty one numbered database."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()
