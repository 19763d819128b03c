"""Links are shown with their configuration, their connections, their circuit and what went over them."""

from dataclasses import replace

from domain.events import Event
from domain.events.link import Broken, Configured, Connected, Disabled, Draining, Enabled, Lost, Mended
from domain.values import stream_id
from projections import links
from projections.links import PROJECTION, LinkLine
from tests.projections.conftest import Bench
from tests.projections.histories import History

LINK = stream_id("link", "mobile")
CONDITION = stream_id("link-condition", "mobile")


def begin(bench: Bench) -> History:
    story = History(recorder=bench.recorder)
    story.configure_link()
    return story


def shown(bench: Bench) -> LinkLine:
    bench.catch_up(PROJECTION)
    (line,) = links.links(bench.cursor)
    return line


def after(bench: Bench, story: History, *events: Event) -> LinkLine:
    """The link after what happened to it."""
    for event in events:
        ours = isinstance(event, Configured | Enabled | Disabled | Draining)
        story.append(LINK if ours else CONDITION, None, event)
    return shown(bench)


def with_connections(bench: Bench, many: int) -> Configured:
    """The link as it is configured, but for how many connections it has."""
    *_, last = (recorded.event for recorded in bench.log.window(0, 100, ("link.configured",)).events)
    assert isinstance(last, Configured)
    return replace(last, connections=many)


def test_a_link_shows_how_it_is_configured_without_its_password(bench: Bench):
    story = begin(bench)
    line = shown(bench)
    assert (line.name, line.protocol, line.host, line.port) == ("mobile", "smpp34", "127.0.0.1", 2775)
    assert list(line.carriers) == ["mobile", "unicom"]
    assert (line.enabled, line.draining, line.connections) == (True, False, 1)
    assert "sealed-password" not in str(bench.rows(PROJECTION))
    assert not after(bench, story, Disabled(reason="maintenance")).enabled


def test_a_draining_link_is_enabled_and_is_no_more_draining_when_that_ends(bench: Bench):
    story = begin(bench)
    draining = after(bench, story, Draining(reason="maintenance"))
    assert (draining.enabled, draining.draining) == (True, True)
    off = after(bench, story, Disabled(reason="maintenance"))
    assert (off.enabled, off.draining) == (False, False)
    again = after(bench, story, Enabled(), Draining(reason="again"), Enabled())
    assert (again.enabled, again.draining) == (True, False)


def test_a_link_is_connected_or_lost_since_a_moment(bench: Bench):
    story = begin(bench)
    line = shown(bench)
    assert (line.connected, line.since, line.lines) == (False, None, ())
    connected = after(bench, story, Connected(name="mobile"))
    lost = after(bench, story, Lost(name="mobile", reason="reset by peer"))
    assert (connected.connected, lost.connected, lost.reason) == (True, False, "reset by peer")
    assert connected.since is not None
    assert lost.since is not None
    assert connected.since < lost.since
    assert [(each.number, each.connected, each.since) for each in lost.lines] == [(1, False, lost.since)]


def test_a_link_that_cannot_be_reached_is_lost_since_it_was_lost_first(bench: Bench):
    story = begin(bench)
    lost = after(bench, story, Connected(name="mobile"), Lost(name="mobile", reason="reset by peer"))
    again = after(bench, story, Lost(name="mobile", reason="cannot connect"))
    assert (again.since, again.reason) == (lost.since, "cannot connect")
    assert again.lines[0].since == lost.since


def test_a_link_is_connected_while_any_of_its_connections_is(bench: Bench):
    story = begin(bench)
    two = after(
        bench,
        story,
        with_connections(bench, 2),
        Connected(name="mobile"),
        Connected(name="mobile", connection=2),
    )
    one = after(bench, story, Lost(name="mobile", reason="reset by peer"))
    assert (one.connected, one.since, one.reason) == (True, two.since, "")
    assert [(each.number, each.connected, each.reason) for each in one.lines] == [
        (1, False, "reset by peer"),
        (2, True, ""),
    ]
    none = after(bench, story, Lost(name="mobile", reason="closed", connection=2))
    assert (none.connected, none.reason) == (False, "closed")


def test_a_connection_that_only_receives_does_not_make_a_link_connected(bench: Bench):
    story = begin(bench)
    one_way = replace(with_connections(bench, 2), receivers=1)
    hears = after(bench, story, one_way, Connected(name="mobile", connection=2))
    assert (hears.connected, hears.connections, hears.receivers) == (False, 2, 1)
    assert after(bench, story, Connected(name="mobile")).connected
    lost = after(bench, story, Lost(name="mobile", reason="reset by peer"))
    assert (lost.connected, [each.connected for each in lost.lines]) == (False, [False, True])


def test_a_connection_that_the_link_has_no_more_does_not_count(bench: Bench):
    story = begin(bench)
    after(bench, story, with_connections(bench, 2), Connected(name="mobile", connection=2))
    assert shown(bench).connected
    fewer = after(bench, story, with_connections(bench, 1))
    assert (fewer.connected, fewer.lines) == (False, ())


def test_a_broken_link_says_why_and_since_when_until_it_is_mended(bench: Bench):
    story = begin(bench)
    broken = after(bench, story, Connected(name="mobile"), Broken(name="mobile", reason="60 percent refused"))
    assert (broken.connected, broken.broken_reason) == (True, "60 percent refused")
    assert broken.broken_since is not None
    mended = after(bench, story, Mended(name="mobile"))
    assert (mended.broken_since, mended.broken_reason) == (None, "")


def test_what_goes_over_a_link_is_counted(bench: Bench):
    story = begin(bench)
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
