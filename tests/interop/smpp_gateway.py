"""An SMSC that speaks SMPP 3.4 as the document says, octet for octet, and behaves as real ones behave."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.interop.strict_wire import PHONE_86, SMPP_TIME, Fields, Gateway, Habits, Line, Reply, Taken

SUBMIT, DELIVER, UNBIND, ENQUIRE, DATA = 4, 5, 6, 0x15, 0x103
BINDS = {1: "bind_receiver", 2: "bind_transmitter", 9: "bind_transceiver"}
ANSWER = 0x80000000
NACK = 0x80000000
NAMES = BINDS | {
    4: "submit_sm",
    5: "deliver_sm",
    6: "unbind",
    0x15: "enquire_link",
    0x103: "data_sm",
    0: "nack",
}
HEADER = 16
ADDRESSES = ((0, 0), (3, 1), (5, 0))
# Tag: name, octets of the value (None: any).
SUBMIT_TLVS: dict[int, tuple[str, int | None]] = {
    0x0204: ("user_message_reference", 2),
    0x020A: ("source_port", 2),
    0x020B: ("destination_port", 2),
    0x020C: ("sar_msg_ref_num", 2),
    0x020E: ("sar_total_segments", 1),
    0x020F: ("sar_segment_seqnum", 1),
    0x0424: ("message_payload", None),
    0x0426: ("more_messages_to_send", 1),
}
STATE_NAMES = ("ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
STATES = {name: state for state, name in enumerate(STATE_NAMES, start=1)}
ReceiptText = Literal["book", "seconds", "four digits", "upper", "no text", "only stat", "empty"]


def hex_id(number: int) -> str:
    """An id as many centres write it."""
    return f"{number:08x}"


@dataclass(frozen=True, kw_only=True)
class SmppHabits(Habits):
    """Habits that only centres of SMPP have."""

    message_id: Callable[[int], str] = hex_id
    receipt_id: Callable[[int], str] | None = None
    receipt_text: ReceiptText = "book"
    receipt_tlvs: bool = False
    receipt_as_data_sm: bool = False
    payload_tlv: bool = False
    esm_class: int = 0x04
    unasked_tlvs: bool = False
    nacks_every: int = 0
    sends_unknown_commands: bool = False
    enquires_before_bind_answer: bool = False
    says_version: bool = True
    refuses_login_with: int = 0


@dataclass
class SmppGateway(Gateway):
    """One centre."""

    habits: SmppHabits = field(default_factory=SmppHabits)
    largest: int = 65536
    account: str = "smppuser"
    secret: str = "secret08"
    system_type: str = ""
    access: str = "10690001"
    bind_commands: Sequence[int] = (9,)
    longest_id: int = 0

    async def listen(self, line: Line) -> None:
        """Read a connection to its end."""
        async for pdu in line.pdus(HEADER):
            _, command, status, sequence = struct.unpack_from(">IIII", pdu)
            name = NAMES.get(command & ~ANSWER, hex(command)) + ("_resp" if command & ANSWER else "")
            if line.left:
                self.complain(f"{name}: after unbind")
            if not command & ANSWER:
                self.check_request(line, name, status, sequence)
            if command not in BINDS and not line.logged_in and command != ENQUIRE | ANSWER:
                self.complain(f"{name}: before bind was answered")
            if not self.heard(line, command, status, sequence, pdu[HEADER:], name):
                break
        if line.leaving:
            line.waiting.clear()

    def check_request(self, line: Line, name: str, status: int, sequence: int) -> None:
        """Header: command_status 0 in requests, sequence_number 1..0x7FFFFFFF."""
        if status:
            self.complain(f"{name}.command_status: {status} (0 in requests)")
        last = line.sequences[-1] if line.sequences else 0
        if not 1 <= sequence <= 0x7FFFFFFF or (sequence <= last < 0x7FFFFF00):
            self.complain(f"{name}.sequence_number: {sequence} after {last} (1..0x7FFFFFFF, rising)")
        line.sequences.append(sequence)

    def heard(self, line: Line, command: int, status: int, sequence: int, body: bytes, name: str) -> bool:
        """Deal with one PDU; whether to listen on."""
        if command in BINDS:
            return self.bound(line, command, sequence, body)
        if command == SUBMIT:
            self.submit(line, sequence, body)
        elif command in (DELIVER | ANSWER, DATA | ANSWER):
            fields = self.fields(name, body)
            fields.c_string("message_id", 65 if command == DATA | ANSWER else 1, rb"[!-~]*", "one NUL")
            fields.end()
            fields.expect(status == 0, "command_status", "0 ok", status)
            self.answered(line, command & ~ANSWER, sequence, name)
        elif command in (ENQUIRE, ENQUIRE | ANSWER, UNBIND, UNBIND | ANSWER):
            return self.small_talk(line, command, status, sequence, body, name)
        elif command == NACK:
            self.answered(line, 0, sequence, name)
            self.fields(name, body).expect(status == 3, "command_status", "3 command id", status)
        else:
            self.complain(f"{name}: not of this bind")
        return True

    def small_talk(
        self, line: Line, command: int, status: int, sequence: int, body: bytes, name: str
    ) -> bool:
        """enquire_link and unbind, either way."""
        fields = self.fields(name, body)
        fields.end()
        if command & ANSWER:
            fields.expect(status == 0, "command_status", "0 ok", status)
            self.answered(line, command & ~ANSWER, sequence, name)
            return command != UNBIND | ANSWER
        self.keepalives += command == ENQUIRE
        self.send(line, command | ANSWER, sequence)
        line.left = command == UNBIND
        return True

    def send(self, line: Line, command: int, sequence: int, body: bytes = b"", status: int = 0) -> None:
        """Frame a PDU."""
        line.send(struct.pack(">IIII", HEADER + len(body), command, status, sequence) + body)

    def ask(self, line: Line, command: int, body: bytes = b"", waits_for: int | None = None) -> None:
        """Send a request of ours and remember it until it is answered."""
        sequence = (next(self.sequences) - 1) % 0x7FFFFFFF + 1
        line.waiting[command if waits_for is None else waits_for, sequence] = None
        self.send(line, command, sequence, body)

    def answered(self, line: Line, command: int, sequence: int, name: str) -> None:
        """A response must answer what is open."""
        if (command, sequence) not in line.waiting:
            self.complain(f"{name}.sequence_number: {sequence} answers nothing")
        line.waiting.pop((command, sequence), None)

    def bound(self, line: Line, command: int, sequence: int, body: bytes) -> bool:
        """bind_*."""
        fields = self.fields(BINDS[command], body)
        fields.expect(command in self.bind_commands, "command_id", "the bind agreed", command)
        name = fields.c_string("system_id", 16, rb"[!-~]+", "text")
        password = fields.c_string("password", 9, rb"[!-~]*", "text")
        fields.c_string("system_type", 13, self.system_type.encode(), "as agreed")
        fields.number("interface_version", 1, (0x34,), "0x34")
        fields.number("addr_ton", 1, range(7), "a TON")
        fields.number("addr_npi", 1, (0, 1, 3, 4, 6, 8, 9, 10, 14, 18), "an NPI")
        fields.c_string("address_range", 41, rb"[ -~]*", "text")
        fields.end()
        fields.expect(not line.logged_in, "command_id", "one bind a connection", "again")
        wrong = 0xF if name != self.account else 0xE if password != self.secret else 0
        status = self.habits.refuses_login_with or wrong
        if self.habits.enquires_before_bind_answer:
            self.ask(line, ENQUIRE)
        answer = b"SMSC\0" + (struct.pack(">HHB", 0x0210, 1, 0x34) if self.habits.says_version else b"")
        self.send(line, command | ANSWER, sequence, b"" if status else answer, status)
        line.logged_in = not status
        return not status

    def submit(self, line: Line, sequence: int, body: bytes) -> None:
        """submit_sm, field by field."""
        fields = self.fields("submit_sm", body)
        service = fields.c_string("service_type", 6, rb"[!-~]*", "text")
        ton_npi = (fields.number("source_addr_ton", 1, range(7), "a TON"), fields.octets("npi", 1)[0])
        source = fields.c_string("source_addr", 21, self.access.encode() + rb"[0-9]*", "access number first")
        right = ton_npi in ADDRESSES and (ton_npi != (5, 0) or len(source) <= 11)
        fields.expect(right, "source_addr_ton", "0/0 or 3/1 for a number, 5/0 up to 11", (ton_npi, source))
        fields.number("dest_addr_ton", 1, (1,), "destination 1/1 with 86")
        fields.number("dest_addr_npi", 1, (1,), "destination 1/1 with 86")
        phone = fields.c_string("destination_addr", 21, PHONE_86, "destination 1/1 with 86")
        esm = fields.number("esm_class", 1, (0, 3, 0x40, 0x43), "0x40 = UDH present")
        fields.number("protocol_id", 1, (0,), "0")
        fields.number("priority_flag", 1, range(4), "0 to 3")
        fields.c_string("schedule_delivery_time", 17, SMPP_TIME, "1 or 17")
        fields.c_string("validity_period", 17, SMPP_TIME, "1 or 17")
        wants = fields.number("registered_delivery", 1, (0, 1, 2, 0x10, 0x11, 0x12), "0 to 2, | 0x10")
        fields.number("replace_if_present_flag", 1, (0,), "0")
        coding = fields.number("data_coding", 1, (0, 1, 3, 4, 8), "a coding")
        fields.number("sm_default_msg_id", 1, (0,), "0")
        size = fields.number("sm_length", 1, range(255), "0..254")
        content = fields.octets("short_message", size)
        tlvs = self.tlvs(fields)
        fields.end()
        content = self.whole(fields, content, tlvs, udhi=bool(esm & 0x40))
        longest = 160 if coding in (0, 1) else 140
        if 0x0424 in tlvs:
            longest = 65535
        udh = fields.user_data(content, udhi=bool(esm & 0x40), coding=coding, longest=longest)
        number = next(self.numbers)
        taken = Taken(
            id=number.to_bytes(8, "big"),
            sequence=(sequence,),
            phone=phone,
            source=source,
            service=service,
            coding=coding,
            content=content[1 + content[0] :] if esm & 0x40 and content else content,
            udh=udh,
            wants_report=bool(wants & 3),
            result=self.verdict(throttled=0x58, refused=0x0B),
            stat=self.next_stat(),
        )
        self.answer_submit(line, taken, number)

    def tlvs(self, fields: Fields) -> dict[int, bytes]:
        """Read the optional parameters."""
        found: dict[int, bytes] = {}
        while fields.left():
            tag = fields.number("TLV", 2, SUBMIT_TLVS, "a tag of submit_sm")
            name, size = SUBMIT_TLVS.get(tag, ("TLV", None))
            length = fields.number(f"{name}.length", 2, range(65536), "length of the value")
            fields.expect(size in (None, length), name, f"{size} octets", length)
            fields.expect(tag not in found, name, "once", tag)
            found[tag] = fields.octets(name, length)
        return found

    def whole(self, fields: Fields, content: bytes, tlvs: dict[int, bytes], *, udhi: bool) -> bytes:
        """The text, from short_message or message_payload; UDH and sar_* must not be mixed."""
        sar = [tag in tlvs for tag in (0x020C, 0x020E, 0x020F)]
        fields.expect(any(sar) == all(sar), "sar_*", "all three or none", sar)
        fields.expect(not (udhi and any(sar)), "sar_*", "UDH and sar_* must not be mixed", sar)
        if 0x0424 in tlvs:
            fields.expect(not content, "message_payload", "with sm_length 0", len(content))
            return tlvs[0x0424]
        return content

    def answer_submit(self, line: Line, taken: Taken, number: int) -> None:
        """submit_sm_resp, the receipt, and whatever the habits do at this count."""
        message = self.habits.message_id(number)
        body = b"" if taken.result else message.encode() + b"\0"
        command = SUBMIT | ANSWER
        if self.habits.nacks_every and self.submits % self.habits.nacks_every == 0:
            command, body = NACK, b""
            taken = Taken(**{**taken.__dict__, "result": 0x64})
        head = struct.pack(">IIII", HEADER + len(body), command, taken.result, taken.sequence[0])
        reported = taken.wants_report and not taken.result
        receipt = (lambda: self.report(line, taken, number)) if reported else None
        self.respond(line, taken, head + body, receipt)
        every = self.habits.tests_the_line_every
        if every and self.submits % every == 0:
            self.ask(line, ENQUIRE)
            if self.habits.sends_unknown_commands:
                self.ask(line, 0x00010400, b"vendor", waits_for=0)
        if self.should_leave():
            self.say_goodbye()

    def say_goodbye(self) -> None:
        """Unbind from this side."""
        self.ask(self.lines[-1], UNBIND)
        self.lines[-1].leaving = True

    def report(self, line: Line, taken: Taken, number: int) -> None:
        """A receipt as deliver_sm or data_sm."""
        message = (self.habits.receipt_id or self.habits.message_id)(number)
        text = receipt_text(self.habits.receipt_text, message, taken.stat)
        tlvs = b""
        if self.habits.receipt_tlvs or self.habits.receipt_text == "empty":
            tlvs += tlv(0x001E, message.encode() + b"\0") + tlv(0x0427, bytes([STATES[taken.stat]]))
            tlvs += tlv(0x0423, b"\x03\x00\x00")
        reply = Reply(phone=taken.phone, destination=taken.source, coding=0, content=text)
        self.deliver(line, reply, self.habits.esm_class, tlvs, as_data=self.habits.receipt_as_data_sm)

    def reply(self, replies: Sequence[Reply]) -> None:
        """Hand messages of subscribers over, on the newest connection."""
        for each in replies:
            self.deliver(self.lines[-1], each, 0x40 if each.udhi else 0, b"", as_data=False)

    def deliver(self, line: Line, reply: Reply, esm_class: int, tlvs: bytes, *, as_data: bool) -> None:
        """deliver_sm or data_sm, the text in short_message or in message_payload."""
        body = b"\0\x01\x01" + reply.phone.encode() + b"\0\0\0" + reply.destination.encode() + b"\0"
        inside = not (self.habits.payload_tlv or as_data)
        if as_data:
            body += bytes([esm_class, 0, reply.coding])
        else:
            body += bytes([esm_class, 0, 0, 0, 0, 0, 0, reply.coding, 0])
            body += bytes([len(reply.content)]) + reply.content if inside else b"\0"
        if self.habits.unasked_tlvs:
            body += (
                tlv(0x0204, b"\x12\x34") + tlv(0x1403, b"vendor") + tlv(0x001D, b"text\0") + tlv(0x3FFF, b"")
            )
        body += b"" if inside else tlv(0x0424, reply.content)
        self.ask(line, DATA if as_data else DELIVER, body + tlvs)


def tlv(tag: int, value: bytes) -> bytes:
    """An optional parameter."""
    return struct.pack(">HH", tag, len(value)) + value


def receipt_text(kind: ReceiptText, message: str, stat: str) -> bytes:
    """Appendix B is "vendor specific, typical"; these are the types."""
    dates = {"seconds": ("261123172525", "261123172659"), "four digits": ("202611231725", "202611231726")}
    submitted, done = dates.get(kind, ("2611231725", "2611231726"))
    error = "000" if stat == "DELIVRD" else "069"
    text = f"id:{message} sub:001 dlvrd:001 submit date:{submitted} done date:{done} stat:{stat} err:{error}"
    texts = {
        "upper": f"{text.title().replace(stat.title(), stat)} Text:hi".replace(message.title(), message),
        "no text": text,
        "only stat": f"id:{message} stat:{stat}",
        "empty": "",
    }
    return texts.get(kind, f"{text} text:your code").encode()
