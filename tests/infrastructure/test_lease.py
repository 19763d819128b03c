"""A name has one owner; when the owner goes, however it goes, somebody else gets the name."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from infrastructure.lease import Leases

HOLDER = """
import sys, time
from infrastructure.lease import Leases
leases = Leases(sys.argv[1])
print(leases.acquire("link:one"), flush=True)
time.sleep(600)
"""


@pytest.fixture
def one(database_url: str) -> Iterator[Leases]:
    leases = Leases(database_url)
    yield leases
    leases.close()


@pytest.fixture
def two(database_url: str) -> Iterator[Leases]:
    leases = Leases(database_url)
    yield leases
    leases.close()


def eventually(true: Callable[[], object], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def cut(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_name_has_one_owner(one, two):
    assert one.acquire("link:one")
    assert not two.acquire("link:one")
    assert two.acquire("link:two")


def test_the_owner_may_ask_again_and_releases_once(one, two):
    assert one.acquire("link:one")
    assert one.acquire("link:one")
    one.release("link:one")
    assert two.acquire("link:one")
    one.release("link:one")
    assert not one.acquire("link:one")


def test_closing_gives_everything_up(one, two):
    assert one.acquire("a")
    assert one.acquire("b")
    one.close()
    assert two.acquire("a")
    assert two.acquire("b")


def test_a_sign_of_life_keeps_what_is_held(one):
    assert one.keep(), "nothing is held, so nothing is lost"
    assert one.acquire("a")
    assert one.keep()


def test_an_owner_whose_connection_is_cut_knows_it_at_the_next_sign_of_life_and_owns_nothing(
    one, two, database_url
):
    assert one.acquire("a")
    cut(database_url)
    assert not one.keep()
    eventually(lambda: two.acquire("a"))
    assert not one.acquire("a")


def test_an_owner_whose_connection_is_cut_can_own_again(one, database_url):
    assert one.acquire("a")
    cut(database_url)
    assert not one.keep()
    eventually(lambda: one.acquire("a"))
    assert one.keep()


def test_a_lost_connection_that_another_name_finds_out_loses_all_names(one, two, database_url):
    assert one.acquire("a")
    cut(database_url)
    assert not one.acquire("b")
    eventually(lambda: two.acquire("a"))
    eventually(lambda: one.acquire("b"))
    assert not one.acquire("a")


def test_a_database_that_is_away_is_a_no():
    assert not Leases("postgresql://nobody@127.0.0.1:9/none?connect_timeout=2").acquire("a")


def test_when_the_owner_is_killed_somebody_else_takes_over(one, database_url):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, database_url], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not one.acquire("link:one")
        holder.kill()
        eventually(lambda: one.acquire("link:one"))
    finally:
        holder.kill()
        holder.wait(30)
        if holder.stdout:
            holder.stdout.close()
