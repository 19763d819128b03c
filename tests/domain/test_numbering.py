"""A mobile number of mainland China has one normal form, and its prefix tells a first guess of its carrier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import numbering
from domain.errors import BadInput
from domain.numbering import Known, carrier_of, mask, normalise
from domain.values import Carrier, FoundBy

NORMAL = "+8613800138000"


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "8613800138000",
        "+8613800138000",
        "008613800138000",
        "+86 138-0013-8000",
        "138 0013 8000",
        "138\u00a00013\u00a08000",
        " 13800138000 ",
    ],
)
def test_every_usual_way_of_writing_is_the_same_number(written):
    assert normalise(written) == NORMAL


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1380013800",
        "138001380000",
        "23800138000",
        "12800138000",
        "+1 3800138000",
        "+8523800138000",
        "13800138000\n",
        "1380013800O",
        "１３８００１３８０００",
        "١٣٨٠٠١٣٨٠٠٠",
        "+86+8613800138000",
        "138\x000013800",
        "010-12345678",
    ],
)
def test_what_is_no_mobile_number_is_refused_without_repeating_it(written):
    with pytest.raises(BadInput) as refused:
        normalise(written)
    assert (refused.value.code, refused.value.field) == ("invalid_phone", "phone")
    if written.strip():
        assert written.strip() not in str(refused.value)


@given(st.text(max_size=20))
def test_whatever_is_written_becomes_the_normal_form_or_is_refused(written):
    try:
        number = normalise(written)
    except BadInput:
        return
    assert len(number) == 14
    assert normalise(number) == number


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from(["", "86", "+86", "0086", "+86 "]))
def test_the_normal_form_is_reached_from_every_prefix(digits, prefix):
    assert normalise(prefix + digits) == "+86" + digits


@pytest.mark.parametrize(
    ("digits", "carrier"),
    [
        ("13800138000", Carrier.MOBILE),
        ("13000130000", Carrier.UNICOM),
        ("18900189000", Carrier.TELECOM),
        ("1920013" + "8000", Carrier.BROADNET),
        ("1340013" + "8000", Carrier.MOBILE),
        ("1349013" + "8000", Carrier.TELECOM),
        ("1703013" + "8000", Carrier.MOBILE),
        ("1700013" + "8000", Carrier.TELECOM),
        ("1709013" + "8000", Carrier.UNICOM),
    ],
)
def test_the_longest_known_prefix_tells_the_carrier(digits, carrier):
    assert carrier_of(normalise(digits)) is carrier


@pytest.mark.parametrize("digits", ["1400013" + "8000", "1540013" + "8000", "1740013" + "8000"])
def test_a_prefix_that_nobody_has_is_refused(digits):
    with pytest.raises(BadInput, match="unassigned_phone"):
        carrier_of(normalise(digits))


def test_a_masked_number_shows_neither_its_middle_nor_its_length():
    assert mask(NORMAL) == "+86138****8000"


ORDER = (Carrier.MOBILE, Carrier.UNICOM, Carrier.TELECOM)
OF_MOBILE = "+8613800138000"


def found(
    *gone: Carrier, carrier: Carrier | None = None, by: FoundBy = FoundBy.OVERRIDE, phone: str = OF_MOBILE
) -> tuple[Carrier, FoundBy, Carrier | None]:
    known = Known(carrier=carrier, by=by, gone=frozenset(gone))
    whose = numbering.whose(phone, known, order=ORDER, served=ORDER)
    return whose.carrier, whose.by, whose.segment_carrier


def test_a_number_of_which_nothing_is_known_is_its_segments():
    whose = numbering.whose(OF_MOBILE, None, order=ORDER, served=ORDER)
    assert (whose.carrier, whose.by, whose.segment_carrier) == (Carrier.MOBILE, FoundBy.SEGMENTS, None)


def test_a_person_goes_before_carriers_who_go_before_a_list_which_goes_before_the_segment():
    m, u, t = ORDER
    assert found(u, carrier=u) == (u, FoundBy.OVERRIDE, m)
    assert found(carrier=u, by=FoundBy.LIST) == (u, FoundBy.LIST, m)
    assert found(u, carrier=u, by=FoundBy.LIST) == (m, FoundBy.SEGMENTS, None)
    assert found(m, u, carrier=u, by=FoundBy.LIST) == (t, FoundBy.LEARNED, m)
    assert found(m) == (u, FoundBy.LEARNED, m)


def test_a_list_that_agrees_with_the_segment_still_says_that_it_was_the_list():
    assert found(carrier=Carrier.MOBILE, by=FoundBy.LIST) == (Carrier.MOBILE, FoundBy.LIST, None)


def test_the_next_carrier_is_the_first_in_order_that_is_served():
    known = Known(gone=frozenset({Carrier.MOBILE}))
    for served, carrier in (
        ((Carrier.MOBILE, Carrier.TELECOM), Carrier.TELECOM),
        ((Carrier.MOBILE,), Carrier.MOBILE),
        ((), Carrier.MOBILE),
    ):
        assert numbering.whose(OF_MOBILE, known, order=ORDER, served=served).carrier is carrier


def test_a_prefix_of_nobody_is_somebodys_where_that_is_known_and_refused_where_not():
    nobody = "+8613800138000".replace("138", "154", 1)
    assert found(carrier=Carrier.UNICOM, phone=nobody) == (Carrier.UNICOM, FoundBy.OVERRIDE, None)
    with pytest.raises(BadInput, match="unassigned_phone"):
        found(Carrier.MOBILE, phone=nobody)
