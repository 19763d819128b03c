"""Ties a child process to its parent: when the parent is gone, however it ended, the child takes leave.

The child's stdin is a pipe that only the parent can write to; its end is the news. Unlike a death signal of
the kernel this has no race at the start, does not depend on which thread forked, and comes with a deadline.
"""

import os
import signal
import threading
import time

GRACE_SECONDS = 5.0
"""How long a child may take to finish what it does before it is killed by itself."""


def end_with_parent(*, stdin: int = 0, grace_seconds: float = GRACE_SECONDS) -> None:
    """Watch the pipe from a thread of its own; call this before anything that takes long."""
    threading.Thread(target=_watch, args=(stdin, grace_seconds), name="tether", daemon=True).start()


def _watch(stdin: int, grace_seconds: float) -> None:
    while os.read(stdin, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os.kill(os.getpid(), signal.SIGKILL)
