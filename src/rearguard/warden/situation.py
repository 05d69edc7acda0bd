"""From what vision said, and what the warden knows itself, to the situation the wearer should feel."""

from __future__ import annotations

from collections.abc import Set

from rearguard.cue.arbiter import Situation
from rearguard.warden.link import Judged
from rearguard.words import Level, Side, Trouble

# While one of these stands, what was judged before says nothing about the present.
BLINDING = {Trouble.VISION_DIED, Trouble.VISION_SILENT, Trouble.GAVE_UP}


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
