"""Where the wearer is at any time: a programme of speed and side-steps, worked out once, with the gait on top."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rearguard.lab.array import Array
from rearguard.lab.world.camera import Pose
from rearguard.lab.world.gait import Gait
from rearguard.lab.world.things import Thing

TICK_S = 0.01
# A trunk that nobody holds, onto the back: 2 h = g t^2.
_FALL_S, _FALL_M, _LIES_RAD = 0.42, 0.85, math.radians(80)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a wearer does about obstacles in the lane, so that nothing is run through."""

    step_aside_ttc_s: float = 1.0
    step_m: float = 1.6
    step_takes_s: float = 0.8
    back_after_s: float = 1.6
    back_takes_s: float = 2.0
    stop_ttc_s: float = 1.2
    brake_m_s2: float = 2.5


@dataclass(frozen=True, slots=True)
class State:
    """The wearer's mean motion at one time: place on the track, speeds, and steps taken so far."""

    s_m: float
    n_m: float
    speed_m_s: float
    lateral_m_s: float
    steps: float


@dataclass(frozen=True, slots=True)
class Course:
    """`State` at many times, each (T,)."""

    s_m: Array
    n_m: Array
    speed_m_s: Array
    lateral_m_s: Array
    steps: Array


class Wearer:
    """The wearer's motion over `duration_s` seconds."""

    def __init__(
        self, t_s: Array, s_m: Array, n_m: Array, speed_m_s: Array, gait: Gait, *, shaking: bool,
        trunk_rad: Array | None = None,
    ) -> None:  # fmt: skip
        self._trunk = np.zeros_like(t_s) if trunk_rad is None else trunk_rad
        self._down_rad = self._rolled_rad = 0.0
        self._fallen_s = math.inf
        self._t, self._s, self._n, self._v = t_s, s_m, n_m, speed_m_s
        self._vn = np.gradient(n_m, t_s)
        self._shaking = shaking
        self._step_by(gait)
        self.duration_s = float(t_s[-1])

    def _step_by(self, gait: Gait) -> None:
        rate = gait.step_hz(self._v)
        self._steps = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(self._t))])
        self._gait = gait

    @classmethod
    def steady(
        cls, speed_m_s: float, duration_s: float, gait: Gait, *, shaking: bool, n_m: float = 0.0
    ) -> Wearer:
        """At one speed in one lane."""
        t = np.linspace(0.0, duration_s, max(2, math.ceil(duration_s / 0.5) + 1))
        return cls(t, speed_m_s * t, np.full_like(t, n_m), np.full_like(t, speed_m_s), gait, shaking=shaking)

    @classmethod
    def programme(
        cls, speeds: Sequence[tuple[float, float]], duration_s: float, gait: Gait, *, shaking: bool,
        trunk: Sequence[tuple[float, float]] = ((0.0, 0.0),), beside: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    ) -> Wearer:  # fmt: skip
        """By lists of (time s, speed m/s), (time s, turn of the trunk rad) and (time s, place right of the lane's
        middle m); straight in between."""
        t = np.linspace(0.0, duration_s, max(2, math.ceil(duration_s / TICK_S) + 1))
        v = np.interp(t, [p[0] for p in speeds], [p[1] for p in speeds])
        s = np.concatenate([[0.0], np.cumsum(0.5 * (v[1:] + v[:-1]) * np.diff(t))])
        turned = np.interp(t, [p[0] for p in trunk], [p[1] for p in trunk])
        n = np.interp(t, [p[0] for p in beside], [p[1] for p in beside])
        return cls(t, s, n, v, gait, shaking=shaking, trunk_rad=turned)

    @classmethod
    def reacting(
        cls,
        speed_m_s: float,
        duration_s: float,
        gait: Gait,
        things: tuple[Thing, ...],
        *,
        shaking: bool,
        reaction: Reaction | None = None,
    ) -> Wearer:
        """Steps aside for obstacles ahead in the lane and stops before a wall; see `Reaction`."""
        t, s, n, v = _react(speed_m_s, duration_s, things, reaction or Reaction())
        return cls(t, s, n, v, gait, shaking=shaking)

    def shaken_by(self, gait: Gait) -> Wearer:
        """The same motion with another gait's shake; what does not shake stays so."""
        other = copy.copy(self)
        other._step_by(gait)
        return other

    def turned_by(self, yaw_rad: float, pitch_rad: float, roll_rad: float = 0.0) -> Wearer:
        """The same motion with the camera turned to the right, down and clockwise on the trunk."""
        other = copy.copy(self)
        other._trunk = self._trunk + yaw_rad
        other._down_rad = self._down_rad + pitch_rad
        other._rolled_rad = self._rolled_rad + roll_rad
        return other

    def falling(self, at_s: float) -> Wearer:
        """The same motion until the wearer falls on the back, and lies."""
        other = copy.copy(self)
        t = np.union1d(self._t, [at_s, at_s + _FALL_S, self.duration_s])
        other._t, other._fallen_s = t, at_s
        other._n, other._trunk = np.interp(t, self._t, self._n), np.interp(t, self._t, self._trunk)
        other._v = np.where(t > at_s, 0.0, np.interp(t, self._t, self._v))
        went = 0.5 * (other._v[1:] + other._v[:-1]) * np.diff(t)
        other._s = np.concatenate([self._s[:1], self._s[0] + np.cumsum(went)])
        other._vn = np.gradient(other._n, t)
        other._step_by(self._gait)
        return other

    def state(self, t_s: float) -> State:
        """The mean motion at a time, gait left out."""
        course = self.course(np.array([t_s]))
        return State(
            *(
                float(c[0])
                for c in (course.s_m, course.n_m, course.speed_m_s, course.lateral_m_s, course.steps)
            )
        )

    def course(self, t_s: Array) -> Course:
        """The mean motion at many times."""
        return Course(
            *(np.interp(t_s, self._t, c) for c in (self._s, self._n, self._v, self._vn, self._steps))
        )

    def poses(self, t_s: Array, height_m: float, pitch_rad: float) -> list[Pose]:
        """The camera at many times, each in the local frame at the wearer's mean place then."""
        course = self.course(t_s)
        trunk = np.interp(t_s, self._t, self._trunk)
        since = np.clip((t_s - self._fallen_s) / _FALL_S, 0.0, 1.0) ** 2  # and the ground stops it at once
        pitch = pitch_rad + self._down_rad + _LIES_RAD * since
        lower = _FALL_M * since
        if not self._shaking:
            places = zip(course.n_m.tolist(), trunk.tolist(), lower.tolist(), pitch.tolist(), strict=True)
            return [Pose(n, low - height_m, 0.0, yaw, down, self._rolled_rad) for n, yaw, low, down in places]
        shake = self._gait.shake(t_s, course.steps, course.speed_m_s)
        columns = (
            course.n_m,
            -(height_m + shake.up_m) + lower,
            shake.along_m,
            shake.yaw_rad + trunk,
            pitch + shake.pitch_rad,
            self._rolled_rad + shake.roll_rad,
        )
        return [Pose(*row) for row in np.stack(columns, axis=1).tolist()]

    def pose(self, t_s: float, height_m: float, pitch_rad: float) -> Pose:
        """The camera at one time."""
        return self.poses(np.array([t_s]), height_m, pitch_rad)[0]


