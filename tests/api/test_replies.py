"""GET /v1/replies and `smsledger replies`: one's own, masked, page by page, and never seen without a record."""

import pytest

from application.carriage import Reply
from application.manage_routes import set_route
from application.record_replies import ReplyRecorder
from application.reply_origins import Origins
from domain.events.access import HistoryLookedUp, Scope
from domain.events.route import RouteSet, Share
from domain.recorded import Context, Recorded
from domain.values import local_day, stream_id
from infrastructure.bootstrap import Platform
from infrastructure.scheduler import prepare_day
from tests.api.test_refusals import require_problem
from tests.support.door import Door, run
from tests.support.read_models import catch_up
from tests.support.sample import ACCOUNT, LINK, key_with
from tests.support.terminal import Terminal

NUMBER = "10690000"
PHONE, OTHER = "13800138000", "13000130000"
CODES = RouteSet(
    name="codes",
    priority=1,
    accounts=(ACCOUNT,),
    categories=(),
    carriers=(),
    signatures=(),
    shares=(Share(link=LINK),),
    extension="77",
    by="cli:test",
)


def reply(number: int, text: bytes, *, phone: str = PHONE, to: str = "77", udh: bytes = b"") -> Reply:
    return Reply(
        phone=phone,
        destination=to,
        payload=udh + text,
        data_coding=0 if udh == b"" else 8,
        udh=bool(udh),
        carrier_id=str(number),
    )


async def receive(platform: Platform) -> None:
    """Three replies and a part to the account, one to nobody."""
    await prepare_day(platform, local_day(platform.now()))
    await set_route(platform.store, wanted=CODES, context=Context(actor="test"))
    (link,) = await platform.directory.links()
    own = link.configured.source_address + "77"
    origins = Origins(
        store=platform.store, vault=platform.vault, directory=platform.directory, now=platform.now
    )
    recorder = ReplyRecorder(store=platform.store, vault=platform.vault, origins=origins, now=platform.now)
    for one in (
        reply(1, b"TD", to=own),
        reply(2, b"thanks", to=own + "5"),
        reply(3, b"\xff\xff", to=own, phone=OTHER),
        reply(4, "前".encode("utf-16-be"), to=own, udh=b"\5\0\3\7\2\1"),
        reply(5, b"who are you", to="1", phone=OTHER),
    ):
        await recorder(LINK, [one])


@pytest.fixture
def replied(own_door: Door) -> Door:
    run(receive(own_door.platform))
    catch_up(own_door.platform)
    return own_door


def looked_up(door: Door, account: str = ACCOUNT) -> list[Recorded]:
    day = local_day(run(door.platform.store.now()))
    stream = stream_id("access", account, day.isoformat())
    return list(run(door.platform.store.load([stream])).get(stream, ()))


def test_an_account_sees_its_own_replies_newest_first_and_masked(replied: Door):
    body = replied.client.get("/v1/replies", params={"reason": "CS-1"}).json()
    lines = body["replies"]
    assert [(line["keyword"], line["part"], line["parts"], line["exact"]) for line in lines] == [
        ("", 1, 2, True),
        ("", 0, 1, False),
        ("", 0, 1, True),
        ("TD", 0, 1, True),
    ]
    assert {line["text"] + line["octets"] for line in lines} == {""}
    assert {line["phone"] for line in lines} == {"+86138****8000", "+86130****0000"}
    assert {line["matched_by"] for line in lines} == {"extension"}
    assert [(line["extension"], line["asked"]) for line in lines] == [
        ("77", ""),
        ("77", ""),
        ("775", "5"),
        ("77", ""),
    ]
    assert not body["unmasked"]


def test_a_key_that_may_see_more_sees_numbers_texts_and_what_could_not_be_read(replied: Door):
    token = run(key_with(replied.platform, [Scope.HISTORY, Scope.UNMASKED]))
    answer = replied.client.get("/v1/replies", params={"reason": "CS-2"}, headers=replied.as_key(token))
    lines = answer.json()["replies"]
    assert [(line["phone"], line["text"], line["octets"]) for line in lines] == [
        ("+86" + PHONE, "前", "524d"),
        ("+86" + OTHER, "ÿÿ", "ffff"),
        ("+86" + PHONE, "thanks", ""),
        ("+86" + PHONE, "TD", ""),
    ]


