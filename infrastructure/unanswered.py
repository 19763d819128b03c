"""Messages of which the gateway knows less than the carrier may: handed over without an answer; and those to test
numbers, whose mark is only the number itself."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from domain.events.message import Accepted, SubmissionInDoubt, SubmissionStarted, Submitted
from domain.events.reconciliation import MappingSaved
from domain.periods import Period
from domain.reconciling import Doubt
from domain.recorded import Recorded
from domain.values import local_day
from infrastructure.bootstrap import Platform
from infrastructure.gateway_facts import GatewayFacts, Wanted

_PAGE = 1_000
_DAYS_AHEAD = 4
_NO_POSTING: tuple[Any, ...] = ("", None, 0, 0, 0, 0)


async def read_doubts(
    platform: Platform, connection: Connection[Any], facts: GatewayFacts, wanted: Wanted
) -> list[Doubt]:
    """Submissions over the link that were never answered, from the messages' own histories."""
    ids = facts.doubted(wanted)
    found: list[Doubt] = []
    for begin in range(0, len(ids), _PAGE):
        page = ids[begin : begin + _PAGE]
        histories = await platform.store.load(page)
        postings = facts.postings_of(page)
        indexes = _indexes(platform, connection, histories.values())
        for id_, history in histories.items():
            told = [recorded for recorded in history if recorded.position <= wanted.upto]
            for at, taken in _open_doubts(told, wanted.link):
                account, debited_at, debit, refund, debited, net = postings.get(id_, _NO_POSTING)
                found.append(
                    Doubt(
                        message=id_,
                        at=at,
                        day=local_day(at),
                        phone_index=indexes.get(id_),
                        taken=taken,
                        account=account,
                        debited_at=debited_at,
                        debit=debit,
                        refund=refund,
                        debited=debited,
                        net=net,
                    )
                )
    return found


def _open_doubts(history: Sequence[Recorded], link: str) -> list[tuple[Any, bool]]:
    """When the link left a submission without an answer, and whether the message was taken on a later try."""
    doubts: list[tuple[Any, int]] = []
    tries, answered = 0, set[int]()
    for recorded in history:
        match recorded.event:
            case SubmissionStarted():
                tries += 1
            case SubmissionInDoubt(link=over) if over == link and (not doubts or doubts[-1][1] != tries):
                doubts.append((recorded.at, tries))
            case Submitted():
                answered.add(tries)
            case _:
                pass
    return [
        (at, any(later > attempt for later in answered)) for at, attempt in doubts if attempt not in answered
    ]


def _indexes(platform: Platform, connection: Connection[Any], histories: Any) -> dict[UUID, bytes]:  # noqa: ANN401
    """The blind index of each message's number, from its sealed row."""
    places = [
        (event.sealed.day, history[0].stream)
        for history in histories
        if history and isinstance(event := history[0].event, Accepted)
    ]
    query = SQL(
        "SELECT s.message_id, s.phone_index FROM unnest(%s::date[], %s::uuid[]) AS w(day, id)"
        " JOIN {}.sealed_messages s ON s.day = w.day AND s.message_id = w.id"
    ).format(Identifier(platform.settings.db_schema))
    rows = connection.cursor(row_factory=tuple_row).execute(
        query, ([day for day, _ in places], [id_ for _, id_ in places])
    )
    return {id_: bytes(index) for id_, index in rows}


def test_messages(
    platform: Platform, connection: Connection[Any], mapping: MappingSaved, period: Period
) -> list[UUID]:
    """Messages to the mapping's test numbers, by the blind indexes of the days they may have been accepted on."""
    if not mapping.sealed_test_numbers:
        return []
    numbers = platform.vault.open_secret(
        mapping.sealed_test_numbers, purpose=f"test-numbers:{mapping.name}"
    ).split()
    first = period.first_day - timedelta(days=_DAYS_AHEAD)
    days = [first + timedelta(days=ahead) for ahead in range((period.next_day - first).days + 2)]
    wanted = [
        (day, index)
        for day in days
        for number in numbers
        if (index := platform.vault.phone_index(number, day))
    ]
    query = SQL(
        "SELECT s.message_id FROM unnest(%s::date[], %s::bytea[]) AS w(day, key)"
        " JOIN {}.sealed_messages s ON s.day = w.day AND s.phone_index = w.key"
    ).format(Identifier(platform.settings.db_schema))
    rows = connection.cursor(row_factory=tuple_row).execute(
        query, ([day for day, _ in wanted], [index for _, index in wanted])
    )
    return [id_ for (id_,) in rows]
