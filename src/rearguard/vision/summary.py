"""What happened in an outing, as one object: the `--json` of `run` and `demo`, and the closing lines."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.cue.table import CUES, Kind
from rearguard.track.associate import crowding, iou
from rearguard.vision.pipeline import Step
from rearguard.warden.link import Felt
from rearguard.words import CueName, NearMiss, Threat, TrueThing

_REMEMBERED = 256  # frames, without their pictures: a cue is told of a moment after its frame
_SAME_THING_IOU = 0.2


class CueLine(msgspec.Struct, frozen=True, kw_only=True):
    """A cue the wearer felt. `t_s` is the source's own time; `true_ttc_s` is known only in simulated worlds."""

    t_s: float
    cue: str
    side: str
    track: int | None
    ttc_s: float | None
    reason: str
    label: str | None = None
    true_ttc_s: float | None = None


class NearMissLine(msgspec.Struct, frozen=True, kw_only=True):
    """A near miss as logged; `id` is None when it could not be written."""

    id: int | None
    level: str
    min_ttc_s: float | None
    label: str
    side: str
    t_s: float
    lead_time_s: float | None
    range_m: float | None


class FaultLine(msgspec.Struct, frozen=True, kw_only=True):
    """A fault the wearer was told of."""

    t_s: float
    cue: str
    reason: str


class ModelLine(msgspec.Struct, frozen=True, kw_only=True):
    """Which weights judged, run by what."""

    name: str
    digest: str
    runtime: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outing. `fps` is the rate at which frames were judged, `duration_s` the source's time."""

    source: str
    frames: int
    fps: float
    duration_s: float
    dropped: int
    cues: list[CueLine]
    near_misses: list[NearMissLine]
    faults: list[FaultLine]
    signs: list[FaultLine]
    model: ModelLine
    config: str
    took_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a frame was judged to show, and what was there."""

    seq: int
    threats: tuple[Threat, ...]
    truth: tuple[TrueThing, ...]


class Ledger:
    """Collects what a summary tells while the outing goes on; bounded but for what was felt."""

    def __init__(self) -> None:
        self.frames = 0
        self.cues: list[CueLine] = []
        self.faults: list[FaultLine] = []
        self.signs: list[FaultLine] = []
        self._first_ns = 0
        self._last_ns = 0
        self._recent: deque[_Judged] = deque(maxlen=_REMEMBERED)
        self._took: dict[str, float] = {}

    def step(self, step: Step) -> None:
        """Take note of a judged frame."""
        if self.frames == 0:
            self._first_ns = step.frame.captured_ns
        self._last_ns = step.frame.captured_ns
        self.frames += 1
        self._recent.append(_Judged(step.frame.seq, step.verdict.threats, step.frame.truth))
        for stage, seconds in step.took_s.items():
            self._took[stage] = self._took.get(stage, 0.0) + seconds

    def felt(self, felt: Felt) -> None:
        """Take note of a cue that began to play."""
        t_s = round(self.seconds(felt.at_ns), 3)
        kind = CUES[CueName(felt.cue)].kind
        if kind is not Kind.THREAT:
            line = FaultLine(t_s=t_s, cue=felt.cue, reason=felt.reason)
            (self.faults if kind is Kind.FAULT else self.signs).append(line)
            return
        judged = next((j for j in reversed(self._recent) if j.seq == felt.seq), None)
        self.cues.append(
            CueLine(
                t_s=t_s,
                cue=felt.cue,
                side=felt.side,
                track=felt.track,
                ttc_s=_rounded(felt.ttc_s),
                reason=felt.reason,
                label=_label(judged, felt.track),
                true_ttc_s=_rounded(_true_ttc_s(judged, felt.track)),
            )
        )

    def seconds(self, at_ns: int) -> float:
        """A moment on the source's clock as seconds since its first frame."""
        return (at_ns - self._first_ns) / NS_PER_S

    @property
    def duration_s(self) -> float:
        return (self._last_ns - self._first_ns) / NS_PER_S

    @property
    def took_ms(self) -> dict[str, float]:
        """Mean milliseconds a frame spends in each stage."""
        return {k: round(1000 * v / max(1, self.frames), 2) for k, v in self._took.items()}

    def near_miss(self, seen: NearMiss, id_: int | None) -> NearMissLine:
        """A near miss as the summary tells it."""
        return NearMissLine(
            id=id_,
            level=seen.level.name,
            min_ttc_s=_rounded(seen.min_ttc_s),
            label=seen.label,
            side=seen.side.value,
            t_s=round(self.seconds(seen.worst_ns), 3),
            lead_time_s=_rounded(seen.lead_time_s),
            range_m=_rounded(seen.range_m),
        )


def _true_ttc_s(judged: _Judged | None, track: int | None) -> float | None:
    """The true time to collision of the thing a track follows, where the world knows it."""
    threat = next((t for t in judged.threats if t.track == track), None) if judged else None
    if judged is None or threat is None:
        return None
    best: tuple[float, TrueThing] | None = None
    for thing in judged.truth:
        if thing.box is not None:
            # A looming patch is a part of the wall it belongs to.
            looming = threat.kind == "looming"
            overlap = crowding(threat.box, [thing.box]) if looming else iou(thing.box, threat.box)
            if best is None or overlap > best[0]:
                best = (overlap, thing)
    return best[1].ttc_s if best is not None and best[0] >= _SAME_THING_IOU else None


def _label(judged: _Judged | None, track: int | None) -> str | None:
    return next((t.label for t in judged.threats if t.track == track), None) if judged else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
