"""A trial of a link says what the carrier answered to each step, whatever that is, and costs the link nothing."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from application.manage_links import configure_link
from domain.errors import BadInput, NotFound
from infrastructure.bootstrap import platform
from infrastructure.carriers.traffic import LinkSettings
from infrastructure.link_test import Outcome, Trial, try_configured, try_link
from infrastructure.simulator.server import serve
from infrastructure.simulator.wire import Pdu
from infrastructure.vault import FileVault, KeyStore
from tests.infrastructure.carriers.rig import RawPeer, carrier, desk, raw_carrier, settings, until
from tests.infrastructure.carriers.test_encryption import certificate, encrypted
from tests.support.sample import BY, LINK, link_to, settings_for

PROTOCOLS = ("smpp34", "cmpp20", "cmpp30", "sgip12", "smgp30")
WITH_KEEP_ALIVE = tuple(name for name in PROTOCOLS if name != "sgip12")
SHORT = 0.3


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: object, **named: object) -> None:
        asyncio.run(test(*arguments, **named))

    return run


def steps(trial: Trial) -> list[tuple[str, str]]:
    return [(step.step, step.outcome.value) for step in trial.steps]


@contextlib.asynccontextmanager
async def mouth(says: bytes, *, hangs_up: bool = False) -> AsyncIterator[int]:
    """A port at which somebody says this, whatever comes, and then hangs up or listens for ever."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(1)
            writer.write(says)
            while not hangs_up and await reader.read(65_536):
                pass
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_a_loop
async def test_a_carrier_that_lets_us_in_is_left_again(protocol: str):
    async with await serve(carrier(protocol=protocol)) as simulator:
        trial = await try_link(settings(simulator.port, protocol=protocol))
        await until(lambda: not simulator.peers)
    assert (trial.outcome, trial.code, trial.deliveries) == (Outcome.BOUND, "", 0)
    asked = [("keep_alive", "done")] if protocol in WITH_KEEP_ALIVE else []
    assert steps(trial) == [("connect", "done"), ("bind", "done"), *asked, ("unbind", "done")]
    assert all(step.milliseconds >= 0 and step.said for step in trial.steps)
    assert simulator.counters.submitted == 0


@pytest.mark.parametrize(
    ("protocol", "code", "word"),
    [
        ("smpp34", "0x0E", "password"),
        ("cmpp20", "3", "password"),
        ("cmpp30", "3", "password"),
        ("sgip12", "1", "password"),
        ("smgp30", "21", "password"),
    ],
)
@in_a_loop
async def test_a_wrong_password_is_told_with_the_carrier_s_code_and_its_meaning(
    protocol: str, code: str, word: str
):
    async with await serve(carrier(protocol=protocol)) as simulator:
        trial = await try_link(settings(simulator.port, protocol=protocol, password="wrong-12"))
    assert (trial.outcome, trial.code) == (Outcome.REFUSED, code)
    # SMGP's account here is shorter than its field: gateways differ in the digest of such a one.
    tries = 2 if protocol == "smgp30" else 1
    assert steps(trial) == [("connect", "done"), ("bind", "refused")] * tries
    assert f"refused with {code}: " in trial.said
    assert word in trial.said
    assert "wrong-12" not in repr(trial)


@in_a_loop
async def test_another_version_of_cmpp_is_told():
    async with await serve(carrier(protocol="cmpp20")) as simulator:
        trial = await try_link(settings(simulator.port, protocol="cmpp30"))
    assert (trial.outcome, trial.code) == (Outcome.BOUND, "")
    assert steps(trial)[:4] == [
        ("connect", "done"),
        ("bind", "refused"),
        ("connect", "done"),
        ("bind", "done"),
    ]
    assert "version" in trial.steps[1].said


@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_a_loop
async def test_nobody_who_listens_is_told(protocol: str):
    async with mouth(b"") as port:
        pass
    trial = await try_link(settings(port, protocol=protocol))
    assert trial.outcome is Outcome.CANNOT_CONNECT
    assert steps(trial) == [("connect", "cannot_connect")]
    assert "nobody listens" in trial.said


