"""What a process that works for long does about its memory, once, when all is imported."""

import ctypes
import gc

_M_ARENA_MAX = -8
_HEAPS = 2


def prepare_memory() -> None:
    """Look for cycles seldom, and let threads share a few heaps."""
    collect_rarely()
    _share_heaps()


def collect_rarely() -> None:
    """Look for cycles seldom, and never among what lives as long as the process: it cost a third of the time.

    A page, a group or a window is thousands of objects that die together and hold no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _share_heaps() -> None:
    """The C library gives threads heaps of their own, up to eight a core, and each keeps what it needed at most.

    Only GNU's C library has this setting (mallopt(3)); another goes on as it does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAPS)
