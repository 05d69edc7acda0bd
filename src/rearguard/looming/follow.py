"""Clusters over time: one thing that stands in the way, its time to collision, and whether to believe in it.

What stands still and is approached counts down: its rate r = 1/TTC follows r' = r². A cluster that is seen
again and again over a stride, and loses about a second of it every second, is an obstacle; what the gait, the
shutter or a badly followed corner makes up for a moment is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rearguard.clock import NS_PER_S
from rearguard.track import scale
from rearguard.words import Box, Lateral, Track

_RATE_NOISE = 0.08  # 1/s per root s: a runner's pace wanders
_SD_SHARE = 0.06  # of the rate: what the shutter and the bob leave, measured
_GATE = 0.25  # ln: how far a rate may be from the expected one
_GATE_SIGMAS = 2.0
_SIDE_GATE_M = 0.5
_LEAST_FALL = 0.35  # s per s: what is approached loses a second of TTC each second, a ghost does not
_LEAST_SHARE = 0.6  # of the frames since it was first seen
_LONGEST_UNSEEN_S = 0.4
_LONGEST_UNSEEN_NEAR_S = 1.0  # what was near and is lost has filled the picture, not gone
_NEAR_S = 1.5
_OFFSET_SD_M = 0.2
_MEAN = 0.7  # weight of the past in the smoothed place


@dataclass(frozen=True, slots=True)
class Sighting:
    """One frame's cluster: closing rate (1/s) with sd, its sides (m), box in frame pixels, how many points."""

    rate: float
    sd: float
    left_m: float
    right_m: float
    range_m: float
    box: Box
    support: float


@dataclass(slots=True)
class Live:
    """A thing being followed; only `Follower` touches it."""

    id: int
    state: scale.ScaleState
    first_ns: int
    seen_ns: int
    left_m: float
    right_m: float
    range_m: float
    box: Box
    support: float
    hits: int = 1
    frames: int = 1
    known: bool = False
    past: list[tuple[float, float]] = field(default_factory=list)  # (time s, TTC s) as seen, until known


class Follower:
    """Matches sightings to things and tells those that have proved themselves."""

    def __init__(self, agree_s: float, min_points: float) -> None:
        self._agree_s = agree_s
        self._min_points = min_points
        self._live: list[Live] = []
        self._next = -1
        self._last_ns: int | None = None

    @property
    def holds(self) -> bool:
        """Whether anything is followed, believed in or not yet."""
        return bool(self._live)

    def clear(self) -> None:
        """Forget everything."""
        self._live.clear()
        self._last_ns = None

    def step(self, at_ns: int, sightings: Sequence[Sighting], *, looked: bool = True) -> list[Track]:
        """Everything believed in as of `at_ns`. `looked` is False when nothing could be seen in this frame."""
        dt = 0.0 if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        if dt < 0:
            return []
        self._last_ns = at_ns
        for live in self._live:
            live.state = scale.predict(live.state, dt, _RATE_NOISE)
            live.frames += looked
        free = list(self._live)
        for seen in sightings:
            same = min((x for x in free if _fits(x, seen)), key=lambda x: _gap(x, seen), default=None)
            if same is not None:
                free.remove(same)
                self._update(same, seen, at_ns)
            elif seen.support >= self._min_points:
                self._begin(seen, at_ns)
        self._live = [x for x in self._live if self._stays(x, at_ns)]
        return [_tell(x, at_ns) for x in self._live if x.known]

    def _begin(self, seen: Sighting, at_ns: int) -> None:
        state = scale.begin(100.0, 0.03, seen.rate, math.hypot(seen.sd, _SD_SHARE * seen.rate))
        self._live.append(
            Live(
                self._next,
                state,
                at_ns,
                at_ns,
                seen.left_m,
                seen.right_m,
                seen.range_m,
                seen.box,
                seen.support,
            )
        )
        self._next -= 1

    def _update(self, live: Live, seen: Sighting, at_ns: int) -> None:
        live.state = scale.grow(live.state, seen.rate, math.hypot(seen.sd, _SD_SHARE * seen.rate))
        live.left_m += (1 - _MEAN) * (seen.left_m - live.left_m)
        live.right_m += (1 - _MEAN) * (seen.right_m - live.right_m)
        live.range_m, live.box, live.seen_ns = seen.range_m, seen.box, at_ns
        live.support += (1 - _MEAN) * (seen.support - live.support)
        live.hits += 1
        if live.known:
            return
        live.past.append((at_ns / NS_PER_S, 1.0 / max(seen.rate, 1e-3)))
        old_enough = at_ns - live.first_ns >= self._agree_s * NS_PER_S
        often_enough = live.hits >= _LEAST_SHARE * live.frames
        if old_enough and often_enough and live.support >= self._min_points:
            live.known = _fall(live.past) >= _LEAST_FALL

    def _stays(self, live: Live, at_ns: int) -> bool:
        near = live.known and live.state.r > 1.0 / _NEAR_S
        longest = _LONGEST_UNSEEN_NEAR_S if near else _LONGEST_UNSEEN_S
        seen_lately = at_ns - live.seen_ns <= longest * NS_PER_S
        return seen_lately and (live.known or live.frames < 4 or live.hits >= 0.5 * live.frames)


def _fall(past: Sequence[tuple[float, float]]) -> float:
    """By how many seconds per second the TTC fell, by least squares."""
    n = len(past)
    mt, mv = sum(t for t, _ in past) / n, sum(v for _, v in past) / n
    spread = sum((t - mt) ** 2 for t, _ in past)
    return -sum((t - mt) * (v - mv) for t, v in past) / spread if spread > 0 else 0.0


def _gap(live: Live, seen: Sighting) -> float:
    return abs(math.log(max(seen.rate, 1e-3) / max(live.state.r, 1e-3)))


def _fits(live: Live, seen: Sighting) -> bool:
    gate = _GATE + _GATE_SIGMAS * math.hypot(seen.sd, live.state.r_sd) / max(seen.rate, 1e-3)
    beside = seen.left_m > live.right_m + _SIDE_GATE_M or seen.right_m < live.left_m - _SIDE_GATE_M
    return _gap(live, seen) <= min(gate, 2 * _GATE) and not beside


def _tell(live: Live, at_ns: int) -> Track:
    offset = min(max(0.0, live.left_m), live.right_m)
    return Track(
        id=live.id,
        label="obstacle",
        box=live.box,
        score=live.support / (live.support + 4.0),
        at_ns=at_ns,
        first_ns=live.first_ns,
        seen_ns=live.seen_ns,
        hits=live.hits,
        closing_per_s=live.state.r,
        closing_sd_per_s=live.state.r_sd,
        ttc_s=scale.ttc_s(live.state),
        range_m=live.range_m,
        lateral=Lateral(offset, 0.0, _OFFSET_SD_M**2, 0.0, 0.01),
        kind="looming",
    )
