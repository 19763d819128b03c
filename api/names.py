"""Names that callers choose and that are kept for ever: keys, references, batches. None may carry a phone number."""

import re

from fastapi import Request

from api.auth import header
from application.look_up_history import carries_number
from domain.errors import BadInput

MAX_KEY = 255
MAX_REFERENCE = 128
_BATCH = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)


def idempotency_key(request: Request) -> str:
    """The header's key, or the request's own id where there is none. Refuses idempotency_key_invalid."""
    given = header(request, b"idempotency-key")
    if given is None:
        own: str = request.scope["smsledger.request_id"]
        return own
    return require_key(given, field="Idempotency-Key")


def require_key(key: str, *, field: str) -> str:
    """1 to 255 visible ASCII characters. Refuses idempotency_key_invalid.

    The id of a message is computed from its key, so a phone number in it could be found by trying all.
    """
    if not _PLAIN.fullmatch(key) or carries_number(key):
        raise BadInput(
            "idempotency_key_invalid",
            f"A key is 1 to {MAX_KEY} visible ASCII characters without a phone number in it.",
            field=field,
        )
    return key


def require_reference(reference: str) -> str:
    """Empty, or up to 128 visible characters. Refuses reference_invalid."""
    if reference and (
        len(reference) > MAX_REFERENCE or not reference.isprintable() or carries_number(reference)
    ):
        raise BadInput(
            "reference_invalid",
            f"A reference is up to {MAX_REFERENCE} visible characters without a phone number in it.",
            field="client_reference",
        )
    return reference


def batch_filter(batch: str | None) -> str:
    """A batch that is asked for, empty for all. Refuses reference_invalid where it can be none."""
    if batch and not _BATCH.fullmatch(batch):
        raise BadInput("reference_invalid", "This cannot be the name of a batch.", field="batch")
    return batch or ""


def require_batch(batch: str) -> str:
    """1 to 64 letters, digits and `_.:-`. Refuses reference_invalid."""
    if not _BATCH.fullmatch(batch) or carries_number(batch):
        raise BadInput(
            "reference_invalid",
            "A batch's name is 1 to 64 letters, digits, dots, dashes, without a phone number in it.",
            field="batch",
        )
    return batch
