"""What SGIP's PDUs mean to the platform, how its parts are written and numbered, and what happens when idle."""

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given

from infrastructure.carriers import sgip
from infrastructure.carriers.dialect import (
    BindAnswered,
    Delivery,
    Noise,
    SubmitAnswered,
    UnbindAnswered,
    UnbindAsked,
)
from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.receipt_text import CHINA
from infrastructure.carriers.session import IDLE, Answered, Bound, Closed, Limits, Phase, Session
from infrastructure.carriers.sgip_dialect import SgipDialect
from infrastructure.carriers.sgip_pdus import (
    Bind,
    BindResp,
    Deliver,
    Report,
    Submit,
    SubmitResp,
    Unbind,
    UnbindResp,
    UserReport,
    UserReportResp,
    sequence_number,
    sequence_text,
)
from infrastructure.carriers.traffic import InDoubt, Receipt, Refused, Reply, Taken
from tests.infrastructure.carriers.octets import damaged, golden
from tests.infrastructure.carriers.rig import part, settings

GOLDEN = golden("sgip12")
NODE = 3010012345
NOW = datetime(2026, 11, 23, 17, 25, 25, tzinfo=CHINA)
OURS = sequence_number(NODE, 1123172525, 7)


def dialect(now: datetime = NOW, **changes: object) -> SgipDialect:
    changed = {"protocol": "sgip12", "node_id": NODE, **changes}
    return SgipDialect(settings(1, **changed), lambda: now)


def session(**limits: float) -> Session:
    """A session that is bound; its carrier answers what it is told to."""
    given_ = {"window": 3, "response_seconds": 10, "keep_alive_seconds": 30, **limits}
    made = Session(dialect(), Limits(**given_))
    made.start(0.0)
    bind = sgip.decode(made.take_output())
    assert made.receive(sgip.encode(BindResp(sequence=bind.sequence)), 0.0) == [Bound()]
    return made


def test_the_first_number_is_made_of_node_time_and_counter():
    numbers = list(itertools.islice(dialect().sequences(), 3))
    assert [sequence_text(number) for number in numbers] == [
        f"30100123451123172525{counter:010}" for counter in (1, 2, 3)
    ]


def test_the_connections_of_a_link_never_use_a_number_twice():
    ours = dialect()
    numbers = [next(ours.sequences()) for _ in range(5)] + list(itertools.islice(ours.sequences(), 5))
    assert len(set(numbers)) == 10


def test_a_run_that_begins_later_in_the_same_second_uses_other_numbers():
    earlier, later = (dialect(NOW + timedelta(microseconds=micros)) for micros in (0, 500_000))
    numbers = set(itertools.islice(earlier.sequences(), 50_000))
    assert numbers.isdisjoint(itertools.islice(later.sequences(), 50_000))


def test_the_counter_wraps():
    ours = dialect()
    ours._counter = 0xFFFF_FFFF
    assert next(ours.sequences()) & 0xFFFF_FFFF == 0


def test_the_bind_is_the_golden_one():
    assert dialect(system_id="spuser", password="sppass").bind(OURS) == GOLDEN["bind_type1"]


def test_a_part_is_written_as_the_link_is_configured():
    octets = dialect(corp_id="12345", service_id="SVC001").submit(
        OURS, part(text="您", validity_seconds=86_400, udh=True)
    )
    assert sgip.decode(octets) == Submit(
        sequence=OURS,
        source="10690001",
        charge="0" * 21,
        destinations=("8613800130000",),
        corp_id="12345",
        service_type="SVC001",
        fee_type=1,
        fee_value="0",
        given_value="0",
        more_flag=2,
        expire_time="261124172525032+",
        report_flag=1,
        udhi=1,
        coding=8,
        content="您".encode("utf-16-be"),
    )


def test_a_fee_type_that_is_no_number_is_refused_at_once():
    with pytest.raises(ValueError, match="invalid literal"):
        dialect(fee_type="free")


@pytest.mark.parametrize(("coding", "longest"), [(8, 140), (4, 140), (0, 160)])
def test_a_part_that_is_too_long_is_a_protocol_error(coding, longest):
    dialect().submit(OURS, part(payload=bytes(longest), data_coding=coding))
    with pytest.raises(ProtocolError):
        dialect().submit(OURS, part(payload=bytes(longest + 1), data_coding=coding))


