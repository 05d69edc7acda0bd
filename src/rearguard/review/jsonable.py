"""Rows as plain JSON: stable keys, SI units in their names, nothing a terminal could obey."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from rearguard.journal.db.rows import NearMissRow, OutingRow
from rearguard.journal.db.tables import parse_json
from rearguard.review.text import clock_word, local
from rearguard.text import explain, explain_cue
from rearguard.types import Cue, TracePoint

_UNTOLD = {"trace", "number", "first_ns", "warned_ns", "worst_ns", "released_ns", "clock_synced",
           "wall_corrected"}  # fmt: skip
_OF_OUTING = ("source", "realtime", "ended", "frames", "late", "worn_s", "assumed", "blind_s", "model", "model_digest",
              "config_digest", "config", "version", "mono_ns", "boot_id", "wall_s")  # fmt: skip


def near_miss(row: NearMissRow) -> dict[str, Any]:
    """One near miss. Times `first_s`, `warned_s` and `released_s` count from the worst moment."""
    told = {k: v for k, v in msgspec.structs.asdict(row).items() if k not in _UNTOLD}
    return {
        "id": row.id,
        "outing": row.outing,
        "device": row.device,
        "when": local(row.wall_s).isoformat(timespec="milliseconds"),
        "clock": clock_word(row),
        **told,
        "level": row.level_name,
        "first_s": (row.first_ns - row.worst_ns) / 1e9,
        "warned_s": (row.warned_ns - row.worst_ns) / 1e9,
        "released_s": (row.released_ns - row.worst_ns) / 1e9,
        "tracks": list(row.tracks),
        "media": list(row.media),
    }


def outing(row: OutingRow) -> dict[str, Any]:
    """One outing, its configuration as an object."""
    return {
        "id": row.id,
        "device": row.device,
        "when": local(row.wall_s).isoformat(timespec="milliseconds"),
        "clock": clock_word(row),
        **{name: getattr(row, name) for name in _OF_OUTING},
        "config": parse_json(row.config),
    }


def trace_point(point: TracePoint, worst_ns: int) -> dict[str, Any]:
    """One frame of a near miss; `t_s` counts from the worst moment, `why` is for people. Not `seen`: only expected."""
    b = point.box
    return {
        "t_s": (point.t_ns - worst_ns) / 1e9,
        "seq": point.seq,
        "box": [b.x0, b.y0, b.x1, b.y1],
        "level": int(point.level),
        "seen": point.seen,
        **msgspec.structs.asdict(point.reason),
        "why": explain(point.reason),
    }


def cue(felt: Cue, worst_ns: int) -> dict[str, Any]:
    """One cue felt; `t_s` counts from the worst moment, `why` is for people."""
    return {
        "t_s": (felt.at_ns - worst_ns) / 1e9,
        "cue": felt.cue,
        "side": felt.side,
        "track": felt.track,
        "ttc_s": felt.reason.ttc_s if felt.reason else None,
        "faults": list(felt.faults),
        "why": explain_cue(felt),
    }


def dumps(value: Any) -> str:
    """JSON in ASCII, so that no text from the journal reaches a terminal as anything but text."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=True, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no word for: infinity and not-a-number."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
