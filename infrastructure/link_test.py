"""Tries a link on a connection of its own: what the carrier says to each step, in words, and how long it took.

Nothing is submitted. Receipts and replies that the carrier hands out meanwhile are asked for again: they belong to
whoever owns the link.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Literal

from application.configure_links import unreadable
from application.platform import load
from domain.aggregates import link
from domain.errors import BadInput, NotFound
from domain.values import stream_id
from infrastructure.bootstrap import Platform
from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    Heard,
    KeepAliveAsked,
    Noise,
    Rejected,
    UnbindAnswered,
    UnbindAsked,
)
from infrastructure.carriers.dialects import dialect_of
from infrastructure.carriers.encryption import encryption
from infrastructure.carriers.fixed_fields import china_now
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.login_codes import meaning
from infrastructure.carriers.no_connection import why_no_connection
from infrastructure.carriers.traffic import LinkSettings
from infrastructure.link_settings import link_settings

__all__ = ["Outcome", "Step", "Trial", "longest_wait", "try_configured", "try_link"]

_MOST_SECONDS = 10.0
_LINGER_SECONDS = 1.0
_READ_OCTETS = 65_536


class Outcome(StrEnum):
    """How a trial ended, or one of its steps."""

    BOUND = "bound"
    """The carrier let us in."""
    DONE = "done"
    """Of a step: it went well."""
    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    CLOSED = "closed"
    """The carrier hung up without an answer."""
    CANNOT_CONNECT = "cannot_connect"
    GARBAGE = "garbage"
    """What came is not this protocol."""
    UNFIT = "unfit"
    """Account or password fit no login of the protocol: nothing was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what was tried, how it ended, how long it took, and what the carrier said in words."""

    step: Literal["connect", "bind", "keep_alive", "unbind"]
    outcome: Outcome
    milliseconds: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial found. `code` is the carrier's own, empty where it refused nothing."""

    outcome: Outcome
    code: str
    said: str
    steps: tuple[Step, ...]
    deliveries: int
    """Receipts and replies that came meanwhile and were asked for again."""


class _Ended(Exception):  # noqa: N818
    """A step that did not go well; nothing follows it."""

    def __init__(self, outcome: Outcome, said: str, *, code: str = "", again: bool = False) -> None:
        super().__init__(said)
        self.outcome = outcome
        self.said = said
        self.code = code
        self.again = again


def longest_wait(settings: LinkSettings) -> float:
    """How long each step waits where nobody says: the link's own time for an answer, at most ten seconds."""
    return min(settings.response_timeout_seconds, _MOST_SECONDS)


async def try_link(
    settings: LinkSettings, *, wait_seconds: float | None = None, now: Callable[[], datetime] = china_now
) -> Trial:
    """Connect, bind, ask for a sign of life where the protocol has that question, and take leave.

    Each step waits `wait_seconds`. Raises ValueError for settings that the protocol cannot speak.
    """
    wait = wait_seconds if wait_seconds is not None else longest_wait(settings)
    talk = _Talk(settings, wait, now)
    try:
        return await talk.run()
    finally:
        await talk.hang_up()


async def try_configured(platform: Platform, *, name: str, wait_seconds: float | None = None) -> Trial:
    """Try a link as it is configured. Refuses not_found, password_unreadable, link_invalid."""
    state, _ = await load(platform.store, stream_id("link", name), link.evolve)
    if state is None:
        raise NotFound("not_found", "There is no such link.", field="name")
    configured = state.configured
    # Where some connections only receive, the login of one of those is tried as well.
    tried = [1, configured.connections] if configured.receivers else [1]
    try:
        settings = [link_settings(configured, platform.vault, connection=number) for number in tried]
    except ValueError:
        raise unreadable("password") from None
    try:
        return await _try_each(settings, wait_seconds)
    except ValueError:
        detail = "A value of the link fits no field of its protocol: configure it again."
        raise BadInput("link_invalid", detail) from None


async def _try_each(settings: Sequence[LinkSettings], wait_seconds: float | None) -> Trial:
    """One login after the other, until one is not let in: its outcome is that of the whole."""
    first, *others = settings
    trial = await try_link(first, wait_seconds=wait_seconds)
    for other in others:
        if trial.outcome is Outcome.BOUND:
            then = await try_link(other, wait_seconds=wait_seconds)
            deliveries = trial.deliveries + then.deliveries
            trial = replace(then, steps=trial.steps + then.steps, deliveries=deliveries)
    return trial


