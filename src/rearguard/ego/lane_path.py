"""Where the lane leads, from sighting to sighting, and whether it is the wearer's way.

A lane tells the path's direction and its bend at once, where the camera's turns have to be watched for a second. But
lines may be of something else, and nobody has to follow them: they are believed while sightings agree with one another
and with where the wearer is heading.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rearguard.ego.lane import AHEAD_M
from rearguard.ego.path_turn import Turning
from rearguard.types import EgoState, Heading, Lane

LASTS_S = 0.6  # without a sighting for longer, nothing is told
_ENOUGH = 3  # sightings that agree with one another; one more is remembered
_AGREES = 3.5  # deviations
_WOBBLES_RAD, _WOBBLES_PER_M = 0.006, 0.003  # from sighting to sighting, beyond what the fit says
_FOLLOWED_SD_RAD = 0.01  # a lane by who runs in it, over the next metres
# A path changes its bend by as much between the wearer's feet and the lane that is seen.
_CHANGES_PER_M = 0.015
_CONTRADICTS = 3.0  # deviations of what the camera's turns tell from the lane
_COMPARED_S = 0.5  # a wearer's heading with the lane: it wobbles by the step
_LEAVES_RAD = 0.12  # who heads as far off the lane does not follow it
_LEAST_PACE_M_S = 0.5  # who hardly moves follows nothing


class Along(NamedTuple):
    """The path's direction at the wearer, `ahead_rad` its direction `AHEAD_M` further on, both in the frame of the
    summed camera turns, and its rate of turning; the first and the last with deviations."""

    direction_rad: float
    sd_rad: float
    rate_rad_s: float
    rate_sd_rad_s: float
    ahead_rad: float


class LanePath:
    """Lanes in, what they tell of the path out. Directions are in the frame of the summed camera turns, `yaw_rad`."""

    def __init__(self) -> None:
        self._ahead = Turning()  # the direction `AHEAD_M` ahead, and how fast it turns
        self._agree = 0
        self._direction_rad: float | None = None  # of the lane at the wearer
        self._off_rad, self._off_since_s = 0.0, 0.0  # the wearer from it

    @property
    def believed(self) -> bool:
        """Whether sightings agree, and are new."""
        return self._agree >= _ENOUGH and self._ahead.since_s <= LASTS_S

    def predict(self, dt: float, *, known: bool) -> None:
        """`dt` seconds on; not `known`: by how much the camera turned is open."""
        self._ahead.predict(dt, known=known)
        self._off_since_s += dt

    def measure(self, yaw_rad: float, lane: Lane, ego: EgoState, swing_sd_rad: float) -> None:
        """A lane in the picture of a frame with this ego state, whose swing is off by so much."""
        ahead_rad = yaw_rad + lane.bearing_rad
        ahead_var = lane.sd_rad**2 + _WOBBLES_RAD**2
        rate = lane.curvature_per_m * ego.speed_m_s
        bend_var = lane.curvature_sd_per_m**2 + _WOBBLES_PER_M**2
        rate_var = bend_var * ego.speed_m_s**2 + (lane.curvature_per_m * ego.speed_sd_m_s) ** 2 + 1e-6
        if self._agree == 0 or self._ahead.since_s > LASTS_S:
            self._agree = 0
            off = rate - ego.turn_rate_rad_s
            changes = rate_var + ego.turn_rate_sd_rad_s**2 + (_CHANGES_PER_M * ego.speed_m_s) ** 2
            if off**2 < _AGREES**2 * changes and self._is_likely(
                lane.bearing_rad, ahead_var, ego, swing_sd_rad
            ):
                self._ahead.begin(ahead_rad, math.sqrt(ahead_var))
                self._ahead.correct(0.0, 1.0, rate, rate_var)
                self._agree, self._off_rad = 1, 0.0
            return
        place, place_var = self._ahead.expected(1.0, 0.0)
        turning, turning_var = self._ahead.expected(0.0, 1.0)
        off = math.remainder(ahead_rad - place, 2 * math.pi)
        if off**2 > _AGREES**2 * (place_var + ahead_var) or (rate - turning) ** 2 > _AGREES**2 * (
            turning_var + rate_var
        ):
            self._agree -= 1
            return
        self._agree = min(self._agree + 1, _ENOUGH + 1)
        self._ahead.correct(1.0, 0.0, off, ahead_var)
        self._ahead.correct(0.0, 1.0, rate - self._ahead.rate_rad_s, rate_var)

    @staticmethod
    def _is_likely(bearing_rad: float, variance: float, ego: EgoState, swing_sd_rad: float) -> bool:
        """Whether the wearer's path may lead there, for all that is known without it."""
        ahead_s = _ahead_s(ego.speed_m_s)
        off = math.remainder(bearing_rad + ego.swing_rad - ahead_s * ego.turn_rate_rad_s, 2 * math.pi)
        variance += swing_sd_rad**2 + (ahead_s * ego.turn_rate_sd_rad_s) ** 2
        return abs(off) < _LEAVES_RAD + _AGREES * math.sqrt(variance)

    def compare(self, yaw_rad: float, heading: Heading, rate_rad_s: float) -> None:
        """Where the wearer, whose path turns at this rate, is heading in the newest frame, whatever the lines say."""
        if self._direction_rad is None:
            return
        now_rad = yaw_rad + heading.bearing_rad + 0.5 * heading.over_s * rate_rad_s
        share = 1 - math.exp(-min(self._off_since_s, _COMPARED_S) / _COMPARED_S)
        share /= 1 + (2 * heading.sd_rad / _LEAVES_RAD) ** 2
        self._off_rad += share * (math.remainder(now_rad - self._direction_rad, 2 * math.pi) - self._off_rad)
        self._off_since_s = 0.0

    def joined(
        self, direction: tuple[float, float], rate: tuple[float, float], speed_m_s: float
    ) -> Along | None:
        """What was known of the path's direction and rate of turning, each with its deviation, and what the lane tells
        of it; None where there is no lane to believe in."""
        self._direction_rad = None
        if not self.believed or speed_m_s < _LEAST_PACE_M_S:
            return None
        of, ahead_s = Turning(), _ahead_s(speed_m_s)
        changes = (_CHANGES_PER_M * speed_m_s) ** 2
        lane, lane_var = self._ahead.expected(1.0, 0.0)
        turning, turning_var = self._ahead.expected(0.0, 1.0)
        lane_var += _FOLLOWED_SD_RAD**2
        of.begin(*direction)
        of.know_rate(rate[0], max(rate[1] ** 2, changes))
        expected, variance = of.expected(1.0, ahead_s)
        off = math.remainder(lane - expected, 2 * math.pi)
        if off**2 > _CONTRADICTS**2 * (variance + lane_var):  # the trunk turned, not the path
            of.begin(direction[0] + off, abs(off))
        of.correct(0.0, 1.0, turning - of.rate_rad_s, turning_var + changes)
        expected, _ = of.expected(1.0, ahead_s)
        of.correct(1.0, ahead_s, math.remainder(lane - expected, 2 * math.pi), lane_var)
        self._direction_rad = of.direction_rad  # also of a lane that is not followed: it may be again
        return Along(*of.told, lane) if abs(self._off_rad) < _LEAVES_RAD else None


def _ahead_s(speed_m_s: float) -> float:
    """How long the wearer takes to where the lane's direction is told."""
    return AHEAD_M / max(speed_m_s, _LEAST_PACE_M_S)
