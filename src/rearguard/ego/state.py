"""One ego state a frame: how the camera points against the path, how the path turns, how fast the wearer is.

The camera's turns, composed from frame to frame, are the path's turns plus the swing of the trunk. The two are
told apart by what they look like: a swing goes round at the rhythm of the strides, a path keeps its rate of
turning. Each axis is a bank of Kalman filters, one for each rhythm of the stride and each kind of path,
weighted by how well they foretell the next frame (Magill 1965; Blom and Bar-Shalom 1988 for the mixing).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.ego.pinhole import Array, turn
from rearguard.types import EgoMotion, EgoState, Speed

_FORGET_S = 8.0  # summed pitch and roll drift: what is older is let go
_MEASURED_SD_RAD = 0.01  # of one frame's summed angle: the harness slaps by half a degree
DRIFT_RAD_RS = 0.0065  # of a summed angle, rad per root second: as measured on rendered pictures
_UNKNOWN_RAD_RS = 1.0  # the same while no turn can be fitted
_LONGEST_GAP_S = 1.0
_SWING_LASTS_S = 4.0
_LEAST_LIKELIHOOD = 1e-9
_LEAST_WEIGHT = 1e-4
_LOST_WEIGHT = 2e-3  # a kind of path this unlikely begins again from the one that changes
_STRIDES_HZ = (
    0.95,
    1.35,
    1.5,
    1.7,
)  # walking; running backwards (Cavagna et al. 2012: 2.8 to 3.4 steps a second)

_SPEED_LASTS_S = 4.0
_SPEED_PRIOR = 0.35  # of the usual pace
_SPEED_GATE = 3.5


class PathKind(NamedTuple):
    """A kind of path: its turning rate's spread (rad/s) at first, and for how long (s) and how far it changes."""

    rate_sd: float
    lasts_s: float
    changes_sd: float


# A path goes straight, or bends steadily, or is just going into or out of a bend. 0.2 rad/s is 2.5 m/s on a radius
# of 12 m; those that are tighter are followed by the kind that changes.
STRAIGHT = PathKind(0.003, 100.0, 0.003)
BEND = PathKind(0.2, 100.0, 0.03)
ENTRY = PathKind(0.2, 7.0, 0.25)
_CHANGES_PER_S = 0.05


class Swing(NamedTuple):
    """The angle off the mean direction with sd, and the mean's own rate of turning with sd."""

    off_rad: float
    off_sd_rad: float
    rate_rad_s: float
    rate_sd_rad_s: float


