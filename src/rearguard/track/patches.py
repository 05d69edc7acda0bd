"""Looming patches over time: one thing that stands in the way, and whether to believe in it.

What stands and is approached counts down: it loses a second of its time to collision every second. A patch that does
so over half a stride is an obstacle; what the gait, the shutter or a badly followed corner makes up for a moment is
not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rearguard.clock import NS_PER_S
from rearguard.config.looming import Looming as Settings
from rearguard.track.filter import BEARING, RADIAL, ThingFilter, row
from rearguard.types import HIGHEST_LOW_M, Box, EgoState, LoomingPatch, Observation, Track

_SD_SHARE = 0.06  # of the rate: what the shutter and the bob leave, measured
_GATE = 0.25  # ln: how far a rate may be from the expected one
_SIDE_GATE_M = 0.3
# s/s: what is approached loses a second of its TTC each second; a ghost none, or, of two or three sightings, several.
_LEAST_FALL, _MOST_FALL = 0.35, 2.0
_LOW_AGREES_S = 0.67  # a stride: for half of one, seams of the ground stand up by a few centimetres
_LEAST_SHARE = 0.5  # of the frames since it was first seen
_LONGEST_UNSEEN_S = 0.4
# What was believed in and is lost while nothing could be looked at has most likely filled the picture, not gone.
_LONGEST_UNSEEN_KNOWN_S = 1.0
_OFFSET_SD_M = 0.2
_RANGE_SD = 0.2  # ln: as unsure as the wearer's speed
_INERT = 0.3  # m/s per root s: the wearer's pace wanders
_MEAN = 0.7  # weight of the past in the smoothed place
_PART = 0.6  # a patch this far inside a detected thing's box is that thing
_RATE = row(radial=1.0)
_BEARING = row(bearing=1.0)


@dataclass(slots=True)
class Live:
    """A patch being followed; only `Patches` touches it."""

    id: int
    thing: ThingFilter
    first_ns: int
    seen_ns: int
    left_m: float
    right_m: float
    box: Box
    support: float
    low: bool = False  # seen by the channel of low things
    high: bool = False  # ... as the foot of something higher
    hits: int = 1
    frames: int = 1
    # For so long it was looked for in vain; of low things nobody knows, they have a channel of their own.
    missed_s: float = 0.0
    known: bool = False
    inside: float = 0.0  # how far inside a box that the detector follows it lies, 0 to 1, smoothed
    past: list[tuple[float, float]] = field(default_factory=list)  # (time s, TTC s) as seen, until known

    @property
    def trips(self) -> bool:
        """Whether it is something to trip over."""
        return self.low and not self.high


class Patches:
    """Matches patches to things and tells those that have proved themselves."""

    def __init__(self, settings: Settings, focal_px: float) -> None:
        self._settings = settings
        self._focal_px = focal_px
        self._live: list[Live] = []
        self._next = -1
        self._last_ns: int | None = None

    @property
    def holds(self) -> bool:
        """Whether anything is followed, believed in or not yet."""
        return bool(self._live)

    def update(self, seen: Observation, ego: EgoState, detected: Sequence[Track]) -> list[Track]:
        """Everything believed in as of a frame, but for parts of what the detector follows."""
        at_ns = seen.captured_ns
        dt = 0.0 if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        if dt < 0:
            return []
        self._last_ns = at_ns
        for live in self._live:
            if dt > 0:
                live.thing.predict(
                    dt, ego, wander_m_s_rs=(_INERT, _INERT), box_error_sd=0.0, box_error_lasts_s=1.0
                )
            live.frames += seen.looming is not None
            live.missed_s += dt if seen.looming is not None and not live.low else 0.0
        free = list(self._live)
        patches = seen.looming or ()
        for patch in patches:
            same = min((x for x in free if _fits(x, patch)), key=lambda x: _gap(x, patch), default=None)
            if same is not None:
                free.remove(same)
                self._update(same, patch, at_ns)
            elif patch.support >= self._settings.min_points:
                same = self._begin(patch, at_ns, ego)
            if same is not None:
                same.high |= any(_is_foot(patch, other, self._focal_px) for other in patches)
        self._live = [x for x in self._live if self._stays(x, at_ns)]
        for live in self._live:
            if live.seen_ns == at_ns:  # only then its box is of this picture, as those of `detected` are
                inside = max((_inside(live, t, self._focal_px) for t in detected), default=0.0)
                live.inside = inside if live.hits == 1 else _MEAN * live.inside + (1 - _MEAN) * inside
        return [_tell(x, at_ns) for x in self._live if x.known and x.inside <= _PART]

    def _begin(self, patch: LoomingPatch, at_ns: int, ego: EgoState) -> Live:
        thing = ThingFilter.begin(
            ln_range=math.log(max(patch.range_m, 0.3)),
            bearing_rad=_bearing(patch.left_m, patch.right_m, patch.range_m),
            bearing_sd_rad=math.atan(_OFFSET_SD_M / max(patch.range_m, 0.3)),
            ln_size=0.0,
            ln_size_sd=_RANGE_SD,
            ln_box_sd=0.0,
            thing_speed_sd_m_s=0.2,
            ego=ego,
        )
        live = Live(
            self._next, thing, at_ns, at_ns, patch.left_m, patch.right_m, patch.box, patch.support, patch.low
        )
        self._measure(live, patch)
        self._live.append(live)
        self._next -= 1
        return live

    def _measure(self, live: Live, patch: LoomingPatch) -> None:
        sd = math.hypot(patch.sd_per_s, _SD_SHARE * patch.rate_per_s)
        live.thing.update(_RATE, -patch.rate_per_s - float(live.thing.mean[RADIAL]), sd * sd)
        bearing = _bearing(live.left_m, live.right_m, patch.range_m)
        sd = math.atan(_OFFSET_SD_M / max(patch.range_m, 0.3))
        live.thing.update(_BEARING, bearing - float(live.thing.mean[BEARING]), sd * sd)

    def _update(self, live: Live, patch: LoomingPatch, at_ns: int) -> None:
        live.left_m += (1 - _MEAN) * (patch.left_m - live.left_m)
        live.right_m += (1 - _MEAN) * (patch.right_m - live.right_m)
        self._measure(live, patch)
        live.box, live.seen_ns, live.missed_s = patch.box, at_ns, 0.0
        live.support += (1 - _MEAN) * (patch.support - live.support)
        live.hits += 1
        if live.known:
            return
        live.past.append((at_ns / NS_PER_S, 1.0 / max(patch.rate_per_s, 1e-3)))
        agree_s = max(self._settings.agree_s, _LOW_AGREES_S) if live.low else self._settings.agree_s
        old_enough = at_ns - live.first_ns >= agree_s * NS_PER_S
        if old_enough and live.support >= self._settings.min_points:
            live.known = _LEAST_FALL <= _fall(live.past) <= _MOST_FALL

    def _stays(self, live: Live, at_ns: int) -> bool:
        if live.missed_s > _LONGEST_UNSEEN_S:
            return False
        longest_s = _LONGEST_UNSEEN_KNOWN_S if live.known else _LONGEST_UNSEEN_S
        often = live.known or live.frames < 4 or live.hits >= _LEAST_SHARE * live.frames
        return often and at_ns - live.seen_ns <= longest_s * NS_PER_S


def _fall(past: Sequence[tuple[float, float]]) -> float:
    """By how many seconds per second the TTC fell, by least squares."""
    n = len(past)
    mt, mv = sum(t for t, _ in past) / n, sum(v for _, v in past) / n
    spread = sum((t - mt) ** 2 for t, _ in past)
    return -sum((t - mt) * (v - mv) for t, v in past) / spread if spread > 0 else 0.0


def _bearing(left_m: float, right_m: float, range_m: float) -> float:
    """The bearing of the part of it that is nearest to the path."""
    return math.atan2(min(max(0.0, left_m), right_m), max(range_m, 0.3))


def _gap(live: Live, patch: LoomingPatch) -> float:
    return _ln_apart(patch.rate_per_s, -float(live.thing.mean[RADIAL]))


def _ln_apart(rate_per_s: float, other_per_s: float) -> float:
    return abs(math.log(max(rate_per_s, 1e-3) / max(other_per_s, 1e-3)))


def _beside(a: Live | LoomingPatch, b: LoomingPatch) -> bool:
    """Whether one is somewhere to the side of the other."""
    return b.left_m > a.right_m + _SIDE_GATE_M or b.right_m < a.left_m - _SIDE_GATE_M


def _fits(live: Live, patch: LoomingPatch) -> bool:
    return live.low is patch.low and not _beside(live, patch) and _gap(live, patch) <= _GATE


def _is_foot(low: LoomingPatch, other: LoomingPatch, focal_px: float) -> bool:
    """Whether a low patch is the foot of what another one shows: met at the same moment, in one place, and together
    higher than what one trips over."""
    if not low.low or other.low or _ln_apart(other.rate_per_s, low.rate_per_s) > _GATE:
        return False
    height_px = max(low.box.y1, other.box.y1) - min(low.box.y0, other.box.y0)
    return not _beside(low, other) and height_px * low.range_m > HIGHEST_LOW_M * focal_px


def _inside(live: Live, track: Track, focal_px: float) -> float:
    """How much of a patch lies inside what the detector follows, as somebody's legs do.

    What is no higher, where the ground says that it is, than low things are, is the low thing, whatever the detector
    takes it for: somebody who lies, a ball for a dog. Feet of who comes seem up to 1/(1 - 0.7/1.35) = 2.1 times nearer
    than they are (`looming.low`), and a body of 1.7 m then 0.8 m high: not so low.
    """
    if live.trips and track.box.height * live.thing.range_m < HIGHEST_LOW_M * focal_px:
        return 0.0
    return live.box.shared(track.box) / max(live.box.area, 1.0)


def _tell(live: Live, at_ns: int) -> Track:
    unseen_s = (at_ns - live.seen_ns) / NS_PER_S
    believed = live.support / (live.support + 1.0)
    return Track(
        id=live.id,
        label="low obstacle" if live.trips else "obstacle",
        box=live.box,
        score=live.support / (live.support + 4.0),
        at_ns=at_ns,
        first_ns=live.first_ns,
        seen_ns=live.seen_ns,
        hits=live.hits,
        existence=max(believed - 0.2 * unseen_s, 0.6),
        motion=live.thing.motion(),
        kind="low" if live.trips else "looming",
    )