class _Talk:
    """One conversation with a carrier, step after step."""

    def __init__(self, settings: LinkSettings, wait_seconds: float, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._wait = wait_seconds
        self._dialect = dialect_of(settings, now)
        self._framer = self._dialect.framer()
        self._sequences = self._dialect.sequences()
        self._steps: list[Step] = []
        self._deliveries = 0
        self._nonsense = 0
        self._heard: deque[Heard] = deque()
        self._out_of_step = False
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> Trial:
        try:
            await self._come_in()
        except _Ended as ended:
            return self._trial(ended.outcome, ended.said, ended.code)
        said = self._steps[-1].said
        # We are in: what goes wrong from here on is told in its step and changes nothing about that.
        with suppress(_Ended):
            question = self._dialect.keep_alive(next(self._sequences))
            if question is not None:
                await self._step("keep_alive", partial(self._keep_alive, question))
            await self._step("unbind", self._unbind)
        return self._trial(Outcome.BOUND, said, "")

    async def _come_in(self) -> None:
        """Connect and log in; once more where the link would word its login otherwise after this refusal."""
        await self._step("connect", self._connect)
        try:
            await self._step("bind", self._bind)
        except _Ended as refused:
            if not refused.again:
                raise
            await self.hang_up()
            self._framer = self._dialect.framer()
            self._heard.clear()
            await self._come_in()

    async def hang_up(self) -> None:
        """Let the last words go out, but do not wait for a carrier that does not read them."""
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    await self._writer.wait_closed()

    def _trial(self, outcome: Outcome, said: str, code: str) -> Trial:
        return Trial(
            outcome=outcome, code=code, said=said, steps=tuple(self._steps), deliveries=self._deliveries
        )

    async def _step(
        self, name: Literal["connect", "bind", "keep_alive", "unbind"], work: Callable[[], Awaitable[str]]
    ) -> None:
        began = time.monotonic()
        outcome, said = Outcome.DONE, ""
        try:
            said = await work()
        except _Ended as ended:
            outcome, said = ended.outcome, ended.said
            raise
        finally:
            milliseconds = round((time.monotonic() - began) * 1000, 1)
            self._steps.append(Step(step=name, outcome=outcome, milliseconds=milliseconds, said=said))

    # The steps.

    async def _connect(self) -> str:
        settings = self._settings
        try:
            async with asyncio.timeout(self._wait):
                self._reader, self._writer = await asyncio.open_connection(
                    settings.host, settings.port, ssl=encryption(settings)
                )
        except (OSError, UnicodeError) as error:
            raise _Ended(Outcome.CANNOT_CONNECT, why_no_connection(error, seconds=self._wait)) from None
        return "connected, encrypted with TLS" if settings.encrypted else "connected"

    async def _bind(self) -> str:
        sequence = next(self._sequences)
        try:
            octets = self._dialect.bind(sequence)
        except ProtocolError:
            words = "the account or the password fits no login of this protocol: configure the link again"
            raise _Ended(Outcome.UNFIT, words) from None
        self._write(octets)
        async with aclosing(self._listen()) as listening:
            async for heard in listening:
                match heard:
                    case BindAnswered() if heard.sequence == sequence:
                        return self._let_in(heard.refusal, again=heard.again, note=heard.note)
                    case Rejected() if heard.sequence in (0, sequence):
                        return self._let_in(heard.code)
                    case UnbindAsked():
                        raise _Ended(Outcome.CLOSED, "the carrier took leave before it answered the login")
        raise self._silent("the login")

    def _let_in(self, refusal: str, *, again: bool = False, note: str = "") -> str:
        if refusal:
            words = f"refused with {refusal}: {meaning(self._settings.protocol, refusal)}"
            raise _Ended(Outcome.REFUSED, words, code=refusal, again=again)
        return f"the carrier let us in, but {note}" if note else "the carrier let us in"

    async def _keep_alive(self, question: bytes) -> str:
        """Some gateways answer the question with the same question, which is a sign of life as good as any."""
        self._write(question)
        async with aclosing(self._listen()) as listening:
            async for heard in listening:
                if isinstance(heard, Noise | KeepAliveAsked | Rejected):
                    return "the carrier gave a sign of life"
                if isinstance(heard, UnbindAsked):
                    raise _Ended(Outcome.CLOSED, "the carrier took leave after it had let us in")
        raise self._silent("the question for a sign of life")

    async def _unbind(self) -> str:
        self._write(self._dialect.unbind(next(self._sequences)))
        async with aclosing(self._listen()) as listening:
            async for heard in listening:
                if isinstance(heard, UnbindAnswered | UnbindAsked):
                    return "the carrier let us go"
        raise self._silent("our leave")

    def _silent(self, what: str) -> _Ended:
        seconds = f"{self._wait:g} s"
        if self._nonsense:
            words = f"no answer to {what} within {seconds}, only what this protocol does not know"
            return _Ended(Outcome.GARBAGE, words)
        return _Ended(Outcome.NO_ANSWER, f"no answer to {what} within {seconds}")

    # Hearing and saying.

    async def _listen(self) -> AsyncGenerator[Heard, None]:
        """What the carrier says until the wait is over; what every conversation answers is answered here.

        Raises _Ended where it hangs up, or speaks something else.
        """
        self._nonsense = 0
        until = time.monotonic() + self._wait
        while True:
            while self._heard:
                yield self._heard.popleft()
            left = until - time.monotonic()
            if self._out_of_step:
                words = "what came is not this protocol: another one is spoken at this port, or TLS"
                raise _Ended(Outcome.GARBAGE, words)
            if left <= 0:
                return
            await self._read(left)

    async def _read(self, seconds: float) -> None:
        """Hear what comes next, if anything comes in time."""
        try:
            async with asyncio.timeout(seconds):
                data = await self._reader.read(_READ_OCTETS)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if not data:
            raise _Ended(Outcome.CLOSED, self._hung_up())
        try:
            for frame in self._framer.feed(data):
                heard = self._dialect.hear(frame)
                self._answer(heard)
                self._heard.append(heard)
        except ProtocolError:
            self._out_of_step = True

    def _answer(self, heard: Heard) -> None:
        match heard:
            case Delivery():
                self._deliveries += 1
                self._write(self._dialect.answer_delivery(heard, stored=False))
            case KeepAliveAsked() | Noise() | UnbindAsked():
                self._nonsense += isinstance(heard, Noise)
                self._write(heard.answer)

    def _write(self, octets: bytes) -> None:
        if self._writer is not None and octets:
            self._writer.write(octets)

    # Words.

    def _hung_up(self) -> str:
        last = self._steps[-1].step if self._steps else ""
        if last == "connect":
            return "the carrier hung up without an answer: does it expect us from this address, in this protocol?"
        return "the carrier hung up without an answer"
