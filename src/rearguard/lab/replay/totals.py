"""What many outings come to, cue by cue: gained, lost, moved and by how much."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rearguard.lab.replay.compare import Change
from rearguard.lab.replay.outings import OutingChanges


class CueTotal(msgspec.Struct, frozen=True, kw_only=True):
    """One cue over all outings. `earlier_s` and `later_s` are means over those that moved."""

    cue: str
    gained: int
    lost: int
    earlier: int
    earlier_s: float | None
    later: int
    later_s: float | None
    other_side: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All outings together; `identical` is the share of frames with the verdict of then, of those that were traced."""

    outings: int
    changed: int
    hours: float
    frames: int
    before: int
    after: int
    identical: float | None
    cues: list[CueTotal]


def totals(found: Sequence[OutingChanges]) -> Totals:
    """The sum over outings."""
    rows = [change for outing in found for change in outing.changes]
    traced = [o for o in found if o.identical is not None]
    frames = sum(o.frames for o in traced)
    return Totals(
        outings=len(found),
        changed=sum(bool(o.changes) for o in found),
        hours=round(sum(o.duration_s for o in found) / 3600, 3),
        frames=sum(o.frames for o in found),
        before=sum(o.before for o in found),
        after=sum(o.after for o in found),
        identical=round(sum((o.identical or 0.0) * o.frames for o in traced) / frames, 6) if frames else None,
        cues=[_of_cue(name, rows) for name in sorted({_cue_name(row) for row in rows})],
    )


def _cue_name(row: Change) -> str:
    cue = row.before or row.after
    assert cue is not None
    return cue.cue


def _of_cue(name: str, rows: Sequence[Change]) -> CueTotal:
    ours = [row for row in rows if _cue_name(row) == name]

    def moved(what: str) -> list[float]:
        return [abs(row.moved_s or 0.0) for row in ours if row.what == what]

    earlier, later = moved("earlier"), moved("later")
    return CueTotal(
        cue=name,
        gained=sum(row.what == "new" for row in ours),
        lost=sum(row.what == "gone" for row in ours),
        earlier=len(earlier),
        earlier_s=_mean(earlier),
        later=len(later),
        later_s=_mean(later),
        other_side=sum(row.what == "side" for row in ours),
    )


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
