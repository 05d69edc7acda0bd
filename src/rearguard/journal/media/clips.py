"""The last seconds of pictures, in memory, so that a near miss can be shown from before it was one.

The vision loop hands each frame over and goes on; a thread of its own shrinks it, pixelates heads and makes
a JPEG of it. Pictures that no near miss asks for are forgotten; nothing here is ever written to a disk.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rearguard.config.journal import Journal as Settings
from rearguard.journal.media.jpeg import CLIP_QUALITY, to_jpeg
from rearguard.journal.media.snapshot import shrunk
from rearguard.types import Box

if TYPE_CHECKING:
    from rearguard.types import Frame, Image

_MAX_WAITING = 3  # frames not yet encoded; when the thread falls behind, newer frames are dropped
_MAX_CUTS = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of a clip: capture time on the frames' clock, JPEG, size in pixels."""

    t_ns: int
    jpeg: bytes
    width_px: int
    height_px: int


@dataclass(eq=False)
class Cut:
    """A clip being gathered, from `from_ns` to `to_ns`: what the ring held, and what still comes."""

    from_ns: int
    to_ns: int
    worst_ns: int
    stills: list[Still] = field(default_factory=list)
    complete: bool = False

    def nearest(self, within_ns: int = 300_000_000) -> Still | None:
        """The picture nearest to the worst moment, None when none is near."""
        still = min(self.stills, key=lambda s: abs(s.t_ns - self.worst_ns), default=None)
        return still if still is not None and abs(still.t_ns - self.worst_ns) <= within_ns else None

    @property
    def fps(self) -> float:
        """Mean rate of the pictures, Hz."""
        if len(self.stills) < 2:
            return 1.0
        span_s = (self.stills[-1].t_ns - self.stills[0].t_ns) / 1e9
        return min(120.0, max(0.5, (len(self.stills) - 1) / max(span_s, 1e-3)))


class ClipRing:
    """The ring and its thread. `add` and `cut` may be called from different threads."""

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.clips
        self._before_ns = round(settings.clip_before_s * 1e9)
        self._after_ns = round(settings.clip_after_s * 1e9)
        self._max_bytes = settings.clip_memory_mb << 20
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, Image, tuple[Box, ...]]] = deque()
        self._ring: deque[Still] = deque()
        self._bytes = 0
        self._cuts: list[Cut] = []
        self._busy = self._closing = False
        self.passed_over = 0  # frames the thread had no time for
        self.cpu_s = 0.0  # CPU time the thread has used
        if self._keep != "off":
            threading.Thread(target=self._run, name="clips", daemon=True).start()

    def add(self, frame: Frame, heads: tuple[Box, ...] = ()) -> None:
        """Take a frame and what to hide in it; cheap, never blocks. The picture must not change later."""
        if self._keep == "off":
            return
        with self._changed:
            if len(self._waiting) >= _MAX_WAITING:
                self.passed_over += 1
                return
            self._waiting.append((frame.captured_ns, frame.image, heads))
            self._changed.notify_all()

    def cut(self, worst_ns: int) -> Cut:
        """A clip around a moment; pictures still to come are added to it as they come."""
        cut = Cut(worst_ns - self._before_ns, worst_ns + self._after_ns, worst_ns)
        with self._changed:
            cut.stills = [s for s in self._ring if cut.from_ns <= s.t_ns <= cut.to_ns]
            newest_ns = self._ring[-1].t_ns if self._ring else cut.from_ns
            cut.complete = self._keep == "off" or newest_ns >= cut.to_ns
            if not cut.complete:
                self._cuts.append(cut)
                for old in self._cuts[:-_MAX_CUTS]:
                    old.complete = True
                del self._cuts[:-_MAX_CUTS]
        return cut

    def finish(self, timeout_s: float = 1.0) -> None:
        """Encode what waits and complete every clip with what there is: no more frames will come."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while (self._waiting or self._busy) and (left_s := until_s - time.monotonic()) > 0:
                self._changed.wait(left_s)
            for cut in self._cuts:
                cut.complete = True
            self._cuts.clear()
            self._closing = True
            self._changed.notify_all()

    @property
    def bytes(self) -> int:
        """Memory held in pictures."""
        return self._bytes

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the vision loop goes first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                t_ns, image, heads = self._waiting.popleft()
                self._busy = True
            still = None
            try:
                still = self._encode(t_ns, image, heads)
            except Exception as e:
                _log.warning("a picture for clips cannot be encoded: %s", e)
            with self._changed:
                self._busy = False
                self.cpu_s = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)
                if still is not None:
                    self._hold(still)
                self._changed.notify_all()

    def _encode(self, t_ns: int, image: Image, heads: tuple[Box, ...]) -> Still:
        small = shrunk(image, heads, self._keep)
        height, width = small.shape[:2]
        return Still(t_ns, to_jpeg(small, CLIP_QUALITY), width, height)

    def _hold(self, still: Still) -> None:
        if self._ring and still.t_ns <= self._ring[-1].t_ns:  # a source that began again
            self._ring.clear()
            self._bytes = 0
        self._ring.append(still)
        self._bytes += len(still.jpeg)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._ring.popleft().jpeg)
        for cut in list(self._cuts):
            if cut.from_ns <= still.t_ns <= cut.to_ns:
                cut.stills.append(still)
            if still.t_ns >= cut.to_ns:
                cut.complete = True
                self._cuts.remove(cut)