@in_a_loop
async def test_a_name_that_nobody_knows_is_told():
    for host in ("nowhere.invalid", "a..b"):
        trial = await try_link(settings(1, host=host))
        assert (trial.outcome, trial.said) == (Outcome.CANNOT_CONNECT, "the host's name cannot be found")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 100, b"\x15\3\1\0\2\2\50"])
@in_a_loop
async def test_what_is_not_the_protocol_is_told(protocol: str, says: bytes):
    async with mouth(says) as port:
        trial = await try_link(settings(port, protocol=protocol))
    assert trial.outcome is Outcome.GARBAGE
    assert steps(trial) == [("connect", "done"), ("bind", "garbage")]


@pytest.mark.parametrize("protocol", WITH_KEEP_ALIVE)
@in_a_loop
async def test_whole_messages_that_mean_nothing_are_no_answer_either(protocol: str):
    async with mouth((20).to_bytes(4, "big") + b"\x7f" * 16) as port:
        trial = await try_link(settings(port, protocol=protocol), wait_seconds=SHORT)
    assert trial.outcome is Outcome.GARBAGE
    assert "only what this protocol does not know" in trial.said


@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_a_loop
async def test_silence_is_told_after_the_wait_and_not_later(protocol: str):
    async with mouth(b"") as port:
        async with asyncio.timeout(20):
            trial = await try_link(settings(port, protocol=protocol), wait_seconds=SHORT)
    assert (trial.outcome, trial.said) == (Outcome.NO_ANSWER, "no answer to the login within 0.3 s")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_a_loop
async def test_a_carrier_that_hangs_up_without_a_word_is_told(protocol: str):
    async with mouth(b"", hangs_up=True) as port:
        trial = await try_link(settings(port, protocol=protocol))
    assert trial.outcome is Outcome.CLOSED
    assert "expect us from this address" in trial.said


@in_a_loop
async def test_a_bound_carrier_that_gives_no_sign_of_life_is_bound_and_told():
    async def play(peer: RawPeer) -> None:
        await peer.let_in()
        await peer.expect("nothing")

    async with raw_carrier(play) as port:
        trial = await try_link(settings(port), wait_seconds=SHORT)
    assert trial.outcome is Outcome.BOUND
    assert steps(trial)[-1] == ("keep_alive", "no_answer")


@in_a_loop
async def test_what_comes_in_one_piece_with_the_answer_is_heard_too():
    async def play(peer: RawPeer) -> None:
        bind = await peer.expect("bind_transceiver")
        answer = Pdu("bind_transceiver_resp", bind.sequence, 0, {"system_id": "RAW"})
        peer.send(Pdu("enquire_link", 7), answer, Pdu("enquire_link", 8), Pdu("unbind", 9))
        assert (await peer.expect("enquire_link_resp")).sequence == 7
        assert (await peer.expect("enquire_link_resp")).sequence == 8
        await peer.expect("unbind_resp")

    async with raw_carrier(play) as port:
        trial = await try_link(settings(port))
    assert trial.outcome is Outcome.BOUND


@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_a_loop
async def test_a_reply_that_comes_over_the_trial_is_asked_for_again_and_not_lost(protocol: str):
    async with await serve(carrier(protocol=protocol, resend_seconds=0.05)) as simulator:
        payload = "退订".encode("utf-16-be")
        simulator.reply("tester", phone="8613800138000", to="10690001", payload=payload)
        trial = await try_link(settings(simulator.port, protocol=protocol))
        async with desk(simulator.port, protocol=protocol) as ours:
            await until(lambda: ours.replies)
    assert trial.deliveries >= 1
    assert [reply.payload for reply in ours.replies] == [payload]


