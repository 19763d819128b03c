"""Reads a request body once, up to a limit that holds for chunked bodies too."""

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.auth import header
from api.errors import Unreadable

_PLAIN = (None, "application/json")


async def read_json(request: Request, *, limit: int) -> bytes:
    """The octets of a JSON body. Refuses unsupported_media and body_too_large before reading further."""
    content_type, encoding = header(request, b"content-type"), header(request, b"content-encoding")
    if content_type not in _PLAIN or encoding is not None:
        _require_json(content_type or "", encoding)
    declared = header(request, b"content-length") or ""
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise _too_large(limit)
    message = await request.receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    return await _read_on(request, message, limit)


async def _read_on(request: Request, message: object, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        assert isinstance(message, dict)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await request.receive()


def _require_json(content_type: str, encoding: str | None) -> None:
    media, _, parameters = content_type.partition(";")
    kind = media.strip().lower()
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    charset = parameters.lower().partition("charset=")[2].strip(' "')
    if not is_json or charset not in ("", "utf-8", "utf8") or encoding not in (None, "identity"):
        raise Unreadable("unsupported_media", "Send the body as plain `application/json` in UTF-8.")


def _too_large(limit: int) -> Unreadable:
    return Unreadable(
        "body_too_large", f"The body is larger than {limit} octets: send fewer messages a call."
    )
