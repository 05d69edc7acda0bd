"""An outing from the journal once more: the traces of its near misses through the judge and the cue player.

Only what was traced can be replayed: near misses, each from first sight to release, each by itself. What never
reached CAUTION was not traced, so that a replay can show warnings that would go or move, never new things. Of
a track the trace holds time to collision, range and miss distance, not the tracker's state; how unsure the
miss distance was is read from the recorded reasons. How well that does is told: the share of traced frames
that get their recorded level when judged by the settings of the outing itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import msgspec

from rearguard.config import Config
from rearguard.errors import BadInput, NotFound
from rearguard.journal.rows import NearMissRow, OutingRow, TraceRow
from rearguard.journal.store import Journal
from rearguard.judge.judge import Memory, judge
from rearguard.replay.again import Replayed, felt
from rearguard.replay.compare import Change, changes
from rearguard.review.text import clean
from rearguard.words import Box, Lateral, Level, Track, Verdict

_SD_M = re.compile(r"± (\d+\.?\d*) m off")
_LOST = "lost from sight, held"  # as the judge says it: nothing was seen in that frame
_LEAST_SD_M = 0.1
_SD_SHARE = 0.12  # where no spread was recorded, that of the size prior
_ALL = 1_000_000


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one configuration makes of a near miss: peak level, and seconds left as felt when a level first came."""

    level: str
    caution_left_s: float | None
    critical_left_s: float | None
    replayed: Replayed


class Again(msgspec.Struct, frozen=True, kw_only=True):
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
) -> tuple[OutingRow, list[tuple[NearMissRow, list[TraceRow]]]]:
    """An outing and its traced near misses, oldest first. Raises `NotFound`."""
    from rearguard.journal.rows import Filter

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
    trace: Sequence[TraceRow],
    own: Config,
    before: Config,
    after: Config,
) -> Again:
    """One near miss judged anew. `own` are the settings it was recorded under."""
    by_own = list(verdicts(near, trace, own, own))
    agree = sum(v.level == t.level for v, t in zip(by_own, trace, strict=True)) / len(trace)
    one, two = (_side(list(verdicts(near, trace, own, c)), c) for c in (before, after))
    return Again(
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


def verdicts(near: NearMissRow, trace: Sequence[TraceRow], own: Config, config: Config) -> Iterator[Verdict]:
    """A verdict under `config` for every traced frame; `own` is what was subtracted when it was traced."""
    memory = Memory()
    last_ns: int | None = None
    for row in trace:
        if last_ns is not None and row.t_ns <= last_ns:
            raise BadInput(f"near miss {near.id}: its trace does not go on in time; it cannot be replayed")
        last_ns = row.t_ns
        lost = any(reason == _LOST for reason in row.reasons)
        tracks = () if lost else (_track(near, row, own.judge.motor_onset_s),)
        memory, verdict = judge(
            memory,
            tracks,
            config.judge,
            seq=row.seq,
            captured_ns=row.t_ns,
            mount=config.camera.mount,
        )
        yield verdict


def _track(near: NearMissRow, row: TraceRow, onset_s: float) -> Track:
    """The track behind a traced frame; the age of the picture stays subtracted, as it was felt."""
    ttc_s = _finite(row.ttc_s)
    sd_s = _finite(row.ttc_sd_s) or 0.0
    if ttc_s is not None:
        ttc_s = max(ttc_s + onset_s, 1e-3)
    return Track(
        id=near.track,
        label=near.label,
        box=Box(row.x0, row.y0, row.x1, row.y1),
        score=1.0,
        at_ns=row.t_ns,
        first_ns=near.first_ns,
        seen_ns=row.t_ns,
        hits=1,
        closing_per_s=0.0 if ttc_s is None else 1.0 / ttc_s,
        closing_sd_per_s=0.0 if ttc_s is None else abs(sd_s) / ttc_s**2,
        ttc_s=ttc_s,
        range_m=_finite(row.range_m),
        lateral=_lateral(row),
        kind=near.kind,
    )


def _lateral(row: TraceRow) -> Lateral | None:
    miss_m = _finite(row.miss_m)
    if miss_m is None:
        return None
    told = next((m for reason in row.reasons if (m := _SD_M.search(reason))), None)
    sd_m = float(told[1]) if told else _SD_SHARE * abs(miss_m)
    # The judge adds the prior's spread again; what was recorded has it already.
    sd_m = math.sqrt(max(sd_m**2 - (_SD_SHARE * miss_m) ** 2, _LEAST_SD_M**2))
    return Lateral(miss_m, 0.0, sd_m**2, 0.0, 0.0)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and abs(value) < 1e6 else None
