"""The session engine, driven by octets and by a time that the test makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.carriers.framing import ProtocolError
from infrastructure.carriers.session import (
    Answered,
    BindRefused,
    Bound,
    Closed,
    Delivered,
    Limits,
    Phase,
    Session,
)
from infrastructure.carriers.smpp_dialect import SmppDialect
from infrastructure.carriers.traffic import InDoubt, NotSent, Receipt, Refused, Reply, Taken
from infrastructure.simulator.wire import Pdu, build, parse, split
from tests.infrastructure.carriers.rig import GOLDEN, part, settings

ACTIONS = ["submit"] * 6 + ["write"] * 4 + ["answer"] * 4 + ["tick"] * 3 + ["garbage", "unbind"]


class Play:
    """A session and its carrier, who reads and writes with the simulator's codec."""

    def __init__(self, *, window: int = 3, bind: bool = True, last_sequence: int | None = None) -> None:
        dialect = SmppDialect(settings(1))
        if last_sequence is not None:
            dialect.last_sequence = last_sequence
        limits = Limits(window=window, response_seconds=10, keep_alive_seconds=30)
        self.session = Session(dialect, limits)
        self.session.start(0.0)
        self.bind_sequence = self.sent()[0].sequence
        if bind:
            self.hears(Pdu("bind_transceiver_resp", self.bind_sequence, 0, {"system_id": "X"}))

    def sent(self) -> list[Pdu]:
        return [parse(frame) for frame in split(bytearray(self.session.take_output()))]

    def hears(self, *pdus: Pdu, now: float = 0.0) -> list:
        return self.session.receive(b"".join(build(pdu) for pdu in pdus), now)

    def submits(self, *tokens: str, now: float = 0.0) -> list[Pdu]:
        for number, token in enumerate(tokens):
            self.session.submit(part(number), token, now)
        return self.sent()


def taken(sequence: int, carrier_id: str = "a1") -> Pdu:
    return Pdu("submit_sm_resp", sequence, 0, {"message_id": carrier_id})


def test_the_first_word_is_a_bind_with_our_credentials():
    session = Session(SmppDialect(settings(1)), Limits(window=1, response_seconds=1, keep_alive_seconds=1))
    session.start(0.0)
    (bind,) = (parse(frame) for frame in split(bytearray(session.take_output())))
    assert (bind.command, bind.fields["system_id"], bind.fields["password"]) == (
        "bind_transceiver",
        "tester",
        "secret08",
    )


def test_it_is_bound_by_the_answer_to_its_own_bind_only():
    play = Play(bind=False)
    early = play.hears(
        Pdu("enquire_link", 5),
        Pdu("bind_transceiver_resp", play.bind_sequence + 1, 0, {"system_id": "X"}),
    )
    assert (early, play.session.free) == ([], 0)
    assert [pdu.command for pdu in play.sent()] == ["enquire_link_resp"]
    assert play.hears(Pdu("bind_transceiver_resp", play.bind_sequence, 0, {"system_id": "X"})) == [Bound()]


def test_a_receipt_before_the_answer_to_the_bind_is_delivered():
    play = Play(bind=False)
    (event,) = play.session.receive(GOLDEN["deliver_sm_dlr_tlv"], 0.0)
    assert isinstance(event, Delivered)
    assert play.session.phase is Phase.BINDING


@pytest.mark.parametrize(
    ("status", "bad_credentials"), [(0x0E, True), (0x0F, True), (0x05, False), (0x0D, False)]
)
def test_a_refused_bind_says_whether_the_credentials_are_to_blame(status, bad_credentials):
    play = Play(bind=False)
    refused, closed = play.hears(Pdu("bind_transceiver_resp", play.bind_sequence, status))
    assert refused == BindRefused(f"0x{status:02X}", bad_credentials)
    assert isinstance(closed, Closed)


def test_a_nack_of_the_bind_is_a_refusal():
    play = Play(bind=False)
    assert play.hears(Pdu("generic_nack", play.bind_sequence, 3))[0] == BindRefused("0x03", False)


