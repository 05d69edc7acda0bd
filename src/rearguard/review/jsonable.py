"""Rows as plain JSON: stable keys, SI units in their names, nothing a terminal could obey."""

from __future__ import annotations

import json
import math
from typing import Any

from rearguard.journal.columns import plain_json
from rearguard.journal.rows import CueRow, NearMissRow, OutingRow, TraceRow
from rearguard.review.text import clock_word, local


def near_miss(row: NearMissRow) -> dict[str, Any]:
    """One near miss. Times `first_s`, `warned_s` and `released_s` count from the worst moment."""
    return {
        "id": row.id,
        "outing": row.outing,
        "device": row.device,
        "when": local(row.wall_s).isoformat(timespec="milliseconds"),
        "clock": clock_word(row),
        "level": row.level_name,
        "label": row.label,
        "kind": row.kind,
        "side": row.side,
        "min_ttc_s": row.min_ttc_s,
        "range_m": row.range_m,
        "lead_time_s": row.lead_time_s,
        "first_s": (row.first_ns - row.worst_ns) / 1e9,
        "warned_s": (row.warned_ns - row.worst_ns) / 1e9,
        "released_s": (row.released_ns - row.worst_ns) / 1e9,
        "worst_seq": row.worst_seq,
        "track": row.track,
        "mono_ns": row.mono_ns,
        "boot_id": row.boot_id,
        "wall_s": row.wall_s,
        "flagged": row.flagged,
        "verdict": row.verdict,
        "note": row.note,
        "media": list(row.media),
        "media_gone": row.media_gone,
    }


def outing(row: OutingRow) -> dict[str, Any]:
    """One outing, its configuration as an object."""
    return {
        "id": row.id,
        "device": row.device,
        "when": local(row.wall_s).isoformat(timespec="milliseconds"),
        "clock": clock_word(row),
        "source": row.source,
        "realtime": row.realtime,
        "ended": row.ended,
        "frames": row.frames,
        "late": row.late,
        "worn_s": row.worn_s,
        "blind_s": row.blind_s,
        "model": row.model,
        "model_digest": row.model_digest,
        "config_digest": row.config_digest,
        "config": plain_json(row.config),
        "version": row.version,
        "mono_ns": row.mono_ns,
        "boot_id": row.boot_id,
        "wall_s": row.wall_s,
    }


def trace_point(row: TraceRow, worst_ns: int) -> dict[str, Any]:
    """One frame of a near miss; `t_s` counts from the worst moment."""
    return {
        "t_s": (row.t_ns - worst_ns) / 1e9,
        "seq": row.seq,
        "box": [row.x0, row.y0, row.x1, row.y1],
        "ttc_s": row.ttc_s,
        "ttc_sd_s": row.ttc_sd_s,
        "range_m": row.range_m,
        "miss_m": row.miss_m,
        "level": row.level,
        "reasons": list(row.reasons),
    }


def cue(row: CueRow, worst_ns: int) -> dict[str, Any]:
    """One cue felt; `t_s` counts from the worst moment."""
    return {
        "t_s": (row.at_ns - worst_ns) / 1e9,
        "cue": row.cue,
        "side": row.side,
        "track": row.track,
        "ttc_s": row.ttc_s,
        "reason": row.reason,
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
