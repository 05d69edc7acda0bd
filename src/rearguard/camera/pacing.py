"""Playing something recorded or simulated in real time: each frame is due at its moment, late ones are dropped."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from rearguard.clock import NS_PER_S


class Pacer:
    """Says which frame is due now, on CLOCK_MONOTONIC, and waits for it.

    Iterating yields (index, due_ns): every frame in turn while the consumer keeps up; whoever comes late
    gets the newest frame that is already due, and the ones between are skipped and counted in `dropped`.
    """

    def __init__(self, fps: float, count: int | None = None, times_s: Sequence[float] | None = None) -> None:
        """`times_s`: when each of the `count` frames is due, where they do not come at `fps`."""
        self._fps = fps
        self._count = count
        self._times_s = times_s
        self._closed = threading.Event()
        self.dropped = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        start_ns = time.monotonic_ns()
        index = 0
        while self._count is None or index < self._count:
            due_ns = start_ns + self._at_ns(index)
            wait_s = (due_ns - time.monotonic_ns()) / NS_PER_S
            if wait_s > 0:
                if self._closed.wait(wait_s):
                    return
            elif self._closed.is_set():
                return
            else:
                newest = self._newest((time.monotonic_ns() - start_ns) / NS_PER_S)
                if self._count is not None:
                    newest = min(newest, self._count - 1)
                if newest > index:
                    self.dropped += newest - index
                    index = newest
                    due_ns = start_ns + self._at_ns(index)
            yield index, due_ns
            index += 1

    def _at_ns(self, index: int) -> int:
        return round((index / self._fps if self._times_s is None else self._times_s[index]) * NS_PER_S)

    def _newest(self, now_s: float) -> int:
        """The last frame that is due by now."""
        return int(now_s * self._fps) if self._times_s is None else bisect_right(self._times_s, now_s) - 1

    def close(self) -> None:
        """End the iteration, also for a thread that waits in it. Never blocks."""
        self._closed.set()
