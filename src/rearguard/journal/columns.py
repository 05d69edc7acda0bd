"""What travels of each table, column by column, and what may stand in it: another device is not to be believed.

A journal takes any value in any column; one that the reader cannot take would make the whole journal unreadable.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec

# Differences and sums of these still fit into SQLite's 64 bits.
Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**61), le=2**61)]
Number = Annotated[int, msgspec.Meta(ge=-(2**40), le=2**40)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
Yes = Literal[0, 1]
Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]

_OPENING = 200  # brackets in one column of JSON; ours has some twenty, and each could be a level deeper


class Outing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    key: Key
    device: str
    source: str
    realtime: Yes
    origin_ns: Nanoseconds
    mono_ns: Nanoseconds
    boot_id: str
    wall_s: float
    clock_synced: Yes
    wall_corrected: Yes
    ended: Literal["stopped", "cut"] | None
    model: str
    model_digest: str
    config_digest: str
    config: str
    version: str
    frames: Count
    late: Count
    worn_s: float
    blind_s: float


class NearMiss(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    number: Count
    track: Number
    label: str
    kind: str
    side: str
    level: Number
    min_ttc_s: float | None
    range_m: float | None
    lead_time_s: float | None
    first_ns: Nanoseconds
    warned_ns: Nanoseconds
    worst_ns: Nanoseconds
    released_ns: Nanoseconds
    worst_seq: Number
    mono_ns: Nanoseconds
    boot_id: str
    wall_s: float
    clock_synced: Yes
    wall_corrected: Yes
    flagged: Yes
    verdict: Literal["true", "false"] | None
    note: str
    media_gone: Literal["expired", "purged"] | None


class Trace(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    n: Count
    t_ns: Nanoseconds
    seq: Number
    x0: float
    y0: float
    x1: float
    y1: float
    ttc_s: float | None
    ttc_sd_s: float | None
    range_m: float | None
    miss_m: float | None
    level: Number
    reasons: str


class Cue(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    at_ns: Nanoseconds
    cue: str
    side: str
    seq: Number | None
    track: Number | None
    ttc_s: float | None
    reason: str


class Fault(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    trouble: str
    began_ns: Nanoseconds
    ended_ns: Nanoseconds | None


class Media(msgspec.Struct, frozen=True):
    """A file of a near miss."""

    kind: Literal["picture", "strip", "clip"]
    file: str
    bytes: Count
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    redacted: Yes


def too_deep(text: str) -> bool:
    """Whether JSON may be nested so deeply that reading or printing it fails; nobody means that."""
    return text.count("[") + text.count("{") > _OPENING


def plain_json(text: str) -> Any:
    """What a column of JSON holds; None for what is no JSON, or too deep."""
    if too_deep(text):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