@in_a_loop
async def test_tls_that_is_trusted_and_tls_that_is_not(tmp_path: Path):
    pem, context = certificate(tmp_path, "127.0.0.1")
    async with await serve(carrier()) as simulator, encrypted(context, simulator.port) as port:
        trusted = await try_link(settings(port, encrypted=True, authority=pem))
        unknown = await try_link(settings(port, encrypted=True))
        none_there = await try_link(settings(simulator.port, encrypted=True))
        plain = await try_link(settings(port))
    assert (trusted.outcome, trusted.steps[0].said) == (Outcome.BOUND, "connected, encrypted with TLS")
    assert unknown.outcome is Outcome.CANNOT_CONNECT
    assert "certificate is not trusted" in unknown.said
    assert none_there.outcome is Outcome.CANNOT_CONNECT
    assert plain.outcome in (Outcome.CLOSED, Outcome.GARBAGE)


@pytest.mark.parametrize("changes", [{"system_id": "a" * 40}, {"password": "密码"}])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_a_loop
async def test_an_account_that_fits_no_login_is_not_said(protocol: str, changes: dict[str, str]):
    async with mouth(b"") as port:
        trial = await try_link(settings(port, protocol=protocol, **changes))
    assert trial.outcome is Outcome.UNFIT


# A configured link.


def test_a_configured_link_is_tried_with_its_opened_password_and_nothing_of_it_is_logged(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)

    async def tried(work: Callable[[], Awaitable[Trial]], port: int) -> Trial:
        await configure_link(made.store, configured=link_to(made, host="127.0.0.1", port=port), context=BY)
        return await work()

    async def story() -> Trial:
        async with await serve(replace(carrier(), accounts={"sample": "secret"})) as simulator:
            return await tried(lambda: try_configured(made, name=LINK), simulator.port)

    with platform(settings_for(database_url, tmp_path)) as made:
        trial = asyncio.run(story())
    assert trial.outcome is Outcome.BOUND
    assert "secret" not in caplog.text
    assert "secret" not in repr(trial)


@pytest.mark.parametrize("protocol", ["smpp34", "smgp30"])
def test_where_some_connections_only_receive_both_logins_are_tried(
    database_url: str, tmp_path: Path, protocol: str
):
    async def story() -> list[Trial]:
        async with await serve(
            replace(carrier(protocol=protocol), accounts={"sample": "secret"})
        ) as simulator:
            link = replace(
                link_to(made, host="127.0.0.1", port=simulator.port),
                protocol=protocol,
                connections=2,
                receivers=1,
            )
            await configure_link(made.store, configured=link, context=BY)
            both = await try_configured(made, name=LINK)
            await simulator.stop()
            return [both, await try_configured(made, name=LINK)]

    with platform(settings_for(database_url, tmp_path)) as made:
        both, away = asyncio.run(story())
    once = [("connect", "done"), ("bind", "done"), ("keep_alive", "done"), ("unbind", "done")]
    assert (both.outcome, steps(both)) == (Outcome.BOUND, once * 2)
    assert steps(away) == [("connect", "cannot_connect")]


def test_a_link_that_is_not_there_or_cannot_be_opened_is_refused(database_url: str, tmp_path: Path):
    async def story() -> None:
        with pytest.raises(NotFound, match="not_found"):
            await try_configured(made, name="nobody")
        await configure_link(made.store, configured=link_to(made, host="127.0.0.1", port=1), context=BY)
        elsewhere = replace(made, vault=FileVault(KeyStore(tmp_path / "other keys")))
        with pytest.raises(BadInput, match="password_unreadable"):
            await try_configured(elsewhere, name=LINK)

    with platform(settings_for(database_url, tmp_path)) as made:
        asyncio.run(story())


def test_the_wait_is_the_link_s_own_and_bounded():
    from infrastructure.link_test import longest_wait

    def of(seconds: float) -> LinkSettings:
        return settings(1, response_timeout_seconds=seconds)

    assert (longest_wait(of(2)), longest_wait(of(60))) == (2, 10)
