"""A link serves its carriers' numbers while it is enabled; connections come and go without deciding anything."""

from dataclasses import replace
from datetime import UTC, datetime

from domain.aggregates import link
from domain.aggregates.link import Link
from domain.events.link import Configured, Connected, Disabled, Enabled, Lost
from domain.values import Carrier

NOW = datetime(2026, 5, 1, tzinfo=UTC)
CONFIGURED = Configured(
    name="mobile-1",
    protocol="smpp34",
    host="127.0.0.1",
    port=2775,
    system_id="acme",
    sealed_password="",
    source_address="1069",
    carriers=(Carrier.MOBILE, Carrier.BROADNET),
    window=16,
    rate_per_second=0,
    response_timeout_seconds=10,
)


def enabled() -> Link:
    return Link(configured=CONFIGURED, enabled=True)


def test_an_enabled_link_serves_its_carriers_only():
    assert enabled().serves(Carrier.BROADNET)
    assert not enabled().serves(Carrier.UNICOM)


def test_a_disabled_link_serves_nobody():
    state = link.evolve(enabled(), Disabled(reason="repair"), NOW)
    assert state is not None
    assert not state.serves(Carrier.MOBILE)


def test_enabling_and_disabling_twice_are_nothing_to_do():
    disabled = Link(configured=CONFIGURED)
    assert disabled.enable() == (Enabled(),)
    assert enabled().enable() == disabled.disable(reason="") == ()
    assert enabled().disable(reason="repair") == (Disabled(reason="repair"),)


def test_a_configuration_that_changes_nothing_is_nothing_to_do():
    other = replace(CONFIGURED, window=32)
    assert enabled().configure(CONFIGURED) == ()
    assert enabled().configure(other) == (other,)


def test_a_new_configuration_leaves_the_link_enabled():
    state = link.evolve(enabled(), replace(CONFIGURED, window=32), NOW)
    assert state is not None
    assert (state.enabled, state.configured.window) == (True, 32)


def test_being_connected_or_lost_decides_nothing():
    for event in (Connected(name="mobile-1"), Lost(name="mobile-1", reason="reset")):
        assert link.evolve(enabled(), event, NOW) == enabled()
