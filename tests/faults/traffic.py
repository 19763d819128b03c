"""Clients of the platform as good clients are: they give keys, repeat what was not answered, and note every yes."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx

from tests.support.stand import SIGNATURE, Stand

PREFIXES = {"mobile": "138", "unicom": "130", "telecom": "189"}
LONG_EVERY = 5
_CALLERS = 6
_GIVE_UP_SECONDS = 90.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A message the platform said yes to. No two have the same phone or the same text."""

    phone: str
    account: str
    parts: int


@dataclass(slots=True)
class Run:
    """Some calls under way; `wait` returns the ids of all messages when every call has its answer."""

    calls: "list[Future[list[UUID]]]"
    aborted: threading.Event

    def wait(self) -> list[UUID]:
        """All ids. Raises what a caller met."""
        return [id_ for call in self.calls for id_ in call.result()]

    def done(self) -> bool:
        """Whether every call has its answer."""
        return all(call.done() for call in self.calls)


@dataclass(slots=True)
class Traffic:
    """Sends messages over HTTP and keeps the book of what was acknowledged."""

    stand: Stand
    acknowledged: dict[UUID, Acknowledged] = field(default_factory=dict)
    repeats: int = 0
    """Calls sent again because they were not answered, or answered with 5xx."""
    seconds: list[float] = field(default_factory=list)
    """How long each call took from `begin` to its yes, what it waited for a caller included."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_CALLERS))
    _local: threading.local = field(default_factory=threading.local)
    _clients: list[httpx.Client] = field(default_factory=list)

    def begin(
        self,
        count: int,
        *,
        account: str = "demo",
        links: Sequence[str] = tuple(PREFIXES),
        call_size: int = 40,
        **fields: object,
    ) -> Run:
        """Send so many messages in bulk calls, the links in turn; `fields` go into each message."""
        aborted = threading.Event()
        turns = itertools.cycle(links)
        messages = [self._message(next(turns), fields) for _ in range(count)]
        calls = [
            self._pool.submit(
                self._bulk, account, messages[start : start + call_size], aborted, time.monotonic()
            )
            for start in range(0, count, call_size)
        ]
        return Run(calls, aborted)

    def begin_singly(self, count: int, *, account: str = "demo") -> Run:
        """Send so many messages, each in a call of its own."""
        aborted = threading.Event()
        turns = itertools.cycle(PREFIXES)
        calls = [
            self._pool.submit(
                self._single, account, self._message(next(turns), {}), aborted, time.monotonic()
            )
            for _ in range(count)
        ]
        return Run(calls, aborted)

    def send(self, count: int, **options: Any) -> list[UUID]:  # noqa: ANN401
        """Send and wait."""
        return self.begin(count, **options).wait()

    def close(self) -> None:
        """End the callers."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for client in self._clients:
            client.close()

    def _message(self, link: str, fields: dict[str, object]) -> dict[str, object]:
        number = next(self._numbers)
        text = f"第{number}号通知，请查收。"
        if number % LONG_EVERY == 0:
            text += "这是一条需要拆分成两个分片的长短信。" * 4
        return {"phone": f"{PREFIXES[link]}{number:08d}", "text": text, "signature": SIGNATURE, **fields}

    def _bulk(
        self, account: str, messages: list[dict[str, object]], aborted: threading.Event, began: float
    ) -> list[UUID]:
        body: dict[str, object] = {"messages": messages}
        answer = self._call(account, "/v1/messages/bulk", body, key=messages[0], aborted=aborted)
        self.seconds.append(time.monotonic() - began)
        assert answer["totals"]["accepted"] == len(messages), answer
        return [
            self._note(UUID(outcome["id"]), account, message)
            for outcome, message in zip(answer["outcomes"], messages, strict=True)
        ]

    def _single(
        self, account: str, message: dict[str, object], aborted: threading.Event, began: float
    ) -> list[UUID]:
        answer = self._call(account, "/v1/messages", message, key=message, aborted=aborted)
        self.seconds.append(time.monotonic() - began)
        return [self._note(UUID(answer["id"]), account, message)]

    def _note(self, id_: UUID, account: str, message: dict[str, object]) -> UUID:
        parts = 1 if len(str(message["text"])) < 60 else 2
        self.acknowledged[id_] = Acknowledged(phone=f"86{message['phone']}", account=account, parts=parts)
        return id_

    def _call(
        self, account: str, path: str, body: dict[str, object], *, key: object, aborted: threading.Event
    ) -> dict[str, Any]:
        """Repeat with the same key until there is a yes; any other refusal than 5xx is a fault."""
        headers = {
            "Authorization": f"Bearer {self.stand.tokens[account]}",
            "Idempotency-Key": sha256(repr(key).encode()).hexdigest()[:32],
        }
        until = time.monotonic() + _GIVE_UP_SECONDS
        while time.monotonic() < until and not aborted.is_set():
            try:
                response = self._client().post(f"{self.stand.url}{path}", json=body, headers=headers)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code < 500:
                assert response.status_code < 300, response.text
                answer: dict[str, Any] = response.json()
                return answer
            self.repeats += 1
            time.sleep(_PAUSE_SECONDS)
        raise TimeoutError(f"{path} was not answered")

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = httpx.Client(timeout=30, trust_env=False)
            self._clients.append(client)
        return client
