"""An ISMG that speaks CMPP 2.0 and 3.0 as the document says, octet for octet, and behaves as real ones behave."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import md5

from tests.interop.strict_wire import PHONE, SMPP_TIME, Gateway, Habits, Line, Reply, Taken

CONNECT, TERMINATE, SUBMIT, DELIVER, ACTIVE_TEST = 1, 2, 4, 5, 8
ANSWER = 0x80000000
NAMES = {1: "CONNECT", 2: "TERMINATE", 4: "SUBMIT", 5: "DELIVER", 8: "ACTIVE_TEST"}
HEADER = 12
OCTET = range(256)
BEIJING_MINUTES = b"26112317252611231726"


@dataclass(frozen=True, kw_only=True)
class CmppHabits(Habits):
    """Habits that only gateways of CMPP have; `report_octets` 0 is the length of the version."""

    says_version: int = 0
    report_octets: int = 0
    status_octets_in_digest: int = 0
    keepalive_answer: bytes = b"\0"
    answers_keepalive_with_keepalive: bool = False
    refuses_login_with: int = 0
    vendor_times: bytes = b""


@dataclass
class CmppGateway(Gateway):
    """One gateway of one version; the version is agreed, not what a peer writes."""

    habits: CmppHabits = field(default_factory=CmppHabits)
    version: int = 0x30
    account: str = "901234"
    secret: str = "secret1234"
    access: str = "10690001"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.old = self.version < 0x30
        self.address, self.result = (21, 1) if self.old else (32, 4)

    async def listen(self, line: Line) -> None:
        """Read a connection to its end."""
        async for pdu in line.pdus(HEADER):
            _, command, sequence = struct.unpack_from(">III", pdu)
            name = NAMES.get(command & ~ANSWER, hex(command)) + ("_RESP" if command & ANSWER else "")
            if line.left:
                self.complain(f"{name}: after TERMINATE")
            if not command & ANSWER:
                self.check_sequence(line, name, sequence)
            if command != CONNECT and not line.logged_in:
                self.complain(f"{name}: before CONNECT was answered")
            if not self.heard(line, command, sequence, pdu[HEADER:], name):
                break
        if line.leaving:
            line.waiting.clear()

    def check_sequence(self, line: Line, name: str, sequence: int) -> None:
        """Header: step 1, wraps; the first may be any."""
        last = line.sequences[-1] if line.sequences else None
        if last is not None and sequence not in {(last + 1) & 0xFFFFFFFF, 1 if last == 0xFFFFFFFF else -1}:
            self.complain(f"{name}.Sequence_Id: {sequence} after {last} (step 1, wraps)")
        line.sequences.append(sequence)

    def heard(self, line: Line, command: int, sequence: int, body: bytes, name: str) -> bool:
        """Deal with one PDU; whether to listen on."""
        if command == CONNECT:
            return self.connect(line, sequence, body)
        if command == SUBMIT:
            self.submit(line, sequence, body)
        elif command == DELIVER | ANSWER:
            self.deliver_answered(line, sequence, body)
        elif command == ACTIVE_TEST:
            self.fields(name, body).end()
            self.keepalives += 1
            repeated = self.habits.answers_keepalive_with_keepalive
            self.send(line, ACTIVE_TEST | (0 if repeated else ANSWER), sequence, self.keepalive(repeated))
        elif command == ACTIVE_TEST | ANSWER:
            fields = self.fields(name, body)
            fields.number("Reserved", 1, (0,), "ACTIVE_TEST_RESP: Reserved 1 octet 0x00")
            fields.end()
            self.answered(line, ACTIVE_TEST, sequence, name)
        elif command in (TERMINATE, TERMINATE | ANSWER):
            return self.terminated(line, command, sequence, body, name)
        else:
            self.complain(f"{name}: no command of an SP")
        return True

    def keepalive(self, repeated: bool) -> bytes:
        """The body of what answers an ACTIVE_TEST."""
        return b"" if repeated else self.habits.keepalive_answer

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
        if (command, sequence) in line.waiting:
            return line.waiting.pop((command, sequence))
        # A gateway that answers ACTIVE_TEST with ACTIVE_TEST gets an answer to what it never counted.
        if not (command == ACTIVE_TEST and self.habits.answers_keepalive_with_keepalive):
            self.complain(
                f"{name}.Sequence_Id: {sequence} answers nothing (a response repeats the request's)"
            )
        return None

    def connect(self, line: Line, sequence: int, body: bytes) -> bool:
        """CMPP_CONNECT."""
        fields = self.fields("CONNECT", body)
        fields.text("Source_Addr", 6, self.account.encode(), "SP_Id")
        digest = fields.octets("AuthenticatorSource", 16)
        fields.number("Version", 1, (self.version,), "0x20 or 0x30, as agreed")
        stamp = fields.number("Timestamp", 4, range(101000000, 1231235960), "MMDDHHMMSS")
        fields.end()
        fields.expect(legal_time(stamp), "Timestamp", "MMDDHHMMSS", stamp)
        right = md5(f"{self.account}{chr(0) * 9}{self.secret}{stamp:010}".encode()).digest()  # noqa: S324
        fields.expect(not line.logged_in, "command", "one CONNECT a connection", "again")
        status = self.habits.refuses_login_with or (0 if digest == right else 3)
        if status != 3:
            fields.expect(digest == right, "AuthenticatorSource", "MD5 with 9 NULs, 10 digits", digest)
        size = self.habits.status_octets_in_digest or self.result
        proof = md5(status.to_bytes(size, "big") + digest + self.secret.encode()).digest()  # noqa: S324
        answer = status.to_bytes(self.result, "big") + (bytes(16) if status else proof)
        self.send(
            line, CONNECT | ANSWER, sequence, answer + bytes([self.habits.says_version or self.version])
        )
        line.logged_in = not status
        return not status

    def submit(self, line: Line, sequence: int, body: bytes) -> None:
        """CMPP_SUBMIT, field by field, in the order of the document's table."""
        fields = self.fields("SUBMIT", body)
        fields.number("Msg_Id", 8, (0,), "field 1: 0 from the SP")
        total = fields.number("Pk_total", 1, range(1, 256), "field 2: from 1")
        number = fields.number("Pk_number", 1, range(1, total + 1), "field 3: this part, from 1")
        wants = fields.number("Registered_Delivery", 1, range(3 if self.old else 2), "field 4")
        fields.number("Msg_level", 1, range(10), "field 5")
        service = fields.text("Service_Id", 10, rb"[!-~]*", "field 6")
        payer = fields.number("Fee_UserType", 1, range(4), "field 7")
        fields.text(
            "Fee_terminal_Id", self.address, PHONE if payer == 3 else b"", "field 8: only with type 3"
        )
        if not self.old:
            fields.number("Fee_terminal_type", 1, (0, 1), "field 8a")
        fields.number("TP_pId", 1, (0,), "field 9")
        udhi = fields.number("TP_udhi", 1, (0, 1), "field 10")
        coding = fields.number("Msg_Fmt", 1, (0, 3, 4, 8, 15), "field 11")
        fields.text("Msg_src", 6, self.account.encode(), "field 12: SP_Id")
        fields.text("FeeType", 2, rb"0[1-5]" if self.old else rb"0[1-3]", "field 13")
        fields.text("FeeCode", 6, rb"[0-9]{1,6}", "field 14: fen")
        fields.text("ValId_Time", 17, SMPP_TIME, "field 15")
        fields.text("At_Time", 17, SMPP_TIME, "field 16")
        source = fields.text("Src_Id", 21, self.access.encode() + rb"[0-9]*", "field 17: access number first")
        count = fields.number("DestUsr_tl", 1, range(1, 100), "field 18: less than 100")
        phones = [fields.text("Dest_terminal_Id", self.address, PHONE, "field 19") for _ in range(count)]
        if not self.old:
            fields.number("Dest_terminal_type", 1, (0, 1), "field 19a")
        longest = 159 if coding == 0 else 140
        size = fields.number("Msg_Length", 1, range(1, longest + 1), "field 20: < 160 in ASCII, else <= 140")
        content = fields.octets("Msg_Content", size)
        fields.text("Reserve" if self.old else "LinkID", 8 if self.old else 20, b"", "field 22: empty")
        fields.end()
        udh = fields.user_data(content, udhi=bool(udhi), coding=coding, longest=longest)
        counts = udh[1:] if udh else (1, 1)
        fields.expect((total, number) == counts, "Pk_number", "as the UDH counts", (total, number))
        result = self.verdict(throttled=8, refused=13)
        gateway = next(self.numbers) & 0xFFFFFFFFFFFFFFFF
        taken = Taken(
            id=gateway.to_bytes(8, "big"),
            sequence=(sequence,),
            phone=phones[0],
            source=source,
            service=service,
            coding=coding,
            content=content[1 + content[0] :] if udhi and content else content,
            udh=udh,
            wants_report=wants == 1,
            result=result,
            stat=self.next_stat(),
        )
        fields.expect(count == 1, "DestUsr_tl", "simplest and safest: one destination per Submit", count)
        self.answer_submit(line, taken)

    def answer_submit(self, line: Line, taken: Taken) -> None:
        """CMPP_SUBMIT_RESP, the report, and whatever the habits do at this count."""
        head = struct.pack(">III", HEADER + 8 + self.result, SUBMIT | ANSWER, taken.sequence[0])
        message = taken.id if not taken.result else bytes(8)
        answer = head + message + taken.result.to_bytes(self.result, "big")
        reported = taken.wants_report and not taken.result
        self.respond(line, taken, answer, (lambda: self.report(line, taken)) if reported else None)
        every = self.habits.tests_the_line_every
        if every and self.submits % every == 0:
            self.ask(line, ACTIVE_TEST)
        if self.should_leave():
            self.ask(line, TERMINATE)
            line.leaving = True

    def report(self, line: Line, taken: Taken) -> None:
        """CMPP_DELIVER with a status report; which body is told by its length, not by the version."""
        size = self.habits.report_octets or (60 if self.old else 71)
        times = self.habits.vendor_times or BEIJING_MINUTES
        content = taken.id + self.pad(taken.stat, 7) + times + self.pad(taken.phone, size - 39)
        content += struct.pack(">I", 0x11223344)
        self.deliver(
            line,
            phone=taken.phone,
            destination=taken.source,
            content=content,
            report=True,
            udhi=False,
            coding=0,
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
                udhi=each.udhi,
                coding=each.coding,
            )

    def deliver(
        self,
        line: Line,
        *,
        phone: str,
        destination: str,
        content: bytes,
        report: bool,
        udhi: bool,
        coding: int,
    ) -> None:
        """CMPP_DELIVER."""
        own = (next(self.numbers) | 1 << 63).to_bytes(8, "big")
        body = own + self.pad(destination, 21) + self.pad("SVC001", 10) + bytes([0, udhi, coding])
        body += self.pad(phone, self.address) + (b"" if self.old else b"\0")
        body += bytes([report, len(content)]) + content + bytes(8 if self.old else 20)
        self.ask(line, DELIVER, body, own)

    def deliver_answered(self, line: Line, sequence: int, body: bytes) -> None:
        """CMPP_DELIVER_RESP."""
        fields = self.fields("DELIVER_RESP", body)
        message = fields.octets("Msg_Id", 8)
        fields.number("Result", self.result, (0,), "0 ok")
        fields.end()
        asked = self.answered(line, DELIVER, sequence, "DELIVER_RESP")
        fields.expect(asked in (None, message), "Msg_Id", "the Deliver's", message)

    def terminated(self, line: Line, command: int, sequence: int, body: bytes, name: str) -> bool:
        """CMPP_TERMINATE either way: answer, then close."""
        self.fields(name, body).end()
        if command == TERMINATE:
            if self.habits.lets_go:
                self.send(line, TERMINATE | ANSWER, sequence)
            line.left = True
            return True
        self.answered(line, TERMINATE, sequence, name)
        return False

    def say_goodbye(self) -> None:
        """Terminate from this side, with nothing in the window."""
        self.ask(self.lines[-1], TERMINATE)
        self.lines[-1].leaving = True


def legal_time(stamp: int) -> bool:
    """Whether an integer reads as MMDDHHMMSS."""
    month, day, hour, minute, second = (stamp // 100**power % 100 for power in (4, 3, 2, 1, 0))
    return 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60
