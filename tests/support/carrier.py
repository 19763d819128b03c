"""A simulated carrier as a process of its own, so that its books outlive whatever a test kills.

Run by tests/support/stand.py: its order is the first line of stdin, further lines are commands, the end of
stdin is the end of the process. Every line is answered with one line of JSON on stdout.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from infrastructure.simulator.account import Callback
from infrastructure.simulator.receipts import receipt_for
from infrastructure.simulator.script import PlannedReceipt, Script
from infrastructure.simulator.server import Simulator, SimulatorSettings, serve


async def main() -> None:
    """Serve until stdin ends."""
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with await serve(_settings(json.loads(await lines.readline()))) as simulator:
        _tell({"port": simulator.port})
        while line := await lines.readline():
            _tell(_obey(simulator, json.loads(line)))


def _settings(order: Mapping[str, Any]) -> SimulatorSettings:
    return SimulatorSettings(
        protocol=order["protocol"],
        callbacks={name: Callback(**callback) for name, callback in order["callbacks"].items()},
        port=order["port"],
        accounts=order["accounts"],
        script=Script(**order["script"]),
        journal=Path(order["journal"]) if order["journal"] else None,
        resend_seconds=order["resend_seconds"],
    )


def _obey(simulator: Simulator, command: Mapping[str, Any]) -> Mapping[str, Any]:
    """Do what one line says: `{"do": "script" | "drop" | "unbind" | "freeze" | "receipt" | "count" | "sessions"}`.

    Sessions are told by account: now, at most since they were last counted `anew`, ended politely.
    """
    name = command.get("system_id", "")
    match command["do"]:
        case "script":
            account = simulator.accounts[name]
            account.script = replace(Script(), **command["script"])
        case "drop":
            simulator.drop(name)
        case "unbind":
            simulator.unbind(name)
        case "freeze":
            simulator.freeze(name)
        case "receipt":
            planned = PlannedReceipt(0, command["status"], "000")
            submitted = {"destination_addr": command["phone"], "source_addr": "1069"}
            simulator.accounts[name].deliver(receipt_for(submitted, command["carrier_id"], planned))
        case "count":
            owed = sum(simulator.owed(name) for name in simulator.accounts)
            # Receipts that wait for their time count as owed: a carrier that owes nothing has said everything.
            return {"owed": owed + len(simulator._due), **asdict(simulator.counters)}
        case "sessions":
            each = {
                name: {"now": of.sessions, "most": of.most_sessions, "unbinds": of.unbinds}
                for name, of in simulator.accounts.items()
            }
            for account in simulator.accounts.values() if command.get("anew") else ():
                account.most_sessions = account.sessions
            return each
        case unknown:
            raise ValueError(unknown)
    return {}


def _tell(answer: Mapping[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
