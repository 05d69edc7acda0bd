"""Whether fresh pictures are being judged: the warden's own view of vision; pure, time injected."""

from __future__ import annotations

from rearguard.clock import NS_PER_S
from rearguard.config.warden import Warden as WardenConfig
from rearguard.ipc import Judged


class Heartbeat:
    """Counts a `Judged` as a beat only if its frame is new, newer than the one before, and not too old.

    A program that judges the same picture over and over, or works through an old queue, is as blind as one
    that is dead. `aged=False` for a source on its own time, whose frames have no age.
    """

    def __init__(self, config: WardenConfig, *, aged: bool) -> None:
        self._silent_ns = round(config.heartbeat_s * NS_PER_S)
        self._max_age_ns = round(config.max_age_s * NS_PER_S)
        self._aged = aged
        self._seq: int | None = None
        self._captured_ns: int | None = None
        self.last_ns: int | None = None  # when the last beat came
        # When a new frame was last judged, however late: vision that is slow does not hang.
        self.heard_ns: int | None = None

    def feed(self, now_ns: int, judged: Judged) -> bool:
        """Take note of a message; True if it proves sight."""
        new = self._seq is None or judged.seq > self._seq
        if self._captured_ns is not None and judged.captured_ns <= self._captured_ns:
            new = False
        if not new:
            return False
        self._seq, self._captured_ns, self.heard_ns = judged.seq, judged.captured_ns, now_ns
        late = self._aged and now_ns - judged.captured_ns > self._max_age_ns
        if late and self.last_ns is not None:  # the first frame starts the watch, even if it is late
            return False
        self.last_ns = now_ns
        return True

    def due_ns(self) -> int | None:
        """When silence becomes blindness unless a beat comes; None before the first beat."""
        return None if self.last_ns is None else self.last_ns + self._silent_ns

    def lost(self, now_ns: int) -> bool:
        """Whether the beat has stopped."""
        due = self.due_ns()
        return due is not None and now_ns >= due

    def forget(self) -> None:
        """A new vision process starts counting anew."""
        self._seq = self._captured_ns = self.last_ns = self.heard_ns = None
