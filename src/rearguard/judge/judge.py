"""The judge: tracks in, verdict out. Pure: same memory and same tracks, same verdict.

Each level has one pair of numbers: a time, and the probability of contact within it from which on it is due. That
probability, times that of there being such a thing at all, is all that is compared. A level is raised at once and let
go slowly. Every threat carries the numbers that decided, also when it is judged harmless.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec.structs import replace

from rearguard.clock import NS_PER_S
from rearguard.config.judge import Judge as Settings
from rearguard.judge.contact import Contact, foresee
from rearguard.types import (
    STILL_PER_S,
    EgoState,
    Fault,
    Level,
    Motion,
    Reason,
    ReasonCode,
    Side,
    Threat,
    Track,
    Verdict,
)

_CENTRE_M = 0.35  # a thing this near the middle of the path is told as ahead


@dataclass(frozen=True, slots=True)
class Held:
    """A track's level, when it was last earned, and the threat as it then was."""

    level: Level
    earned_ns: int
    threat: Threat


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a track was at its last sighting and how it moved, against the path as it is known now."""

    at_ns: int
    motion: Motion


@dataclass(frozen=True, slots=True)
class Memory:
    """What the judge remembers from frame to frame, by track."""

    held: Mapping[int, Held] = field(default_factory=lambda: MappingProxyType({}))
    seen: Mapping[int, Seen] = field(default_factory=lambda: MappingProxyType({}))


_NOTHING = Memory()


def judge(
    memory: Memory,
    tracks: Sequence[Track],
    settings: Settings,
    ego: EgoState,
    *,
    seq: int,
    captured_ns: int,
    latency_s: float = 0.0,
    mount: str = "back",
    faults: tuple[Fault, ...] = (),
) -> tuple[Memory, Verdict]:
    """Judge one frame; `latency_s` is how old the frame already is. Returns the new memory and the verdict."""
    drift = None if ego.line_m is None else _beside(ego.line_m, mount)
    if not tracks and not memory.held:  # as in most frames
        return _NOTHING, Verdict(seq, captured_ns, Level.CLEAR, Side.CENTRE, (), faults, drift)
    late_s = max(0.0, latency_s) + settings.motor_onset_s
    held: dict[int, Held] = {}
    seen = [_seen(memory.seen.get(t.id), t, ego) for t in tracks]
    contacts = foresee([s.motion for s in seen], ego, [t.appears for t in tracks])
    threats: list[Threat] = []
    for track, last, contact in zip(tracks, seen, contacts, strict=True):
        before = memory.held.get(track.id)
        was = before.level if before else Level.CLEAR
        unseen_s = (track.at_ns - last.at_ns) / NS_PER_S
        threat = _weigh(track, contact, unseen_s, was, settings, late_s, mount)
        threat, kept = _hold(threat, before, captured_ns, settings.release_s)
        threats.append(threat)
        if kept is not None:
            held[track.id] = kept
    for track_id, past in memory.held.items():
        # A threat that was lost from sight stays one until its release time is over.
        if track_id not in held and all(t.id != track_id for t in tracks):
            kept_on = _lost(past, captured_ns, settings.release_s)
            if kept_on is not None:
                threats.append(kept_on)
                held[track_id] = past
    now = {t.id: last for t, last in zip(tracks, seen, strict=True)}
    threats.sort(key=_urgency)
    level = threats[0].level if threats else Level.CLEAR
    side = threats[0].side if level > Level.CLEAR else Side.CENTRE
    verdict = Verdict(seq, captured_ns, level, side, tuple(threats), faults, drift)
    return Memory(MappingProxyType(held), MappingProxyType(now)), verdict


def _seen(past: Seen | None, track: Track, ego: EgoState) -> Seen:
    """Nothing gets more urgent by not being seen than its last sighting allows: only the path goes on to turn."""
    if past is None or track.seen_ns > past.at_ns:
        return Seen(track.seen_ns, track.motion)
    ln_range, bearing, *rates = past.motion.mean
    rows = [list(row) for row in past.motion.covariance]
    rows[1][1] = max(rows[1][1], ego.swing_sd_rad**2)
    mean = (ln_range, bearing - ego.path_turned_rad, *rates)
    return Seen(past.at_ns, Motion(mean, tuple(map(tuple, rows))))  # type: ignore[arg-type]


def _urgency(threat: Threat) -> tuple[int, bool, float, int]:
    """By level; of one level what is low comes last: who stops and looks round does not trip, who looks down is hit."""
    return (
        -threat.level, threat.low, threat.ttc_s if threat.ttc_s is not None else math.inf, threat.track,
    )  # fmt: skip


def _weigh(
    track: Track, contact: Contact, unseen_s: float, was: Level, settings: Settings, late_s: float, mount: str
) -> Threat:
    """The level a track has earned by this frame alone; `contact` is as of `unseen_s` ago, `was` lowers what it takes
    to keep a level held."""
    miss_m, miss_sd_m = contact.miss
    known = Reason(
        code=ReasonCode.NOT_CLOSING,
        ttc_s=None if track.ttc_s is None else max(0.0, track.ttc_s - late_s),
        ttc_sd_s=track.ttc_sd_s,
        range_m=track.range_m,
        miss_m=miss_m,
        miss_sd_m=miss_sd_m,
    )
    level, reason = _level(track, contact, known, was, settings, late_s + unseen_s)
    return Threat(track.id, track.label, track.kind, level, side_of(miss_m, mount), track.box, reason)


def _level(
    track: Track, contact: Contact, known: Reason, was: Level, settings: Settings, late_s: float
) -> tuple[Level, Reason]:
    probability = 0.0
    for level, within_s, due in _pairs(settings):
        limit = due * (settings.hold_share if was >= level else 1.0)
        probability = track.existence * contact.probability(within_s + late_s, settings.corridor_half_width_m)
        if probability >= limit:
            return level, replace(known, code=ReasonCode.SOON, limit_s=within_s, probability=probability)
    if track.closing_per_s + track.closing_sd_per_s < STILL_PER_S:
        return Level.CLEAR, known
    soon = known.ttc_s is not None and known.ttc_s <= settings.notice_ttc_s
    code = ReasonCode.PASSES if soon else ReasonCode.NOT_SOON
    return Level.CLEAR, replace(known, code=code, probability=probability)


def _pairs(settings: Settings) -> tuple[tuple[Level, float, float], ...]:
    """Each level with its time, as felt, and the probability of contact within it that calls for it."""
    return (
        (Level.CRITICAL, settings.critical_ttc_s + settings.lead_s, settings.critical_probability),
        (Level.CAUTION, settings.caution_ttc_s + settings.lead_s, settings.caution_probability),
        (Level.NOTICE, settings.notice_ttc_s + settings.lead_s, settings.notice_probability),
    )


def side_of(offset_m: float, mount: str) -> Side:
    """The wearer's side of a picture-side offset; a back-plate camera looks the other way round."""
    return Side.CENTRE if abs(offset_m) <= _CENTRE_M else _beside(offset_m, mount)


def _beside(offset_m: float, mount: str) -> Side:
    right_in_picture = offset_m > 0
    return Side.RIGHT if right_in_picture == (mount == "front") else Side.LEFT


def _hold(threat: Threat, before: Held | None, at_ns: int, release_s: float) -> tuple[Threat, Held | None]:
    """Raise at once, let go after `release_s`."""
    fresh = before is not None and at_ns - before.earned_ns < release_s * NS_PER_S
    if before is not None and fresh and threat.level < before.level:
        held = replace(threat.reason, held_s=release_s)
        return replace(threat, level=before.level, side=before.threat.side, reason=held), before
    if threat.level is Level.CLEAR:
        return threat, None
    return threat, Held(threat.level, at_ns, threat)


def _lost(past: Held, at_ns: int, release_s: float) -> Threat | None:
    if at_ns - past.earned_ns >= release_s * NS_PER_S:
        return None
    return replace(
        past.threat, level=past.level, reason=replace(past.threat.reason, held_s=release_s, lost=True)
    )
