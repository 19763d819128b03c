"""A carrier that does everything wrong at once, and two sets of books that must agree in the end."""

import asyncio
import json
from collections import Counter

import pytest

from infrastructure.carriers.traffic import InDoubt, NotSent, Refused, Taken
from infrastructure.simulator.script import Script
from tests.infrastructure.carriers.rig import Desk, part, until
from tests.infrastructure.carriers.test_contract import stage

MESSAGES = 300


async def send_until_decided(our: Desk, number: int) -> Taken | Refused | InDoubt:
    """What a careful caller does: again only where nothing was sent or the carrier asked for patience."""
    while True:
        await our.link.ready()
        answer = await our.link.submit(part(number, text=f"{number}"))
        if not (isinstance(answer, NotSent) or (isinstance(answer, Refused) and answer.throttled)):
            return answer


@pytest.mark.parametrize(
    ("protocol", "seed"),
    [("smpp34", 1), ("smpp34", 2), ("cmpp20", 3), ("cmpp30", 4), ("smgp30", 5), ("sgip12", 6)],
)
def test_no_message_is_taken_twice_and_no_receipt_is_missing(protocol, seed, tmp_path):
    journal = tmp_path / "journal.jsonl"
    script = Script(
        seed=seed,
        submit_delay_ms=1,
        refusal_rate=0.05,
        throttle_rate=0.005,
        silence_rate=0.02,
        drop_every=83,
        early_rate=0.1,
        double_rate=0.1,
        late_rate=0.1,
        late_seconds=0.2,
        failed_rate=0.1,
        receipt_delay_ms_max=30,
    )

    async def play() -> tuple[list, Desk]:
        of_carrier = {"journal": journal, "resend_seconds": 0.3}
        async with stage(
            protocol, script, of_carrier=of_carrier, window=20, response_timeout_seconds=0.5
        ) as (simulator, our):
            kept, stored = our.keep, 0

            async def fail_now_and_then(batch) -> None:
                nonlocal stored
                stored += 1
                if stored % 5 == 0:
                    raise ConnectionError
                await kept(batch)

            our.store = fail_now_and_then
            answers = await asyncio.gather(*(send_until_decided(our, number) for number in range(MESSAGES)))
            await until(lambda: simulator.counters.taken == len({each.carrier_id for each in our.receipts}))
            return answers, our

    answers, our = asyncio.run(play())
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    taken = [line for line in lines if line["kind"] == "submit" and line["status"] == 0]
    assert max(Counter(line["payload_sha256"] for line in taken).values()) == 1
    assert {answer.carrier_id for answer in answers if isinstance(answer, Taken)} <= {
        line["carrier_id"] for line in taken
    }
    assert {line["carrier_id"] for line in taken} == {each.carrier_id for each in our.receipts}
    assert {type(answer) for answer in answers} == {Taken, Refused, InDoubt}