def test_a_nack_that_names_no_command_is_of_the_bind_while_nothing_else_was_said():
    play = Play(bind=False)
    assert play.hears(Pdu("generic_nack", 0, 2))[0] == BindRefused("0x02", False)


def test_a_nack_of_a_part_says_whether_to_try_again():
    play = Play()
    (submit,) = play.submits("part")
    (answered,) = play.hears(Pdu("generic_nack", submit.sequence, 0x58))
    assert answered == Answered("part", Refused("0x58", retryable=True, throttled=True))


def test_an_unanswered_bind_ends_the_session():
    play = Play(bind=False)
    assert play.session.tick(9.9) == []
    assert play.session.tick(10.0) == [Closed("bind unanswered")]


def test_answers_find_their_parts_in_any_order():
    play = Play()
    first, second = play.submits("first", "second")
    events = play.hears(taken(second.sequence, "b"), taken(first.sequence, "a"))
    assert events == [Answered("second", Taken("b")), Answered("first", Taken("a"))]


def test_a_part_is_written_as_the_link_is_configured():
    play = Play()
    play.session.submit(part(0, "一二", udh=True, validity_seconds=86_400), "t", 0.0)
    (submit,) = play.sent()
    assert submit.fields == {
        "service_type": "",
        "source_addr_ton": 0,
        "source_addr_npi": 0,
        "source_addr": "10690001",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": "8613800130000",
        "esm_class": 0x40,
        "protocol_id": 0,
        "priority_flag": 0,
        "schedule_delivery_time": "",
        "validity_period": "000001000000000R",
        "registered_delivery": 1,
        "replace_if_present_flag": 0,
        "data_coding": 8,
        "sm_default_msg_id": 0,
        "short_message": "一二".encode("utf-16-be"),
    }


def test_the_window_is_full_until_an_answer_comes():
    play = Play(window=2)
    first, _ = play.submits("first", "second")
    assert play.session.free == 0
    with pytest.raises(RuntimeError):
        play.session.submit(part(), "third", 0.0)
    play.hears(taken(first.sequence))
    assert play.session.free == 1


def test_a_part_that_fits_no_pdu_takes_no_place():
    play = Play()
    with pytest.raises(ProtocolError):
        play.session.submit(part(0, "x" * 200), "t", 0.0)
    assert (play.session.free, play.sent()) == (3, [])


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (0x58, Refused("0x58", retryable=True, throttled=True)),
        (0x14, Refused("0x14", retryable=True, throttled=True)),
        (0x08, Refused("0x08", retryable=True)),
        (0x64, Refused("0x64", retryable=True)),
        (0x0B, Refused("0x0B")),
        (0x45, Refused("0x45")),
        (0x400, Refused("0x400")),
    ],
)
def test_a_refusal_says_whether_to_try_again(status, answer):
    play = Play()
    (submit,) = play.submits("t")
    assert play.hears(Pdu("submit_sm_resp", submit.sequence, status)) == [Answered("t", answer)]


def test_a_nack_refuses_the_part():
    play = Play()
    (submit,) = play.submits("t")
    assert play.hears(Pdu("generic_nack", submit.sequence, 2)) == [Answered("t", Refused("0x02"))]


def test_an_answer_nobody_waits_for_is_passed_over():
    assert Play().hears(taken(77)) == []


def test_no_answer_in_time_leaves_a_part_in_doubt_and_frees_its_place():
    play = Play(window=1)
    play.submits("t", now=5.0)
    assert play.session.tick(14.9) == []
    assert play.session.tick(15.0) == [Answered("t", InDoubt("no answer in time"))]
    assert play.session.free == 1


def test_a_late_answer_is_told_as_late_and_only_once():
    play = Play()
    (submit,) = play.submits("t")
    play.session.tick(10.0)
    late = play.hears(taken(submit.sequence), taken(submit.sequence), now=11.0)
    assert late == [Answered("t", Taken("a1"), late=True)]


