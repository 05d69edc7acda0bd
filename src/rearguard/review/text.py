"""Words and numbers for the terminal."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from rearguard.clock import midnight
from rearguard.errors import BadInput
from rearguard.journal.db.rows import NearMissRow, OutingRow
from rearguard.text import clean

_AGO = re.compile(r"(\d{1,5})\s*(m|h|d|w)")
_UNIT = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def seconds(value: float | None) -> str:
    """`2.4 s`, or a dash."""
    return "–" if value is None else f"{value:.1f} s"


def metres(value: float | None) -> str:
    """`4.2 m`, or a dash."""
    return "–" if value is None else f"{value:.1f} m"


def minutes(value_s: float) -> str:
    """`42 s`, `12 min` or `1 h 05 min`."""
    whole = max(0, round(value_s))
    if whole < 60:
        return f"{whole} s"
    hours, left = divmod(round(whole / 60), 60)
    return f"{hours} h {left:02d} min" if hours else f"{left} min"


def rate(value: float | None) -> str:
    """`2.4`, or a dash."""
    return "–" if value is None else f"{value:.1f}"


def counted(count: int, thing: str) -> str:
    """`1 fault`, `2 faults`, `3 near misses`."""
    many = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{count} {thing if count == 1 else many}"


def megabytes(count: int) -> str:
    """Bytes as `1.2 MB`, few of them as `37 kB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{math.ceil(count / 1e3)} kB"


def local(wall_s: float) -> datetime:
    """Wall time in the reader's time zone; what no calendar has is 1970."""
    try:
        return datetime.fromtimestamp(wall_s).astimezone()
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0).astimezone()


def iso(wall_s: float, *, here: bool = False) -> str:
    """Wall time in ISO 8601, in UTC or in the time zone of `here`; empty for one that no calendar has."""
    try:
        moment = datetime.fromtimestamp(wall_s, UTC)
        return (moment.astimezone() if here else moment).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return ""


def when(row: NearMissRow | OutingRow) -> str:
    """`2026-11-21 14:32:07`, with `?` where the clock was not set, `~` where it was put right afterwards."""
    mark = "~" if row.wall_corrected else "" if row.clock_synced else "?"
    return f"{local(row.wall_s):%Y-%m-%d %H:%M:%S}{mark}"


def clock_word(row: NearMissRow | OutingRow) -> str:
    """How far to believe the wall time: `synced`, `corrected` or `unsure`."""
    return "corrected" if row.wall_corrected else "synced" if row.clock_synced else "unsure"


def parse_moment(text: str, now: datetime | None = None) -> float:
    """Seconds since 1970 from `2026-11-21`, `2026-11-21 14:30`, `today`, `yesterday`, or `12h`, `7d`, `2w` ago.

    Raises `BadInput`.
    """
    now = now or datetime.now().astimezone()
    word = text.strip().lower()
    if word in ("today", "yesterday"):
        return midnight(now.astimezone().date() - timedelta(days=word == "yesterday")).timestamp()
    ago = _AGO.fullmatch(word)
    try:
        if ago:
            return (now - timedelta(**{_UNIT[ago[2]]: int(ago[1])})).timestamp()
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.astimezone()).timestamp()
    except (ValueError, OverflowError, OSError) as e:
        raise BadInput(
            f"{clean(text)!r}: no date; try 2026-11-21, '2026-11-21 14:30', yesterday, 12h or 7d"
        ) from e


_THING = {"looming": "something that grew in the picture", "low": "something low on the ground"}
_UNSURE_M = 0.5
_HEAD_ON_M = 0.15  # nearer than bodies are thick: there was contact, or one of both stopped
_SIDE = {"left": "on the left", "right": "on the right", "centre": "right behind"}


def sentence(row: NearMissRow, mount: str = "back") -> str:
    """The story of a near miss in a sentence or two, as one would tell it."""
    happened = what_happened(row, mount)
    return f"At {local(row.wall_s):%H:%M:%S on %d %B %Y}, {happened[:1].lower()}{happened[1:]}"


def what_happened(row: NearMissRow, mount: str = "back") -> str:
    """The same without the time: nothing that says when or whose it was."""
    thing = _THING.get(row.kind) or f"{'an' if row.label[:1] in 'aeiou' else 'a'} {clean(row.label)}"
    ahead = row.side == "centre" and mount == "front"
    side = "straight ahead" if ahead else _SIDE.get(row.side, clean(row.side))
    least = f": least time to collision {seconds(row.min_ttc_s)}" if row.min_ttc_s is not None else ""
    at = f", about {row.range_m:.1f} m away" if row.range_m is not None else ""
    if row.lead_time_s is not None:
        lead = f"the first warning was due {seconds(row.lead_time_s)} before contact"
    else:
        lead = "when the first warning was due, no time to collision was known"
    return (
        f"{thing[:1].upper()}{thing[1:]} came close {side}{least}{at}.{_passed(row)} It reached {row.level_name}; "
        f"{lead}, and it was over after {_lasted(row):.1f} s."
    )


def _passed(row: NearMissRow) -> str:
    """Where it passed, and whether that is sure enough to be told as one number."""
    if row.pass_m is None:
        return ""
    if row.pass_sd_m is not None and row.pass_sd_m > _UNSURE_M:
        return f" Where it passed is unsure: {row.pass_m:.1f} ± {row.pass_sd_m:.1f} m from your middle."
    if row.pass_m < _HEAD_ON_M:
        return " It was headed for your middle."
    return f" It passed about {row.pass_m:.1f} m from your middle."


def _lasted(row: NearMissRow) -> float:
    """From the first warning to the release, seconds."""
    return max(0.0, (row.released_ns - row.warned_ns) / 1e9)
