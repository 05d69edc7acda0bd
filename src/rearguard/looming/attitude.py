"""How the swinging camera points: where the wearer is heading, in its picture, and its roll.

Turns do not add up like numbers: a trunk that twists by 10 deg and leans by 3 deg in the same rhythm seems to
pitch by 2 deg every second when the angles are summed. Here the turns are composed, and the swing about the
mean is taken from the angles of the composed attitude.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rearguard.ego.geometry import Array, turn
from rearguard.ego.heading import Heading
from rearguard.words import EgoMotion

_FORGET_S = 8.0  # pitch and roll drift with every turn that is added: what is older than this is let go


@dataclass(frozen=True, slots=True)
class Attitude:
    """Where the wearer is heading as the camera sees it, (x, y) as tangents, and the camera's roll in radians."""

    x: float
    y: float
    roll_rad: float


class Swing:
    """Composes turns and tells the attitude; `pitch_rad` is the mount's own, positive down."""

    def __init__(self, pitch_rad: float) -> None:
        self._pitch_rad = pitch_rad
        self._attitude = np.eye(3)  # rows: the camera's right, down and forward
        self._angles = (0.0, 0.0, 0.0)
        self._means = tuple(Heading() for _ in range(3))
        self._last_ns: int | None = None

    def turn(self, ego: EgoMotion, at_ns: int) -> Attitude:
        """Add a turn; the attitude after it."""
        dt = 0.0 if self._last_ns is None else max(0.0, (at_ns - self._last_ns) * 1e-9)
        self._last_ns = at_ns
        self._attitude = turn(ego) @ self._attitude
        yaw, pitch, roll = _angles(self._attitude)
        steps = (_wrapped(yaw - self._angles[0]), pitch - self._angles[1], roll - self._angles[2])
        yaw_off, pitch_off, roll_off = (
            m.turn(step, at_ns) for m, step in zip(self._means, steps, strict=True)
        )
        keep = math.exp(-dt / _FORGET_S)
        self._angles = (yaw, pitch * keep, roll * keep)
        self._attitude = _matrix(*self._angles)
        x, y = -math.tan(yaw_off), -math.tan(pitch_off + self._pitch_rad)
        s, c = math.sin(roll_off), math.cos(roll_off)
        return Attitude(c * x + s * y, -s * x + c * y, roll_off)

    def forget(self) -> None:
        """By how much the camera has turned is not known: the attitude is learned anew."""
        self._attitude, self._angles = np.eye(3), (0.0, 0.0, 0.0)
        for mean in self._means:
            mean.forget()


def _wrapped(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)


def _angles(m: Array) -> tuple[float, float, float]:
    """Yaw to the right, pitch down, roll clockwise, of a matrix with the camera's axes as rows."""
    return (
        math.atan2(m[2, 0], m[2, 2]),
        math.asin(min(max(float(m[2, 1]), -1.0), 1.0)),
        math.atan2(m[0, 1], m[1, 1]),
    )


def _matrix(yaw: float, pitch: float, roll: float) -> Array:
    sy, cy, sp, cp = math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)
    level = np.array([[cy, 0.0, -sy], [-sy * sp, cp, -cy * sp], [sy * cp, sp, cy * cp]])
    s, c = math.sin(roll), math.cos(roll)
    return np.asarray(np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ level)
