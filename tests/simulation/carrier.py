"""A scripted carrier: takes, refuses, throttles, falls silent, drops the line, and reports as carriers do.

It keeps its own record of what it was given and what it reported: the truth that the auditor asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from application.carriage import Answer, InDoubt, NotSent, Part, PartKey, Receipt, Refused, Taken
from tests.simulation.process import start_outside

ANSWER_TIMEOUT = 30.0
GIVES_UP_AFTER = 40
"""Tries after which a carrier no longer offers a receipt that is never acknowledged."""

Deliver = Callable[[Receipt], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Script:
    """How likely a carrier is to do what; the rest is to take the part and answer."""

    refuse: float = 0.0
    throttle: float = 0.0
    silent: float = 0.0
    drop: float = 0.0
    late: float = 0.5
    """Of the silent ones that were taken: answered after all, too late."""
    fail: float = 0.0
    no_receipt: float = 0.0
    early: float = 0.0
    twice: float = 0.0
    contrary: float = 0.0
    pending: float = 0.0
    foreign: float = 0.0


@dataclass(slots=True, kw_only=True)
class Take:
    """A part the carrier took: when, which, and what its receipts said: all of them, and those we acknowledged."""

    at: float
    key: PartKey
    part: Part
    carrier_id: str
    answered: bool = False
    offered: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)


class Carrier:
    """One carrier, which goes on whatever happens to us. `deliver` raises until a receipt is acknowledged."""

    def __init__(self, name: str, random: Random, script: Script, deliver: Deliver) -> None:
        self._random = random
        self._script = script
        self._deliver = deliver
        self._down_until = 0.0
        self._lines: dict[asyncio.Future[Answer], None] = {}
        self._busy: set[asyncio.Task[None]] = set()
        self.name = name
        self.takes: list[Take] = []
        self.awaited: dict[UUID, asyncio.Event] = {}
        """Who wants to know when a message is handed over."""
        self.refusals = 0

    @property
    def quiet(self) -> bool:
        """Whether nothing more will come from it by itself."""
        return not self._busy

    def connected(self) -> bool:
        """Whether the line is up."""
        return self._now() >= self._down_until

    def submit(
        self, part: Part, key: PartKey, late: Callable[[PartKey, Answer], None]
    ) -> asyncio.Future[Answer]:
        """Give it a part; the answer comes when it comes, `late` is told of one that came too late."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if not self.connected():
            answer.set_result(NotSent("not bound"))
            return answer
        if key.message in self.awaited:
            self.awaited[key.message].set()
        self._lines[answer] = None
        self._spawn(self._handle(part, key, answer, late))
        return answer

    async def _handle(
        self,
        part: Part,
        key: PartKey,
        answer: asyncio.Future[Answer],
        late: Callable[[PartKey, Answer], None],
    ) -> None:
        script, chance = self._script, self._random.random()
        await asyncio.sleep(self._random.uniform(0.0, 0.05))
        if chance < script.drop:
            self._drop()
        elif chance < script.drop + script.refuse:
            self._answer(answer, Refused("0x0000000B"))
        elif chance < script.drop + script.refuse + script.throttle:
            self._answer(answer, Refused("0x00000058", retryable=True, throttled=True))
        elif chance < script.drop + script.refuse + script.throttle + script.silent:
            await self._stay_silent(part, key, answer, late)
        else:
            await self._take_and_answer(part, key, answer)

    def _drop(self) -> None:
        """The line breaks: whoever waits for an answer is in doubt."""
        self._down_until = self._now() + self._random.uniform(1.0, 20.0)
        for line in list(self._lines):
            self._answer(line, InDoubt("connection lost"))

    async def _stay_silent(
        self,
        part: Part,
        key: PartKey,
        answer: asyncio.Future[Answer],
        late: Callable[[PartKey, Answer], None],
    ) -> None:
        take = self._take(part, key) if self._random.random() < 0.6 else None
        await asyncio.sleep(ANSWER_TIMEOUT)
        self._answer(answer, InDoubt("no answer in time"))
        if self._random.random() < self._script.late:
            await asyncio.sleep(self._random.choice((0.0, 0.001, 1.0, 60.0)))
            for_good, busy = Refused("0x0000000B"), Refused("0x00000058", retryable=True, throttled=True)
            late(key, self._random.choice((for_good, busy)) if take is None else Taken(take.carrier_id))

    async def _take_and_answer(self, part: Part, key: PartKey, answer: asyncio.Future[Answer]) -> None:
        take = self._take(part, key)
        await asyncio.sleep(self._random.uniform(0.0, 0.2))
        take.answered = self._answer(answer, Taken(take.carrier_id))

    def _answer(self, line: asyncio.Future[Answer], answer: Answer) -> bool:
        self._lines.pop(line, None)
        if line.done():
            return False
        self.refusals += isinstance(answer, Refused)
        line.set_result(answer)
        return True

    def _take(self, part: Part, key: PartKey) -> Take:
        take = Take(
            at=self._now(), key=key, part=part, carrier_id=f"{self.name.upper()}{len(self.takes):06X}"
        )
        self.takes.append(take)
        if self._random.random() < self._script.foreign:
            self._report(None, "DELIVRD", 1.0)
        if self._random.random() >= self._script.no_receipt:
            self._plan_receipts(take)
        return take

    def _plan_receipts(self, take: Take) -> None:
        script, draw = self._script, self._random.random
        final = self._random.choice(("UNDELIV", "MK:0001", "EXPIRED")) if draw() < script.fail else "DELIVRD"
        after = 0.0 if draw() < script.early else self._random.uniform(0.5, 30.0)
        self._report(take, final, after)
        if draw() < script.pending:
            self._report(take, "ACCEPTD", after + self._random.uniform(-5.0, 5.0))
        if draw() < script.twice:
            self._report(take, final, after + self._random.uniform(0.0, 5.0))
        if draw() < script.contrary:
            other = "UNDELIV" if final == "DELIVRD" else "DELIVRD"
            self._report(take, other, after + self._random.uniform(10.0, 60.0))

    def _report(self, take: Take | None, status: str, seconds: float) -> None:
        self._spawn(self._offer(take, status, max(0.0, seconds)))

    async def _offer(self, take: Take | None, status: str, seconds: float) -> None:
        """Offer a receipt until it is acknowledged; in the end carriers give up."""
        await asyncio.sleep(seconds)
        receipt = Receipt(
            carrier_id=take.carrier_id if take else f"F{self._random.getrandbits(32):08X}",
            status=status,
            error_code="000",
            done_text="2612312359",
            phone=f"+{take.part.destination}" if take else "",
        )
        if take:
            take.offered.append(status)
        for _ in range(GIVES_UP_AFTER):
            try:
                await self._deliver(receipt)
            except NotAcknowledged:
                await asyncio.sleep(self._random.uniform(1.0, 10.0))
            else:
                if take:
                    take.acknowledged.append(status)
                return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = start_outside(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def taken(self, message: UUID) -> list[Take]:
        """What it took of a message."""
        return [take for take in self.takes if take.key[0] == message]


class NotAcknowledged(Exception):  # noqa: N818  (an answer)
    """Nobody took the receipt: offer it again."""
