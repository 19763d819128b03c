"""The simulated carrier's own book, for tests and benchmarks to compare with ours.

It names destination numbers, so it is for test numbers only: nothing of a real carrier is ever written here.
"""

import hashlib
import json
import time
from io import BufferedWriter
from pathlib import Path

__all__ = ["Journal"]


class Journal:
    """JSON lines, one for each submit ("kind": "submit") and for each receipt sent, acked or refused.

    `at_ns` is the monotonic clock of the machine, which all its processes share. Lines are kept until
    `flush`; without a path nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._lines: list[str] = []
        self._file: BufferedWriter | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")

    def submit(
        self, *, at_ns: int, account: str, carrier_id: str, destination: str, payload: bytes, status: int
    ) -> None:
        """Note a submit_sm; status 0 with a carrier id also where no answer is sent."""
        if self._file is not None:
            self._lines.append(
                f'{{"kind":"submit","at_ns":{at_ns},"system_id":"{account}","carrier_id":"{carrier_id}",'
                f'"destination":{json.dumps(destination)},"payload_sha256":"{hashlib.sha256(payload).hexdigest()}",'
                f'"status":{status}}}\n'
            )

    def receipt(self, *, account: str, carrier_id: str, status: str, step: str) -> None:
        """Note that a receipt was "sent", "acked" or "refused"."""
        if self._file is not None:
            self._lines.append(
                f'{{"kind":"receipt","at_ns":{time.monotonic_ns()},"system_id":"{account}",'
                f'"carrier_id":"{carrier_id}","stat":"{status}","step":"{step}"}}\n'
            )

    def flush(self) -> None:
        if self._file is not None and self._lines:
            self._file.write("".join(self._lines).encode())
            self._file.flush()
            self._lines.clear()

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