def test_the_id_of_a_message_is_the_number_of_its_submit_in_answer_and_receipt():
    answer = dialect().hear(GOLDEN["submit_resp_0"])
    assert answer == SubmitAnswered(OURS, Taken(sequence_text(OURS)))
    assert dialect().hear(GOLDEN["report_state0_err0"]).content.carrier_id == answer.answer.carrier_id


@pytest.mark.parametrize(
    ("result", "retryable", "throttled"),
    [(11, True, True), (33, True, True), (34, True, False), (3, True, False), (6, False, False)],
)
def test_a_refusal_says_whether_to_try_again(result, retryable, throttled):
    octets = sgip.encode(SubmitResp(sequence=OURS, result=result))
    assert dialect().hear(octets) == SubmitAnswered(OURS, Refused(str(result), retryable, throttled))


@pytest.mark.parametrize(("result", "bad"), [(1, True), (2, False), (3, False), (4, False)])
def test_a_refused_bind_says_whether_the_credentials_are_to_blame(result, bad):
    octets = sgip.encode(BindResp(sequence=OURS, result=result))
    assert dialect().hear(octets) == BindAnswered(OURS, str(result), bad_credentials=bad)


@pytest.mark.parametrize(
    ("state", "status"), [(0, "DELIVRD"), (1, "ACCEPTD"), (2, "UNDELIV"), (9, "UNKNOWN")]
)
def test_a_receipt_says_in_its_state_how_it_ended(state, status):
    octets = sgip.encode(
        Report(sequence=1, submit_sequence=OURS, phone="8613800138000", state=state, error_code=182)
    )
    assert dialect().hear(octets).content == Receipt(
        carrier_id=sequence_text(OURS), status=status, error_code="182", phone="8613800138000"
    )


def test_a_receipt_and_a_reply_that_come_over_our_own_connection_are_taken_and_answered_as_their_kind():
    report, reply = (dialect().hear(GOLDEN[name]) for name in ("report_state2_err25", "deliver_mo_ucs2"))
    assert (report.content.status, report.content.error_code) == ("UNDELIV", "25")
    assert reply.content == Reply(
        phone=sgip.decode(GOLDEN["deliver_mo_ucs2"]).phone,
        destination="10655001",
        payload="上行回复TD".encode("utf-16-be"),
        data_coding=8,
        udh=False,
        carrier_id="000010100111231725260000000008",
        sequence=reply.sequence,
    )
    commands = [
        dialect().answer_delivery(each, stored=stored)[4:21].hex()
        for each, stored in ((report, True), (report, False), (reply, True))
    ]
    assert [(each[:8], each[-2:]) for each in commands] == [
        ("80000005", "00"),
        ("80000005", "0b"),
        ("80000004", "00"),
    ]


@pytest.mark.parametrize(("udhi", "header"), [(0, False), (1, True), (0x40, True)])
def test_a_header_is_announced_in_either_of_two_ways(udhi, header):
    octets = sgip.encode(Deliver(sequence=5, phone="8613800138000", udhi=udhi, content=b"\5\0\3\1\2\1a"))
    assert dialect().hear(octets).content.udh is header


def test_a_report_about_a_subscriber_is_answered_and_nothing_more():
    octets = sgip.encode(UserReport(sequence=5, phone="8613800138000", condition=1))
    assert dialect().hear(octets) == Noise(sgip.encode(UserReportResp(sequence=5)))


def test_a_farewell_is_answered():
    assert dialect().hear(GOLDEN["unbind"]) == UnbindAsked(GOLDEN["unbind_resp"])
    assert dialect().hear(GOLDEN["unbind_resp"]) == UnbindAnswered()
    assert dialect().unbind(OURS) == GOLDEN["unbind"]


@pytest.mark.parametrize("command", [0x1000, 6, 0x77])
def test_a_whole_command_that_nobody_knows_is_answered_with_an_error(command):
    frame = (20).to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(11) + b"\5"
    answer = dialect().hear(frame).answer
    assert answer.hex() == f"0000001d{command | 0x80000000:08x}" + "0" * 22 + "05" + "07" + "0" * 16


