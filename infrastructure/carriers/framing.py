"""Cuts the byte stream of a carrier's connection into whole PDUs, whatever the pieces in which it arrives.

All four protocols begin a PDU with its whole length as a 32-bit big-endian number, header included.
"""

from collections.abc import Iterator

__all__ = ["Framer", "ProtocolError"]

_LENGTH_OCTETS = 4


class ProtocolError(Exception):
    """The octets are no PDU, or the values make none.

    `status` is the protocol's error code for an answer; `sequence` is the sequence number of the
    PDU where it could be read, else None. The text never holds content of the PDU.
    """

    def __init__(self, message: str, *, status: int = 0, sequence: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.sequence = sequence


class Framer:
    """Collects octets and gives whole PDUs; lengths outside `shortest`..`longest` octets are refused."""

    __slots__ = ("_longest", "_rest", "_shortest")

    def __init__(self, *, shortest: int, longest: int) -> None:
        self._shortest = shortest
        self._longest = longest
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every PDU that `data` completes, in order; the iterator has to be read to its end.

        Raises ProtocolError, after the PDUs before it, at an impossible length: the stream is out of
        step for good and must be closed.
        """
        data = self._rest + data if self._rest else data
        start, end = 0, len(data)
        while end - start >= _LENGTH_OCTETS:
            length = int.from_bytes(data[start : start + _LENGTH_OCTETS], "big")
            if not self._shortest <= length <= self._longest:
                raise ProtocolError(f"a PDU cannot have {length} octets")
            if end - start < length:
                break
            yield data[start : start + length]
            start += length
        self._rest = data[start:]
