"""A name has one owner; when the owner goes, however it goes, somebody else gets the name."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from infrastructure import lease
from infrastructure.lease import Leases, kept
from tests.support.silent_line import silent_line

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


def test_processes_of_another_realm_own_share_and_see_names_of_their_own(one, two, database_url):
    elsewhere = Leases(database_url, realm="other:")
    assert one.acquire("link:one")
    assert elsewhere.acquire("link:one")
    two.appear(["worker:one"])
    elsewhere.appear(["worker:one"])
    names = ["link:one", "worker:one"]
    seen, theirs = one.standing(names), elsewhere.standing(names)
    assert seen.holders == {"link:one": {seen.me}, "worker:one": {two.standing([]).me}}
    assert theirs.holders == dict.fromkeys(names, frozenset({theirs.me}))
    elsewhere.release("link:one")
    elsewhere.appear([])
    assert elsewhere.standing(names).holders == {}
    assert one.standing(names).holders == seen.holders
    assert not two.acquire("link:one")
    elsewhere.close()


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
    # The server hears of a closed connection a moment later.
    eventually(lambda: two.acquire("a"))
    eventually(lambda: two.acquire("b"))


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


def test_an_owner_is_sure_of_what_it_holds_for_some_seconds_after_each_sign_of_life(database_url):
    now = 100.0
    one = Leases(database_url, clock=lambda: now)
    assert one.acquire("a")
    now += lease.SURE_SECONDS
    assert not one.holds("a")
    assert one.keep()
    assert one.holds("a")
    assert not one.holds("b")
    one.close()


def test_who_gives_no_sign_of_life_loses_what_it_holds(two, database_url, monkeypatch):
    monkeypatch.setattr(lease, "_SETTINGS", "SELECT set_config('idle_session_timeout', '200ms', false)")
    frozen = Leases(database_url)
    # Where this process itself gets no time, it has lost the connection before it has the name.
    eventually(lambda: frozen.acquire("a"))
    eventually(lambda: two.acquire("a"))
    assert not frozen.keep()
    assert not frozen.holds("a")
    frozen.close()


def test_an_owner_that_gets_no_answer_gives_everything_up(database_url, monkeypatch):
    with silent_line(database_url) as (line, url):
        one = Leases(url)
        assert one.acquire("a")
        line.fall_silent()
        with monkeypatch.context() as impatient:
            impatient.setattr(lease, "_ANSWER_SECONDS", 0.2)
            assert not one.keep()
        assert not one.holds("a")
        line.cut()
        eventually(lambda: one.acquire("a"))
        one.close()


def test_signs_of_life_are_given_while_the_body_runs_and_a_loss_is_told(one, database_url, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    lost, times = threading.Event(), []
    assert one.acquire("a")
    with kept(one, "a", on_lost=lost.set, each_time=lambda: times.append(1)):
        eventually(lambda: len(times) > 2)
        assert not lost.is_set()
        cut(database_url)
        assert lost.wait(30)


def test_a_lease_that_is_lost_by_what_is_asked_besides_is_told_too(one, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    lost = threading.Event()
    assert one.acquire("a")
    with kept(one, "a", on_lost=lost.set, each_time=one.close):
        assert lost.wait(30)


def test_signs_of_life_that_end_for_another_reason_are_a_loss(one, two, monkeypatch):
    def fail() -> None:
        raise RuntimeError("no thread can be started")

    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    lost = threading.Event()
    assert one.acquire("a")
    with kept(one, "a", on_lost=lost.set, each_time=fail):
        assert lost.wait(30)
    eventually(lambda: two.acquire("a"))


def test_a_body_that_ends_by_itself_lost_nothing_and_gives_its_lease_up(one, two):
    lost = threading.Event()
    assert one.acquire("a")
    with kept(one, "a", on_lost=lost.set, each_time=lambda: None):
        assert not two.acquire("a")
    assert not lost.is_set()
    eventually(lambda: two.acquire("a"))


def test_a_question_that_is_refused_gives_nothing_up(one, two):
    assert one.acquire("a")
    assert not one.ask("SELECT 1 / 0 = 1")
    assert one.holds("a")
    assert not two.acquire("a")


# Names that several share, and who has what.


def test_a_shared_name_tells_who_is_there(one, two):
    one.appear(["present:a", "present:b"])
    two.appear(["present:a"])
    seen = one.standing(["present:a", "present:b", "present:c"])
    assert len(seen.of("present:a")) == 2
    assert seen.of("present:b") == {seen.me}
    assert seen.of("present:c") == frozenset()


def test_who_appears_again_keeps_what_it_names_and_withdraws_from_the_rest(one, two):
    one.appear(["a", "b"])
    one.appear(["b", "c"])
    seen = two.standing("abc")
    assert [len(seen.of(name)) for name in "abc"] == [0, 1, 1]
    one.appear([])
    assert two.standing("abc").holders == {}


def test_one_question_tells_who_owns_which_names(one, two):
    names = [f"link:{number}" for number in range(40)]
    assert all(two.acquire(name) for name in names[:20])
    assert one.acquire(names[39])
    seen = one.standing(names)
    other = two.standing([]).me
    assert other != seen.me
    assert seen.holders == {names[39]: {seen.me}} | {name: {other} for name in names[:20]}
    assert Leases("postgresql://nobody@127.0.0.1:9/none?connect_timeout=2").standing(names) is None


def test_who_is_there_goes_with_its_leases(one, two, database_url):
    one.appear(["a"])
    assert one.keep()
    cut(database_url)
    assert not one.keep()
    eventually(lambda: (seen := two.standing(["a"])) is not None and not seen.of("a"))
    eventually(lambda: one.appear(["a"]) or two.standing(["a"]).of("a"))
    assert one.keep()


def test_who_shares_gives_signs_of_life_too(two, database_url, monkeypatch):
    monkeypatch.setattr(lease, "_SETTINGS", "SELECT set_config('idle_session_timeout', '200ms', false)")
    frozen = Leases(database_url)
    frozen.appear(["a"])
    eventually(lambda: (seen := two.standing(["a"])) is not None and not seen.of("a"))
    assert not frozen.keep()
    frozen.close()
