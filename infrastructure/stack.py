"""Everything of one machine, up and down in order: servers, migrations, processes, and the word where they are."""

import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from infrastructure import embedded, migrations, projector, running
from infrastructure.bootstrap import data_dir, keys_dir
from infrastructure.settings import Settings
from infrastructure.simulator.account import Callback
from infrastructure.simulator.offers import INBOUND_PORT, Offer
from infrastructure.supervisor import ProcessSpec, Supervisor

READY_SECONDS = 60.0
_LOOK_SECONDS = 0.5
NICE = {"worker": 10, "dispatcher": 5, "projector": 15, "scheduler": 10}
"""Accepting goes first: what was accepted is safe and can wait a moment. None of these holds the log's lock while
its own code runs (LedgerRecorder), so a slow one holds up nobody."""
_HERE = "127.0.0.1"
_BELOW_CLIENTS = (20_000, 32_000)
_TRIES = 1_000
_OF_CLIENTS = frozenset({"SMSLEDGER_API_KEY", "SMSLEDGER_URL"})

Say = Callable[[str], None]


class StackError(Exception):
    """What was started cannot start or cannot go on; the text is meant for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorPlan:
    """Simulated carriers in one process: port by protocol, passwords by account, where SGIP's carrier comes to us,
    and options of `smsledger simulator`."""

    ports: Mapping[str, int]
    accounts: Mapping[str, str] = field(repr=False)
    callback_port: int = INBOUND_PORT
    options: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line of smsledger."""
        chosen = (word for name in self.ports for word in ("--protocol", name))
        ports = (word for name, port in self.ports.items() for word in ("--port", f"{name}={port}"))
        return ("simulator", *chosen, *ports, "--callback", f"{_HERE}:{self.callback_port}", *self.options)

    def offers(self) -> list[Offer]:
        """What links to them are configured with."""
        return [
            Offer(
                protocol=name,
                host=_HERE,
                port=port,
                account=account,
                password=password,
                callback=Callback(port=self.callback_port, login=account, password=password)
                if name == "sgip12"
                else None,
            )
            for name, port in self.ports.items()
            for account, password in self.accounts.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What runs. `settings` name the servers, also where they are embedded."""

    settings: Settings
    supervisor: Supervisor
    servers: embedded.EmbeddedServers | None

    @property
    def http_url(self) -> str:
        """Where the API is."""
        return f"http://{_reachable(self.settings.http_host)}:{self.settings.http_port}"

    def check(self) -> None:
        """Raise StackError once the embedded servers are gone."""
        if self.servers is not None and not self.servers.alive():
            raise StackError(f"the embedded servers have ended: {self.servers.last_words()}")

    def wait(self, stop: threading.Event) -> None:
        """Until told to stop, or the servers are gone."""
        while not stop.wait(_LOOK_SECONDS):
            self.check()


@contextmanager
def started(
    settings: Settings,
    *,
    simulator: SimulatorPlan | None = None,
    logs: Path | None = None,
    say: Say,
) -> Iterator[Stack]:
    """Start everything, hand it over once the API answers, and end everything in order.

    The processes write to files in `logs`, by default beside the data of embedded servers, else to stderr.
    Raises StackError, NotReady, EmbeddedServersError or what the database says.
    """
    settings = _with_port(settings)
    if simulator is not None:
        _require_free(simulator)
    with ExitStack() as opened:
        servers = None
        if not (settings.database_url and settings.redis_url):
            say("starting PostgreSQL and Valkey (embedded: to try, develop and test on one machine)")
            servers = opened.enter_context(embedded.start(data_dir(settings)))
            settings = _with_servers(settings, servers)
        say("bringing the database up to date")
        migrations.upgrade(settings.database_url, schema=settings.db_schema)
        projector.prepare(settings)
        say("starting the processes")
        if logs is None and servers is not None:
            logs = servers.data_dir / "logs"
        supervisor = Supervisor(specs(settings, simulator), environment=environment(settings), logs=logs)
        with supervisor:
            stack = Stack(settings=settings, supervisor=supervisor, servers=servers)
            supervisor.wait_ready(READY_SECONDS, meanwhile=stack.check)
            if servers is not None:
                opened.callback(_announce(stack).unlink, missing_ok=True)
            yield stack
            say("stopping the processes in order")


def specs(settings: Settings, simulator: SimulatorPlan | None) -> list[ProcessSpec]:
    """The processes in the order they start; they stop in the reverse one, the API first."""
    made = [
        ProcessSpec(name=name, arguments=(name,), nice=NICE[name])
        for name in ("scheduler", "projector", "worker", "dispatcher")
    ]
    if simulator is not None:
        made.insert(0, _simulator(simulator))
    many = settings.api_processes > 1
    for number in range(1, settings.api_processes + 1):
        name = f"api-{number}" if many else "api"
        made.append(ProcessSpec(name=name, arguments=("api",), ready=lambda: _answers(settings)))
    return made


def _simulator(plan: SimulatorPlan) -> ProcessSpec:
    accounts = " ".join(f"{name}:{password}" for name, password in plan.accounts.items())
    return ProcessSpec(
        name="simulator",
        arguments=plan.arguments,
        environment={"SIMULATOR_ACCOUNTS": accounts},
        ready=lambda: all(_listens(_HERE, port) for port in plan.ports.values()),
    )


def environment(settings: Settings) -> dict[str, str]:
    """What the processes are given: addresses and passwords come this way, never as arguments."""
    mine = {name: value for name, value in os.environ.items() if name not in _OF_CLIENTS}
    return {
        **mine,
        "SMSLEDGER_DATABASE_URL": settings.database_url,
        "SMSLEDGER_REDIS_URL": settings.redis_url,
        "SMSLEDGER_DB_SCHEMA": settings.db_schema,
        "SMSLEDGER_DATA_DIR": str(data_dir(settings).resolve()),
        "SMSLEDGER_KEYS_DIR": str(keys_dir(settings).resolve()),
        "SMSLEDGER_HTTP_HOST": settings.http_host,
        "SMSLEDGER_HTTP_PORT": str(settings.http_port),
    }


def free_port(*, wanted: int, host: str = "127.0.0.1") -> int:
    """The wanted port where nobody has it, else any that is free now."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            taken: int = probe.getsockname()[1]
            return taken
    raise StackError("this machine has no free port")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody has, below those that the system gives to clients: they stay free."""
    found: set[int] = set()
    for _ in range(_TRIES):
        if len(found) == count:
            return sorted(found)
        port = random.randrange(*_BELOW_CLIENTS)
        if free_port(wanted=port) == port:
            found.add(port)
    raise StackError("this machine has no free ports")


@contextmanager
def interruptible() -> Iterator["Interrupts"]:
    """SIGINT, SIGTERM and SIGHUP end the block by KeyboardInterrupt, once; what comes later only hurries."""
    interrupts = Interrupts()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupts.handle) for number in numbers}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupts:
    """Whether somebody wants an end, and what makes it come sooner."""

    def __init__(self) -> None:
        self._ending = False
        self.hurry: Callable[[], None] = lambda: None

    def ending(self) -> None:
        """From here on a signal interrupts nothing, so that what is being ended is ended whole."""
        self._ending = True

    def handle(self, _number: int, _frame: object) -> None:
        """The handler of the signals."""
        if self._ending:
            self.hurry()
            return
        self._ending = True
        raise KeyboardInterrupt


def run_until_stopped(settings: Settings, *, simulator: SimulatorPlan | None, say: Say) -> None:
    """`smsledger up`."""
    with interruptible() as interrupts:
        try:
            with started(settings, simulator=simulator, say=say) as stack:
                interrupts.hurry = stack.supervisor.hurry
                if simulator is not None:
                    say("simulated carriers; a link to each is configured with:")
                    for offer in simulator.offers():
                        say(f"  {offer.command()}")
                say(f"ready: {stack.http_url} (docs at {stack.http_url}/docs); Ctrl-C ends everything")
                stack.wait(threading.Event())
        except KeyboardInterrupt:
            say("ended")


def _with_servers(settings: Settings, servers: embedded.EmbeddedServers) -> Settings:
    return settings.model_copy(
        update={
            "database_url": settings.database_url or servers.database_url,
            "redis_url": settings.redis_url or servers.redis_url,
            "data_dir": servers.data_dir,
            "keys_dir": keys_dir(settings).resolve(),
        }
    )


def _announce(stack: Stack) -> Path:
    settings = stack.settings
    return running.announce(
        data_dir=data_dir(settings),
        keys_dir=keys_dir(settings),
        db_schema=settings.db_schema,
        http_url=stack.http_url,
        database_url=settings.database_url,
        redis_url=settings.redis_url,
    )


def _with_port(settings: Settings) -> Settings:
    """A port that is free: several API processes share one, so the system would not refuse somebody else's."""
    if not settings.http_port:
        return settings.model_copy(update={"http_port": free_port(wanted=0, host=settings.http_host)})
    if _listens(_reachable(settings.http_host), settings.http_port):
        raise StackError(
            f"port {settings.http_port} of {settings.http_host} is in use: set SMSLEDGER_HTTP_PORT to another"
        )
    return settings


def _require_free(plan: SimulatorPlan) -> None:
    """Refuse before anything is started what the simulator would refuse after it."""
    for name, port in plan.ports.items():
        if _listens(_HERE, port):
            raise StackError(
                f"port {port} is in use, where the simulated carrier of {name} would listen: end what has it, or "
                "leave --with-simulator out and start `smsledger simulator` with other ports beside it"
            )


def _reachable(host: str) -> str:
    """Where a listener on this address can be reached from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _answers(settings: Settings) -> bool:
    """Whether the API says it is ready."""
    connection = HTTPConnection(_reachable(settings.http_host), settings.http_port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
