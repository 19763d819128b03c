"""A route is set with the links there are, and its digits must fit behind the number of each of them."""

from dataclasses import replace

import pytest

from application.manage_links import configure_link
from application.manage_routes import read_routes, set_route
from domain.errors import BadInput
from domain.events.route import RouteSet, Share
from tests.application.office import BY, LINK, Office, configured, story


def codes(extension: str, *links: str) -> RouteSet:
    return RouteSet(
        name="codes",
        priority=10,
        accounts=("acme",),
        categories=(),
        carriers=(),
        signatures=(),
        shares=tuple(Share(link=name) for name in links or (LINK,)),
        extension=extension,
        by="cli:one",
    )


@pytest.mark.parametrize(
    ("protocol", "number", "fits"), [("smpp34", 18, True), ("smpp34", 19, False), ("cmpp20", 19, True)]
)
@story
async def test_number_and_extension_together_fit_the_field_of_the_link_s_protocol(protocol, number, fits):
    office = await Office().open()
    changed = replace(configured(), protocol=protocol, source_address="1" * number)
    await configure_link(office.store, configured=changed, context=BY)
    if fits:
        assert await set_route(office.store, wanted=codes("12"), context=BY)
        return
    with pytest.raises(BadInput, match="extension_unfit"):
        await set_route(office.store, wanted=codes("12"), context=BY)
    assert (await read_routes(office.store)).routes == ()


@story
async def test_one_link_of_many_without_room_is_enough_to_refuse_and_no_digits_always_fit():
    office = await Office().open()
    for name, number in (("second", "1" * 20), ("letters", "ACME")):
        await configure_link(
            office.store, configured=replace(configured(name), source_address=number), context=BY
        )
        with pytest.raises(BadInput, match="extension_unfit"):
            await set_route(office.store, wanted=codes("1", LINK, name), context=BY)
    assert await set_route(office.store, wanted=codes("", LINK, "second", "letters"), context=BY)
