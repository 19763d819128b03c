"""`smsledger demo`: the main job on a real file, on real processes, with carriers that are simulated."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import redis
from psycopg.sql import SQL, Identifier
from rich.console import Console

from api import cli_verify, demo_report, demo_sample, tables
from api.cli_send import Client, Content, Report, send_file
from api.demo_progress import follow
from api.demo_recipients import write
from domain.protocols import PROTOCOLS
from infrastructure import embedded, stack
from infrastructure.bootstrap import data_dir, platform
from infrastructure.files import read_recipients
from infrastructure.settings import Settings, load
from infrastructure.stack import Stack, StackError

ALLOWANCE = 600
"""Segments included in the sample contract's year: few, so that the file goes beyond them."""
BATCH = "demo-file"

_SAMPLE = Path(__file__).resolve().parent.parent / "examples" / "recipients.csv"
_SAMPLE_ROWS = 1_000


@dataclass(slots=True)
class Clock:
    """How long each step took, in seconds."""

    began: float = field(default_factory=time.monotonic)
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began

    def mark(self, step: str) -> None:
        """A step is over."""
        self.steps[step] = self.seconds - sum(self.steps.values())

    def __str__(self) -> str:
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.steps.items())
        return f"{steps}; in all {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A demonstration under way: what was asked for, and what runs."""

    out: Console
    clock: Clock
    running: Stack
    messages: int | None
    seed: int

    def say(self, text: str) -> None:
        """A line with the time since the beginning."""
        self.out.print(f"[dim]{self.clock.seconds:5.1f} s[/] {text}")


def run(*, messages: int | None, keep: bool, seed: int) -> None:
    """From an empty data folder to the proof, and nothing is left running. Exit code 1 where the proof fails."""
    out, clock = tables.console(), Clock()
    with stack.interruptible() as interrupts:
        try:
            with _place(load()) as (settings, logs):
                carriers = demo_sample.carriers(seed=seed)
                with stack.started(
                    settings,
                    simulator=carriers,
                    logs=logs,
                    say=lambda text: out.print(f"[dim]{clock.seconds:5.1f} s[/] {text}"),
                ) as running:
                    interrupts.hurry = running.supervisor.hurry
                    clock.mark("start")
                    demo = Demo(out=out, clock=clock, running=running, messages=messages, seed=seed)
                    clean = main_job(demo, carriers, keep=keep)
                    interrupts.ending()
        except KeyboardInterrupt:
            out.print("ended by you")
            raise SystemExit(130) from None
    if not clean:
        raise SystemExit(1)


def main_job(demo: Demo, carriers: stack.SimulatorPlan, *, keep: bool) -> bool:
    """Register, send, follow, bill, prove; whether the proof is clean."""
    settings = demo.running.settings
    file, allowance = _file(demo)
    with platform(settings) as made:
        sample = asyncio.run(demo_sample.register(made, carriers, allowance=allowance))
        demo.say(
            f"account {demo_sample.ACCOUNT}: contract live, {allowance:,} segments a year included, "
            f"3 templates, links {_links()}"
        )
        demo.clock.mark("set-up")
        with Client(demo.running.http_url, sample.token) as client:
            _send_single(demo, client)
            report = _send_file(demo, client, file)
            demo.clock.mark("sending")
            follow(demo.out, settings, account=demo_sample.ACCOUNT, batch=BATCH, check=demo.running.check)
            demo.clock.mark("carrying")
            demo_report.bill(demo.out, client)
            demo_report.statistics(demo.out, client)
            asyncio.run(demo_report.links(demo.out, made, demo_sample.ACCOUNT))
            asyncio.run(demo_report.life(demo.out, made, demo_report.pick(client)))
            demo_report.refused(demo.out, report.refused)
    found = cli_verify.verify(settings)
    demo_report.proof(demo.out, found)
    demo.clock.mark("bill and proof")
    _last_words(demo, report)
    if keep:
        _keep(demo, sample)
    return found.clean


def _links() -> str:
    """The links with what they speak."""
    titles = (f"{name} ({PROTOCOLS[protocol].title})" for name, (protocol, _) in demo_sample.LINKS.items())
    return ", ".join(titles)