def test_a_lost_connection_leaves_the_written_in_doubt_and_the_unwritten_unsent():
    play = Play()
    play.submits("written")
    play.session.submit(part(), "unwritten", 0.0)
    assert play.session.lost("connection lost") == [
        Answered("written", InDoubt("connection lost")),
        Answered("unwritten", NotSent("connection lost")),
        Closed("connection lost"),
    ]
    assert play.sent() == []


def test_nothing_happens_after_the_end():
    play = Play()
    (submit,) = play.submits("t")
    play.session.lost("gone")
    assert play.hears(taken(submit.sequence), Pdu("enquire_link", 1)) == []
    assert play.session.tick(1_000.0) == []
    assert play.session.lost("again") == []


def test_silence_is_questioned_and_ends_the_session_after_three_unanswered_questions():
    play = Play()
    assert play.session.tick(29.9) == []
    assert play.sent() == []
    play.session.tick(30.0)
    play.session.tick(40.0)
    play.session.tick(50.0)
    assert [pdu.command for pdu in play.sent()] == ["enquire_link"] * 3
    assert play.session.tick(60.0) == [Closed("keep-alive unanswered")]


def test_nothing_is_asked_any_more_after_leave_is_taken():
    limits = Limits(window=1, response_seconds=60, keep_alive_seconds=30)
    session = Session(SmppDialect(settings(1)), limits)
    session.start(0.0)
    session.receive(build(Pdu("bind_transceiver_resp", 1, 0, {"system_id": "S"})), 0.0)
    session.unbind(0.0)
    session.take_output()
    assert session.tick(59.0) == []
    assert session.take_output() == b""
    assert session.tick(60.0) == [Closed("unbind unanswered")]


def test_any_word_of_the_carrier_is_a_sign_of_life():
    play = Play()
    play.session.tick(30.0)
    (question,) = play.sent()
    play.hears(Pdu("enquire_link_resp", question.sequence), now=31.0)
    assert play.session.tick(60.9) == []
    assert play.sent() == []


def test_the_carriers_question_is_answered_with_its_number():
    play = Play()
    play.hears(Pdu("enquire_link", 0x7FFF_FFFF))
    assert play.sent() == [Pdu("enquire_link_resp", 0x7FFF_FFFF)]


def test_a_receipt_is_answered_only_when_it_is_stored():
    play = Play()
    (event,) = play.session.receive(GOLDEN["deliver_sm_dlr_tlv"], 0.0)
    assert event.delivery.content.carrier_id == "a1b2c3d4"
    assert play.sent() == []
    play.session.answer_delivery(event.delivery, stored=True)
    assert play.session.take_output() == GOLDEN["deliver_sm_resp"]


def test_a_receipt_that_could_not_be_stored_is_asked_for_again():
    play = Play()
    (event,) = play.session.receive(GOLDEN["deliver_sm_dlr_tlv"], 0.0)
    play.session.answer_delivery(event.delivery, stored=False)
    (answer,) = play.sent()
    assert (answer.command, answer.status) == ("deliver_sm_resp", 0x64)


def test_a_receipt_may_come_as_data_sm_and_is_answered_so():
    play = Play()
    fields = {"source_addr": "8613800138000", "destination_addr": "10690001", "esm_class": 4}
    text = b"id:77 stat:DELIVRD err:000"
    (event,) = play.hears(Pdu("data_sm", 9, 0, fields, ((0x0424, text),)))
    assert event.delivery.content == Receipt(
        carrier_id="77", status="DELIVRD", error_code="000", phone="8613800138000"
    )
    play.session.answer_delivery(event.delivery, stored=True)
    assert [pdu.command for pdu in play.sent()] == ["data_sm_resp"]


