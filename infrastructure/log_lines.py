"""Logs: one JSON object a line on stderr, written so that no phone number, text or key can be in it.

Every string is reduced to ASCII, long runs of digits and API keys are struck out, and an exception is told by
its type and its place in the code, never by its message, which may carry data.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_OURS = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![0-9a-zA-Z])[0-9a-f]{32}(?![0-9a-zA-Z])"
    r"|(?<![\w.+-])20[0-9]{2}-[01][0-9]-[0-3][0-9](?![\w.-])"
)
_KEY = re.compile(r"sl_[A-Za-z0-9_-]*|(?i:bearer)\s+\S+")
_DIGITS = re.compile(r"\d(?:[ ().+-]{0,2}\d){7,}")
_URL_QUERY = re.compile(r"\?[^\s\"']*")
_FOREIGN = re.compile(r"[^\x20-\x7e]+")
MAX_LENGTH = 500
_FRAMES = 12


def clean(text: str) -> str:
    """A string without what must not be in a log. Ids of ours (UUIDs, 32 hexadecimal digits) and dates stay."""
    text = _FOREIGN.sub("?", _URL_QUERY.sub("?", _KEY.sub("[key]", text)))
    kept: list[str] = []
    start = 0
    for found in _OURS.finditer(text):
        kept += (_DIGITS.sub("[digits]", text[start : found.start()]), found[0])
        start = found.end()
    kept.append(_DIGITS.sub("[digits]", text[start:]))
    return "".join(kept)[:MAX_LENGTH]


class JsonLines(logging.Formatter):
    """`{"at", "level", "logger", "message", …extra, "error", "frames"}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line[clean(name)] = _plain(value)
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["frames"] = _frames(record.exc_info[2])
        return json.dumps(line)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logging of this process through one handler, that of libraries included."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "dramatiq"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("uvicorn.access", "httpx", "httpcore"):
        # They write whole addresses, and an address may carry anything.
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)


def _plain(value: object) -> object:
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**9 else clean(str(value))
    return clean(str(value))


def _frames(trace: TracebackType | None) -> list[str]:
    """Where it happened, innermost last: file, line and function, no source and no values."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
