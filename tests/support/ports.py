"""A port for what the tests listen on."""

import contextlib
import random
import socket


def free_port() -> int:
    """A port below those that systems give to clients: it is still free when somebody listens a second time."""
    while True:
        with (
            contextlib.suppress(OSError),
            socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000))) as found,
        ):
            port: int = found.getsockname()[1]
            return port
