"""The strict gateways themselves against the golden PDUs: what independent codecs made gives no finding."""

import asyncio
import json
import re
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.interop.cmpp_gateway import CmppGateway, CmppHabits
from tests.interop.sgip_gateway import SgipGateway, SgipHabits
from tests.interop.smgp_gateway import SmgpGateway, SmgpHabits
from tests.interop.smpp_gateway import SmppGateway, SmppHabits
from tests.interop.strict_wire import Gateway, Line, Reply, Taken, pieces

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
MO = bytes.fromhex("4e0a884c56de590d00540044")
DIALECTS: dict[str, tuple[Callable[[], Gateway], str, str]] = {
    "cmpp20": (lambda: CmppGateway(version=0x20), "connect", "submit_"),
    "cmpp30": (lambda: CmppGateway(version=0x30), "connect", "submit_"),
    "sgip12": (lambda: SgipGateway(habits=SgipHabits(receipts="never")), "bind_type1", "submit_"),
    "smgp30": (SmgpGateway, "login", "submit_"),
    "smpp34": (SmppGateway, "bind_transceiver", "submit_sm_"),
}
SEQUENCE_AT = {"cmpp20": 8, "cmpp30": 8, "sgip12": 16, "smgp30": 8, "smpp34": 12}
# What the documents say of these PDUs themselves: SMSGate ends MsgSrc with a NUL; two codecs announce a UDH in
# a TLV without the part counts that belong to it.
# Several destinations are legal and never sent; a UDH that nothing announces is no UDH.
UNFIT = re.compile(r"_resp|_2dest|udh\d_.*_notlv")
KNOWN = ("MsgSrc", "Submit.PkNumber: (None, None)")


def golden(protocol: str) -> dict[str, bytes]:
    """Vectors by name."""
    vectors = json.loads((VECTORS / f"{protocol}.json").read_text())["vectors"]
    return {vector["name"]: bytes.fromhex(vector["hex"]) for vector in vectors}


def golden_phone(protocol: str, vector: str, field: str) -> str:
    """The subscriber whom the makers of a vector invented."""
    vectors = json.loads((VECTORS / f"{protocol}.json").read_text())["vectors"]
    (fields,) = (each["fields"] for each in vectors if each["name"] == vector)
    return str(fields[field])


def numbered(pdus: Sequence[bytes], *, at: int, first: int) -> list[bytes]:
    """The same PDUs, their sequence counted up."""
    return [pdu[:at] + struct.pack(">I", first + n) + pdu[at + 4 :] for n, pdu in enumerate(pdus)]


async def say(gateway: Gateway, pdus: Sequence[bytes], answers: int) -> list[bytes]:
    """Send octets as a client and read so many answers."""
    async with gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        for piece in pieces(pdus, "shredded"):
            writer.write(piece)
        heard = []
        for _ in range(answers):
            head = await asyncio.wait_for(reader.readexactly(4), 5)
            heard.append(head + await reader.readexactly(int.from_bytes(head, "big") - 4))
        writer.close()
        await writer.wait_closed()
    return heard


GATEWAYS = (*sorted(Path(__file__).parent.glob("*_gateway.py")), Path(__file__).with_name("strict_wire.py"))