def test_a_reply_of_a_phone_is_no_receipt_even_if_it_looks_like_one():
    play = Play()
    fields = {
        "source_addr": "8613800138000",
        "destination_addr": "10690001",
        "short_message": b"id:1 stat:DELIVRD",
    }
    (event,) = play.hears(Pdu("deliver_sm", 9, 0, fields))
    assert event.delivery.content == Reply(
        phone="8613800138000",
        destination="10690001",
        payload=b"id:1 stat:DELIVRD",
        data_coding=0,
        udh=False,
        sequence=9,
        gsm=True,
    )


def test_the_carriers_unbind_is_answered_and_ends_the_session():
    play = Play()
    assert play.hears(Pdu("unbind", 4), now=20.0) == [Closed("unbound by the carrier")]
    assert play.sent() == [Pdu("unbind_resp", 4)]


def test_the_farewell_waits_for_the_answers_that_are_on_their_way():
    play = Play()
    first, second = play.submits("first", "second")
    assert play.hears(Pdu("unbind", 4)) == []
    assert (play.session.free, play.sent()) == (0, [])
    assert play.hears(taken(first.sequence, "a")) == [Answered("first", Taken("a"))]
    assert play.hears(taken(second.sequence, "b")) == [
        Answered("second", Taken("b")),
        Closed("unbound by the carrier"),
    ]
    assert play.sent() == [Pdu("unbind_resp", 4)]


def test_the_farewell_does_not_wait_for_ever():
    play = Play()
    play.submits("written")
    play.hears(Pdu("unbind", 4), now=5.0)
    assert play.session.tick(6.9) == []
    assert play.session.tick(7.0) == [
        Answered("written", InDoubt("unbound by the carrier")),
        Closed("unbound by the carrier"),
    ]
    assert play.sent() == [Pdu("unbind_resp", 4)]


def test_a_carrier_that_asks_us_to_leave_and_hangs_up_has_unbound_us():
    play = Play()
    play.submits("written")
    play.hears(Pdu("unbind", 4))
    assert play.session.lost("connection lost")[-1] == Closed("unbound by the carrier")


def test_a_carrier_that_asks_twice_gets_its_farewell():
    play = Play()
    play.submits("written")
    play.hears(Pdu("unbind", 4))
    assert play.hears(Pdu("unbind", 5))[-1] == Closed("unbound by the carrier")
    assert play.sent() == [Pdu("unbind_resp", 5)]


def test_parts_reported_as_unsent_do_not_go_out_with_the_farewell():
    play = Play()
    play.session.submit(part(), "unwritten", 0.0)
    assert play.hears(Pdu("unbind", 4))[0] == Answered("unwritten", NotSent("unbound by the carrier"))
    assert play.sent() == [Pdu("unbind_resp", 4)]


def test_our_unbind_ends_the_session_with_its_answer():
    play = Play()
    play.session.unbind(0.0)
    (unbind,) = play.sent()
    assert play.session.free == 0
    assert play.hears(Pdu("unbind_resp", unbind.sequence)) == [Closed("unbound")]


def test_what_the_carrier_brought_before_it_let_us_go_is_answered_yet():
    play = Play()
    (event,) = play.session.receive(GOLDEN["deliver_sm_dlr_tlv"], 0.0)
    play.session.unbind(0.0)
    (unbind,) = play.sent()
    assert play.hears(Pdu("unbind_resp", unbind.sequence)) == []
    assert play.session.tick(0.5) == []
    play.session.answer_delivery(event.delivery, stored=True)
    assert play.session.take_output() == GOLDEN["deliver_sm_resp"]
    assert play.session.tick(0.6) == [Closed("unbound")]


@pytest.mark.parametrize("hangs_up", [False, True])
def test_who_has_let_us_go_is_not_kept_for_ever_by_what_is_not_stored(hangs_up):
    play = Play()
    play.session.receive(GOLDEN["deliver_sm_dlr_tlv"], 0.0)
    play.session.unbind(0.0)
    (unbind,) = play.sent()
    assert play.hears(Pdu("unbind_resp", unbind.sequence)) == []
    ended = play.session.lost("connection lost") if hangs_up else play.session.tick(2.0)
    assert ended == [Closed("unbound")]


