"""Threads of a process share a few heaps; seen from outside, in processes of their own."""

import ctypes
import subprocess
import sys

import pytest

COUNT_HEAPS = """
import ctypes, sys, threading
from infrastructure.process_memory import prepare_memory

if sys.argv[1] == "prepared":
    prepare_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
together, threads = threading.Barrier(12), []
for _ in range(12):
    threads.append(threading.Thread(target=lambda: (together.wait(), libc.malloc(10_000), together.wait())))
    threads[-1].start()
for thread in threads:
    thread.join()
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not GNU's C library: it has no such heaps"
)


def heaps(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_HEAPS, how], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.count("<heap nr=")


def test_threads_share_a_few_heaps():
    assert heaps("as it comes") > 2
    assert heaps("prepared") == 2
