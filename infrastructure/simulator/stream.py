"""Cuts what a client writes into frames, apart from the link's own framer so that no mistake is shared."""

__all__ = ["WireError", "split"]

_LENGTH_OCTETS = 4


class WireError(Exception):
    """Not a PDU; `status` and `sequence` are for the answer that says so."""

    def __init__(self, message: str, *, status: int = 2, sequence: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.sequence = sequence


def split(buffer: bytearray, *, shortest: int, longest: int) -> list[bytes]:
    """Take all whole frames out of `buffer`; raises WireError at a length that cannot be."""
    frames: list[bytes] = []
    start = 0
    while len(buffer) - start >= _LENGTH_OCTETS:
        length = int.from_bytes(buffer[start : start + _LENGTH_OCTETS], "big")
        if not shortest <= length <= longest:
            raise WireError("impossible length")
        if len(buffer) - start < length:
            break
        frames.append(bytes(buffer[start : start + length]))
        start += length
    del buffer[:start]
    return frames