class SwingBank:
    """One axis: summed angles in, the swing about their mean out.

    A filter's state is (mean direction, its rate, and the swing as the real and imaginary part of an oscillation).
    """

    def __init__(
        self, rhythms_hz: tuple[float, ...], amplitude_rad: float, kinds: tuple[PathKind, ...]
    ) -> None:
        self._kinds = kinds
        self._rhythm = 2 * math.pi * np.repeat(np.array(rhythms_hz), len(kinds))
        self._lasts = np.tile(np.array([k.lasts_s for k in kinds]), len(rhythms_hz))
        self._rate_sd = np.tile(np.array([k.rate_sd for k in kinds]), len(rhythms_hz))
        self._changes = np.tile(np.array([k.changes_sd for k in kinds]), len(rhythms_hz))
        self._amplitude = amplitude_rad
        self._angle = 0.0
        n = len(self._rhythm)
        self._mean = np.zeros((n, 4))
        self._cov = np.zeros((n, 4, 4))
        self._begin(np.arange(n))
        self._weight = np.full(n, 1.0 / n)

    def add_turn(self, turned_rad: float, dt: float, *, known: bool = True) -> Swing:
        """The swing after the camera turned by so much in `dt` seconds; not `known`: by how much is open."""
        self._angle += turned_rad
        if dt > 0:
            self._predict(dt, known=known)
            self._mix(dt)
        self._update()
        return self._swing()

    def _begin(self, which: NDArray[np.intp]) -> None:
        self._mean[which] = 0.0
        self._mean[which, 0] = self._angle
        self._cov[which] = 0.0
        self._cov[which, 0, 0] = self._amplitude**2
        self._cov[which, 1, 1] = self._rate_sd[which] ** 2
        self._cov[which, 2, 2] = self._cov[which, 3, 3] = self._amplitude**2

    def _predict(self, dt: float, *, known: bool) -> None:
        n = len(self._rhythm)
        keep, swing = np.exp(-dt / self._lasts), math.exp(-dt / _SWING_LASTS_S)
        c, s = np.cos(self._rhythm * dt) * swing, np.sin(self._rhythm * dt) * swing
        f = np.zeros((n, 4, 4))
        f[:, 0, 0], f[:, 0, 1], f[:, 1, 1] = 1.0, dt, keep
        f[:, 2, 2], f[:, 2, 3], f[:, 3, 2], f[:, 3, 3] = c, -s, s, c
        self._mean = np.einsum("nij,nj->ni", f, self._mean)
        self._cov = f @ self._cov @ f.transpose(0, 2, 1)
        drift = DRIFT_RAD_RS if known else _UNKNOWN_RAD_RS
        self._cov[:, 0, 0] += drift**2 * dt
        self._cov[:, 1, 1] += self._changes**2 * (1 - keep**2)
        fresh = self._amplitude**2 * (1 - swing**2)
        self._cov[:, 2, 2] += fresh
        self._cov[:, 3, 3] += fresh

    def _mix(self, dt: float) -> None:
        """A path may change its kind; a kind that has become unlikely begins again where the changing one is."""
        k = len(self._kinds)
        if k == 1:
            return
        weight = self._weight.reshape(-1, k)
        stay = math.exp(-_CHANGES_PER_S * dt)
        weight = stay * weight + (1 - stay) * weight.sum(axis=1, keepdims=True) / k
        self._weight = weight.ravel()
        total = weight.sum(axis=1, keepdims=True)
        for lost in np.nonzero((weight < _LOST_WEIGHT * total).ravel())[0]:
            changing = lost - lost % k + k - 1
            if lost == changing:
                continue
            self._mean[lost], self._cov[lost] = self._mean[changing], self._cov[changing]
            if lost % k == 0:  # straight
                self._mean[lost, 1] = 0.0
                self._cov[lost, 1, :] = self._cov[lost, :, 1] = 0.0
                self._cov[lost, 1, 1] = self._rate_sd[lost] ** 2

    def _update(self) -> None:
        # The summed angle is the mean direction plus the swing: h = (1, 0, 1, 0).
        ph = self._cov[:, :, 0] + self._cov[:, :, 2]
        variance = ph[:, 0] + ph[:, 2] + _MEASURED_SD_RAD**2
        error = self._angle - self._mean[:, 0] - self._mean[:, 2]
        gain = ph / variance[:, None]
        self._mean += gain * error[:, None]
        self._cov -= gain[:, :, None] * ph[:, None, :]
        likelihood = np.exp(-0.5 * np.minimum(error**2 / variance, 40.0)) / np.sqrt(variance)
        weight = self._weight * np.maximum(likelihood / likelihood.max(), _LEAST_LIKELIHOOD)
        weight /= weight.sum()
        self._weight = np.maximum(weight, _LEAST_WEIGHT / len(weight))
        self._weight /= self._weight.sum()

    def _swing(self) -> Swing:
        off = self._angle - self._mean[:, 0]
        mean = float(self._weight @ off)
        var = float(self._weight @ (self._cov[:, 0, 0] + (off - mean) ** 2))
        rate = float(self._weight @ self._mean[:, 1])
        rate_var = float(self._weight @ (self._cov[:, 1, 1] + (self._mean[:, 1] - rate) ** 2))
        return Swing(mean, math.sqrt(max(var, 0.0)), rate, math.sqrt(max(rate_var, 0.0)))


