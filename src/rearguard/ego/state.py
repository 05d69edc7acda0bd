"""One ego state a frame: how the camera points against the path, how the path turns, how fast the wearer is.

The camera's turns, composed from frame to frame, are the path's turns plus the swing of the trunk; `swing` tells the
two apart. Which mean it swings about they cannot tell: a pod that hangs five degrees askew, or a trunk that stays
turned, looks beside the path for as long. That offset is told by where the wearer is heading, and by gravity, where
there is an accelerometer.
"""

from __future__ import annotations

import math

from rearguard.clock import NS_PER_S
from rearguard.ego.lane import AHEAD_M
from rearguard.ego.lane_keeping import LaneKeeping
from rearguard.ego.lane_path import LanePath
from rearguard.ego.path_turn import PathTurn
from rearguard.ego.pinhole import Rows, axes_of, turn_rows
from rearguard.ego.swing import SwingBank, mean_rate
from rearguard.types import EgoMotion, EgoState, Gravity, Heading, Lane, Speed

_FORGET_S = 8.0  # summed pitch and roll drift: what is older is let go
_LONGEST_GAP_S = 1.0
_SPEED_LASTS_S = 4.0
_SPEED_PRIOR = 0.35  # of the usual pace
_GATE = 3.5
_LANE_TEACHES_SD_RAD = 0.05  # the offset, which takes over when the lines end
_OFFSET_SD_RAD = 0.1  # of the mean of the swing from the path: a pod on a vest hangs six degrees aside
MOST_OFFSET_RAD = 0.6  # with more, the path is out of the picture
_OFFSET_WANDERS_RAD_RS = 0.006  # and slips, or the trunk turns and stays turned
_SWINGS_RAD = 0.05  # about its mean, in one frame: what gravity is compared with is a mean over a second


class EgoEstimator:
    """Turns of the camera and speeds of the ground in, `EgoState` out. One frame at a time, in order.

    `pitch_rad` is the mount's own, positive down; `usual_pace_m_s` what the wearer's speed is taken for until it
    has been seen.
    """

    def __init__(self, pitch_rad: float = 0.0, usual_pace_m_s: float = 2.5) -> None:
        self._pitch_rad = pitch_rad
        self._usual = (usual_pace_m_s, (_SPEED_PRIOR * usual_pace_m_s) ** 2)
        self._speed, self._speed_var = self._usual
        self._bank = SwingBank()
        self._turn = PathTurn()
        self._lane = LanePath()
        self._keeping = LaneKeeping()
        self._aside, self._down, self._tilt = _Offset(), _Offset(), _Offset()
        self._off_rad = 0.0  # as the rhythm of the strides tells it
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
        yaw, pitch, roll = _turned(self._angles, turn_rows(ego)) if known else self._angles
        steps = (
            math.remainder(yaw - self._angles[0], 2 * math.pi), pitch - self._angles[1], roll - self._angles[2]
        )  # fmt: skip
        yaw_, pitch_, roll_ = self._bank.add_turn(steps, dt, known=known, sd_rad=ego.sd_rad)
        keep = math.exp(-dt / _FORGET_S)
        self._angles = (yaw, pitch * keep, roll * keep)
        # What the ground does not tell for long is taken for the usual pace again.
        keep = math.exp(-dt / _SPEED_LASTS_S)
        self._speed = self._usual[0] + keep * (self._speed - self._usual[0])
        self._speed_var = keep**2 * self._speed_var + (1 - keep**2) * self._usual[1]
        self._turn.predict(dt, known=known)
        rate_rad_s, rate_sd_rad_s = mean_rate(self._turn.corrected(yaw_.ways))
        swing_sd_rad, bend_per_m = yaw_.off_sd_rad, None
        self._lane.predict(dt, known=known)
        self._keeping.predict(dt)
        along = self._lane.joined(
            (yaw - yaw_.off_rad - self._aside.rad, math.hypot(swing_sd_rad, self._aside.sd_rad)),
            (rate_rad_s, rate_sd_rad_s),
            self._speed,
        )
        if along is not None:
            rate_rad_s, rate_sd_rad_s = along.rate_rad_s, along.rate_sd_rad_s
        # What the path did not turn, the trunk did.
        self._aside.predict(dt, (mean_rate(yaw_.ways)[0] - rate_rad_s) * dt)
        self._down.predict(dt)
        self._tilt.predict(dt)
        self._off_rad = yaw_.off_rad
        swing_rad = math.remainder(yaw_.off_rad + self._aside.rad, 2 * math.pi)
        if along is not None:
            swing_rad = math.remainder(yaw - along.direction_rad, 2 * math.pi)
            swing_sd_rad = min(swing_sd_rad, along.sd_rad)
            self._aside_is(swing_rad, _LANE_TEACHES_SD_RAD)
            bend_per_m = math.remainder(along.ahead_rad - along.direction_rad, 2 * math.pi) / AHEAD_M
        self.state = EgoState(
            swing_rad=swing_rad,
            swing_sd_rad=swing_sd_rad,
            pitch_rad=min(max(self._pitch_rad + pitch_.off_rad + self._down.rad, -1.5), 1.5),
            pitch_sd_rad=pitch_.off_sd_rad,
            roll_rad=math.remainder(roll_.off_rad + self._tilt.rad, 2 * math.pi),
            roll_sd_rad=roll_.off_sd_rad,
            turn_rate_rad_s=rate_rad_s,
            turn_rate_sd_rad_s=rate_sd_rad_s,
            speed_m_s=self._speed,
            speed_sd_m_s=math.sqrt(self._speed_var),
            # A turn that nobody saw was the trunk's: the path goes on as it did.
            path_turned_rad=math.remainder(steps[0] + self.state.swing_rad - swing_rad, 2 * math.pi)
            if known
            else rate_rad_s * dt,
            bend_per_m=bend_per_m,
            line_m=self._keeping.line_m,
        )
        return self.state

    def add_speed(self, speed: Speed | None) -> None:
        """What the ground told of the wearer's speed in the newest frame; it counts from the next one on."""
        if speed is None:
            return
        error, variance = speed.m_s - self._speed, self._speed_var + speed.sd_m_s**2
        if abs(error) > _GATE * math.sqrt(variance):
            # A start or a stop, or a bad frame: the next one tells which.
            self._speed_var += 0.25 * error**2
            return
        gain = self._speed_var / variance
        self._speed = max(0.0, self._speed + gain * error)
        self._speed_var *= 1 - gain

    def add_heading(self, heading: Heading | None) -> None:
        """Where the newest frame told that the wearer is heading; it counts from the next one on."""
        if heading is None:
            return
        self._turn.measure(self._angles[0], heading)
        self._lane.compare(self._angles[0], heading, self.state.turn_rate_rad_s)
        now_rad = heading.bearing_rad + 0.5 * heading.over_s * self.state.turn_rate_rad_s
        self._aside_is(-now_rad, heading.sd_rad)
        if heading.down_sd_rad > 0:
            self._down.correct(-heading.down_rad - self.state.pitch_rad, heading.down_sd_rad)

    def _aside_is(self, swing_rad: float, sd_rad: float) -> None:
        """The camera was seen to look so far off the path."""
        supposed_rad = math.remainder(self._off_rad + self._aside.rad, 2 * math.pi)
        self._aside.correct(math.remainder(swing_rad - supposed_rad, 2 * math.pi), sd_rad)

    def add_lane(self, lane: Lane | None) -> None:
        """Which way the newest frame showed the lane to lead; it counts from the next one on."""
        if lane is not None:
            sd_rad = math.hypot(self.state.swing_sd_rad, self._aside.sd_rad)
            self._lane.measure(self._angles[0], lane, self.state, sd_rad)
            if self._lane.believed:
                self._keeping.measure(lane)

    def add_gravity(self, gravity: Gravity | None) -> None:
        """How the camera pointed against the horizon in the newest frame; it counts from the next one on."""
        if gravity is None:
            return
        self._down.settle(gravity.pitch_rad - self.state.pitch_rad, gravity.sd_rad)
        self._tilt.settle(math.remainder(gravity.roll_rad - self.state.roll_rad, 2 * math.pi), gravity.sd_rad)


