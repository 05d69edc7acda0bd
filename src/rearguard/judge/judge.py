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
class Foreseen:
    """What may come of a track as of its last sighting."""

    at_ns: int
    contact: Contact


@dataclass(frozen=True, slots=True)
class Memory:
    """What the judge remembers from frame to frame, by track."""

    held: Mapping[int, Held] = field(default_factory=lambda: MappingProxyType({}))
    foreseen: Mapping[int, Foreseen] = field(default_factory=lambda: MappingProxyType({}))


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
    late_s = max(0.0, latency_s) + settings.motor_onset_s
    held: dict[int, Held] = {}
    foreseen = _foreseen(memory.foreseen, tracks, ego)
    threats: list[Threat] = []
    for track in tracks:
        before = memory.held.get(track.id)
        threat = _weigh(
            track, foreseen[track.id], before.level if before else Level.CLEAR, settings, late_s, mount
        )
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
    threats.sort(key=_urgency)
    level = threats[0].level if threats else Level.CLEAR
    side = threats[0].side if level > Level.CLEAR else Side.CENTRE
    verdict = Verdict(seq, captured_ns, level, side, tuple(threats), faults)
    return Memory(MappingProxyType(held), MappingProxyType(foreseen)), verdict


def _foreseen(past: Mapping[int, Foreseen], tracks: Sequence[Track], ego: EgoState) -> dict[int, Foreseen]:
    """What may come of each track.

    Nothing gets more urgent by not being seen than its last sighting allows: what it may do grows no wider.
    """
    fresh = [t for t in tracks if t.id not in past or t.seen_ns > past[t.id].at_ns]
    contacts = foresee([t.motion for t in fresh], ego, [t.appears for t in fresh])
    anew = {t.id: Foreseen(t.seen_ns, contact) for t, contact in zip(fresh, contacts, strict=True)}
    return {t.id: anew.get(t.id) or past[t.id] for t in tracks}


def _urgency(threat: Threat) -> tuple[int, float, int]:
    return (-threat.level, threat.ttc_s if threat.ttc_s is not None else math.inf, threat.track)


def _weigh(track: Track, seen: Foreseen, was: Level, settings: Settings, late_s: float, mount: str) -> Threat:
    """The level a track has earned by this frame alone; `was` lowers what it takes to keep a level held."""
    miss_m, miss_sd_m = seen.contact.miss
    known = Reason(
        code=ReasonCode.NOT_CLOSING,
        ttc_s=None if track.ttc_s is None else max(0.0, track.ttc_s - late_s),
        ttc_sd_s=track.ttc_sd_s,
        range_m=track.range_m,
        miss_m=miss_m,
        miss_sd_m=miss_sd_m,
    )
    level, reason = _level(track, seen, known, was, settings, late_s)
    return Threat(track.id, track.label, track.kind, level, side_of(miss_m, mount), track.box, reason)


def _level(
    track: Track, seen: Foreseen, known: Reason, was: Level, settings: Settings, late_s: float
) -> tuple[Level, Reason]:
    probability = 0.0
    late_s += (track.at_ns - seen.at_ns) / NS_PER_S
    for level, within_s, due in _pairs(settings):
        limit = due * (settings.hold_share if was >= level else 1.0)
        probability = track.existence * seen.contact.probability(
            within_s + late_s, settings.corridor_half_width_m
        )
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
    if abs(offset_m) <= _CENTRE_M:
        return Side.CENTRE
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
