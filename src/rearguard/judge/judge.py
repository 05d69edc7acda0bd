"""The judge: tracks in, verdict out. Pure: same memory and same tracks, same verdict.

A level is raised at once and let go slowly. A veto (outside the corridor, not closing) needs positive
evidence; where evidence is missing the answer is a warning. Every threat carries its reasons, also when it
is judged harmless.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from rearguard.clock import NS_PER_S
from rearguard.config.judge import Judge as Settings
from rearguard.judge import path
from rearguard.words import Level, Side, Threat, Track, Trouble, Verdict

# While a level is held its threshold is wider by this factor, so that an estimate that trembles about the
# threshold does not flap.
_HOLD_FACTOR = 1.2
# Below this rate of expansion (1/s) a thing is 50 s away: it keeps its distance.
_STILL_PER_S = 0.02
# r is taken this many of its standard deviations slower for the lower levels, faster for CRITICAL: not knowing
# well how fast a thing comes makes it more urgent, not less, by a fifth at most. Not so at first, when the doubt
# is all prior and the box still settles.
_MOST_HASTE = 1.2
_DOUBT = {Level.NOTICE: 1.0, Level.CAUTION: 0.5, Level.CRITICAL: -0.4}
# Slower than this is standing together, not running into each other.
_GUARD_CLOSING_M_S = 0.5
_NEAR_CLOSING_M_S = 0.2
_SURELY_SD = 2.0
# Plausibility of coming into the corridor above which a thing is in the path, and below which it is certainly not.
# Not knowing (a wide spread about the middle) is above both; between them a thing is worth a NOTICE.
_IN_PATH = 0.36
_OUT_OF_PATH = 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """A track's level, when it was last earned, and the threat as it then was."""

    level: Level
    earned_ns: int
    threat: Threat


@dataclass(frozen=True, slots=True)
class Memory:
    """What the judge remembers from frame to frame."""

    held: Mapping[int, Held] = field(default_factory=lambda: MappingProxyType({}))


def judge(
    memory: Memory,
    tracks: Sequence[Track],
    settings: Settings,
    *,
    seq: int,
    captured_ns: int,
    latency_s: float = 0.0,
    mount: str = "back",
    troubles: tuple[Trouble, ...] = (),
) -> tuple[Memory, Verdict]:
    """Judge one frame; `latency_s` is how old the frame already is. Returns the new memory and the verdict."""
    late_s = max(0.0, latency_s) + settings.motor_onset_s
    held: dict[int, Held] = {}
    threats: list[Threat] = []
    for track in tracks:
        before = memory.held.get(track.id)
        threat = _weigh(track, before.level if before else Level.CLEAR, settings, late_s, mount)
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
    verdict = Verdict(seq, captured_ns, level, side, tuple(threats), troubles)
    return Memory(MappingProxyType(held)), verdict


def _urgency(threat: Threat) -> tuple[int, float, int]:
    return (-threat.level, threat.ttc_s if threat.ttc_s is not None else math.inf, threat.track)


def _weigh(track: Track, was: Level, settings: Settings, late_s: float, mount: str) -> Threat:
    """The level a track has earned by this frame alone; `was` widens the thresholds of a level held."""
    felt_s = None if track.ttc_s is None else max(0.0, track.ttc_s - late_s)
    miss = path.miss(track)
    level, reasons = _level(track, felt_s, miss, was, settings)
    # For the side, where it will pass; without an offset, where it stands in the picture is not known.
    side = path.side(miss.offset_m, mount) if miss is not None else Side.CENTRE
    return Threat(
        track=track.id,
        label=track.label,
        kind=track.kind,
        level=level,
        side=side,
        ttc_s=felt_s,
        ttc_sd_s=track.ttc_sd_s,
        range_m=track.range_m,
        miss_m=None if miss is None else miss.offset_m,
        box=track.box,
        reasons=reasons,
    )