@pytest.mark.parametrize("file", GATEWAYS, ids=lambda file: file.stem)
def test_a_gateway_imports_nothing_of_the_project_but_another_gateway(file: Path):
    named = re.findall(r"^\s*(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
    known = sys.stdlib_module_names | {f"tests.interop.{gateway.stem}" for gateway in GATEWAYS}
    assert {name for name in named if not {name, name.partition(".")[0]} & known} == set()


@pytest.mark.parametrize("protocol", DIALECTS)
def test_what_independent_codecs_send_gives_no_finding(protocol: str):
    make, login, submits = DIALECTS[protocol]
    vectors, gateway = golden(protocol), make()
    names = [name for name in vectors if name.startswith(submits) and not UNFIT.search(name)]
    pdus = [vectors[login], *(vectors[name] for name in names)]
    asyncio.run(say(gateway, numbered(pdus, at=SEQUENCE_AT[protocol], first=7), len(pdus)))
    assert [finding for finding in gateway.findings if not any(known in finding for known in KNOWN)] == []
    assert len(gateway.taken) == len(names)


@pytest.mark.parametrize("protocol", DIALECTS)
def test_every_octet_of_a_submit_is_seen_when_its_top_bit_changes(protocol: str):
    make, login, submits = DIALECTS[protocol]
    vectors, gateway = golden(protocol), make()
    names = ("ucs2_1dest", "ucs2_1dest_notlv", "ucs2")
    (submit,) = (vectors[submits + name] for name in names if submits + name in vectors)
    header = {"sgip12": 20, "smpp34": 16}.get(protocol, 12)
    changed = [
        submit[:at] + bytes([submit[at] ^ 0x80]) + submit[at + 1 :] for at in range(header, len(submit))
    ]
    text = submit.index(bytes.fromhex("30106d4b")), submit.index(bytes.fromhex("00350036")) + 4
    pdus = numbered([vectors[login], *changed], at=SEQUENCE_AT[protocol], first=1)
    unseen = asyncio.run(unnoticed(gateway, pdus))
    # The text is free, and so is what stands in SGIP's Reserve, where gateways may put a LinkID.
    free = set(range(*text)) | (set(range(len(submit) - 8, len(submit))) if protocol == "sgip12" else set())
    assert {at + header for at in unseen} - free == set()


async def unnoticed(gateway: Gateway, pdus: Sequence[bytes]) -> list[int]:
    """The numbers of the submits, after the login, that gave no finding."""
    unseen = []
    async with gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        for number, pdu in enumerate(pdus):
            before = len(gateway.findings)
            writer.write(pdu)
            answer = 0
            while not answer & 0x80000000:
                head = await asyncio.wait_for(reader.readexactly(8), 5)
                size, answer = struct.unpack(">II", head)
                await reader.readexactly(size - 8)
            if number and len(gateway.findings) == before:
                unseen.append(number - 1)
        writer.close()
        await writer.wait_closed()
    return unseen


class Caught:
    """Stands where a connection stands and keeps what is sent."""

    def __init__(self) -> None:
        self.pdus: list[bytes] = []
        self.waiting: dict[tuple[int, ...], object] = {}

    def send(self, pdu: bytes) -> None:
        """Keep a PDU."""
        self.pdus.append(pdu)


TAKEN = Taken(
    id=bytes.fromhex("bbc5964003e90001"),
    sequence=(7,),
    phone="13800138000",
    source="1069000112",
    service="SVC001",
    coding=8,
    content=b"",
    udh=None,
    wants_report=True,
    result=0,
    stat="DELIVRD",
)


@pytest.mark.parametrize("version", [0x20, 0x30])
def test_the_cmpp_gateway_delivers_as_independent_codecs_do(version: int):
    vectors, line = golden("cmpp20" if version == 0x20 else "cmpp30"), Caught()
    habits = CmppHabits(first_id=0x3BC5964003E90002, first_sequence=9)
    gateway = CmppGateway(habits=habits, version=version)
    gateway.lines.append(cast("Line", line))
    gateway.reply([Reply(phone="13800138000", destination="1069000112", coding=8, content=MO)])
    gateway.report(cast("Line", line), TAKEN)
    assert line.pdus == [vectors["deliver_mo_ucs2"], vectors["deliver_report"]]


def test_the_smgp_gateway_delivers_as_independent_codecs_do():
    vectors, line = golden("smgp30"), Caught()
    own = bytes.fromhex("01006111231726012346")
    habits = SmgpHabits(own_id=lambda _: own, first_sequence=9, text=b"032".ljust(20, b"\0"))
    gateway = SmgpGateway(habits=habits)
    gateway.lines.append(cast("Line", line))
    phone = golden_phone("smgp30", "deliver_mo_ucs2_notlv", "SrcTermID")
    gateway.reply([Reply(phone=phone, destination="1069000112", coding=8, content=MO)])
    id_ = bytes.fromhex("01006111231725012345")
    gateway.report(cast("Line", line), replace(TAKEN, id=id_, phone=phone))
    assert line.pdus == [vectors["deliver_mo_ucs2_notlv"], vectors["deliver_report_notlv"]]


def test_the_sgip_gateway_delivers_as_independent_codecs_do():
    vectors, line = golden("sgip12"), Caught()
    gateway = SgipGateway(habits=SgipHabits(first_sequence=8, duplex=True))
    gateway.lines.append(cast("Line", line))
    phone = golden_phone("sgip12", "deliver_mo_ucs2", "UserNumber")
    gateway.reply([Reply(phone=phone, destination="10655001", coding=8, content=MO)])
    gateway.report(
        cast("Line", line),
        replace(TAKEN, id=vectors["submit_resp_0"][8:20], phone=phone, stat="2 25"),
    )
    second = slice(12, 16)  # The gateway's clock stands still.
    wanted = [vectors["deliver_mo_ucs2"], vectors["report_state2_err25"]]
    assert [without(pdu, second) for pdu in line.pdus] == [without(pdu, second) for pdu in wanted]


def test_the_smpp_gateway_delivers_as_independent_codecs_do():
    vectors, line = golden("smpp34"), Caught()
    habits = SmppHabits(first_sequence=9, message_id=lambda _: "a1b2c3d4", receipt_tlvs=True)
    gateway = SmppGateway(habits=habits)
    gateway.lines.append(cast("Line", line))
    gateway.report(cast("Line", line), replace(TAKEN, phone="8613800138000", source="10690001"), 1)
    gateway.reply([Reply(phone="8613800138000", destination="10690001", coding=8, content=MO)])
    # The golden receipt has an empty text and no network_error_code.
    text, tlvs = b"your code", bytes.fromhex("04230003030000")
    receipt = line.pdus[0].replace(text, b"").replace(tlvs, b"")
    golden_receipt = vectors["deliver_sm_dlr_tlv"]
    short = golden_receipt.index(b"id:") - 1
    same = slice(short, short + 1), slice(0, 4)
    assert without(receipt, *same) == without(golden_receipt, *same)
    assert line.pdus[1] == vectors["deliver_sm_mo_ucs2"]


def without(pdu: bytes, *parts: slice) -> bytes:
    """A PDU with NULs in some places."""
    blank = bytearray(pdu)
    for part in parts:
        blank[part] = bytes(len(pdu[part]))
    return bytes(blank)
