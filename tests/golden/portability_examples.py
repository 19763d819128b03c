"""Examples of what is known about numbers and of filings, with a value of its own in every field."""

from domain.events import Event, portability, signature
from domain.values import Carrier

PORTABILITY: tuple[Event, ...] = (
    portability.CarrierSet(subject="d" * 32, carrier=Carrier.UNICOM, reason="the customer said so"),
    portability.ListImported(numbers=5_000, reason="the list of November"),
    portability.PortedOut(subject="d" * 32, carrier=Carrier.MOBILE, link="mobile-1", code="MB:1049"),
    portability.SeenAgain(subject="d" * 32, carrier=Carrier.MOBILE, link="mobile-1"),
    portability.Forgotten(subject="d" * 32, reason="asked to"),
    signature.FilingRequested(carrier=Carrier.MOBILE, link="mobile-1"),
    signature.Filed(carrier=Carrier.UNICOM, link="unicom-1", extension="0012"),
    signature.FilingRejected(carrier=Carrier.TELECOM, link="telecom-1", reason="no trade mark"),
)