def _level(
    track: Track, felt_s: float | None, miss: path.Miss | None, was: Level, settings: Settings
) -> tuple[Level, tuple[str, ...]]:
    rate, rate_sd = track.closing_per_s, track.closing_sd_per_s
    if rate + rate_sd < _STILL_PER_S:
        return Level.CLEAR, ("not closing",)
    half = settings.corridor_half_width_m
    plausible = 1.0 if miss is None else miss.plausible(half)
    if _guards(track, settings) and plausible >= _IN_PATH:
        assert track.range_m is not None
        return Level.CRITICAL, (
            f"closing at {track.range_m:.1f} m, nearer than {settings.guard_range_m:g} m",
        )
    if felt_s is None:
        return Level.CLEAR, ("not closing so far",)
    level, reason = _by_ttc(track, felt_s, was, settings)
    if level < Level.CAUTION and _closes_in(track, settings):
        level, reason = (
            Level.CAUTION,
            f"closing in at {track.range_m:.1f} m, nearer than {settings.near_range_m:g} m",
        )
    if level is Level.CLEAR:
        return level, (reason,)
    if miss is None:
        return level, (reason, "offset unknown: taken as in the path")
    where = (
        f"passes {abs(miss.offset_m):.1f} ± {miss.sd_m:.1f} m off, {plausible:.0%} plausible in the corridor"
    )
    if plausible >= _IN_PATH:
        return level, (reason, where)
    if plausible < _OUT_OF_PATH:
        return Level.CLEAR, (reason, f"{where}: not in the path")
    return min(level, Level.NOTICE), (reason, f"{where}: NOTICE at most")


def _guards(track: Track, settings: Settings) -> bool:
    """Very near and truly closing, not trembling: whatever the time to collision says."""
    if track.range_m is None or track.range_m >= settings.guard_range_m:
        return False
    return track.closing_per_s * track.range_m >= _GUARD_CLOSING_M_S


def _closes_in(track: Track, settings: Settings) -> bool:
    """Within a stride or two and surely coming nearer, if slowly: one stumble of either is a collision."""
    if track.range_m is None or track.range_m >= settings.near_range_m or _is_young(track, settings):
        return False
    surely = track.closing_per_s > _SURELY_SD * track.closing_sd_per_s
    return surely and track.closing_per_s * track.range_m >= _NEAR_CLOSING_M_S


def _is_young(track: Track, settings: Settings) -> bool:
    """Just found: its box still settles, and its rate of expansion is mostly assumed."""
    return track.at_ns - track.first_ns < settings.young_s * NS_PER_S


def _by_ttc(track: Track, felt_s: float, was: Level, settings: Settings) -> tuple[Level, str]:
    """The most urgent level whose threshold the time left has passed."""
    assert track.ttc_s is not None
    late_s = track.ttc_s - felt_s
    young = _is_young(track, settings)
    near = track.range_m is None or track.range_m < settings.young_range_m
    for level, limit_s in (
        (Level.CRITICAL, settings.critical_ttc_s + settings.lead_s),
        (Level.CAUTION, settings.caution_ttc_s + settings.lead_s),
        (Level.NOTICE, settings.notice_ttc_s),
    ):
        doubted = track.closing_per_s - _DOUBT[level] * track.closing_sd_per_s
        most = track.closing_per_s * (1.0 if young else _MOST_HASTE)
        doubted = min(doubted, most)
        within_s = limit_s * (_HOLD_FACTOR if was >= level else 1.0)
        if level is Level.CRITICAL and young and not near and was < level:
            within_s = min(within_s, settings.young_critical_ttc_s)
        if doubted > 0 and 1.0 / doubted - late_s <= within_s:
            return level, f"TTC {felt_s:.1f} s within {within_s:.1f} s"
    return Level.CLEAR, f"TTC {felt_s:.1f} s"


def _hold(threat: Threat, before: Held | None, at_ns: int, release_s: float) -> tuple[Threat, Held | None]:
    """Raise at once, let go after `release_s`."""
    fresh = before is not None and at_ns - before.earned_ns < release_s * NS_PER_S
    if before is not None and fresh and threat.level < before.level:
        reasons = (*threat.reasons, f"{before.level.name} held for {release_s:g} s")
        return replace(threat, level=before.level, side=before.threat.side, reasons=reasons), before
    if threat.level is Level.CLEAR:
        return threat, None
    return threat, Held(threat.level, at_ns, threat)


def _lost(past: Held, at_ns: int, release_s: float) -> Threat | None:
    if at_ns - past.earned_ns >= release_s * NS_PER_S:
        return None
    return replace(past.threat, level=past.level, reasons=(*past.threat.reasons, "lost from sight, held"))
