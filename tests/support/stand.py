"""A whole platform for fault tests and benchmarks: embedded servers, an account, carriers, and real processes.

Every process is started, killed and brought back by name, as a supervisor would; nothing outlives the stand.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

from application.manage_access import issue_key
from application.manage_contracts import go_live, sign_contract
from application.manage_links import configure_link
from application.manage_templates import approve_signature, draft_signature
from domain.events.access import OF_ACCOUNTS, Scope
from domain.events.contract import Terms
from domain.events.link import Configured, Inbound, Tariff
from domain.recorded import Context
from domain.values import Carrier, local_day
from infrastructure import embedded, migrations, projector
from infrastructure.bootstrap import Platform, build, new_id
from infrastructure.link_settings import inbound_purpose, password_purpose
from infrastructure.scheduler import prepare_day
from infrastructure.settings import Settings
from infrastructure.simulator.script import Script
from infrastructure.slot import SlotId

Answer = TypeVar("Answer")
ROOT = Path(__file__).resolve().parent.parent.parent
SIGNATURE = "示例科技"
SECRET = "secret08"
CALLING, CALLER, NODE = "sgip12", "smg", 3_010_012_345
"""The protocol in which the carrier comes to us, as whom it does, and as whom we go to it."""
PLATFORM = ("dispatcher", "projector", "scheduler", "worker", "api")
"""The processes of one machine, in the order in which they are started."""
_BY = Context(actor="test")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """A link to an account of one of the stand's carriers; the account has the link's name."""

    name: str
    carriers: tuple[Carrier, ...]
    at: str = "carrier"
    """The name of the carrier's process."""
    window: int = 100
    rate_per_second: int = 0
    response_timeout_seconds: int = 5
    password: str = SECRET
    protocol: str = "smpp34"
    connections: int = 1
    receivers: int = 0
    keep_alive_seconds: int = 30


