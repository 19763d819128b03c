"""What a process in some time zone makes of moments at the turn of the year; one JSON line a moment.

`python -m tests.support.turn DATABASE_URL FOLDER MOMENT…`: the clock of the database is set to each moment, a
message is sent, and it is asked which years can be reset.
"""

import asyncio
import json
import os
import sys
from datetime import datetime
from pathlib import Path

from application.reset_quota import reset_quota
from application.send_messages import Draft, SendMessages, Sent
from domain.errors import BadInput
from domain.recorded import Context
from infrastructure.bootstrap import Platform, platform
from tests.support.db_clock import DatabaseClock
from tests.support.sample import ACCOUNT, SIGNATURE, settings_for

BY = Context(actor="test")


def main() -> None:
    """Tell what became of each moment."""
    url, folder, *moments = sys.argv[1:]
    clock = DatabaseClock(url)
    for text in moments:
        at = datetime.fromisoformat(text)
        clock.set(at)
        print(json.dumps(asyncio.run(look(url, Path(folder), at))))


async def look(url: str, folder: Path, at: datetime) -> dict[str, object]:
    """The year a message of this moment is debited to, and the years that can be reset."""
    with platform(settings_for(url, folder), now=lambda: at) as made:
        return {"year": await debited_year(made, f"{at}-{os.getpid()}"), "resets": await resets(made)}


async def debited_year(made: Platform, key: str) -> int:
    """The ledger of a message that is sent now."""
    draft = Draft(phone="13800138000", signature=SIGNATURE, text="您好")
    (answer,) = await made.sender(SendMessages(account=ACCOUNT, drafts=[(key, draft)], context=BY))
    assert isinstance(answer, Sent), answer
    return answer.charged.year


async def resets(made: Platform) -> list[int]:
    """Years that can be reset now."""
    possible = []
    for year in range(2024, 2030):
        try:
            await reset_quota(made.store, year=year, account=ACCOUNT, dry_run=True, context=BY)
        except BadInput:
            continue
        possible.append(year)
    return possible


if __name__ == "__main__":
    main()
