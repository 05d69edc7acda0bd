"""Sums over outings and weeks: how often, how close, how early, and how much of it was a false alarm."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec

from rearguard.clock import midnight
from rearguard.config.track import Track
from rearguard.journal.blindness import blindness, episodes
from rearguard.journal.db.store import Journal
from rearguard.text import clean
from rearguard.types import Level

HOUR_S = 3600.0
PACE_M_S = Track().usual_pace_m_s  # what somebody runs backwards
_BATCH = 1000  # SQLite takes so many values in one question, and some more


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in one outing. `cues` counts every cue felt by name."""

    near_misses: int = 0
    critical: int = 0
    flagged: int = 0
    false_alarms: int = 0
    marks: int = 0
    passages: int = 0  # things that came near, warned of or not
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
    passages: int
    per_hour: float | None
    per_km: float | None  # at the pace that is usual for running backwards
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
              CAST(sum(flagged) AS INTEGER) AS flagged, sum(verdict IS 'false') AS false_alarms
            FROM near_miss WHERE outing IN ({marks}) GROUP BY outing""",
        ids,
    ):
        found[row.pop("outing")].update(row)
    for table, name in (("mark", "marks"), ("passage", "passages")):
        for row in journal.select(
            f"SELECT outing, count(*) AS {name} FROM {table} WHERE outing IN ({marks}) GROUP BY outing", ids
        ):
            found[row.pop("outing")].update(row)
    for row in journal.select(
        f"SELECT outing, cue, count(*) AS n FROM cue WHERE outing IN ({marks}) GROUP BY outing, cue", ids
    ):
        cues[row["outing"]][clean(str(row["cue"]), 40)] = row["n"]
    blind = _blind(journal, ids)
    return {i: Tally(**found[i], faults=blind[i][0], blind_s=blind[i][1], cues=cues[i]) for i in ids}


def _blind(journal: Journal, ids: list[int]) -> dict[int, tuple[int, float]]:
    rows = journal.select(episodes(len(ids)), ids)
    return blindness(ids, ((r["outing"], r["fault"], r["began_ns"], r["ended_ns"]) for r in rows))


def weeks(journal: Journal, count: int, now: datetime, device: str | None = None) -> list[Week]:
    """The last `count` weeks in the local time zone, oldest first, empty ones included."""
    today = now.astimezone().date()
    this_monday = today - timedelta(days=today.weekday())
    starts = [midnight(this_monday - timedelta(weeks=n)) for n in range(count - 1, -2, -1)]
    return [_week(journal, start, end, device) for start, end in pairwise(starts)]


def _week(journal: Journal, monday: datetime, end: datetime, device: str | None) -> Week:
    which = "AND (:device IS NULL OR o.device = :device)"
    values = {"from_s": monday.timestamp(), "to_s": end.timestamp(), "device": device}
    (passed,) = journal.select(
        f"""SELECT count(*) AS n FROM passage p JOIN outing o ON o.id = p.outing
            WHERE o.wall_s >= :from_s AND o.wall_s < :to_s {which}""",
        values,
    )
    outings = journal.select(
        f"""SELECT o.id, {_number("o.worn_s", "0.0")} AS worn_s FROM outing o
            WHERE o.wall_s >= :from_s AND o.wall_s < :to_s {which}""",
        values,
    )
    worn_s = sum(row["worn_s"] for row in outings)
    blind = _blind(journal, [row["id"] for row in outings])
    rows = journal.select(
        f"""SELECT {_number("n.level", "0")} AS level, {_number("n.min_ttc_s")} AS min_ttc_s,
              {_number("n.lead_time_s")} AS lead_time_s, n.verdict
            FROM near_miss n JOIN outing o ON o.id = n.outing
            WHERE n.wall_s >= :from_s AND n.wall_s < :to_s {which}""",
        values,
    )
    return Week(
        monday=f"{monday:%Y-%m-%d}",
        outings=len(outings),
        worn_s=worn_s,
        blind_s=sum(blind_s for _, blind_s in blind.values()),
        passages=passed["n"],
        **_near_misses(rows, worn_s),
    )


def _near_misses(rows: list[dict[str, Any]], worn_s: float) -> dict[str, Any]:
    """What weeks and groups tell of their near misses, by the names of their fields."""
    ttcs = [row["min_ttc_s"] for row in rows if row["min_ttc_s"] is not None]
    leads = [row["lead_time_s"] for row in rows if row["lead_time_s"] is not None]
    return {
        "near_misses": len(rows),
        "critical": sum(row["level"] >= Level.CRITICAL for row in rows),
        "per_hour": per_hour(len(rows), worn_s),
        "per_km": per_km(len(rows), worn_s),
        "least_ttc_s": min(ttcs, default=None),
        "median_ttc_s": median(ttcs) if ttcs else None,
        "median_lead_s": median(leads) if leads else None,
        "judged": sum(row["verdict"] is not None for row in rows),
        "false_alarms": sum(row["verdict"] == "false" for row in rows),
    }


def _number(column: str, other: str = "NULL") -> str:
    """SQL for a column's value where it is a number an outing can have; `other` for what anybody may have written."""
    return f"CASE WHEN typeof({column}) IN ('integer', 'real') AND abs({column}) < 1e9 THEN {column} ELSE {other} END"


