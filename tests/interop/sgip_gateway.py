"""An SMG that speaks SGIP 1.2 as the document says, in both directions, and behaves as real ones behave."""

import asyncio
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.interop.cmpp_gateway import legal_time
from tests.interop.strict_wire import PHONE_86, SMPP_TIME, Gateway, Habits, Line, Reply, Taken

BIND, UNBIND, SUBMIT, DELIVER, REPORT, USERRPT = 1, 2, 3, 4, 5, 0x11
ANSWER = 0x80000000
NAMES = {1: "Bind", 2: "Unbind", 3: "Submit", 4: "Deliver", 5: "Report", 0x11: "UserRpt"}
HEADER = 20
STAMP = 1123172525

Sequence3 = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class SgipHabits(Habits):
    """Habits that only gateways of SGIP have; stats are "State ErrorCode" in decimal."""

    stats: Sequence[str] = ("0 0",)
    unbinds_after: int = 0
    duplex: bool = False
    repeats_the_sequence: bool = False
    unbind_answer: bytes = b""
    refuses_login_with: int = 0
    text_of_reserve: bytes = bytes(8)


@dataclass
class SgipGateway(Gateway):
    """One gateway; `sp_port` is where the SP listens for what is its own to hear."""

    habits: SgipHabits = field(default_factory=SgipHabits)
    window: int = 32
    largest: int = 2048
    node: int = 101001
    sp_node: int = 3010012345
    corporation: str = "12345"
    account: str = "spuser"
    secret: str = "sppass"
    sp_account: str = "smguser"
    sp_secret: str = "smgpass"
    access: str = "10655001"
    sp_port: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seen = set[Sequence3]()
        self.errands: asyncio.Queue[tuple[int, bytes, asyncio.Event]] = asyncio.Queue()
        self.calls = self.logins_refused = 0
        self._caller: asyncio.Task[None] | None = None

    async def listen(self, line: Line) -> None:
        """Read the SP's own connection to its end."""
        async for pdu in line.pdus(HEADER):
            command, sequence = struct.unpack_from(">I", pdu, 4)[0], struct.unpack_from(">III", pdu, 8)
            name = NAMES.get(command & ~ANSWER, hex(command)) + ("_Resp" if command & ANSWER else "")
            if line.left:
                self.complain(f"{name}: after Unbind")
            if not command & ANSWER:
                self.check_sequence(name, sequence)
            if command != BIND and not line.logged_in:
                self.complain(f"{name}: before Bind was answered")
            if not self.heard(line, command, sequence, pdu[HEADER:], name):
                break
        if line.leaving:
            line.waiting.clear()

    def check_sequence(self, name: str, sequence: Sequence3) -> None:
        """Header: node of the source, MMDDHHMMSS, counter; all three together never twice."""
        if sequence[0] != self.sp_node or not legal_time(sequence[1]):
            self.complain(f"{name}.Sequence Number: {sequence} (node id of the source; MMDDHHMMSS)")
        if sequence in self.seen:
            self.complain(f"{name}.Sequence Number: {sequence} (unique for a year)")
        self.seen.add(sequence)

    def heard(self, line: Line, command: int, sequence: Sequence3, body: bytes, name: str) -> bool:
        """Deal with one PDU of the SP's own connection; whether to listen on."""
        if command == BIND:
            return self.bound(line, sequence, body)
        if command == SUBMIT:
            self.submit(line, sequence, body)
        elif command == UNBIND:
            self.fields(name, body).end()
            self.send(line, UNBIND | ANSWER, sequence, self.habits.unbind_answer)
            line.left = True
        elif command in (DELIVER | ANSWER, REPORT | ANSWER, USERRPT | ANSWER) and self.habits.duplex:
            self.answered(line, command, sequence, body, name)
        else:
            self.complain(f"{name}: not from the SP on its own connection")
        return True

    def send(self, line: Line, command: int, sequence: Sequence3, body: bytes = b"") -> None:
        """Frame a PDU."""
        line.send(struct.pack(">IIIII", HEADER + len(body), command, *sequence) + body)

    def next_sequence(self) -> Sequence3:
        """A sequence of the gateway's own."""
        return self.node, STAMP, next(self.sequences) & 0xFFFFFFFF

    def answered(self, line: Line, command: int, sequence: Sequence3, body: bytes, name: str) -> int:
        """Check a response of the SP: Result and eight NULs to a request that is open; give the Result."""
        fields = self.fields(name, body)
        result = fields.number("Result", 1, range(256), "a code")
        fields.text("Reserve", 8, b"", "empty")
        fields.end()
        if (command & ~ANSWER, *sequence) not in line.waiting:
            self.complain(f"{name}.Sequence Number: {sequence} answers nothing (a response copies all three)")
        done = line.waiting.pop((command & ~ANSWER, *sequence), None)
        if command != BIND | ANSWER:
            fields.expect(result == 0, "Result", "0 ok", result)
        if isinstance(done, asyncio.Event):
            done.set()
        return result

    def bound(self, line: Line, sequence: Sequence3, body: bytes) -> bool:
        """Bind of the SP, login type 1."""
        fields = self.fields("Bind", body)
        fields.number("Login Type", 1, (1,), "1 SP->SMG")
        name = fields.text("Login Name", 16, rb"[!-~]+", "what the SMG gave the SP")
        password = fields.text("Login Password", 16, rb"[!-~]*", "clear text")
        fields.text("Reserve", 8, b"", "empty")
        fields.end()
        fields.expect(not line.logged_in, "command", "one Bind a connection (2 repeated login)", "again")
        right = (name, password) == (self.account, self.secret)
        status = self.habits.refuses_login_with or (0 if right else 1)
        self.send(line, BIND | ANSWER, sequence, bytes([status]) + self.habits.text_of_reserve)
        line.logged_in = not status
        return not status

    def submit(self, line: Line, sequence: Sequence3, body: bytes) -> None:
        """Submit, field by field, in the order of the document's table."""
        fields = self.fields("Submit", body)
        source = fields.text("SPNumber", 21, self.access.encode() + rb"[0-9]*", "field 1: access number")
        fields.text("ChargeNumber", 21, rb"0{21}|86[0-9]+|", "field 2: payer with 86, 21 zeros, or empty")
        count = fields.number("UserCount", 1, range(1, 101), "field 3: 1..100")
        phones = [
            fields.text("UserNumber", 21, PHONE_86, "field 4: must begin with 86") for _ in range(count)
        ]
        fields.text("CorpId", 5, self.corporation.encode(), "field 5: enterprise code")
        service = fields.text("ServiceType", 10, rb"[!-~]*", "field 6")
        fields.number("FeeType", 1, range(5), "field 7")
        fields.text("FeeValue", 6, rb"[0-9]{1,5}", "field 8: fen, 0..99999")
        fields.text("GivenValue", 6, rb"[0-9]{1,5}", "field 9: fen")
        fields.number("AgentFlag", 1, (0, 1), "field 10")
        fields.number("MorelatetoMTFlag", 1, range(4), "field 11")
        fields.number("Priority", 1, range(10), "field 12: 0..9")
        fields.text("ExpireTime", 16, SMPP_TIME, "field 13: yymmddhhmmsstnnp")
        fields.text("ScheduleTime", 16, SMPP_TIME, "field 14")
        wants = fields.number("ReportFlag", 1, range(4), "field 15")
        fields.number("TP_pid", 1, (0,), "field 16")
        udhi = fields.number("TP_udhi", 1, (0, 1), "field 17")
        coding = fields.number("MessageCoding", 1, (0, 3, 4, 8, 15), "field 18")
        fields.number("MessageType", 1, (0,), "field 19")
        longest = 160 if coding == 0 else 140
        size = fields.number("MessageLength", 4, range(1, longest + 1), "field 20, 21: <= 140, ASCII 160")
        content = fields.octets("MessageContent", size)
        fields.octets("Reserve", 8)
        fields.end()
        udh = fields.user_data(content, udhi=bool(udhi), coding=coding, longest=longest)
        taken = Taken(
            id=struct.pack(">III", *sequence),
            sequence=sequence,
            phone=phones[0],
            source=source,
            service=service,
            coding=coding,
            content=content[1 + content[0] :] if udhi and content else content,
            udh=udh,
            wants_report=wants == 1,
            result=self.verdict(throttled=33, refused=6),
            stat=self.next_stat(),
        )
        self.answer_submit(line, taken)

    def answer_submit(self, line: Line, taken: Taken) -> None:
        """Submit_Resp; it names no id, the sequence is the id."""
        body = bytes([taken.result]) + self.habits.text_of_reserve
        answer = struct.pack(">II", HEADER + len(body), SUBMIT | ANSWER) + taken.id + body
        reported = taken.wants_report and not taken.result
        self.respond(line, taken, answer, (lambda: self.report(line, taken)) if reported else None)
        if self.should_leave():
            line.leaving = True
            self.in_background(asyncio.create_task(line.fall_silent()))

    def respond(self, line: Line, taken: Taken, answer: bytes, receipt: Callable[[], object] | None) -> None:
        """Before means: the SP has answered the Report on the other connection before it reads the answer."""
        if receipt and self.habits.receipts == "before" and not self.habits.duplex:
            self.taken.append(taken)
            done = self.report(line, taken)
            self.in_background(asyncio.create_task(self._answer_after(line, answer, done)))
        else:
            super().respond(line, taken, answer, receipt)

    async def _answer_after(self, line: Line, answer: bytes, done: asyncio.Event) -> None:
        await done.wait()
        line.send(answer)

    def report(self, line: Line, taken: Taken) -> asyncio.Event:
        """Report: the Submit's sequence, the number, State and ErrorCode; no time."""
        state, error = (int(part) for part in taken.stat.split())
        body = taken.id + b"\0" + self.pad(taken.phone, 21) + bytes([state, error])
        return self.hand_over(line, REPORT, body + self.habits.text_of_reserve)

    def reply(self, replies: Sequence[Reply]) -> list[asyncio.Event]:
        """Deliver messages of subscribers; each event is set when the SP has answered."""
        return [
            self.hand_over(
                self.lines[-1],
                DELIVER,
                self.pad(each.phone, 21)
                + self.pad(each.destination, 21)
                + bytes([0, each.udhi, each.coding])
                + struct.pack(">I", len(each.content))
                + each.content
                + self.habits.text_of_reserve,
            )
            for each in replies
        ]

    def user_report(self, *, phone: str, condition: int) -> asyncio.Event:
        """UserRpt: 0 cancelled, 1 suspended for debt, 2 normal again."""
        body = self.pad(self.access, 21) + self.pad(phone, 21) + bytes([condition]) + bytes(8)
        return self.hand_over(self.lines[-1], USERRPT, body)

    def hand_over(self, line: Line, command: int, body: bytes) -> asyncio.Event:
        """Send a command of the gateway's on the connection its habits choose."""
        done = asyncio.Event()
        if self.habits.duplex:
            self.ask(line, command, body, done)
        else:
            self.errands.put_nowait((command, body, done))
            if not self._caller or self._caller.done():
                self._caller = asyncio.create_task(self._call_while_there_is_need())
                self.in_background(self._caller)
        return done

    def ask(self, line: Line, command: int, body: bytes, done: asyncio.Event | None) -> None:
        """Send a request and remember it; the habit of resending repeats it octet for octet."""
        sequence = self.next_sequence()
        line.waiting[command, *sequence] = done
        self.send(line, command, sequence, body)
        if self.habits.repeats_the_sequence:
            self.send(line, command, sequence, body)

    async def _call_while_there_is_need(self) -> None:
        while not self.errands.empty():
            line = await self.call(self.sp_account, self.sp_secret)
            sent = 0
            while line and not (sent and self.errands.empty()):
                command, body, done = self.errands.get_nowait()
                self.ask(line, command, body, done)
                sent += 1
                if len(line.waiting) >= self.window or self.errands.empty():
                    await done.wait()
                if self.habits.unbinds_after and sent >= self.habits.unbinds_after:
                    break
            if line:
                await self.hang_up(line)

    async def call(self, name: str, password: str, login_type: int = 2) -> Line | None:
        """Connect to the SP and bind; None when it refuses."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.sp_port)
        line = self.line(reader, writer)
        self.calls += 1
        login = bytes([login_type]) + self.pad(name, 16) + self.pad(password, 16)
        done, results = asyncio.Event(), list[int]()
        self.in_background(asyncio.create_task(self._hear_answers(line, results)))
        sequence = self.next_sequence()
        line.waiting[BIND, *sequence] = done
        self.send(line, BIND, sequence, login + self.habits.text_of_reserve)
        await done.wait()
        line.logged_in = results[0] == 0
        if line.logged_in:
            return line
        self.logins_refused += 1
        await line.close()
        return None

    async def _hear_answers(self, line: Line, results: list[int]) -> None:
        async for pdu in line.pdus(HEADER):
            command, sequence = struct.unpack_from(">I", pdu, 4)[0], struct.unpack_from(">III", pdu, 8)
            name = NAMES.get(command & ~ANSWER, hex(command)) + "_Resp"
            if command == UNBIND | ANSWER:
                self.fields(name, pdu[HEADER:]).end()
                done = line.waiting.pop((UNBIND, *sequence), None)
                if isinstance(done, asyncio.Event):
                    done.set()
                else:
                    self.complain(f"{name}: answers nothing")
            elif command & ANSWER:
                results.append(self.answered(line, command, sequence, pdu[HEADER:], name))
            else:
                self.complain(f"{name}: commands never flow from the server side of a connection")

    async def hang_up(self, line: Line) -> None:
        """Unbind, wait for the answer, close."""
        done, sequence = asyncio.Event(), self.next_sequence()
        line.waiting[UNBIND, *sequence] = done
        self.send(line, UNBIND, sequence)
        await done.wait()
        await line.close()
