"""An SMGW that speaks SMGP 3.0 as the document says, octet for octet, and behaves as real ones behave."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Literal

from tests.interop.cmpp_gateway import legal_time
from tests.interop.strict_wire import SMPP_TIME, Fields, Gateway, Habits, Line, Reply, Taken

LOGIN, SUBMIT, DELIVER, ACTIVE_TEST, EXIT = 1, 2, 3, 4, 6
ANSWER = 0x80000000
NAMES = {1: "Login", 2: "Submit", 3: "Deliver", 4: "Active_Test", 6: "Exit"}
HEADER = 12
# Tag: name, octets of the value (None: any), legal values of those of one octet.
SUBMIT_TLVS: dict[int, tuple[str, int | None, range]] = {
    0x0001: ("TP_pid", 1, range(256)),
    0x0002: ("TP_udhi", 1, range(2)),
    0x0003: ("LinkID", 20, range(0)),
    0x0004: ("ChargeUserType", 1, range(4)),
    0x0005: ("ChargeTermType", 1, range(2)),
    0x0006: ("ChargeTermPseudo", None, range(0)),
    0x0007: ("DestTermType", 1, range(2)),
    0x0008: ("DestTermPseudo", None, range(0)),
    0x0009: ("PkTotal", 1, range(1, 256)),
    0x000A: ("PkNumber", 1, range(1, 256)),
    0x000B: ("SubmitMsgType", 1, range(6)),
    0x000C: ("SPDealResult", 1, range(2)),
    0x0010: ("MsgSrc", 8, range(0)),
    0x0012: ("MServiceID", 21, range(0)),
}
Keys = Literal["book", "lower", "underscore", "s for blanks"]
KEYS: dict[str, tuple[bytes, ...]] = {
    "book": (b" sub:", b" dlvrd:", b" Submit date:", b" done date:", b" stat:", b" err:", b" Text:"),
    "lower": (b" sub:", b" dlvrd:", b" submit date:", b" done date:", b" stat:", b" err:", b" text:"),
    "underscore": (b" sub:", b" dlvrd:", b" submit_date:", b" done_date:", b" stat:", b" err:", b" Text:"),
    "s for blanks": (b"ssub:", b"sdlvrd:", b"sSubmit_Date:", b"sDone_Date:", b"sStat:", b"sErr:", b"sText:"),
}


def book_id(number: int) -> bytes:
    """A MsgID as the book writes it: gateway, MMDDHHMM and serial in BCD."""
    return bytes.fromhex(f"01006111231725{number % 1000000:06}")


def binary_id(number: int) -> bytes:
    """A MsgID of octets that are no BCD: NUL, blanks, colons and letters of the report's own keys."""
    return (b"\x00 :", b" stat", b"id:\x00", b"\xff\x00\x20")[number % 4].ljust(8, b"\x00") + struct.pack(
        ">H", number * 257 & 0xFFFF
    )


@dataclass(frozen=True, kw_only=True)
class SmgpHabits(Habits):
    """Habits that only gateways of SMGP have."""

    message_id: Callable[[int], bytes] = book_id
    own_id: Callable[[int], bytes] = book_id
    keys: Keys = "book"
    err: str = ""
    text: bytes = b"003abc".ljust(20, b"\0")
    id_in_hex: bool = False
    status_octets_in_digest: int = 4
    says_version: int = 0x30
    refuses_login_with: int = 0
    unasked_tlvs: bool = False