LINKS = (
    LinkSpec(name="mobile", carriers=(Carrier.MOBILE, Carrier.BROADNET)),
    LinkSpec(name="unicom", carriers=(Carrier.UNICOM,)),
    LinkSpec(name="telecom", carriers=(Carrier.TELECOM,)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierProcess:
    """A simulated carrier that runs, and the file it keeps its book in."""

    process: "subprocess.Popen[str]"
    port: int
    journal: Path

    def ask(self, **command: object) -> Mapping[str, Any]:
        """Give one command of tests/support/carrier.py and wait until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@dataclass(slots=True, kw_only=True)
class Stand:
    """Use `open_stand`. `platform` is the test's own way into the same database and keys."""

    folder: Path
    settings: Settings
    servers: embedded.EmbeddedServers
    platform: Platform
    environment: Mapping[str, str] = field(repr=False)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    links: dict[str, LinkSpec] = field(default_factory=dict)
    carriers: dict[str, CarrierProcess] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    # Processes.

    def start(self, *names: str, environment: Mapping[str, str] = {}) -> None:
        """Start processes by name; `worker-2` is another worker. The API is waited for.

        What is in `environment` is said to these processes only.
        """
        for name in names:
            assert name not in self.processes or self.processes[name].poll() is not None, f"{name} runs"
            command = [sys.executable, "-m", "api.cli", "--tied", name.partition("-")[0]]
            with self.log_of(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    cwd=ROOT,
                    env={**self.environment, "PGAPPNAME": name, **environment},
                    start_new_session=True,
                )
        if "api" in names:
            until(self.api_answers, seconds=90, what="the API answers")

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._end(name, signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it does nothing any more, and all its connections stay."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.processes[name].send_signal(signal.SIGCONT)

    def stop(self, name: str, *, seconds: float = 30) -> float:
        """SIGTERM; returns how many seconds the process took. Fails where it ends badly or not in time."""
        began = time.monotonic()
        self._end(name, signal.SIGTERM, seconds=seconds)
        return time.monotonic() - began

    def running(self) -> list[str]:
        """Names of the processes that run."""
        return [name for name, process in self.processes.items() if process.poll() is None]

    def log_of(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / "logs" / f"{name}.log"

    def _end(self, name: str, number: int, *, seconds: float = 30) -> None:
        process = self.processes[name]
        assert process.poll() is None, f"{name} had ended already: {self.log_of(name).read_text()[-2000:]}"
        process.send_signal(number)
        code = process.wait(seconds)
        assert process.stdin is not None
        process.stdin.close()
        assert number == signal.SIGKILL or code == 0, f"{name} ended with {code}"

    def api_answers(self) -> bool:
        """Whether the API answers requests; fails where its process has ended."""
        code = self.processes["api"].poll()
        assert code is None, f"the API ended with {code}: {self.log_of('api').read_text()[-1_000:]}"
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False).status_code == 200
        return False

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.settings.http_port}"

    # Servers.

    def kill_postgres(self, *, away_seconds: float = 0) -> float:
        """SIGKILL to the postmaster; returns the seconds until the guard has brought it back.

        With `away_seconds` the guard is held back so long, and the database is away meanwhile.
        """
        restarts, victim = self.servers.postgres_restarts, self.pid_of_postgres()
        if away_seconds:
            os.kill(self.servers.guard_pid, signal.SIGSTOP)
        try:
            os.kill(victim, signal.SIGKILL)
            time.sleep(away_seconds)
        finally:
            os.kill(self.servers.guard_pid, signal.SIGCONT)
        return until(
            lambda: self.servers.postgres_restarts > restarts, seconds=60, what="PostgreSQL is brought back"
        )

    def pid_of_postgres(self) -> int:
        """The postmaster's process id; fails where it is away already."""
        pid = self.servers.postgres_pid
        assert pid > 0, "PostgreSQL is away already"
        return pid

    def kill_redis(self) -> float:
        """SIGKILL to Valkey; returns the seconds until the guard has brought it back."""
        restarts, victim = self.servers.redis_restarts, self.servers.redis_pid
        # The guard writes 0 while there is none; to signal 0 would hit our own process group.
        assert victim > 0, "Valkey is away already"
        os.kill(victim, signal.SIGKILL)
        return until(
            lambda: self.servers.redis_restarts > restarts, seconds=60, what="Valkey is brought back"
        )

    # Carriers and links.

    def start_carrier(self, name: str = "carrier", *, script: Script | None = None) -> CarrierProcess:
        """Start a simulated carrier with an account for each link to it, always on the same port."""
        journal = self.folder / f"{name}.jsonl"
        order = {
            "port": self.port_of(name),
            "protocol": next((link.protocol for link in self.links.values() if link.at == name), "smpp34"),
            "callbacks": self._callbacks(name),
            "accounts": {link.name: SECRET for link in self.links.values() if link.at == name},
            "script": asdict(script or Script()),
            "journal": str(journal),
            "resend_seconds": 3.0,
        }
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.carrier"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=self.environment,
                text=True,
                start_new_session=True,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        port = json.loads(process.stdout.readline())["port"]
        self.carriers[name] = CarrierProcess(process=process, port=port, journal=journal)
        return self.carriers[name]

    def _callbacks(self, carrier: str) -> dict[str, object]:
        """Where a carrier comes to its links, in the protocol in which it does."""
        return {
            link.name: {"port": self.port_of(f"to {link.name}"), "login": CALLER, "password": SECRET}
            for link in self.links.values()
            if link.at == carrier and link.protocol == CALLING
        }

    def stop_carrier(self, name: str = "carrier") -> None:
        """End a carrier; its book is written out."""
        process = self.carriers.pop(name).process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()

    def script(self, link: str, script: Script) -> None:
        """Change what the carrier does with a link's messages from now on."""
        self.carrier_of(link).ask(do="script", system_id=link, script=asdict(script))

    def carrier_of(self, link: str) -> CarrierProcess:
        """The carrier's process at the other end of a link."""
        return self.carriers[self.links[link].at]

    def port_of(self, carrier: str) -> int:
        """The port of a carrier, whether it runs or not."""
        if carrier not in self.ports:
            self.ports[carrier] = free_port()
        return self.ports[carrier]

    def configure(self, spec: LinkSpec) -> None:
        """Configure a link, or change how it is reached."""
        self.links[spec.name] = spec
        seal = self.platform.vault.seal_secret
        inbound = Inbound(
            host="127.0.0.1",
            port=self.port_of(f"to {spec.name}"),
            login=CALLER,
            sealed_password=seal(SECRET, purpose=inbound_purpose(spec.name)),
        )
        configured = Configured(
            name=spec.name,
            protocol=spec.protocol,
            host="127.0.0.1",
            port=self.port_of(spec.at),
            system_id=spec.name,
            sealed_password=seal(spec.password, purpose=password_purpose(spec.name)),
            source_address="1069",
            carriers=spec.carriers,
            window=spec.window,
            rate_per_second=spec.rate_per_second,
            response_timeout_seconds=spec.response_timeout_seconds,
            connections=spec.connections,
            receivers=spec.receivers,
            tariff=Tariff(node_id=NODE if spec.protocol == CALLING else 0),
            keep_alive_seconds=spec.keep_alive_seconds,
            inbound=inbound if spec.protocol == CALLING else None,
        )
        self.run(configure_link(self.platform.store, configured=configured, context=_BY))

    # Accounts.

    def make_account(self, account: str, terms: Terms) -> None:
        """An account with a live contract, an approved signature and a key."""
        self.run(self._make_account(account, terms))

    async def _make_account(self, account: str, terms: Terms) -> None:
        store = self.platform.store
        await sign_contract(store, account=account, name="示例科技有限公司", terms=terms, context=_BY)
        await go_live(store, account=account, on=local_day(await store.now()), context=_BY)
        await draft_signature(store, account=account, name=SIGNATURE, context=_BY)
        await approve_signature(store, account=account, name=SIGNATURE, context=_BY)
        self.tokens[account] = await issue_key(
            store,
            account=account,
            name="a stand",
            scopes=tuple(scope for scope in sorted(OF_ACCOUNTS) if scope is not Scope.UNMASKED),
            public=new_id()[:8],
            secret=new_id() + new_id(),
            context=_BY,
        )

    # Looking.

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a use case from the test."""
        return asyncio.run(work)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Read from the schemas of the log and of the read models."""
        schema = self.settings.db_schema
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            connection.execute(f"SET search_path TO {schema}, {schema}_read")
            return connection.execute(query.encode(), parameters).fetchall()

    def statuses(self) -> dict[str, int]:
        """How many messages the history shows in each status."""
        return dict(self.rows("SELECT status, count(*) FROM messages_v1 GROUP BY status"))

    def behind(self) -> int:
        """Positions of the log that the slowest read model has not seen."""
        (row,) = self.rows(
            "SELECT (SELECT coalesce(max(notification_id), 0) FROM stored_events)"
            " - (SELECT min(position) FROM projection_tracking)"
        )
        return int(row[0])

    def facts(self, topic: str) -> int:
        """How many events of a topic the log has."""
        return int(self.rows("SELECT count(*) FROM stored_events WHERE topic = %s", (topic,))[0][0])

    def held_receipts(self) -> int:
        """How many receipts wait for their message."""
        return int(self.rows("SELECT count(*) FROM held_receipts")[0][0])

    def owners(self) -> dict[str, str]:
        """The process that holds the lease of each connection, by lease, for those that are owned."""
        names = [
            SlotId(link.name, number).lease
            for link in self.links.values()
            for number in range(1, link.connections + 1)
        ]
        query = (
            "SELECT name, application_name FROM unnest(%s::text[]) AS name"
            " JOIN pg_locks ON locktype = 'advisory' AND granted"
            " AND (classid::bigint << 32) | objid::bigint = hashtextextended(name, 7)"
            " JOIN pg_stat_activity USING (pid)"
        )
        return dict(self.rows(query, (names,)))

    def sessions(self, what: str = "now", *, anew: bool = False) -> dict[str, int]:
        """Sessions at the carriers by link: `now`, `most` since they were last counted `anew`, or `unbinds`."""
        told = [carrier.ask(do="sessions", anew=anew) for carrier in self.carriers.values()]
        return {name: int(counted[what]) for each in told for name, counted in each.items()}

    def connected(self) -> set[str]:
        """Names of the links that the read models show as connected."""
        return {name for (name,) in self.rows("SELECT name FROM links_v3 WHERE connected")}


@contextmanager
def open_stand(
    folder: Path,
    *,
    terms: Mapping[str, Terms] = {"demo": Terms()},
    links: Collection[LinkSpec] = LINKS,
    script: Script | None = None,
    postgres_options: Mapping[str, str] = {},
    **settings: object,
) -> Iterator[Stand]:
    """Servers, schema, accounts with `terms`, links, and the carrier; the platform's processes are not started."""
    (folder / "logs").mkdir(parents=True)
    with ExitStack() as stack:
        # The servers of root run as another user, who may not enter a folder below a private one.
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smsledger-stand-")))
        servers = stack.enter_context(embedded.start(data, postgres_options=postgres_options))
        migrations.upgrade(servers.database_url)
        chosen = Settings(
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            data_dir=data,
            keys_dir=folder / "keys",
            http_port=free_port(),
            **settings,  # type: ignore[arg-type]
        )
        platform = build(chosen)
        stack.callback(platform.close)
        stand = Stand(
            folder=folder,
            settings=chosen,
            servers=servers,
            platform=platform,
            environment=environment_of(chosen),
        )
        stack.callback(_end_all, stand)
        projector.prepare(chosen)
        stand.run(prepare_day(platform, local_day(stand.run(platform.store.now()))))
        for link in links:
            stand.configure(link)
        for account, agreed in terms.items():
            stand.make_account(account, agreed)
        if not links or any(link.at == "carrier" for link in links):
            stand.start_carrier(script=script)
        yield stand


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment in which a process reads these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMSLEDGER_")}
    given = settings.model_dump(exclude_defaults=True)
    named = {f"SMSLEDGER_{name.upper()}": str(value) for name, value in given.items()}
    return {**kept, **named, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], object], *, seconds: float, what: str, every: float = 0.05) -> float:
    """Wait for a condition; returns how long it took. Fails after the deadline."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)
    return time.monotonic() - began


def _end_all(stand: Stand) -> None:
    for name in stand.running():
        stand.processes[name].kill()
    for process in stand.processes.values():
        process.wait(30)
        if process.stdin is not None:
            process.stdin.close()
    for name in list(stand.carriers):
        stand.stop_carrier(name)
