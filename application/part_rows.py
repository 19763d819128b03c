"""What becomes known of the id that a carrier gave a part."""

from uuid import UUID

from application.ports import PartRow


def part_rows(link: str, carrier_id: str, *, message: UUID, part: int, phone: bytes) -> tuple[PartRow, ...]:
    """From now on receipts of this id find the part; where the carrier gave none there is nothing to know."""
    if not carrier_id:
        return ()
    return (PartRow(link=link, carrier_id=carrier_id, message=message, part=part, phone=phone),)
