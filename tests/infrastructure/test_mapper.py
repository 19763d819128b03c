"""The stored form keeps every type: what comes back is equal to what went in, in value and in kind."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent

from domain.events import link
from domain.events.message import Accepted
from domain.recorded import Context, Recorded
from domain.values import Carrier, Lane
from infrastructure.mapper import decode, encode
from tests.domain.facts import accepted

AT = datetime(2026, 5, 1, 4, 0, 0, 1, tzinfo=UTC)
STREAM = UUID(int=1)


def through(recorded: Recorded) -> Recorded:
    return decode(StoredEvent(STREAM, recorded.version, recorded.event.TOPIC, encode(recorded)))


def test_an_event_comes_back_as_it_went_in():
    before = Recorded(stream=STREAM, version=3, at=AT, context=Context(actor="cli"), event=accepted())
    assert through(before) == before


def test_enumerations_come_back_as_enumerations():
    recorded = Recorded(stream=STREAM, version=1, at=AT, context=Context(actor="cli"), event=accepted())
    event = through(recorded).event
    assert isinstance(event, Accepted)
    assert (type(event.lane), type(event.carrier)) == (Lane, Carrier)


def test_moments_are_kept_to_the_microsecond_whatever_their_zone():
    shanghai = AT.astimezone(timezone(timedelta(hours=8)))
    recorded = Recorded(
        stream=STREAM, version=1, at=shanghai, context=Context(actor="cli"), event=link.Enabled()
    )
    assert through(recorded).at == AT


def test_a_field_of_the_wrong_kind_is_refused_when_it_is_read():
    state = b'{"at":"2026-01-01T00:00:00Z","actor":"cli","fact":{"reason":7}}'
    with pytest.raises(msgspec.ValidationError):
        decode(StoredEvent(STREAM, 1, "link.disabled", state))


def test_a_missing_field_is_refused_when_it_is_read():
    state = b'{"at":"2026-01-01T00:00:00Z","actor":"cli","fact":{}}'
    with pytest.raises(msgspec.ValidationError):
        decode(StoredEvent(STREAM, 1, "link.disabled", state))


def test_half_of_a_surrogate_pair_cannot_be_stored():
    event = link.Disabled(reason="\ud83d")
    with pytest.raises(UnicodeEncodeError):
        encode(Recorded(stream=STREAM, version=1, at=AT, context=Context(actor="cli"), event=event))
