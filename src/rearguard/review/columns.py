"""What each exported column means, in one place: for docs/columns.md, and for the metadata of Parquet files."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]  # one exported row: a value for each column

MEANING: dict[str, str] = {
    "when": "the moment of the row, UTC, ISO 8601: of a near miss and its trace the worst moment",
    "when_local": "the same in the time zone of the machine that exported it, with its offset",
    "id": "number of the near miss in this journal, as `rearguard show` takes it; another journal has others",
    "outing_key": "which outing, the same on the device and wherever it was copied to",
    "device": "name of the device",
    "number": "of the near miss within its outing, from 1",
    "track": "number of the track that the thing was seen by most often; only within the outing",
    "tracks": "all tracks that it was, separated by spaces",
    "label": "what the thing was taken for, in COCO's words; `obstacle` and `low obstacle` are of no class",
    "kind": "`detected` by the detector, `looming`: told by its expansion alone, `low`: by its height above the ground",
    "side": "where it was or passed, as the wearer feels it: left, centre, right",
    "level": "0 CLEAR, 1 NOTICE, 2 CAUTION, 3 CRITICAL; of a near miss the highest it reached",
    "level_name": "the level as a word",
    "min_ttc_s": "least time to collision when it was seen, s, smoothed, as felt (without capture age and motor onset)",
    "range_m": "distance, m: of a near miss at the worst moment, of a passage at its nearest",
    "lead_time_s": "time to collision when the first warning was due, s",
    "pass_m": "how far from the wearer's middle it passed, or would have, m",
    "pass_sd_m": "standard deviation of that, m",
    "first_ns": "first sight, ns from the worst moment",
    "warned_ns": "first CAUTION or more, ns from the worst moment",
    "released_ns": "end, ns from the worst moment",
    "worst_seq": "frame of the worst moment",
    "mono_ns": "CLOCK_MONOTONIC of the row's moment, ns",
    "boot_id": "which boot that clock counts from",
    "wall_s": "seconds since 1970, as the device believed or was corrected to",
    "clock_synced": "whether the device's clock was synchronised then",
    "wall_corrected": "whether wall times were corrected later in the same boot",
    "flagged": "kept by the wearer beyond the usual time",
    "verdict": "what the wearer said: `true` or `false` alarm; empty when not asked",
    "note": "the wearer's words",
    "media_gone": "why pictures that were there are no more: `expired` or `purged`",
    "source": "what the outing was seen from: picamera2, webcam:N, a file, sim:NAME",
    "model": "name of the detector's model",
    "model_digest": "SHA-256 of its file",
    "config": "the settings that judged the outing, JSON",
    "config_digest": "digest of those settings",
    "version": "version of rearguard",
    "n": "frame of the trace, from 0",
    "t_ns": "the frame's moment, ns from the worst moment",
    "t_s": "the row's moment, s from the beginning of the outing",
    "seq": "number of the frame",
    "x0": "left edge of the box, px",
    "y0": "upper edge of the box, px",
    "x1": "right edge of the box, px",
    "y1": "lower edge of the box, px",
    "seen": "whether it was seen in this frame; false: box and numbers are what was expected",
    "code": "what decided the level, see `rearguard.types.ReasonCode`",
    "ttc_s": "time to collision as felt, s",
    "ttc_sd_s": "its standard deviation, s",
    "limit_s": "the limit it was compared with, s",
    "limit_m": "the distance it was compared with, m",
    "miss_m": "expected distance from the wearer's middle when the time is up, m, positive to picture-right",
    "miss_sd_m": "its standard deviation, m",
    "probability": "that it comes into the corridor, 0 to 1",
    "held_s": "an earlier level is kept for so long, s",
    "lost": "the track was lost; its level is held",
    "told": "the reason as an older version told it",
    "realtime": "whether frames carried CLOCK_MONOTONIC",
    "ended": "`stopped`, `cut` by a kill or an empty battery, empty while it lasts",
    "frames": "frames judged",
    "late": "frames dropped because a newer one was there",
    "worn_s": "how long it was worn, s",
    "blind_s": "for how long of that it could not protect, s",
    "assumed": "what was taken for granted of a recording, in words",
    "cue": "name of the cue that was felt",
    "faults": "faults that stood, separated by spaces, or as a list",
    "fault": "name of the fault",
    "began_s": "when it began, s from the beginning of the outing",
    "ended_s": "when it ended; empty while it lasts",
}


def page(tables: dict[str, list[str]]) -> str:
    """docs/columns.md: every table with the meaning of its columns."""
    lines = [
        "# Columns of what `rearguard export` writes",
        "",
        "One row a near miss, frame, outing, cue, passage or fault. Units are in the names: `_s` seconds, `_m` metres,",
        "`_ns` nanoseconds. Every row names its outing by `outing_key`. In Parquet each column carries this text as",
        "metadata, `description`. The columns of `rearguard export frames` follow `rearguard.types.Observation`.",
    ]
    for table, names in tables.items():
        lines += ["", f"## {table}", "", "| column | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {MEANING[name]} |" for name in names]
    return "\n".join(lines) + "\n"
