"""Links are shown with their configuration, their connection and what went over them."""

from domain.events.link import Connected, Disabled, Lost
from domain.values import stream_id
from projections import links
from projections.links import PROJECTION, LinkLine
from tests.projections.conftest import Bench
from tests.projections.histories import History


def shown(bench: Bench) -> LinkLine:
    bench.catch_up(PROJECTION)
    (line,) = links.links(bench.cursor)
    return line


def test_a_link_shows_how_it_is_configured_without_its_password(bench: Bench):
    story = History(recorder=bench.recorder)
    story.configure_link()
    line = shown(bench)
    assert (line.name, line.protocol, line.host, line.port) == ("mobile", "smpp34", "127.0.0.1", 2775)
    assert list(line.carriers) == ["mobile", "unicom"]
    assert line.enabled
    assert "sealed-password" not in str(bench.rows(PROJECTION))
    story.append(stream_id("link", "mobile"), None, Disabled(reason="maintenance"))
    assert not shown(bench).enabled


def test_a_link_is_connected_or_lost_since_a_moment(bench: Bench):
    story = History(recorder=bench.recorder)
    story.configure_link()
    line = shown(bench)
    assert (line.connected, line.since) == (False, None)
    stream = stream_id("link", "mobile")
    story.append(stream, None, Connected(name="mobile"))
    connected = shown(bench)
    story.append(stream, None, Lost(name="mobile", reason="reset by peer"))
    lost = shown(bench)
    assert (connected.connected, lost.connected, lost.reason) == (True, False, "reset by peer")
    assert connected.since is not None
    assert lost.since is not None
    assert connected.since < lost.since


def test_what_goes_over_a_link_is_counted(bench: Bench):
    story = History(recorder=bench.recorder)
    story.configure_link()
    taken, refused, doubtful = story.accept(4, segments=2), story.accept(3), story.accept(2)
    story.submit(taken)
    story.start(refused)
    story.start(doubtful)
    story.refuse(refused)
    story.doubt(doubtful)
    story.report(taken[:1])
    line = shown(bench)
    assert (line.submitted, line.submitted_parts, line.refused, line.in_doubt, line.receipts) == (
        4,
        8,
        3,
        2,
        2,
    )
