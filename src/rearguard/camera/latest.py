"""Between a source and the detector: the newest frame of a live source, every frame of a recorded one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

from rearguard.camera.source import Source
from rearguard.types import Frame


class Feed:
    """A source read by a thread of its own into a slot of `depth` frames.

    `get` hands out the oldest frame in the slot. What the source raises is raised by `get` once the frames
    before it are gone; after the last frame `ended` is True. `stop` never blocks.
    """

    def __init__(self, source: Source, depth: int, *, newest_wins: bool, name: str) -> None:
        self.info = source.info
        self.dropped = 0
        self._source = source
        self._depth = depth
        self._newest_wins = newest_wins
        self._slot: deque[Frame] = deque()
        self._change = threading.Condition()
        self._stopped = False
        self._finished = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came within `timeout_s` or all is over (see `ended`).

        Raises what the source raised.
        """
        deadline = time.monotonic() + timeout_s
        with self._change:
            while not self._slot:
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                left = deadline - time.monotonic()
                if self._finished or left <= 0:
                    return None
                self._change.wait(left)
            frame = self._slot.popleft()
            self._change.notify_all()
            return frame

    @property
    def ended(self) -> bool:
        """No frame and no error is left, and none will come."""
        with self._change:
            return self._finished and not self._slot and self._error is None

    def __iter__(self) -> Iterator[Frame]:
        while not self.ended:
            frame = self.get(1.0)
            if frame is not None:
                yield frame

    def stop(self) -> None:
        """Ask the thread to close the source and leave; returns at once, even when the source hangs."""
        with self._change:
            self._stopped = True
            self._finished = True
            self._slot.clear()
            self._error = None
            self._change.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait after `stop` until the thread has left; False if it did not. A program that ends while it is
        still inside OpenCV is aborted by the C++ runtime."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for frame in self._source.frames():
                if not self._offer(frame):
                    break
        except BaseException as e:  # whatever it is, the getter raises it
            error = e
        try:
            self._source.close()
        except Exception as e:
            error = error or e
        with self._change:
            if not self._stopped:
                self._error = error
            self._finished = True
            self._change.notify_all()

    def _offer(self, frame: Frame) -> bool:
        """Put a frame into the slot; False once stopped."""
        with self._change:
            if self._newest_wins:
                while len(self._slot) >= self._depth:
                    self._slot.popleft()
                    self.dropped += 1
            else:
                while len(self._slot) >= self._depth and not self._stopped:
                    self._change.wait()
            if self._stopped:
                return False
            self._slot.append(frame)
            self._change.notify_all()
            return True


class Newest(Feed):
    """For live sources: one slot, the newest frame wins, the ones it replaced are counted in `dropped`."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, 1, newest_wins=True, name="capture")


class Prefetch(Feed):
    """For recorded or simulated sources: decodes or renders up to two frames ahead; every frame arrives, in order."""

    def __init__(self, source: Source, depth: int = 2) -> None:
        super().__init__(source, depth, newest_wins=False, name="prefetch")


def feed(source: Source) -> Feed:
    """The hand-over that suits the source: `Newest` for a live one, else `Prefetch`."""
    return Newest(source) if source.info.live else Prefetch(source)
