"""From what vision said, and what the warden knows itself, to the situation the wearer should feel."""

from __future__ import annotations

from collections.abc import Set

from rearguard.cue.arbiter import Situation
from rearguard.warden.link import Judged
from rearguard.words import Level, Side, Trouble

# While one of these stands, what was judged before says nothing about the present.
BLINDING = frozenset({
    Trouble.VISION_DIED, Trouble.VISION_SILENT, Trouble.NO_FRAME, Trouble.CAMERA_LOST, Trouble.GAVE_UP,
})  # fmt: skip
# What is over with the first frame judged again, and what only once a new vision process has armed.
_TILL_A_FRAME = frozenset({Trouble.VISION_SILENT, Trouble.NO_FRAME})
OF_THE_DEAD = frozenset({Trouble.VISION_DIED, Trouble.CAMERA_LOST})


class OwnTroubles:
    """What the warden itself knows to be wrong, since when, and what it began with."""

    def __init__(self) -> None:
        self._standing: set[Trouble] = set()
        self.since_ns: int | None = None  # of the blindness that lasts
        self.last: Trouble | None = None  # blindness

    @property
    def standing(self) -> frozenset[Trouble]:
        return frozenset(self._standing)

    def __contains__(self, trouble: Trouble) -> bool:
        return trouble in self._standing

    def add(self, trouble: Trouble, now_ns: int) -> None:
        """Note a trouble; that vision falls silent or dies of a camera that is gone is no other one."""
        if trouble in BLINDING:
            if not self._standing & {Trouble.NO_FRAME, Trouble.CAMERA_LOST}:
                self.last = trouble
            self.since_ns = self.since_ns or now_ns
        self._standing.add(trouble)

    def end(self, *troubles: Trouble) -> None:
        self._standing.difference_update(troubles)

    def see_a_frame(self) -> bool:
        """A fresh frame was judged: silence is over. Whether there had been any blindness."""
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


def situation_of(judged: Judged | None, own: Set[Trouble], *, believed: bool, watching: bool) -> Situation:
    """The present situation.

    `own`: the warden's own troubles; `believed`: whether the newest judged frame still counts; `watching`:
    whether the alive tick may play. A message is never trusted to be well-formed: an unknown trouble is still
    a fault, an unknown side is the centre, a level out of range is the nearest one.
    """
    if judged is None or not believed:
        return Situation(troubles=frozenset(own))
    return Situation(
        Level(min(max(judged.level, Level.CLEAR), Level.CRITICAL)),
        Side(judged.side) if judged.side in set(Side) else Side.CENTRE,
        judged.track,
        judged.ttc_s,
        judged.reason,
        judged.seq,
        frozenset({_trouble(name) for name in judged.troubles} | own),
        watching,
    )


def _trouble(name: str) -> Trouble:
    try:
        return Trouble(name)
    except ValueError:
        return Trouble.STAGE_FAILED
