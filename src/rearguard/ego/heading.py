"""Which way the wearer travels, while the chest swings about that way at stride rate.

The camera's yaw, summed up from frame to frame, swings by about ±10 deg at 1.5 Hz around the direction of
travel. The mean over a window of about three strides, Hann-weighted so that it does not matter whether the
window holds a whole number of them, is that direction; on a bend it lags by half the window, which the
yaw's own slope over a longer time makes good.
"""

from __future__ import annotations

import math
from collections import deque

from rearguard.clock import NS_PER_S

WINDOW_S = 1.8  # about 2.7 strides at 1.5 Hz; the first zero of a Hann window is at 2/WINDOW_S = 1.1 Hz
SLOPE_WINDOW_S = 5.0  # long, so that the swing leaves hardly any slope
_SLOPE_KNOWN_S = 3.0  # a swing of 10 deg at 1.5 Hz leaves at most 0.012 rad/s in a line fitted over this

# Slower turns than this are no bend: at 2.5 m/s a radius above 100 m. Seen for less than the whole window, the
# swing and the drift of the sum leave more of a slope, and more must be seen.
_STRAIGHT_RAD_S = 0.025


class Heading:
    """Sums yaw and tells how far the camera points away from the direction of travel."""

    def __init__(self) -> None:
        self._yaw_rad = 0.0
        self._bend_rad_s = 0.0
        self._lag_s = 0.0
        self._past: deque[tuple[float, float]] = deque()  # (time s, summed yaw rad)

    @property
    def settled(self) -> float:
        """How much of the window is filled, 0..1; below 1 the stride's swing still shifts the mean."""
        if len(self._past) < 2:
            return 0.0
        return min(1.0, (self._past[-1][0] - self._past[0][0]) / WINDOW_S)

    @property
    def bend_rad_s(self) -> float:
        """How fast the path itself turns, positive to picture-right; 0 on a straight and until it is known."""
        return self._bend_rad_s

    @property
    def lag_s(self) -> float:
        """By how much the mean direction is older than the last frame; the bend makes it good."""
        return self._lag_s

    def forget(self) -> None:
        """By how much the camera has turned is not known: what was summed up says nothing of what comes."""
        self._past.clear()
        self._bend_rad_s = 0.0

    def turn(self, yaw_rad: float, at_ns: int) -> float:
        """Add a turn; return the camera's angle from the direction of travel, positive to picture-right."""
        t = at_ns / NS_PER_S
        if math.isfinite(yaw_rad):
            self._yaw_rad += yaw_rad
        self._past.append((t, self._yaw_rad))
        while t - self._past[0][0] > SLOPE_WINDOW_S:
            self._past.popleft()
        span = t - self._past[0][0]
        slope = self._slope() if span > _SLOPE_KNOWN_S else 0.0
        self._bend_rad_s = slope if abs(slope) * span > _STRAIGHT_RAD_S * SLOPE_WINDOW_S else 0.0
        return self._yaw_rad - self._travel(t)

    def _travel(self, now_s: float) -> float:
        span = min(WINDOW_S, now_s - self._past[0][0])
        if span <= 0:
            return self._yaw_rad
        total = weighted = middle = 0.0
        turns = 2 * math.pi / span
        for t, yaw in reversed(self._past):
            age = now_s - t
            if age > span:
                break
            # Hann over the window; while the window still fills, every sample counts somewhat.
            weight = 0.501 - 0.5 * math.cos(turns * age)
            total += weight
            weighted += weight * yaw
            middle += weight * t
        self._lag_s = now_s - middle / total
        return weighted / total + self.bend_rad_s * self._lag_s

    def _slope(self) -> float:
        sum_t = sum_y = sum_tt = sum_ty = 0.0
        t0, y0 = self._past[0]
        for t, y in self._past:
            t, y = t - t0, y - y0
            sum_t += t
            sum_y += y
            sum_tt += t * t
            sum_ty += t * y
        n = len(self._past)
        spread = n * sum_tt - sum_t * sum_t
        return (n * sum_ty - sum_t * sum_y) / spread if spread > 0 else 0.0
