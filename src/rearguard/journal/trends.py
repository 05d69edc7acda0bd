"""Sums over outings and weeks: how often, how close, how early, and how much of it was a false alarm."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

import msgspec

from rearguard.clock import midnight
from rearguard.journal.blindness import blindness, episodes
from rearguard.journal.store import Journal
from rearguard.words import Level

HOUR_S = 3600.0
_BATCH = 1000  # SQLite takes so many values in one question, and some more


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in one outing. `cues` counts every cue felt by name."""

    near_misses: int = 0
    critical: int = 0
    flagged: int = 0
    false_alarms: int = 0
    marks: int = 0
    faults: int = 0
    blind_s: float = 0.0  # how long rearguard said BLIND or FAULT: it could not protect
    cues: dict[str, int] = {}


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """Seven days from a Monday. Medians and rates are None where there is nothing to take them from."""

    monday: str
    outings: int
    worn_s: float
    blind_s: float
    near_misses: int
    critical: int
    per_hour: float | None
    least_ttc_s: float | None
    median_ttc_s: float | None
    median_lead_s: float | None
    judged: int  # near misses that the wearer called a true or a false alarm
    false_alarms: int


def tallies(journal: Journal, outing_ids: Iterable[int]) -> dict[int, Tally]:
    """The tally of each outing."""
    ids = list(outing_ids)
    if len(ids) > _BATCH:
        batches = [ids[i : i + _BATCH] for i in range(0, len(ids), _BATCH)]
        return {i: tally for batch in batches for i, tally in tallies(journal, batch).items()}
    found: dict[int, dict[str, int]] = {i: {} for i in ids}
    cues: dict[int, dict[str, int]] = {i: {} for i in ids}
    marks = ",".join("?" * len(ids))
    for row in journal.select(
        f"""SELECT outing, count(*) AS near_misses, sum(level >= {int(Level.CRITICAL)}) AS critical,
              sum(flagged) AS flagged, sum(verdict IS 'false') AS false_alarms
            FROM near_miss WHERE outing IN ({marks}) GROUP BY outing""",
        ids,
    ):
        found[row.pop("outing")].update(row)
    for row in journal.select(
        f"SELECT outing, count(*) AS marks FROM mark WHERE outing IN ({marks}) GROUP BY outing", ids
    ):
        found[row.pop("outing")].update(row)
    for row in journal.select(
        f"SELECT outing, cue, count(*) AS n FROM cue WHERE outing IN ({marks}) GROUP BY outing, cue", ids
    ):
        cues[row["outing"]][str(row["cue"])] = row["n"]
    blind = _blind(journal, ids)
    return {i: Tally(**found[i], faults=blind[i][0], blind_s=blind[i][1], cues=cues[i]) for i in ids}


def _blind(journal: Journal, ids: list[int]) -> dict[int, tuple[int, float]]:
    rows = journal.select(episodes(len(ids)), ids)
    return blindness(ids, ((r["outing"], r["trouble"], r["began_ns"], r["ended_ns"]) for r in rows))


def weeks(journal: Journal, count: int, now: datetime, device: str | None = None) -> list[Week]:
    """The last `count` weeks in the local time zone, oldest first, empty ones included."""
    today = now.astimezone().date()
    this_monday = today - timedelta(days=today.weekday())
    starts = [midnight(this_monday - timedelta(weeks=n)) for n in range(count - 1, -2, -1)]
    return [
        _week(journal, start, start.timestamp(), end.timestamp(), device) for start, end in pairwise(starts)
    ]


def _week(journal: Journal, monday: datetime, from_s: float, to_s: float, device: str | None) -> Week:
    which = "AND (?3 IS NULL OR o.device = ?3)"
    values = [from_s, to_s, device]
    outings = journal.select(
        f"SELECT o.id, o.worn_s FROM outing o WHERE o.wall_s >= ?1 AND o.wall_s < ?2 {which}", values
    )
    worn_s = sum(row["worn_s"] for row in outings)
    blind = _blind(journal, [row["id"] for row in outings])
    rows = journal.select(
        f"""SELECT n.level, n.min_ttc_s, n.lead_time_s, n.verdict FROM near_miss n JOIN outing o ON o.id = n.outing
            WHERE n.wall_s >= ?1 AND n.wall_s < ?2 {which}""",
        values,
    )
    ttcs = [row["min_ttc_s"] for row in rows if row["min_ttc_s"] is not None]
    leads = [row["lead_time_s"] for row in rows if row["lead_time_s"] is not None]
    return Week(
        monday=f"{monday:%Y-%m-%d}",
        outings=len(outings),
        worn_s=worn_s,
        blind_s=sum(blind_s for _, blind_s in blind.values()),
        near_misses=len(rows),
        critical=sum(row["level"] >= Level.CRITICAL for row in rows),
        per_hour=per_hour(len(rows), worn_s),
        least_ttc_s=min(ttcs, default=None),
        median_ttc_s=median(ttcs) if ttcs else None,
        median_lead_s=median(leads) if leads else None,
        judged=sum(row["verdict"] is not None for row in rows),
        false_alarms=sum(row["verdict"] == "false" for row in rows),
    )


def per_hour(count: int, worn_s: float) -> float | None:
    """A rate, None where less than a minute was worn: such a rate says nothing."""
    return count / (worn_s / HOUR_S) if worn_s >= 60 else None
