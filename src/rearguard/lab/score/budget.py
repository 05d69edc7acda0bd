"""A budget that may only fall: how much a corpus may miss, and how often it may be warned falsely."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from rearguard.lab.score.figures import Figures
from rearguard.lab.score.labels import read_toml

_Count = Annotated[int, msgspec.Meta(ge=0)]


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The most there may be of each; `recordings` is how many must have been scored, so that none is left out."""

    recordings: _Count
    missed_due: _Count
    late_due: _Count
    false_caution: _Count
    false_critical: _Count


def read_budget(file: Path) -> Budget:
    """A budget from a TOML file. Raises `BadInput`."""
    found: Budget = read_toml(file, Budget)
    return found


def spent(found: Figures) -> Budget:
    """What was measured, in the same words."""
    return Budget(
        recordings=found.recordings,
        missed_due=found.due - found.warned,
        late_due=found.due - found.in_time,
        false_caution=found.caution.count,
        false_critical=found.critical.count,
    )


def compare(budget: Budget, found: Figures) -> tuple[list[str], list[str]]:
    """One line for each figure over the budget, and one for each below it, which may then be lowered."""
    now = spent(found)
    over, under = [], []
    if now.recordings < budget.recordings:
        over.append(f"only {now.recordings} of {budget.recordings} recordings were scored")
    for name in ("missed_due", "late_due", "false_caution", "false_critical"):
        allowed, measured = getattr(budget, name), getattr(now, name)
        if measured > allowed:
            over.append(f"{name} is {measured}, {allowed} are allowed")
        elif measured < allowed:
            under.append(f"{name} is {measured}: lower it from {allowed}")
    return over, under
