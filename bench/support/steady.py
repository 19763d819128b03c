"""Two ways of putting load on a platform: as much as it carries, to learn how much that is, and then a steady share.

The steady load does not wait for the platform: what a call waits counts as the platform's time.
"""

import itertools
import threading
import time
from collections.abc import Sequence

from tests.faults.scene import Scene
from tests.faults.traffic import LONG_EVERY, Run

PARTS_A_MESSAGE = 1 + 1 / LONG_EVERY
_TICK_SECONDS = 0.2
_SINGLY_A_TICK = 1
"""Messages that come in calls of their own, among those that come in bulk."""
_BURST = 400
_MOST_WAITING_PARTS = 4_000
_MOST_BEHIND = 40_000
"""Events that the read models have not seen while as much as can be is offered: about four seconds' worth."""
_MOST_CALLS = 12
_UNCOUNTED_SHARE = 0.3
"""The beginning, in which queues fill and plans are made."""


def capacity(scene: Scene, *, accounts: Sequence[str], seconds: float) -> float:
    """Messages a second that come all the way, from the call to the receipt and the read models, without a fault.

    Always a little more waits than can be carried, and never much more.
    """
    began = time.monotonic()
    counted_from: tuple[float, int] | None = None
    turns = itertools.cycle(accounts)
    runs: list[Run] = []
    while (now := time.monotonic()) < began + seconds:
        if counted_from is None and now >= began + seconds * _UNCOUNTED_SHARE:
            counted_from = (now, scene.counted("receipts_acked"))
        runs = [run for run in runs if not _over(run)]
        if len(runs) * (_BURST // 40) < _MOST_CALLS and _room(scene):
            runs.append(scene.traffic.begin(_BURST, account=next(turns)))
        else:
            time.sleep(0.02)
    assert counted_from is not None
    carried = scene.counted("receipts_acked") - counted_from[1]
    measured = carried / PARTS_A_MESSAGE / (time.monotonic() - counted_from[0])
    for run in runs:
        run.wait()
    return measured


def _room(scene: Scene) -> bool:
    waiting = len(scene.traffic.acknowledged) * PARTS_A_MESSAGE - scene.on_the_wire()
    return waiting < _MOST_WAITING_PARTS and scene.stand.behind() < _MOST_BEHIND


def _over(run: Run) -> bool:
    """Whether every call has its answer; raises what a caller met."""
    if not run.done():
        return False
    run.wait()
    return True


class SteadyLoad:
    """So many messages a second, the accounts in turn, from `start` until `stop`."""

    def __init__(self, scene: Scene, *, accounts: Sequence[str], per_second: float) -> None:
        self.offered = 0
        self.failure: BaseException | None = None
        self._scene = scene
        self._before = len(scene.traffic.acknowledged)
        self._accounts = itertools.cycle(accounts)
        self._per_second = per_second
        self._over = threading.Event()
        self._runs: list[Run] = []
        self._thread = threading.Thread(target=self._keep)

    @property
    def unanswered(self) -> int:
        """Messages in calls that have no answer yet."""
        return self.offered - (len(self._scene.traffic.acknowledged) - self._before)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and wait until every call is answered. Raises what a caller met."""
        self._over.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure
        for run in self._runs:
            run.wait()

    def abandon(self) -> None:
        """Send no more, and wait for nobody."""
        self._over.set()
        self._thread.join()
        for run in self._runs:
            run.aborted.set()

    def _keep(self) -> None:
        began = time.monotonic()
        try:
            while not self._over.is_set():
                due = int((time.monotonic() - began) * self._per_second) - self.offered
                self._send(due)
                self._runs = [run for run in self._runs if not _over(run)]
                self._over.wait(_TICK_SECONDS)
        except BaseException as failure:  # noqa: BLE001  (whoever stops the load is told)
            self.failure = failure

    def _send(self, count: int) -> None:
        if count <= 0:
            return
        account, singly = next(self._accounts), min(count, _SINGLY_A_TICK)
        self._runs.append(self._scene.traffic.begin_singly(singly, account=account))
        if count > singly:
            self._runs.append(self._scene.traffic.begin(count - singly, account=account))
        self.offered += count
