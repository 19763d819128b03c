"""A process that lets others go first, also where the system shares the processor by session."""

import os
from contextlib import suppress
from pathlib import Path


def let_others_go_first(pid: int, nice: int) -> None:
    """Lower the priority of a process that has just begun, 1 to 19; its threads inherit that.

    Linux divides the time among sessions first (sched(7), "The autogroup feature"), and each of our processes
    leads one: there the session's own nice value is what counts. What the system does not allow is left.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")
