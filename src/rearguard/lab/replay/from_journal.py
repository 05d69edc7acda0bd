"""An outing from the journal once more: the traces of its near misses through the judge and the cue player.

Only what was traced can be replayed: near misses, each from first sight to release, each by itself. What never
reached CAUTION was not traced, so that a replay can show warnings that would go or move, never new things. Of
a track the trace holds time to collision, range and miss distance, each with its spread, not the tracker's state.
How well that does is told: the share of traced frames that get their recorded level when judged by the settings
of the outing itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from rearguard.config import Config
from rearguard.errors import BadInput, NotFound
from rearguard.journal.db.rows import NearMissRow, OutingRow, TraceRecord
from rearguard.journal.db.store import Journal
from rearguard.judge.judge import Memory, judge
from rearguard.lab.replay.compare import Change, changes
from rearguard.lab.replay.rejudge import Replayed, felt
from rearguard.text import clean
from rearguard.types import EgoState, Level, Motion, Reason, Track, Verdict

_LEAST_SD_M = 0.1
_USUAL_RANGE_M = 5.0  # where none was recorded
_SD_SHARE = 0.12  # where no spread was recorded, that of the size prior
_ALL = 1_000_000


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one configuration makes of a near miss: peak level, and seconds left as felt when a level first came."""

    level: str
    caution_left_s: float | None
    critical_left_s: float | None
    replayed: Replayed


class RejudgedNearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """One near miss, as recorded, and replayed `before` and `after`. `agree`: see this module."""

    id: int
    label: str
    at_s: float  # of the worst moment, on the outing's clock
    recorded: str
    frames: int
    agree: float
    before: Side
    after: Side
    changes: list[Change]


def recorded_config(row: OutingRow) -> Config:
    """The settings the outing was judged by. Raises `BadInput` where this rearguard cannot read them."""
    try:
        return msgspec.json.decode(row.config, type=Config)
    except (msgspec.DecodeError, RecursionError) as e:
        raise BadInput(
            f"outing {row.id}: its settings, of rearguard {clean(row.version, 20)}, are not understood: "
            f"{clean(str(e), 200)}; name others with --against FILE"
        ) from e


def near_misses(
    journal: Journal, outing_id: int
) -> tuple[OutingRow, list[tuple[NearMissRow, list[TraceRecord]]]]:
    """An outing and its traced near misses, oldest first. Raises `NotFound`."""
    from rearguard.journal.db.rows import Filter

    row = journal.outing(outing_id)
    if row is None:
        raise NotFound(
            f"no outing {outing_id} in {journal.folder}; `rearguard outings` lists those there are"
        )
    found = journal.near_misses(Filter(outing=outing_id), limit=_ALL)
    traced = [(n, journal.trace(n.id)) for n in sorted(found, key=lambda n: (n.first_ns, n.id))]
    return row, [(n, trace) for n, trace in traced if trace]


def again(
    outing: OutingRow,
    near: NearMissRow,
    trace: Sequence[TraceRecord],
    own: Config,
    before: Config,
    after: Config,
) -> RejudgedNearMiss:
    """One near miss judged anew. `own` are the settings it was recorded under."""
    by_own = list(verdicts(near, trace, own, own))
    agree = sum(v.level == t.level for v, t in zip(by_own, trace, strict=True)) / len(trace)
    one, two = (_side(list(verdicts(near, trace, own, c)), c) for c in (before, after))
    return RejudgedNearMiss(
        id=near.id,
        label=near.label,
        at_s=round((near.worst_ns - outing.origin_ns) / 1e9, 2),
        recorded=near.level_name,
        frames=len(trace),
        agree=round(agree, 3),
        before=one,
        after=two,
        changes=changes(one.replayed.cues, two.replayed.cues),
    )


def _side(stream: list[Verdict], config: Config) -> Side:
    def left(level: Level) -> float | None:
        worst = next((v.worst for v in stream if v.level >= level), None)
        return None if worst is None or worst.ttc_s is None else round(worst.ttc_s, 2)

    return Side(
        level=max((v.level for v in stream), default=Level.CLEAR).name,
        caution_left_s=left(Level.CAUTION),
        critical_left_s=left(Level.CRITICAL),
        replayed=felt(stream, config),
    )


def verdicts(
    near: NearMissRow, trace: Sequence[TraceRecord], own: Config, config: Config
) -> Iterator[Verdict]:
    """A verdict under `config` for every traced frame; `own` is what was subtracted when it was traced."""
    memory = Memory()
    last_ns: int | None = None
    for row in trace:
        if last_ns is not None and row.t_ns <= last_ns:
            raise BadInput(f"near miss {near.id}: its trace does not go on in time; it cannot be replayed")
        last_ns = row.t_ns
        tracks = () if row.reason.lost else (_track(near, row, own.judge.motor_onset_s),)
        memory, verdict = judge(
            memory,
            tracks,
            config.judge,
            EgoState(),
            seq=row.seq,
            captured_ns=row.t_ns,
            mount=config.camera.mount,
        )
        yield verdict


def _track(near: NearMissRow, row: TraceRecord, onset_s: float) -> Track:
    """The track behind a traced frame; the age of the picture stays subtracted, as it was felt."""
    why = row.reason
    ttc_s, sd_s = _finite(why.ttc_s), _finite(why.ttc_sd_s) or 0.0
    if ttc_s is not None:
        ttc_s = max(ttc_s + onset_s, 1e-3)
    return Track(
        id=near.track,
        label=near.label,
        box=row.box,
        score=1.0,
        at_ns=row.t_ns,
        first_ns=near.first_ns,
        seen_ns=row.t_ns,
        hits=1,
        existence=1.0,
        motion=_motion(ttc_s, abs(sd_s), _finite(why.range_m), why),
        kind=near.kind,
    )


def _motion(ttc_s: float | None, ttc_sd_s: float, range_m: float | None, why: Reason) -> Motion:
    """A motion that goes past at the recorded distance in the recorded time, along the path."""
    range_m = max(range_m if range_m is not None else _USUAL_RANGE_M, 0.3)
    miss_m = _finite(why.miss_m) or 0.0
    miss_sd_m = max(_finite(why.miss_sd_m) or _SD_SHARE * abs(miss_m), _LEAST_SD_M)
    bearing = math.asin(min(max(miss_m / range_m, -0.99), 0.99))
    rate = 0.0 if ttc_s is None else 1.0 / ttc_s
    rate_sd = 0.02 if ttc_s is None else ttc_sd_s / ttc_s**2
    s, c = math.sin(bearing), math.cos(bearing)
    variances = (0.01, (miss_sd_m / range_m) ** 2, max(rate_sd, 1e-3) ** 2, 1e-6)
    rows = tuple(tuple(v if i == j else 0.0 for j in range(4)) for i, v in enumerate(variances))
    return Motion((math.log(range_m), bearing, -rate * c * c, rate * s * c), rows)  # type: ignore[arg-type]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and abs(value) < 1e6 else None
