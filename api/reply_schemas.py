"""What the door of replies answers with."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from api.schemas import ReadModel
from domain.events.reply import MatchedBy


class ReplyShown(Struct, kw_only=True):
    """A reply, or a part of a long one whose other parts have not come."""

    id: UUID
    part: Annotated[int, Meta(description="0: the whole reply; else which part of `parts` this is.")]
    parts: int
    received_at: datetime
    link: str
    number: Annotated[str, Meta(description="The number that the phone wrote to.")]
    extension: Annotated[str, Meta(description="What stands behind the link's own number.")]
    asked: Annotated[
        str,
        Meta(description="Its end: the digits that you asked for when you sent, then what the phone added."),
    ]
    matched_by: Annotated[MatchedBy, Meta(description="How it was found to be this account's.")]
    message: Annotated[
        str, Meta(description="The message it is taken to answer, where `matched_by` is recent.")
    ]
    keyword: Annotated[str, Meta(description="The word by which the phone wants no more messages, or empty.")]
    phone: Annotated[str, Meta(description="Masked unless the key has history:unmasked.")]
    text: Annotated[str, Meta(description="Empty unless the key has history:unmasked.")]
    exact: Annotated[bool, Meta(description="Every octet could be read.")]
    octets: Annotated[
        str, Meta(description="In hexadecimal beside the text, where it is not exact or a part.")
    ]


class ReplyList(Struct, kw_only=True):
    """Replies, newest first. The look was recorded before this was answered. `next_cursor` is empty at the end."""

    replies: list[ReplyShown]
    unmasked: bool
    next_cursor: str
    as_of: ReadModel


EXAMPLE: dict[str, Any] = {
    "replies": [
        {
            "id": "5f0a7d0c-3c0b-5b1e-9a53-6d1f5c1e2b11",
            "part": 0,
            "parts": 1,
            "received_at": "2026-03-01T09:12:44.120000Z",
            "link": "mobile-1",
            "number": "10690000122048",
            "extension": "122048",
            "asked": "2048",
            "matched_by": "extension",
            "message": "",
            "keyword": "TD",
            "phone": "+86138****8000",
            "text": "",
            "exact": True,
            "octets": "",
        }
    ],
    "unmasked": False,
    "next_cursor": "",
    "as_of": {"position": 120_450, "head": 120_452},
}