def per_hour(count: int, worn_s: float) -> float | None:
    """A rate, None where less than a minute was worn: such a rate says nothing."""
    return count / (worn_s / HOUR_S) if worn_s >= 60 else None


def per_km(count: int, worn_s: float, pace_m_s: float = PACE_M_S) -> float | None:
    """A rate by distance: of the way that was not measured, the time worn at a usual pace; None as `per_hour`."""
    return count / (worn_s * pace_m_s / 1000) if worn_s >= 60 else None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on one device, weekday, in one month, or with one kind of thing. Of a kind of thing the rates are
    by all the time worn."""

    name: str
    outings: int
    worn_s: float
    passages: int
    near_misses: int
    critical: int
    per_hour: float | None
    per_km: float | None
    least_ttc_s: float | None
    median_ttc_s: float | None
    median_lead_s: float | None
    judged: int
    false_alarms: int


# How a row's group is named in SQL, of an outing `o`, a near miss `n` or a passage `p` at the moment {wall}; None where
# the kind of thing is asked, which an outing has not. Local days and months, as the wearer counts them.
GROUPINGS = {
    "device": "o.device",
    "weekday": "strftime('%w', {wall}, 'unixepoch', 'localtime')",
    "month": "strftime('%Y-%m', {wall}, 'unixepoch', 'localtime')",
    "label": None,
}
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def groups(
    journal: Journal,
    by: str,
    *,
    since_s: float | None = None,
    until_s: float | None = None,
    device: str | None = None,
) -> list[Group]:
    """Sums by one of `GROUPINGS`, in order of their names (weekdays from Monday, labels by how often)."""
    since, until = "(:since_s IS NULL OR {wall} >= :since_s)", "(:until_s IS NULL OR {wall} < :until_s)"
    where = f"{since} AND {until} AND (:device IS NULL OR o.device = :device)"
    values = {"since_s": since_s, "until_s": until_s, "device": device}
    passed = "o.wall_s + (p.at_ns - o.origin_ns) / 1e9"

    def key(wall: str, label: str) -> str:
        named = GROUPINGS[by]
        return label if named is None else named.format(wall=wall)

    def select_rows(columns: str, source: str, wall: str, label: str) -> list[dict[str, Any]]:
        sql = f"SELECT {key(wall, label)} AS name, {columns} FROM {source} WHERE {where.format(wall=wall)}"
        return journal.select(sql, values)

    outings = select_rows("o.worn_s", "outing o", "o.wall_s", "NULL")
    joined = "JOIN outing o ON o.id"
    passages = select_rows("1", f"passage p {joined} = p.outing", passed, "p.label")
    columns = "n.level, n.min_ttc_s, n.lead_time_s, n.verdict"
    rows = select_rows(columns, f"near_miss n {joined} = n.outing", "n.wall_s", "n.label")
    names = {row["name"] for row in (*outings, *passages, *rows)} - {None}
    found = [_group(name, outings, passages, rows, by) for name in names]
    if by == "weekday":
        found.sort(key=lambda g: (int(g.name) - 1) % 7)
        return [msgspec.structs.replace(g, name=_WEEKDAYS[int(g.name)]) for g in found]
    return sorted(found, key=lambda g: (-g.near_misses if by == "label" else 0, g.name))


def _group(
    name: str,
    outings: list[dict[str, Any]],
    passages: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    by: str,
) -> Group:
    mine = [row for row in rows if row["name"] == name]
    worn = outings if by == "label" else [row for row in outings if row["name"] == name]
    worn_s = sum(row["worn_s"] for row in worn)
    return Group(
        name=clean(str(name), 40),
        outings=len(worn),
        worn_s=worn_s,
        passages=sum(row["name"] == name for row in passages),
        **_near_misses(mine, worn_s),
    )
