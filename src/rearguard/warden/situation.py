"""From what vision said, and what the warden knows itself, to the situation the wearer should feel."""

from __future__ import annotations

from collections.abc import Set

from rearguard.cue.arbiter import Situation
from rearguard.ipc import Judged
from rearguard.types import Fault

# While one of these stands, what was judged before says nothing about the present.
BLINDING = frozenset({
    Fault.VISION_DIED, Fault.VISION_SILENT, Fault.NO_FRAME, Fault.CAMERA_LOST, Fault.GAVE_UP,
})  # fmt: skip
# The first end with the next judged frame, the second only when a new vision process has armed.
_TILL_A_FRAME = frozenset({Fault.VISION_SILENT, Fault.NO_FRAME})
OF_THE_DEAD = frozenset({Fault.VISION_DIED, Fault.CAMERA_LOST})


class WardenFaults:
    """The faults that the warden finds by itself, since when it has been blind, and what made it so."""

    def __init__(self) -> None:
        self._standing: set[Fault] = set()
        self.since_ns: int | None = None  # when the present blindness began
        self.last: Fault | None = None  # the newest cause of blindness

    @property
    def standing(self) -> frozenset[Fault]:
        return frozenset(self._standing)

    def __contains__(self, fault: Fault) -> bool:
        return fault in self._standing

    def add(self, fault: Fault, now_ns: int) -> None:
        """Note a fault. When vision falls silent or dies because the camera is gone, the camera stays the cause."""
        if fault in BLINDING:
            if not self._standing & {Fault.NO_FRAME, Fault.CAMERA_LOST}:
                self.last = fault
            self.since_ns = self.since_ns or now_ns
        self._standing.add(fault)

    def end(self, *faults: Fault) -> None:
        self._standing.difference_update(faults)

    def see_a_frame(self) -> bool:
        """A fresh frame was judged, so the silence is over. Returns whether there had been any blindness."""
        blind = bool(self._standing & (_TILL_A_FRAME | OF_THE_DEAD))
        self._standing -= _TILL_A_FRAME
        return blind

    def see_again(self) -> None:
        """Sight is back for good."""
        self._standing -= _TILL_A_FRAME | OF_THE_DEAD
        self.since_ns = None

    def watch_ends(self) -> None:
        """Nobody is on watch any more."""
        self._standing -= BLINDING


def situation_of(judged: Judged | None, own: Set[Fault], *, believed: bool, watching: bool) -> Situation:
    """The present situation.

    `own`: the warden's own faults; `believed`: whether the newest judged frame still counts; `watching`:
    whether the alive tick may play.
    """
    if judged is None or not believed:
        return Situation(faults=frozenset(own))
    return Situation(
        judged.level,
        judged.side,
        judged.worst.track if judged.worst else None,
        judged.worst.reason if judged.worst else None,
        judged.seq,
        frozenset({*judged.faults, *own}),
        watching,
        low=judged.worst is not None and judged.worst.low,
        drift=judged.drift,
    )
