"""A fall of the wearer: a hard landing, and then lying.

A runner lands with 2 to 3 g at every step, so that the landing alone says nothing: what decides is that the trunk lies
afterwards. Falls of people who were asked to fall reach more than 3.5 g at the trunk (Bourke et al., Gait & Posture
26:194, 2007); impact, then lying is the way of Kangas et al. (Gait & Posture 28:285, 2008).
"""

from __future__ import annotations

import math

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.sense.rates import G_M_S2, Array, Window

_IMPACT_M_S2 = 3.0 * G_M_S2  # halved, every step is one; doubled, most falls are none
_LIES_RAD = math.radians(60.0)  # off how the trunk usually is; who bends for a shoe lands on nothing before
_UPRIGHT_RAD = math.radians(40.0)
_SOON_S = 1.0  # after the impact
_LIES_S = 1.5
_USUAL_S, _NOW_S = 20.0, 0.3  # over which the trunk's usual way, and that of now, are means
_KNOWN_S = 3.0  # until there is a usual way
_FORGET_S = 60.0  # who lies for longer took it off


class FallWatch:
    """Accelerations in, falls out, each once. One frame's window at a time, in order; a gap is no harm."""

    def __init__(self) -> None:
        self._usual = np.zeros(3)
        self._now = np.zeros(3)
        self._for_s = 0.0  # so long it has been told something
        self._impact_ns: int | None = None
        self._soon_s = self._lies_s = self._fallen_s = 0.0
        self._falls: list[int] = []

    def take(self) -> list[int]:
        """The falls since this was asked before: the moments of their impacts."""
        falls, self._falls = self._falls, []
        return falls

    def add(self, window: Window, begins_ns: int) -> None:
        """Take in the accelerations (m/s²) from `begins_ns` on, about whatever axes."""
        dt = float(window.at_s[-1])
        strength = np.linalg.norm(window.rate, axis=1)
        mean = window.rate.mean(axis=0)
        self._for_s += dt
        self._now += min(1.0, dt / min(self._for_s, _NOW_S)) * (mean - self._now)
        lies_rad = _between(self._now, self._usual)
        if self._fallen_s > 0:  # one fall, however often it bumps
            self._fallen_s += dt
            if lies_rad < _UPRIGHT_RAD or self._fallen_s > _FORGET_S:
                self._fallen_s, self._for_s = 0.0, min(self._for_s, _KNOWN_S)
            return
        self._usual += min(1.0, dt / min(self._for_s, _USUAL_S)) * (mean - self._usual)
        if self._for_s < _KNOWN_S:
            return
        self._soon_s += dt
        lies = lies_rad > _LIES_RAD
        if self._lies_s == 0 and strength.max() >= _IMPACT_M_S2:
            self._impact_ns = begins_ns + round(float(window.at_s[strength.argmax()]) * NS_PER_S)
            self._soon_s = 0.0
        self._lies_s = self._lies_s + dt if lies and (self._lies_s > 0 or self._soon_s <= _SOON_S) else 0.0
        if self._impact_ns is not None and self._lies_s >= _LIES_S:
            self._falls.append(self._impact_ns)
            self._impact_ns, self._lies_s, self._fallen_s = None, 0.0, dt


def _between(a: Array, b: Array) -> float:
    """The angle between two directions, rad; 0 where one is none."""
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return math.acos(min(max(float(a @ b) / size, -1.0), 1.0)) if size > 1.0 else 0.0
