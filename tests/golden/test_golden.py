"""Every topic has a golden file, and every golden file is read and written again to the same octets."""

import json
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from domain.events import TOPICS
from infrastructure.mapper import decode, encode
from tests.golden import FOLDER, add, golden_file
from tests.golden.examples import EXAMPLES, fields_of, recorded

ON_DISK = sorted(file.stem for file in FOLDER.glob("*.json"))
LATEST = sorted({name.partition("@")[0]: name for name in ON_DISK}.values())
"""The form of each topic that is written now; `@2` is one with fields that were added with a default."""
STREAM = UUID(int=1)


def stored(topic: str) -> StoredEvent:
    state = golden_file(topic).read_bytes().removesuffix(b"\n")
    return StoredEvent(STREAM, 3, topic.partition("@")[0], state)


def test_every_topic_has_a_golden_file():
    assert sorted(TOPICS) == sorted({name.partition("@")[0] for name in ON_DISK}), (
        "for a NEW topic: python -m tests.golden.add TOPIC"
    )


@pytest.mark.parametrize("topic", LATEST)
def test_what_was_once_written_is_read_and_written_again_to_the_same_octets(topic):
    event = stored(topic)
    read = decode(event, position=11)
    assert type(read.event) is TOPICS[event.topic]
    assert (read.stream, read.version, read.position) == (STREAM, 3, 11)
    assert encode(read) == event.state


@pytest.mark.parametrize("topic", ON_DISK)
def test_what_is_read_is_what_was_once_recorded(topic):
    read, example = decode(stored(topic)), recorded(EXAMPLES[topic])
    assert (read.event, read.at, read.context) == (example.event, example.at, example.context)


@pytest.mark.parametrize("topic", LATEST)
def test_every_field_is_in_the_stored_form(topic):
    assert set(json.loads(stored(topic).state)["fact"]) == fields_of(topic)


def test_an_envelope_without_correlation_leaves_it_out():
    plain = decode(
        StoredEvent(STREAM, 1, "link.enabled", b'{"at":"2026-01-01T00:00:00Z","actor":"cli","fact":{}}')
    )
    assert (plain.context.correlation, plain.context.causation) == ("", "")
    assert encode(plain) == b'{"at":"2026-01-01T00:00:00Z","actor":"cli","fact":{}}'


def test_a_topic_nobody_knows_is_never_skipped_in_silence():
    with pytest.raises(KeyError):
        decode(StoredEvent(STREAM, 1, "link.painted", b"{}"))


def test_a_golden_file_is_never_overwritten():
    before = golden_file("link.enabled").read_bytes()
    with pytest.raises(SystemExit, match="never changes"):
        add.add("link.enabled")
    assert golden_file("link.enabled").read_bytes() == before


def test_a_topic_without_an_example_gets_no_golden_file():
    with pytest.raises(SystemExit, match="no example"):
        add.add("link.painted")
    assert not golden_file("link.painted").exists()