@dataclass
class SmgpGateway(Gateway):
    """One gateway; `version` 0x13 is the dialect without FixedFee and TLVs."""

    habits: SmgpHabits = field(default_factory=SmgpHabits)
    version: int = 0x30
    account: str = "10690001"
    secret: str = "secret1234"
    access: str = "10690001"
    login_modes: Sequence[int] = (2,)

    async def listen(self, line: Line) -> None:
        """Read a connection to its end."""
        async for pdu in line.pdus(HEADER):
            _, command, sequence = struct.unpack_from(">III", pdu)
            name = NAMES.get(command & ~ANSWER, hex(command)) + ("_Resp" if command & ANSWER else "")
            if line.left:
                self.complain(f"{name}: after Exit")
            if not command & ANSWER:
                self.check_sequence(line, name, sequence)
            if command != LOGIN and not line.logged_in:
                self.complain(f"{name}: before Login was answered")
            if not self.heard(line, command, sequence, pdu[HEADER:], name):
                break
        if line.leaving:
            line.waiting.clear()

    def check_sequence(self, line: Line, name: str, sequence: int) -> None:
        """Header: 0..0xFFFFFFFF, step 1, wraps."""
        if line.sequences and sequence not in {(line.sequences[-1] + 1) & 0xFFFFFFFF}:
            self.complain(f"{name}.SequenceID: {sequence} after {line.sequences[-1]} (step 1, wraps)")
        line.sequences.append(sequence)

    def heard(self, line: Line, command: int, sequence: int, body: bytes, name: str) -> bool:
        """Deal with one PDU; whether to listen on."""
        if command == LOGIN:
            return self.login(line, sequence, body)
        if command == SUBMIT:
            self.submit(line, sequence, body)
        elif command == DELIVER | ANSWER:
            self.deliver_answered(line, sequence, body)
        elif command in (ACTIVE_TEST, ACTIVE_TEST | ANSWER):
            self.fields(name, body).end()
            if command & ANSWER:
                self.answered(line, ACTIVE_TEST, sequence, name)
            else:
                self.keepalives += 1
                self.send(line, ACTIVE_TEST | ANSWER, sequence)
        elif command in (EXIT, EXIT | ANSWER):
            self.fields(name, body).end()
            if command & ANSWER:
                self.answered(line, EXIT, sequence, name)
                return False
            if self.habits.lets_go:
                self.send(line, EXIT | ANSWER, sequence)
            line.left = True
        else:
            self.complain(f"{name}: an SP uses 1, 2, 3, 4, 6")
        return True

    def send(self, line: Line, command: int, sequence: int, body: bytes = b"") -> None:
        """Frame a PDU."""
        line.send(struct.pack(">III", HEADER + len(body), command, sequence) + body)

    def ask(self, line: Line, command: int, body: bytes = b"", about: object = None) -> None:
        """Send a request of ours and remember it until it is answered."""
        sequence = next(self.sequences) & 0xFFFFFFFF
        line.waiting[command, sequence] = about
        self.send(line, command, sequence, body)

    def answered(self, line: Line, command: int, sequence: int, name: str) -> object:
        """What the answered request was about."""
        if (command, sequence) not in line.waiting:
            self.complain(f"{name}.SequenceID: {sequence} answers nothing (a response repeats the request's)")
        return line.waiting.pop((command, sequence), None)

    def login(self, line: Line, sequence: int, body: bytes) -> bool:
        """Login."""
        fields = self.fields("Login", body)
        fields.text("ClientID", 8, self.account.encode(), "account")
        digest = fields.octets("AuthenticatorClient", 16)
        fields.number("LoginMode", 1, self.login_modes, "0 send, 1 receive, 2 both")
        stamp = fields.number("TimeStamp", 4, range(101000000, 1231235960), "MMDDHHMMSS")
        fields.number("ClientVersion", 1, (self.version,), "high nibble major, as agreed")
        fields.end()
        fields.expect(legal_time(stamp), "TimeStamp", "MMDDHHMMSS", stamp)
        fields.expect(not line.logged_in, "command", "one Login a connection", "again")
        right = md5(f"{self.account}{chr(0) * 7}{self.secret}{stamp:010}".encode()).digest()  # noqa: S324
        status = self.habits.refuses_login_with or (0 if digest == right else 21)
        if status != 21:
            fields.expect(digest == right, "AuthenticatorClient", "MD5 with 7 NULs, 10 digits", digest)
        proof = status.to_bytes(self.habits.status_octets_in_digest, "big") + digest + self.secret.encode()
        answer = struct.pack(">I", status) + (bytes(16) if status else md5(proof).digest())  # noqa: S324
        self.send(line, LOGIN | ANSWER, sequence, answer + bytes([self.habits.says_version]))
        line.logged_in = not status
        return not status

    def submit(self, line: Line, sequence: int, body: bytes) -> None:
        """Submit, field by field, in the order of the document's table."""
        fields = self.fields("Submit", body)
        fields.number("MsgType", 1, (6,), "field 1: 6 MT")
        wants = fields.number("NeedReport", 1, (0, 1), "field 2")
        fields.number("Priority", 1, range(4), "field 3")
        service = fields.text("ServiceID", 10, rb"[!-~]*", "field 4")
        fields.text("FeeType", 2, rb"0[0-3]", "field 5")
        fields.text("FeeCode", 6, rb"[0-9]{1,6}", "field 6: fen")
        if self.version >= 0x30:
            fields.text("FixedFee", 6, rb"[0-9]{1,6}", "field 7: fen")
        coding = fields.number("MsgFormat", 1, (0, 3, 4, 8, 15, 246), "field 8")
        fields.text("ValidTime", 17, SMPP_TIME, "field 9")
        fields.text("AtTime", 17, SMPP_TIME, "field 10")
        source = fields.text("SrcTermID", 21, rb"(118)?" + self.access.encode() + rb"[0-9]*", "field 11")
        fields.text("ChargeTermID", 21, rb"[0-9]*", "field 12")
        count = fields.number("DestTermIDCount", 1, range(1, 101), "field 13: <= 100")
        phones = [
            fields.text("DestTermID", 21, rb"1[3-9][0-9]{9}", "field 14: 11 digits without 86")
            for _ in range(count)
        ]
        size = fields.number("MsgLength", 1, range(1, 141), "field 15: <= 140")
        content = fields.octets("MsgContent", size)
        fields.text("Reserve", 8, b"", "field 17: empty")
        tlvs = self.tlvs(fields)
        fields.end()
        udhi = tlvs.get(0x0002, 0)
        udh = fields.user_data(content, udhi=bool(udhi), coding=coding, longest=140)
        if self.version >= 0x30 and udh:
            counts = (tlvs.get(0x0009), tlvs.get(0x000A))
            fields.expect(counts == udh[1:], "PkNumber", "Long messages: as the UDH counts", counts)
        taken = Taken(
            id=self.habits.message_id(next(self.numbers)),
            sequence=(sequence,),
            phone=phones[0],
            source=source,
            service=service,
            coding=coding,
            content=content[1 + content[0] :] if udhi and content else content,
            udh=udh,
            wants_report=wants == 1,
            result=self.verdict(throttled=1, refused=47),
            stat=self.next_stat(),
        )
        self.answer_submit(line, taken)

    def tlvs(self, fields: Fields) -> dict[int, int]:
        """Read the optional fields; numbers by tag."""
        found: dict[int, int] = {}
        while fields.left() and self.version >= 0x30:
            tag = fields.number("TLV", 2, SUBMIT_TLVS, "a tag of Submit")
            name, size, legal = SUBMIT_TLVS.get(tag, ("TLV", None, range(0)))
            length = fields.number(f"{name}.Length", 2, range(1, 22), "Length of the value")
            fields.expect(size in (None, length), name, f"{size} octets", length)
            fields.expect(tag not in found, name, "once", tag)
            value = fields.octets(name, length)
            found[tag] = int.from_bytes(value, "big")
            fields.expect(not legal or found[tag] in legal, name, "legal value", value)
        return found

    def answer_submit(self, line: Line, taken: Taken) -> None:
        """Submit_Resp, the report, and whatever the habits do at this count."""
        head = struct.pack(">III", HEADER + 14, SUBMIT | ANSWER, taken.sequence[0])
        message = bytes(10) if taken.result else taken.id
        reported = taken.wants_report and not taken.result
        answer = head + message + struct.pack(">I", taken.result)
        self.respond(line, taken, answer, (lambda: self.report(line, taken)) if reported else None)
        every = self.habits.tests_the_line_every
        if every and self.submits % every == 0:
            self.ask(line, ACTIVE_TEST)
        if self.should_leave():
            self.say_goodbye()

    def say_goodbye(self) -> None:
        """Exit from this side."""
        self.ask(self.lines[-1], EXIT)
        self.lines[-1].leaving = True

    def report(self, line: Line, taken: Taken) -> None:
        """Deliver with IsReport 1: keys in ASCII round an id of ten octets."""
        err = self.habits.err or ("000" if taken.stat == "DELIVRD" else "999")
        dates = (b"2611231725", b"2611231726")
        values = (b"001", b"001", *dates, self.pad(taken.stat, 7), err.encode(), self.habits.text)
        content = b"id:" + (taken.id.hex().encode() if self.habits.id_in_hex else taken.id)
        content += b"".join(key + value for key, value in zip(KEYS[self.habits.keys], values, strict=True))
        if not self.habits.text:
            content = content[: -len(b" Text:")]
        self.deliver(
            line, phone=taken.phone, destination=taken.source, content=content, report=True, coding=0
        )

    def reply(self, replies: Sequence[Reply]) -> None:
        """Hand messages of subscribers over, on the newest connection."""
        for each in replies:
            self.deliver(
                self.lines[-1],
                phone=each.phone,
                destination=each.destination,
                content=each.content,
                report=False,
                coding=each.coding,
                udhi=each.udhi,
            )

    def deliver(
        self,
        line: Line,
        *,
        phone: str,
        destination: str,
        content: bytes,
        report: bool,
        coding: int,
        udhi: bool = False,
    ) -> None:
        """Deliver."""
        own = self.habits.own_id(next(self.numbers))
        body = own + bytes([report, coding]) + b"20261123172600" + self.pad(phone, 21)
        body += self.pad(destination, 21) + bytes([len(content)]) + content + bytes(8)
        body += struct.pack(">HHB", 0x0002, 1, 1) if udhi else b""
        if self.habits.unasked_tlvs:
            body += struct.pack(">HHB", 0x0001, 1, 0) + struct.pack(">HH20s", 0x0003, 20, b"")
            body += struct.pack(">HH3s", 0x0F01, 3, b"xyz") + struct.pack(">HH", 0x0F02, 0)
        self.ask(line, DELIVER, body, own)

    def deliver_answered(self, line: Line, sequence: int, body: bytes) -> None:
        """Deliver_Resp."""
        fields = self.fields("Deliver_Resp", body)
        message = fields.octets("MsgID", 10)
        fields.number("Status", 4, (0,), "0 ok")
        fields.end()
        asked = self.answered(line, DELIVER, sequence, "Deliver_Resp")
        fields.expect(asked in (None, message), "MsgID", "the Deliver's", message)