class EgoEstimator:
    """Turns of the camera and speeds of the ground in, `EgoState` out. One frame at a time, in order.

    `pitch_rad` is the mount's own, positive down; `usual_pace_m_s` what the wearer's speed is taken for until it
    has been seen.
    """

    def __init__(self, pitch_rad: float = 0.0, usual_pace_m_s: float = 2.5) -> None:
        self._pitch_rad = pitch_rad
        self._usual = (usual_pace_m_s, (_SPEED_PRIOR * usual_pace_m_s) ** 2)
        self._speed, self._speed_var = self._usual
        steps = tuple(2 * f for f in _STRIDES_HZ)
        still = (STRAIGHT,)
        self._banks = (
            SwingBank(_STRIDES_HZ, 0.12, (STRAIGHT, BEND, ENTRY)),
            SwingBank(steps, 0.04, still),
            SwingBank(_STRIDES_HZ, 0.05, still),
        )
        self._attitude = np.eye(3)  # rows: the camera's right, down and forward
        self._angles = (0.0, 0.0, 0.0)
        self._last_ns: int | None = None
        self.state = EgoState(
            pitch_rad=pitch_rad, speed_m_s=usual_pace_m_s, speed_sd_m_s=self._usual[1] ** 0.5
        )

    def add_turn(self, ego: EgoMotion, at_ns: int) -> EgoState:
        """The state as of a frame captured at `at_ns`, `ego` the turn since the last; no later frame, no change."""
        if self._last_ns is not None and at_ns <= self._last_ns:
            return self.state
        dt = 0.0 if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        self._last_ns = at_ns
        known = ego.known and dt <= _LONGEST_GAP_S
        # Turns do not add up like numbers: a trunk that twists and leans in one rhythm would seem to pitch for ever.
        self._attitude = turn(ego if known else EgoMotion()) @ self._attitude
        yaw, pitch, roll = angles(self._attitude)
        steps = (
            math.remainder(yaw - self._angles[0], 2 * math.pi), pitch - self._angles[1], roll - self._angles[2]
        )  # fmt: skip
        swings = [bank.add_turn(step, dt, known=known) for bank, step in zip(self._banks, steps, strict=True)]
        keep = math.exp(-dt / _FORGET_S)
        self._angles = (yaw, pitch * keep, roll * keep)
        self._attitude = matrix(*self._angles)
        # What the ground does not tell for long is taken for the usual pace again.
        keep = math.exp(-dt / _SPEED_LASTS_S)
        self._speed = self._usual[0] + keep * (self._speed - self._usual[0])
        self._speed_var = keep**2 * self._speed_var + (1 - keep**2) * self._usual[1]
        yaw_, pitch_, roll_ = swings
        swing_rad = math.remainder(yaw_.off_rad, 2 * math.pi)
        self.state = EgoState(
            swing_rad=swing_rad,
            swing_sd_rad=yaw_.off_sd_rad,
            pitch_rad=min(max(self._pitch_rad + pitch_.off_rad, -1.5), 1.5),
            pitch_sd_rad=pitch_.off_sd_rad,
            roll_rad=math.remainder(roll_.off_rad, 2 * math.pi),
            roll_sd_rad=roll_.off_sd_rad,
            turn_rate_rad_s=yaw_.rate_rad_s,
            turn_rate_sd_rad_s=yaw_.rate_sd_rad_s,
            speed_m_s=self._speed,
            speed_sd_m_s=math.sqrt(self._speed_var),
            path_turned_rad=math.remainder(steps[0] + self.state.swing_rad - swing_rad, 2 * math.pi),
        )
        return self.state

    def add_speed(self, speed: Speed | None) -> None:
        """What the ground told of the wearer's speed in the newest frame; it counts from the next one on."""
        if speed is None:
            return
        error, variance = speed.m_s - self._speed, self._speed_var + speed.sd_m_s**2
        if abs(error) > _SPEED_GATE * math.sqrt(variance):  # a start or a stop, or a bad frame: half believed
            self._speed_var += 0.25 * error**2
            variance = self._speed_var + speed.sd_m_s**2
        gain = self._speed_var / variance
        self._speed = max(0.0, self._speed + gain * error)
        self._speed_var *= 1 - gain


def angles(m: Array) -> tuple[float, float, float]:
    """Yaw to the right, pitch down, roll clockwise, of a matrix with the camera's axes as rows."""
    return (
        math.atan2(m[2, 0], m[2, 2]),
        math.asin(min(max(float(m[2, 1]), -1.0), 1.0)),
        math.atan2(m[0, 1], m[1, 1]),
    )


def matrix(yaw: float, pitch: float, roll: float) -> Array:
    """The matrix with these angles: the inverse of `angles`."""
    sy, cy, sp, cp = math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)
    level = np.array([[cy, 0.0, -sy], [-sy * sp, cp, -cy * sp], [sy * cp, sp, cy * cp]])
    s, c = math.sin(roll), math.cos(roll)
    return np.asarray(np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ level)
