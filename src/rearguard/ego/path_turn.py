"""How the path turns, from where the wearer is heading: sought where the camera's turns alone mislead.

A trunk that turns aside looks like a path that bends, for as long as only the camera's turns are known. Where the
picture expands from is where the wearer is heading; with the camera's yaw, summed up, that is the path's direction.
"""

from __future__ import annotations

import math

from rearguard.types import Heading

_FIRST_SD_RAD_S = 0.2  # 2.5 m/s on a radius of 12 m
_WANDERS_RAD_S_RS = 0.08  # of the rate, per root second: into a bend of 12 m within two seconds
_CONTRADICTS = 2.0  # deviations
_LASTS_S = 0.5  # without a heading for longer, it contradicts nothing


class PathTurn:
    """A Kalman filter over the path's direction, in the frame of the summed camera turns, and its rate of turning."""

    def __init__(self) -> None:
        self._begin(0.0, 0.0)
        self._since_s = math.inf

    def _begin(self, direction_rad: float, sd_rad: float) -> None:
        self._since_s = 0.0
        self._direction_rad, self._rate_rad_s = direction_rad, 0.0
        self._pp, self._pr, self._rr = sd_rad**2, 0.0, _FIRST_SD_RAD_S**2

    def predict(self, dt: float) -> None:
        """`dt` seconds on."""
        self._since_s += dt
        q = _WANDERS_RAD_S_RS**2
        self._direction_rad += self._rate_rad_s * dt
        self._pp += dt * (2 * self._pr + dt * self._rr) + q * dt**3 / 3
        self._pr += dt * self._rr + q * dt * dt / 2
        self._rr = min(self._rr + q * dt, _FIRST_SD_RAD_S**2)

    def measure(self, yaw_rad: float, heading: Heading) -> None:
        """Where the wearer is heading in the picture of a camera whose turns add up to `yaw_rad`."""
        if self._since_s > _LASTS_S:  # what was known is stale
            self._begin(yaw_rad + heading.bearing_rad, heading.sd_rad)
            return
        self._since_s, ago_s = 0.0, 0.5 * heading.over_s
        expected = self._direction_rad - self._rate_rad_s * ago_s
        error = math.remainder(yaw_rad + heading.bearing_rad - expected, 2 * math.pi)
        place, rate = self._pp - ago_s * self._pr, self._pr - ago_s * self._rr
        variance = place - ago_s * rate + heading.sd_rad**2
        self._direction_rad += place / variance * error
        self._rate_rad_s += rate / variance * error
        self._pp -= place * place / variance
        self._pr -= place * rate / variance
        self._rr = max(self._rr - rate * rate / variance, 0.0)

    def corrected(self, rate_rad_s: float, sd_rad_s: float) -> tuple[float, float]:
        """A rate of turning with its deviation, told from the camera's turns, and what is left of it by this one.

        A camera that does not turn follows no bend, wherever the wearer seems to head: the rate only gets less.
        """
        if self._since_s > _LASTS_S:
            return rate_rad_s, sd_rad_s
        both = self._rr + sd_rad_s**2
        share = sd_rad_s**2 / both
        if abs(rate_rad_s - self._rate_rad_s) > _CONTRADICTS * math.sqrt(both):
            share = 1.0
        own = min(max(self._rate_rad_s, min(rate_rad_s, 0.0)), max(rate_rad_s, 0.0))
        return rate_rad_s + share * (own - rate_rad_s), math.sqrt(share * self._rr)