def _file(demo: Demo) -> tuple[Path, int]:
    """The sample file and its allowance; a made one where another size or seed is wanted."""
    if demo.messages is None and _SAMPLE.exists():
        return _SAMPLE, ALLOWANCE
    count = demo.messages or _SAMPLE_ROWS
    made = data_dir(demo.running.settings) / "recipients.csv"
    write(made, count, seed=demo.seed)
    return made, max(1, ALLOWANCE * count // _SAMPLE_ROWS)


def _send_single(demo: Demo, client: Client) -> None:
    """A one-time password, a notice, and one that is refused."""
    messages: tuple[dict[str, object], ...] = (
        {"phone": "13800138000", "template": demo_sample.LOGIN, "variables": {"code": "246810"}},
        {"phone": "13000130000", "text": "您的工单已受理，处理结果将以短信通知您🙂"},
        {"phone": "18900189000", "text": "您订阅的服务今日到期。"},
    )
    for number, message in enumerate(messages, 1):
        body = {"signature": demo_sample.SIGNATURE, **message}
        answer = client.post("/v1/messages", body, key=f"demo-single-{number}")
        kind = "one-time password" if "template" in message else "notice"
        demo.say(f"{kind} accepted: {answer['id']}, segments {answer['segments']}")


def _send_file(demo: Demo, client: Client, file: Path) -> Report:
    recipients = read_recipients(file)
    demo.say(f"{file.name}: {len(recipients.rows):,} rows, {recipients.encoding}, sent by the HTTP interface")
    content = Content(signature=demo_sample.SIGNATURE)
    began = demo.clock.seconds
    report = send_file(client, recipients, batch=BATCH, content=content)
    seconds = demo.clock.seconds - began
    demo.say(
        f"accepted {report.accepted:,} messages, {report.segments:,} segments "
        f"({report.included:,} included, {report.overage:,} overage), refused {len(report.refused):,} "
        f"in {seconds:.2f} s"
    )
    return report


def _last_words(demo: Demo, report: Report) -> None:
    demo.out.print()
    demo.out.print(f"time: {demo.clock}")
    sizes = memory(demo.running)
    each = ", ".join(f"{name} {size:,.0f}" for name, size in sizes.items())
    demo.out.print(f"memory: {sum(sizes.values()):,.0f} MiB together ({each})")
    if not report.accepted:
        demo.out.print("nothing was accepted: see the refused lines")


def memory(running: Stack) -> dict[str, float]:
    """MiB of each process, what is shared divided among those who share it (PSS)."""
    sizes = {"demo": _pss(psutil.Process())}
    for name, pid in running.supervisor.pids().items():
        sizes[name] = _pss(psutil.Process(pid))
    if running.servers is not None:
        for name, pid in (("postgres", running.servers.postgres_pid), ("valkey", running.servers.redis_pid)):
            server = psutil.Process(pid)
            sizes[name] = sum(_pss(each) for each in (server, *server.children(recursive=True)))
        sizes["guard"] = _pss(psutil.Process(running.servers.guard_pid))
    return sizes


def _pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 2**20
    except psutil.Error:
        return 0.0


def _keep(demo: Demo, sample: demo_sample.Sample) -> None:
    """Leave everything running until somebody has seen enough."""
    url = demo.running.http_url
    demo.out.print()
    demo.out.print(f"still running: {url}/docs (HTTP interface), {url}/metrics")
    demo.out.print(f"  export SMSLEDGER_API_KEY={sample.token}")
    demo.out.print(
        f"  curl -H \"Authorization: Bearer $SMSLEDGER_API_KEY\" '{url}/v1/statistics?group_by=carrier'"
    )
    demo.out.print("  ./run smsledger account list; ./run smsledger ledger show; ./run smsledger --help")
    demo.out.print("Ctrl-C ends everything")
    try:
        demo.running.wait(threading.Event())
    except KeyboardInterrupt:
        demo.out.print("ended by you")


@contextmanager
def _place(given: Settings) -> Iterator[tuple[Settings, Path | None]]:
    """Settings of an empty place, and where logs go; None is beside the data of the embedded servers."""
    port = stack.free_port(wanted=given.http_port)
    if given.database_url and given.redis_url:
        with tempfile.TemporaryDirectory(prefix="smsledger-demo-") as folder, _borrowed(given):
            yield _settings(given, Path(folder), port), Path(folder) / "logs"
        return
    if given.database_url or given.redis_url:
        raise StackError("give the demo both SMSLEDGER_DATABASE_URL and SMSLEDGER_REDIS_URL, or none")
    folder_beside = data_dir(given).resolve()
    own = folder_beside.with_name(f"{folder_beside.name}-demo")
    embedded.wipe(own)
    yield _settings(given, own, port), None


def _settings(given: Settings, folder: Path, port: int) -> Settings:
    """The given settings in another folder, with keys of their own."""
    own = {"data_dir": folder, "keys_dir": folder / "keys", "http_host": "127.0.0.1", "http_port": port}
    return given.model_copy(update={**own, "api_processes": 1})


@contextmanager
def _borrowed(given: Settings) -> Iterator[None]:
    """Given servers, taken only when they are empty and left so: the keys of what is in them are gone then."""
    schemas = [f"{given.db_schema}{ending}" for ending in ("", "_read", "_rebuild", "_verify")]
    with psycopg.connect(given.database_url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = ANY(%s)", (schemas,))
        if found.fetchone() is not None:
            raise StackError(
                "the database of SMSLEDGER_DATABASE_URL is in use: give the demo an empty one, or none"
            )
    with redis.Redis.from_url(given.redis_url) as client:
        if client.dbsize():
            raise StackError(
                "the Redis of SMSLEDGER_REDIS_URL holds keys: give the demo an empty one, or none"
            )
    try:
        yield
    finally:
        with psycopg.connect(given.database_url, autocommit=True) as connection:
            for schema in schemas:
                connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
        with redis.Redis.from_url(given.redis_url) as client:
            client.flushdb()
