"""Single messages over HTTP: accepted, debited and durable before the answer.

    ./run bench accept-http [--seconds 20] [--connections 32] [--api 2] [--alone]

The baseline in the same run is a bare FastAPI endpoint that parses the same body and returns an id.
`--alone` leaves out every process but the API, so that what the others take is seen.
"""

import argparse
import socket
import subprocess
import sys
import time
from dataclasses import replace

import httpx

from bench.support.load import Answers, Load, apply, single_body
from bench.support.report import show, spread_ms
from bench.support.stage import ACCOUNT, everything, usage, warm
from tests.support.stand import ROOT, until

_BARE = """
import sys, uuid
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
class Body(BaseModel):
    phone: str
    signature: str
    text: str
    category: str
app = FastAPI()
@app.post("/v1/messages", status_code=202)
async def accept(body: Body) -> dict[str, str]:
    return {"id": str(uuid.uuid4())}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


def main() -> None:
    """Measure and print."""
    options = _options()
    load = Load(
        host="127.0.0.1",
        ports=(0,),
        connections=options.connections,
        seconds=options.seconds,
        path="/v1/messages",
        token="none",
        body=single_body,
    )
    bare = _bare(load)
    others = () if options.alone else ("dispatcher", "projector", "scheduler", "worker")
    with everything(api=options.api, others=others) as stage:
        stand = stage.stand
        warm(stage)
        before = stand.facts("message.accepted")
        used = usage(stand)
        used.start()
        answers = apply(_to(load, stage.ports, stand.tokens[ACCOUNT]))
        figures = used.figures()
        recorded = stand.facts("message.accepted") - before
        assert answers.statuses == {202: recorded}, (answers.statuses, recorded, answers.first_body)
        show(
            "accept-http",
            {
                "per_s": round(recorded / answers.elapsed),
                **spread_ms(answers.seconds),
                "messages": recorded,
                "connections": options.connections,
                "api_processes": options.api,
                "bare_fastapi_per_s": round(len(bare.seconds) / bare.elapsed),
                "bare_fastapi_p99_ms": spread_ms(bare.seconds)["p99_ms"],
                "memory_mib_ours": used.total_mib(without=("postgresql", "valkey", "simulator")),
                "processes": figures,
            },
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--api", type=int, default=2)
    parser.add_argument("--alone", action="store_true")
    return parser.parse_args()


def _to(load: Load, ports: tuple[int, ...], token: str) -> Load:
    return replace(load, ports=ports, token=token)


def _bare(load: Load) -> Answers:
    """The same load on an endpoint that does nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", _BARE, str(port)], cwd=ROOT)
    try:
        until(lambda: _answers(port), seconds=20, what="the bare endpoint answers")
        time.sleep(0.2)
        short = replace(load, ports=(port,), seconds=5.0)
        return apply(short)
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/docs", timeout=1, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
