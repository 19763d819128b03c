"""Answers as JSON: one encoder for everything, no model in between."""

from collections.abc import Mapping

import msgspec
from fastapi import Response

_encoder = msgspec.json.Encoder()


def answer(body: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of a structure of `api.schemas`."""
    return Response(_encoder.encode(body), status, headers, "application/json")
