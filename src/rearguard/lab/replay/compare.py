"""Two cue ledgers side by side: what stayed, what moved in time, what came and what went."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rearguard.cue.ledger import CueLine

# Cues of one kind within this time of each other are the same warning, come earlier or later.
_SAME_WITHIN_S = 1.5
_MOVED_S = 0.001


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One row: `what` is "same", "earlier", "later", "side", "gone" or "new"."""

    what: str
    before: CueLine | None
    after: CueLine | None

    @property
    def moved_s(self) -> float | None:
        """How much later it comes, negative for earlier."""
        if self.before is None or self.after is None:
            return None
        return round(self.after.t_s - self.before.t_s, 3)


def changes(before: Sequence[CueLine], after: Sequence[CueLine]) -> list[Change]:
    """Both ledgers in order of time, cues that answer each other in one row."""
    pairs = sorted(
        (abs(a.t_s - b.t_s), a.side != b.side, i, j)
        for i, a in enumerate(before)
        for j, b in enumerate(after)
        if a.cue == b.cue and abs(a.t_s - b.t_s) <= _SAME_WITHIN_S
    )
    there: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, i, j in pairs:
        if i not in there and j not in taken:
            there[i] = j
            taken.add(j)
    rows = [_change(a, after[there[i]] if i in there else None) for i, a in enumerate(before)]
    rows += [_change(None, b) for j, b in enumerate(after) if j not in taken]
    return sorted(rows, key=_when)


def _when(row: Change) -> float:
    return min(c.t_s for c in (row.before, row.after) if c is not None)


def _change(before: CueLine | None, after: CueLine | None) -> Change:
    if after is None:
        what = "gone"
    elif before is None:
        what = "new"
    elif abs(after.t_s - before.t_s) > _MOVED_S:
        what = "later" if after.t_s > before.t_s else "earlier"
    else:
        what = "same" if after.side == before.side else "side"
    return Change(what=what, before=before, after=after)