def _react(
    speed: float, duration_s: float, things: tuple[Thing, ...], r: Reaction
) -> tuple[Array, Array, Array, Array]:
    ticks = math.ceil(duration_s / TICK_S) + 1
    t = np.arange(ticks) * TICK_S
    s, n, v = np.zeros(ticks), np.zeros(ticks), np.full(ticks, speed)
    aside_from: float | None = None
    braking = False
    at, pace = 0.0, speed
    ahead = [(thing, thing.motion.along(t)) for thing in things if thing.obstacle]
    for i in range(ticks):
        s[i], v[i] = at, pace
        if aside_from is not None:
            n[i] = _sidestep(t[i] - aside_from, r)
            if t[i] - aside_from > r.step_takes_s + r.back_after_s + r.back_takes_s:
                aside_from = None
        for thing, (ts, tn, vs, _) in ahead:
            gap, closing = ts[i] - at - thing.half_depth_m, pace - vs[i]
            if closing <= 0 or gap <= 0 or abs(tn[i] - n[i]) > 0.5 + 0.5 * thing.width_m:
                continue
            if thing.width_m > 2.0:
                braking = braking or gap / closing < r.stop_ttc_s
            elif aside_from is None and gap / closing < r.step_aside_ttc_s:
                aside_from = float(t[i])
        if braking:
            pace = max(0.0, pace - r.brake_m_s2 * TICK_S)
        at += pace * TICK_S
    return t, s, n, v


def _sidestep(since_s: float, r: Reaction) -> float:
    """Lateral place during a side-step to the right and back, smooth at both ends."""
    back = since_s - r.step_takes_s - r.back_after_s
    out = _ease(since_s / r.step_takes_s)
    return r.step_m * (out if back <= 0 else 1.0 - _ease(back / r.back_takes_s))


def _ease(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
