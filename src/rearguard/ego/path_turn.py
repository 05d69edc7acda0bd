"""How the path turns, from where the wearer is heading: sought where the camera's turns alone mislead.

A trunk that turns aside looks like a path that bends, for as long as only the camera's turns are known. Where the
picture expands from is where the wearer is heading; with the camera's yaw, summed up, that is the path's direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rearguard.ego.swing import UNKNOWN_RAD_RS, TurnRate
from rearguard.types import Heading

_FIRST_SD_RAD_S = 0.2  # 2.5 m/s on a radius of 12 m
_WANDERS_RAD_S_RS = 0.08  # of the rate, per root second: into a bend of 12 m within two seconds
_CONTRADICTS = 2.0  # deviations
_MOST_SURPRISE = 60.0  # squared deviations: no way becomes impossible
_LASTS_S = 0.5  # without a heading for longer, it contradicts nothing


class Turning:
    """A Kalman filter over a direction, in the frame of the summed camera turns, and its rate of turning."""

    def __init__(self) -> None:
        self.begin(0.0, 0.0)
        self.since_s = math.inf  # it was measured

    def begin(self, direction_rad: float, sd_rad: float) -> None:
        """Nothing is known but this direction."""
        self.since_s = 0.0
        self.direction_rad, self.rate_rad_s = direction_rad, 0.0
        self.pp, self.pr, self.rr = sd_rad**2, 0.0, _FIRST_SD_RAD_S**2

    def predict(self, dt: float, *, known: bool) -> None:
        """`dt` seconds on; not `known`: by how much the camera turned is open."""
        self.since_s += dt
        q = _WANDERS_RAD_S_RS**2
        self.direction_rad += self.rate_rad_s * dt
        self.pp += dt * (2 * self.pr + dt * self.rr) + q * dt**3 / 3
        self.pr += dt * self.rr + q * dt * dt / 2
        self.rr = min(self.rr + q * dt, _FIRST_SD_RAD_S**2)
        if not known:
            self.pp += UNKNOWN_RAD_RS**2 * dt

    def know_rate(self, rate_rad_s: float, variance: float) -> None:
        """How fast it turns is known by itself."""
        self.rate_rad_s, self.pr, self.rr = rate_rad_s, 0.0, variance

    @property
    def told(self) -> tuple[float, float, float, float]:
        """The direction with its deviation, and the rate with its own."""
        return self.direction_rad, math.sqrt(self.pp), self.rate_rad_s, math.sqrt(self.rr)

    def expected(self, of_place: float, of_rate: float) -> tuple[float, float]:
        """What a measurement of so much of both should be, with its variance."""
        place, rate = self._with(of_place, of_rate)
        return of_place * self.direction_rad + of_rate * self.rate_rad_s, of_place * place + of_rate * rate

    def correct(self, of_place: float, of_rate: float, error: float, variance: float) -> None:
        """It was measured to be off by so much, with this variance of the measurement's own."""
        self.since_s = 0.0
        place, rate = self._with(of_place, of_rate)
        variance += of_place * place + of_rate * rate
        self.direction_rad += place / variance * error
        self.rate_rad_s += rate / variance * error
        self.pp -= place * place / variance
        self.pr -= place * rate / variance
        self.rr = max(self.rr - rate * rate / variance, 0.0)

    def _with(self, of_place: float, of_rate: float) -> tuple[float, float]:
        return of_place * self.pp + of_rate * self.pr, of_place * self.pr + of_rate * self.rr


class PathTurn:
    """How the path turns, from where the wearer is heading."""

    def __init__(self) -> None:
        self._of = Turning()

    def predict(self, dt: float, *, known: bool) -> None:
        """`dt` seconds on; not `known`: by how much the camera turned is open."""
        self._of.predict(dt, known=known)

    def measure(self, yaw_rad: float, heading: Heading) -> None:
        """Where the wearer is heading in the picture of a camera whose turns add up to `yaw_rad`."""
        if self._of.since_s > _LASTS_S:  # what was known is stale
            self._of.begin(yaw_rad + heading.bearing_rad, heading.sd_rad)
            return
        ago_s = 0.5 * heading.over_s
        expected, _ = self._of.expected(1.0, -ago_s)
        error = math.remainder(yaw_rad + heading.bearing_rad - expected, 2 * math.pi)
        self._of.correct(1.0, -ago_s, error, heading.sd_rad**2)

    def corrected(self, ways: Sequence[TurnRate]) -> Sequence[TurnRate]:
        """The ways a path may turn, told from the camera's turns, as likely and as fast as this one leaves them."""
        if self._of.since_s > _LASTS_S:
            return ways
        told = [self._corrected(way) for way in ways]
        total = sum(way.probability for way in told)
        return [TurnRate(way.probability / total, way.rad_s, way.sd_rad_s) for way in told]

    def _corrected(self, way: TurnRate) -> TurnRate:
        """One way, and how likely it was times how likely this rate is if it is the true one, but for a factor.

        A camera that does not turn follows no bend, wherever the wearer seems to head: the rate only gets less.
        """
        both = self._of.rr + way.sd_rad_s**2
        share, off = way.sd_rad_s**2 / both, abs(way.rad_s - self._of.rate_rad_s) / math.sqrt(both)
        if off > _CONTRADICTS:
            share = 1.0
        own = min(max(self._of.rate_rad_s, min(way.rad_s, 0.0)), max(way.rad_s, 0.0))
        likely = way.probability * math.exp(-0.5 * min(off * off, _MOST_SURPRISE)) / math.sqrt(both)
        return TurnRate(likely, way.rad_s + share * (own - way.rad_s), math.sqrt(share * self._of.rr))
