"""Which way is down, from an accelerometer: how the camera points against the horizon, standing or running.

An accelerometer tells gravity and how the body is shaken in one. The shaking of a runner is as strong as gravity, but
it adds up to a velocity, and nobody's velocity grows for long: the mean over some strides is gravity. Turns that the
gyroscope tells carry that mean along, so that it may be long. A Kalman filter of the way down, of which both axes are
equally unsure, weighs the two.
"""

from __future__ import annotations

import math

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.ego.pinhole import turn
from rearguard.ego.state import MOST_OFFSET_RAD
from rearguard.ego.swing import DRIFT_RAD_RS, UNKNOWN_RAD_RS
from rearguard.sense.fall import FallWatch
from rearguard.sense.rates import G_M_S2, Array, Rates
from rearguard.sense.trust import Trust
from rearguard.types import EgoMotion, Gravity

_LONGEST_S = 1.0  # between two frames
# What lasts: zero-g level 20 mg (LSM6DSO data sheet DS12140 rev 2, table 2), 0.5 degrees of how it sits, and what
# pulls aside in a bend of 36 m at 2.5 m/s.
_LASTS_RAD = 0.03
# Of the way down while somebody moves, rad times root second: who sets off or stops changes by 2.5 m/s, a quarter of
# what gravity does in a second.
_MOVING_RAD_RS = 0.07
_MOVES_M_S2 = 1.0  # who is shaken by so much moves; who stands and sways, by 0.1 to 0.2
_SHAKE_LASTS_S = 1.0  # a stride and a half
_KNOWN_RAD = 0.1  # what is known no better is not told
_WEIGHT_OFF = 0.15  # of gravity; a scale is right to a hundredth


class GravitySense:
    """Accelerations in (m/s², about the sensor's axes, which `mount` takes to the camera's), pitch and roll of the
    camera against the horizon out. One frame at a time, in order.

    `offset_s` is by how much later than its time stamp a picture shows. `trust` says what is wrong with the
    accelerometer. `take_falls` gives the moments of the wearer's falls since it was asked before.
    """

    def __init__(self, accel: Rates, mount: Array, offset_s: float = 0.0) -> None:
        self._accel = accel
        self._mount = mount
        self._offset_ns = round(offset_s * NS_PER_S)
        self._last_ns: int | None = None
        self._down = np.array([0.0, 1.0, 0.0])  # in units of gravity
        self._var = UNKNOWN_RAD_RS**2
        self._shake = _MOVES_M_S2**2
        self._falls = FallWatch()
        self.trust = Trust()

    def tell(self, turned: EgoMotion, at_ns: int) -> Gravity | None:
        """What gravity says of the frame captured at `at_ns`, before which the camera `turned`; None where nothing."""
        before, self._last_ns = self._last_ns, at_ns
        if before is None or not 0 < at_ns - before <= _LONGEST_S * NS_PER_S:
            self._var = UNKNOWN_RAD_RS**2
            return None
        dt = (at_ns - before) / NS_PER_S
        self._carry(turned, dt)
        window = self._accel.window(before + self._offset_ns, at_ns + self._offset_ns)
        if window is not None and not np.isfinite(window.rate).all():
            window = None
        if self.trust.readable(window, dt) and window is not None:
            held = 0.5 * (window.rate[1:] + window.rate[:-1]) * np.diff(window.at_s)[:, None]
            self._weigh(turned, -self._mount @ held.sum(axis=0) / dt, dt)
        if window is not None:
            self._falls.add(window, before + self._offset_ns)
        x, y, z = self._down.tolist()
        length = math.sqrt(x * x + y * y + z * z)
        sd_rad = math.hypot(math.sqrt(self._var), _LASTS_RAD)
        if self.trust.why or sd_rad > _KNOWN_RAD or abs(length - 1.0) > _WEIGHT_OFF:
            return None
        pitch_rad, roll_rad = math.asin(min(max(z / length, -1.0), 1.0)), math.atan2(x, y)
        if max(abs(pitch_rad), abs(roll_rad)) >= MOST_OFFSET_RAD:
            return None  # it sits otherwise than told, or the wearer lies
        return Gravity(pitch_rad, roll_rad, sd_rad)

    def take_falls(self) -> list[int]:
        """When the wearer fell since this was asked before, on the frames' clock."""
        return [at_ns - self._offset_ns for at_ns in self._falls.take()]

    def _carry(self, turned: EgoMotion, dt: float) -> None:
        """The camera turned: what is down is elsewhere in it."""
        self._down = turn(turned) @ self._down
        per_rs = DRIFT_RAD_RS if turned.known else UNKNOWN_RAD_RS
        self._var += turned.sd_rad**2 if turned.felt else per_rs**2 * dt
        self._var = min(self._var, UNKNOWN_RAD_RS**2)

    def _weigh(self, turned: EgoMotion, down: Array, dt: float) -> None:
        """Take in the mean of a frame's time, `down` in m/s²: as it was half a turn ago."""
        half = EgoMotion(0.5 * turned.yaw_rad, 0.5 * turned.pitch_rad, 0.5 * turned.roll_rad)
        down = turn(half) @ down
        now = float(((down - G_M_S2 * self._down) ** 2).sum())
        self._shake += min(1.0, dt / _SHAKE_LASTS_S) * (now - self._shake)
        moves = min(1.0, max(now, self._shake) / _MOVES_M_S2**2)
        gain = self._var / (self._var + moves * _MOVING_RAD_RS**2 / dt)
        self._down = self._down + gain * (down / G_M_S2 - self._down)
        self._var *= 1 - gain