def test_pages_follow_each_other_and_a_number_finds_its_own(replied: Door):
    asked = {"reason": "CS-3", "limit": 3}
    first = replied.client.get("/v1/replies", params=asked).json()
    second = replied.client.get("/v1/replies", params=asked | {"cursor": first["next_cursor"]}).json()
    assert [len(page["replies"]) for page in (first, second)] == [3, 1]
    assert second["next_cursor"] == ""
    own = replied.client.get("/v1/replies", params=asked | {"phone": "+86 138-0013-8000"}).json()
    assert {line["phone"] for line in own["replies"]} == {"+86138****8000"}
    assert len(own["replies"]) == 3


def test_every_look_is_recorded_before_it_is_answered_with_its_reason(replied: Door):
    replied.client.get("/v1/replies", params={"reason": "nightly import"})
    replied.client.get("/v1/replies", params={"reason": "CS-4", "phone": OTHER})
    every, one = (recorded.event for recorded in looked_up(replied))
    assert isinstance(every, HistoryLookedUp)
    assert isinstance(one, HistoryLookedUp)
    assert (every.why, every.hits, every.subject, every.unmasked) == ("nightly import", 4, "", False)
    assert (one.why, one.hits, bool(one.subject)) == ("CS-4", 1, True)


def test_what_is_asked_wrongly_is_refused_and_shows_nothing(replied: Door):
    get = replied.client.get
    require_problem(get("/v1/replies"), status=422, code="missing_field")
    require_problem(get("/v1/replies", params={"reason": " "}), status=422, code="reason_required")
    require_problem(
        get("/v1/replies", params={"reason": "a", "phone": "1"}), status=422, code="invalid_phone"
    )
    require_problem(
        get("/v1/replies", params={"reason": "a", "cursor": "x"}), status=422, code="invalid_cursor"
    )
    token = run(key_with(replied.platform, [Scope.READ]))
    answer = get("/v1/replies", params={"reason": "a"}, headers=replied.as_key(token))
    require_problem(answer, status=403, code="missing_scope")
    assert looked_up(replied) == []


def test_what_is_destroyed_shows_as_nothing(replied: Door):
    day = local_day(replied.platform.now())
    rows = replied.platform.store.recorder.rows(
        f"DELETE FROM smsledger.sealed_replies WHERE day = '{day.isoformat()}' RETURNING day".encode()
    )
    assert len(rows) == 5
    lines = replied.client.get("/v1/replies", params={"reason": "a"}).json()["replies"]
    assert {line["phone"] for line in lines} == {""}


# The command.


@pytest.fixture
def terminal(replied: Door, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Terminal:
    settings = replied.platform.settings
    return Terminal(monkeypatch, capfd, database_url=settings.database_url, data_dir=str(settings.data_dir))


def test_operators_list_replies_without_numbers_and_texts(terminal: Terminal, replied: Door):
    everything = terminal("replies", "list", "--json").document["replies"]
    assert len(everything) == 5
    assert {"phone", "text", "sealed_id"}.isdisjoint(everything[0])
    own = terminal("replies", "list", "--account", ACCOUNT, "--limit", "2")
    assert "more: --cursor" in own.out
    assert PHONE not in own.out
    assert looked_up(replied) == []


def test_replies_of_nobody_are_opened_for_a_reason_that_is_recorded(terminal: Terminal, replied: Door):
    (line,) = terminal(
        "replies", "list", "--nobody", "--unmasked", "--reason", "whose is it?", "--json"
    ).document["replies"]
    assert (line["phone"], line["text"], line["account"], line["matched_by"]) == (
        "+86" + OTHER,
        "who are you",
        "",
        "nobody",
    )
    (look,) = looked_up(replied, "")
    assert look.context.actor.startswith("cli:")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--account", "demo", "--nobody"), "account_or_nobody"),
        (("--unmasked", "--reason", "a"), "account_or_nobody"),
        (("--account", "demo", "--unmasked"), "reason_required"),
        (("--cursor", "x"), "invalid_cursor"),
    ],
)
def test_what_an_operator_asks_wrongly_is_refused(terminal: Terminal, arguments: tuple[str, ...], code: str):
    said = terminal("replies", "list", *arguments)
    assert (said.code, said.err.partition(":")[0]) == (2, code)
