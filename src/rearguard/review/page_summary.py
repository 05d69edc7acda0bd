"""The top of the report: the trend by week, each device, and where to find each outing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from html import escape

from rearguard.journal.db.rows import NearMissRow, OutingRow
from rearguard.journal.trends import Tally, per_hour
from rearguard.review.svg import bars
from rearguard.review.text import local, minutes, rate, seconds, when
from rearguard.text import clean

Outings = Sequence[tuple[OutingRow, Tally]]
_MOST_WEEKS = 60


def trend(rows: Sequence[NearMissRow]) -> str:
    """Near misses by week as bars, critical ones darker; nothing where all are of one week."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        day = local(row.wall_s)
        monday = f"{day - timedelta(days=day.weekday()):%Y-%m-%d}"
        counted = counts.setdefault(monday, [0, 0])
        counted[0] += 1
        counted[1] += row.level_name == "CRITICAL"
    if len(counts) < 2:
        return ""
    weeks = sorted(counts.items())[-_MOST_WEEKS:]
    return f"<h2>By week</h2>{bars([(monday, all_, critical) for monday, (all_, critical) in weeks])}"


def devices(rows: Sequence[NearMissRow], outings: Outings) -> str:
    """Each device in a line: worn, near misses, how early; nothing where there is one device."""
    names = sorted({outing.device for outing, _ in outings})
    if len(names) < 2:
        return ""
    lines = []
    for name in names:
        mine = [row for row in rows if row.device == name]
        worn_s = sum(outing.worn_s for outing, _ in outings if outing.device == name)
        critical = sum(row.level_name == "CRITICAL" for row in mine)
        least = min((row.min_ttc_s for row in mine if row.min_ttc_s is not None), default=None)
        lines.append(
            f'<tr><td>{escape(clean(name, 40))}</td><td class="n">{minutes(worn_s)}</td><td class="n">{len(mine)}</td>'
            f'<td class="n">{critical}</td><td class="n">{rate(per_hour(len(mine), worn_s))}</td>'
            f'<td class="n">{seconds(least)}</td></tr>'
        )
    head = "".join(
        f'<th class="n">{word}</th>' for word in ("worn", "near misses", "critical", "per hour", "least TTC")
    )
    return f"<h2>By device</h2><table><tr><th>device</th>{head}</tr>{''.join(lines)}</table>"


def contents(outings: Outings, counts: dict[int, int]) -> str:
    """Where each outing is; nothing where there is one."""
    if len(outings) < 2:
        return ""
    lines = "".join(
        f'<li><a href="#o{outing.id}">Outing {outing.id}, {escape(when(outing))}</a>: {counts[outing.id]}</li>'
        for outing, _ in outings
    )
    return f"<nav><h2>Contents</h2><ol>{lines}</ol></nav>"