class _Offset:
    """How far the mean direction of the camera is from where it was supposed, about one axis; a Kalman filter."""

    def __init__(self) -> None:
        self.rad = 0.0
        self._var = _OFFSET_SD_RAD**2

    @property
    def sd_rad(self) -> float:
        return math.sqrt(self._var)

    def predict(self, dt: float, turned_rad: float = 0.0) -> None:
        """`dt` seconds on; the trunk turned by so much and stays so."""
        self.rad += turned_rad
        self._var += turned_rad**2 + _OFFSET_WANDERS_RAD_RS**2 * dt
        self._var = min(self._var, _OFFSET_SD_RAD**2)

    def correct(self, error_rad: float, sd_rad: float) -> None:
        """It was measured to be further by so much."""
        variance = self._var + sd_rad**2
        most = _GATE * math.sqrt(variance)  # the rest is more likely somebody who moves than news
        gain = self._var / variance
        self.rad += gain * min(max(error_rad, -most), most)
        self.rad = min(max(self.rad, -MOST_OFFSET_RAD), MOST_OFFSET_RAD)
        self._var *= 1 - gain

    def settle(self, error_rad: float, lasts_rad: float) -> None:
        """The same by what is off by `lasts_rad` for good: told again and again, it makes nobody surer than that."""
        open_var = self._var - lasts_rad**2
        if open_var <= 0:
            return
        gain = open_var / (open_var + _SWINGS_RAD**2)
        self.rad = min(max(self.rad + gain * error_rad, -MOST_OFFSET_RAD), MOST_OFFSET_RAD)
        self._var -= gain * open_var


def _turned(angles: tuple[float, float, float], turn: Rows) -> tuple[float, float, float]:
    """Yaw to the right, pitch down and roll clockwise of a camera, after a turn.

    Those of a matrix with the camera's axes as rows, of which not all is needed.
    """
    x, y, z = zip(*axes_of(*angles), strict=True)
    (a, b, c), (d, e, f), (g, h, i) = turn
    return (
        math.atan2(g * x[0] + h * x[1] + i * x[2], g * z[0] + h * z[1] + i * z[2]),
        math.asin(min(max(g * y[0] + h * y[1] + i * y[2], -1.0), 1.0)),
        math.atan2(a * y[0] + b * y[1] + c * y[2], d * y[0] + e * y[1] + f * y[2]),
    )