def test_a_command_that_only_carriers_obey_is_answered_with_an_error_and_a_strange_answer_with_nothing():
    bind = sgip.encode(Bind(sequence=5, login_type=1, name="a", password="b"))
    assert dialect().hear(bind).answer[20] == 7
    assert dialect().hear(sgip.encode(UserReportResp(sequence=5))) == Noise()


def test_a_broken_answer_ends_the_connection_and_leaves_its_part_in_doubt():
    ours = session()
    ours.submit(part(), "token", 0.0)
    submit = sgip.decode(ours.take_output())
    answer = sgip.encode(SubmitResp(sequence=submit.sequence))[:20]
    events = ours.receive((20).to_bytes(4, "big") + answer[4:], 0.0)
    assert events == [
        Answered("token", InDoubt("garbage on the wire")),
        Closed("garbage on the wire"),
    ]


@given(damaged(list(GOLDEN.values())))
def test_whatever_comes_is_heard_or_ends_the_connection(frame):
    try:
        dialect().hear(frame)
    except ProtocolError as error:
        assert error.status == sgip.BAD_LENGTH  # noqa: PT017 - either is right


def test_an_answer_with_another_node_or_time_is_not_ours():
    ours = session()
    ours.submit(part(), "token", 0.0)
    submit = sgip.decode(ours.take_output())
    assert ours.receive(sgip.encode(SubmitResp(sequence=submit.sequence + (1 << 32))), 0.0) == []
    (answered,) = ours.receive(sgip.encode(SubmitResp(sequence=submit.sequence)), 0.0)
    assert answered == Answered("token", Taken(sequence_text(submit.sequence)))


def test_an_idle_session_takes_leave_without_a_question():
    ours = session()
    assert ours.tick(29.9) == []
    assert ours.tick(30.0) == []
    assert ours.phase is Phase.UNBINDING
    unbind = sgip.decode(ours.take_output())
    assert isinstance(unbind, Unbind)
    assert ours.receive(sgip.encode(UnbindResp(sequence=unbind.sequence)), 30.1) == [Closed(IDLE)]


def test_a_carrier_that_hangs_up_instead_of_answering_the_leave_ends_it_as_well():
    ours = session()
    ours.tick(30.0)
    assert ours.lost("connection lost") == [Closed(IDLE)]


def test_a_carrier_that_does_not_answer_the_leave_is_gone():
    ours = session()
    ours.tick(30.0)
    assert ours.tick(40.0) == [Closed("unbind unanswered")]


def test_a_session_that_waits_for_an_answer_is_not_idle():
    ours = session(response_seconds=100)
    ours.submit(part(), "token", 0.0)
    ours.take_output()
    assert ours.tick(31.0) == []
    assert (ours.phase, ours.take_output()) == (Phase.BOUND, b"")


def test_traffic_puts_the_leave_off():
    ours = session()
    ours.submit(part(), "token", 20.0)
    submit = sgip.decode(ours.take_output())
    ours.receive(sgip.encode(SubmitResp(sequence=submit.sequence)), 20.0)
    ours.tick(49.9)
    assert ours.phase is Phase.BOUND
    ours.tick(50.0)
    assert ours.phase is Phase.UNBINDING


def test_a_leave_of_our_own_is_not_idleness():
    ours = session()
    ours.unbind(1.0)
    unbind = sgip.decode(ours.take_output())
    assert ours.receive(sgip.encode(UnbindResp(sequence=unbind.sequence)), 1.0) == [Closed("unbound")]


def carriers_leave(ours: Session, now: float) -> list:
    return ours.receive(sgip.encode(Unbind(sequence=9)), now)


def test_a_carrier_that_ends_an_idle_connection_makes_room_for_the_next_one():
    ours = session()
    assert carriers_leave(ours, 20.0) == [Closed(IDLE)]
    assert isinstance(sgip.decode(ours.take_output()), UnbindResp)
    assert ours.renewing


def test_a_carrier_that_throws_us_out_at_once_is_not_taken_for_an_idle_one():
    assert carriers_leave(session(), 4.9) == [Closed("unbound by the carrier")]


def test_a_carrier_whose_leave_crosses_ours_ends_an_idle_session_as_well():
    ours = session()
    ours.tick(30.0)
    assert carriers_leave(ours, 30.0) == [Closed(IDLE)]


def test_a_delivery_before_anything_else_is_handed_on():
    assert isinstance(dialect().hear(GOLDEN["report_state0_err0"]), Delivery)
