"""TLS to a carrier, with certificates made here: trusted, unknown, of another name, and none at all."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infrastructure.carriers.traffic import LinkPhase, Taken
from infrastructure.simulator.server import serve
from tests.infrastructure.carriers.rig import carrier, desk, part, until


def certificate(folder: Path, address: str) -> tuple[str, ssl.SSLContext]:
    """The PEM text of a certificate that vouches for itself and this address, and a server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "carrier")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{address}.pem"
    file.write_bytes(pem + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return pem.decode(), context


@contextlib.asynccontextmanager
async def encrypted(context: ssl.SSLContext, to: int) -> AsyncIterator[int]:
    """A port in front of a carrier's that takes TLS only."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def test_messages_and_receipts_go_over_an_encrypted_connection(tmp_path: Path):
    async def play() -> None:
        pem, context = certificate(tmp_path, "127.0.0.1")
        async with (
            await serve(carrier()) as simulator,
            encrypted(context, simulator.port) as port,
            desk(port, encrypted=True, authority=pem) as our,
        ):
            answers = await our.send(*(part(number) for number in range(50)))
            await until(lambda: len(our.receipts) == 50)
            assert {type(answer) for answer in answers} == {Taken}

    asyncio.run(play())


@pytest.mark.parametrize(
    ("address", "known"), [("127.0.0.1", False), ("127.0.0.2", True)], ids=["unknown", "of another address"]
)
def test_a_certificate_that_does_not_vouch_for_the_carrier_is_refused(
    tmp_path: Path, address: str, known: bool
):
    async def play() -> None:
        pem, context = certificate(tmp_path, address)
        async with (
            await serve(carrier()) as simulator,
            encrypted(context, simulator.port) as port,
            desk(port, encrypted=True, authority=pem if known else "") as our,
        ):
            await until(lambda: LinkPhase.LOST in our.phases)
            reasons = {state.reason for state in our.states if state.phase is LinkPhase.LOST}
            assert all(
                reason.startswith("cannot connect: its certificate is not trusted") for reason in reasons
            )
            assert LinkPhase.BOUND not in our.phases
            assert simulator.counters.binds == 0

    asyncio.run(play())


def test_an_authority_that_is_no_certificate_and_a_carrier_without_encryption_keep_the_link_down():
    async def play() -> None:
        async with await serve(carrier()) as simulator:
            for authority in ("no certificate", ""):
                async with desk(
                    simulator.port, encrypted=True, authority=authority, connect_timeout_seconds=0.3
                ) as our:
                    await until(lambda seen=our: LinkPhase.LOST in seen.phases)
                    assert LinkPhase.BOUND not in our.phases
            assert simulator.counters.binds == 0

    asyncio.run(play())