def test_a_carrier_that_does_not_know_unbind_lets_us_go_all_the_same():
    play = Play()
    play.session.unbind(0.0)
    (unbind,) = play.sent()
    assert play.hears(Pdu("generic_nack", unbind.sequence, 3)) == [Closed("unbound")]


def test_our_unbind_without_an_answer_ends_it_too():
    play = Play()
    play.session.unbind(0.0)
    assert play.session.tick(10.0) == [Closed("unbind unanswered")]


@pytest.mark.parametrize("frame", ["00000010000000210000000000000005", "00000010000100000000000000000005"])
def test_an_unknown_command_is_answered_with_a_nack_and_life_goes_on(frame):
    play = Play()
    assert play.session.receive(bytes.fromhex(frame), 0.0) == []
    assert play.sent() == [Pdu("generic_nack", 5, 3)]
    assert play.session.free == 3


@pytest.mark.parametrize(
    "frame",
    [
        "00000010800000210000000000000005",
        "000000100000000b0000000000000005",
        "00000010000001020000000000000005",
    ],
    ids=["unknown answer", "outbind", "alert_notification"],
)
def test_what_has_no_answer_is_not_answered(frame):
    play = Play()
    play.session.receive(bytes.fromhex(frame), 0.0)
    assert play.sent() == []


def test_a_command_that_only_a_carrier_should_hear_is_nacked():
    play = Play()
    play.session.receive(GOLDEN["submit_sm_ascii"], 0.0)
    assert play.sent() == [Pdu("generic_nack", 7, 3)]


def test_garbage_ends_the_session():
    play = Play()
    assert play.session.receive(b"HTTP/1.1 400 Bad Request\r\n", 0.0) == [Closed("garbage on the wire")]


def test_what_came_before_garbage_counts():
    play = Play()
    (submit,) = play.submits("t")
    events = play.session.receive(build(taken(submit.sequence)) + b"\xff" * 8, 0.0)
    assert events == [Answered("t", Taken("a1")), Closed("garbage on the wire")]


@given(st.lists(st.sampled_from(ACTIONS), max_size=60), st.data())
def test_whatever_happens_every_part_is_answered_exactly_once(actions, data):
    play, now, submitted, events, sequences = Play(window=4), 0.0, [], [], []
    for action in actions:
        now += 3.0
        if action == "submit" and play.session.free:
            submitted.append(len(submitted))
            play.session.submit(part(), submitted[-1], now)
        elif action == "write":
            sequences += [pdu.sequence for pdu in play.sent() if pdu.command == "submit_sm"]
        elif action == "answer" and sequences:
            events += play.hears(taken(data.draw(st.sampled_from(sequences))), now=now)
        elif action == "tick":
            events += play.session.tick(now)
        elif action == "garbage":
            events += play.session.receive(b"\xff" * 4, now)
        elif action == "unbind":
            events += play.hears(Pdu("unbind", 1), now=now)
    events += play.session.lost("the end")
    answered = [event.token for event in events if isinstance(event, Answered) and not event.late]
    assert sorted(answered) == submitted
    assert sum(isinstance(event, Closed) for event in events) == 1


def test_a_part_that_fits_no_pdu_leaves_no_gap_in_the_numbers():
    play = Play()
    with pytest.raises(ProtocolError):
        play.session.submit(part(0, "长" * 200), "unfit", 0.0)
    assert play.session.pending == 0
    assert [pdu.sequence for pdu in play.submits("a", "b")] == [
        play.bind_sequence + 1,
        play.bind_sequence + 2,
    ]


def test_sequence_numbers_wrap_round_and_leave_out_those_still_in_use():
    play = Play(last_sequence=4)
    sent = [play.submits(token)[0].sequence for token in ("a", "b", "c")]
    play.hears(taken(sent[1]), taken(sent[2]))
    assert [*sent, play.submits("d")[0].sequence, play.submits("e")[0].sequence] == [2, 3, 4, 1, 3]
