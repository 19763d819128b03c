"""The carrier's own connection to a client, for protocols in which receipts come that way."""

import asyncio
from typing import TYPE_CHECKING

from infrastructure.simulator.account import Account, Callback
from infrastructure.simulator.peer import Peer
from infrastructure.simulator.speech import CallingSpeech, Heard, Welcome

if TYPE_CHECKING:
    from infrastructure.simulator.server import Simulator

__all__ = ["Caller", "keep_calling"]


class Caller(Peer):
    """A peer that says the first word; once it is welcome, what the account is owed goes over it."""

    def __init__(
        self, simulator: "Simulator", speech: CallingSpeech, account: Account, callback: Callback
    ) -> None:
        super().__init__(simulator)
        self._caller_speech = speech
        self._calls_for = account
        self._callback = callback

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._send(
            self._caller_speech.call(
                self._next_sequence(), login=self._callback.login, password=self._callback.password
            )
        )

    def _do(self, heard: Heard) -> None:
        if not isinstance(heard, Welcome):
            super()._do(heard)
        elif heard.status == 0:
            self._enter(self._calls_for, receives=True, submits=False)
        else:
            self.hang_up()


async def keep_calling(simulator: "Simulator", speech: CallingSpeech, account: Account) -> None:
    """Connect to the client, and again whenever the connection is gone, until cancelled."""
    callback = account.callback
    while callback is not None:
        caller = Caller(simulator, speech, account, callback)
        try:
            await asyncio.get_running_loop().create_connection(lambda: caller, callback.host, callback.port)  # noqa: B023
        except OSError:
            pass
        else:
            await asyncio.wait([caller.gone])
        await asyncio.sleep(callback.again_seconds)
