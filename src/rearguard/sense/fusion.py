"""The camera's turn from a gyroscope and from image flow together, each as far as it can be trusted.

A gyroscope hardly errs from one frame to the next, but its zero wanders and nobody knows quite how it sits; image flow
has no zero, but near things that go by drag it along for seconds. So flow never corrects a turn by itself: it teaches a
Kalman filter what the gyroscope's errors are, and the turn is the gyroscope's without them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.ego.swing import DRIFT_RAD_RS
from rearguard.sense.gravity import GravitySense
from rearguard.sense.rates import Array, Rates, Window, turn_of
from rearguard.sense.trust import Trust
from rearguard.types import EgoMotion, Gravity

_LONGEST_S = 1.0  # between two frames
# LSM6DSO data sheet (DS12140 rev 2, table 2): rate noise density 3.8 mdps/rtHz; zero-rate level 1 dps; sensitivity
# tolerance 1 %; zero-rate change 0.01 dps/K. Other parts of its kind are alike.
NOISE_RAD_RS = math.radians(0.0038)
ZERO_SD_RAD_S = math.radians(1.0)
_GAIN_SD = 0.03  # sensitivity, the lens's own scale, and by how much `aim --gyro` is off
_OFFSET_SD_S = 0.010  # between time stamps of two devices: exposure, readout, filter
_ZERO_WANDERS = 1e-4  # rad/s per root second: 20 K of a pod that warms up within ten minutes
_GAIN_WANDERS = 1e-4  # per root second: a strap gives
# What image flow errs by, rad per root second: from frame to frame, and over seconds. Who walks along a wall or a hedge
# is told turns of up to 5 deg/s that are none (measured against a gyroscope on such a walk); who stands, next to none
# (0.0004 where drawn). The second halved, a hedge moves the zero; doubled, it is learnt in standing only.
_FLOW_FRAME, _FLOW_MOVING, _FLOW_STILL = 0.03, 0.1, 0.001
# Whose rates differ from their mean by less for so long stands: swaying has 0.05, walking 0.3 every half second.
_STILL_RAD_S, _STILL_S, _MEAN_S = 0.12, 0.7, 1.0
_OUTLIER = 3.0  # deviations
_ADDS_UP_S = 4.0  # how long an error of the zero adds up in what is made of the turns (`ego.swing`)

_GAINS, _ZERO, _OFFSET = slice(0, 9), slice(9, 12), 12
_STATES = 13


class GyroFusion:
    """Turns by image flow in, turns by both out. One frame at a time, in order.

    `mount` takes rates about the sensor's axes to those about the camera's (right, down, ahead); `offset_s` is by how
    much later than its time stamp a picture shows. `accel` are the accelerations that the same part tells, if it does.
    """

    def __init__(
        self, rates: Rates, mount: Array, offset_s: float = 0.0, zero_sd_rad_s: float = ZERO_SD_RAD_S, *,
        steadied: bool = False, accel: Rates | None = None,
    ) -> None:  # fmt: skip
        self._rates = rates
        self._mount = mount
        self._offset_ns = round(offset_s * NS_PER_S)
        self._last_ns: int | None = None
        self._first_sd = zero_sd_rad_s
        self._steadied = steadied
        self._usual = np.zeros(3)  # the mean rate of late
        self._still_s = 0.0
        self.trust = Trust()
        self.gravity = GravitySense(accel, mount, offset_s) if accel is not None else None
        self._begin()

    def _begin(self) -> None:
        self._mean = np.zeros(_STATES)
        self._cov = np.diag([*(_GAIN_SD**2,) * 9, *(self._first_sd**2,) * 3, _OFFSET_SD_S**2])

    @property
    def zero_rad_s(self) -> Array:
        """What the gyroscope tells of a camera that does not turn, about the camera's axes, rad/s."""
        zero: Array = self._mean[_ZERO].copy()
        return zero

    @property
    def zero_sd_rad_s(self) -> float:
        """How unsure that is, about the axis known least."""
        return math.sqrt(float(self._cov.diagonal()[_ZERO].max()))

    @property
    def offset_s(self) -> float:
        """By how much later than its time stamp a picture shows, as it seems now."""
        return self._offset_ns / NS_PER_S + float(self._mean[_OFFSET])

    def fuse(self, flow: EgoMotion, at_ns: int) -> EgoMotion:
        """How the camera turned since the last frame; `flow` itself where no gyroscope can be relied on."""
        before, self._last_ns = self._last_ns, at_ns
        if before is None or not 0 < at_ns - before <= _LONGEST_S * NS_PER_S:
            return flow
        dt = (at_ns - before) / NS_PER_S
        window = self._rates.window(before + self._offset_ns, at_ns + self._offset_ns)
        if not self.trust.readable(window, dt) or window is None:
            return flow
        turned = self._mount @ turn_of(window)
        rows = self._rows(turned, window, dt)
        self._spread(dt)
        self._note_rates(window, dt)
        if flow.known and not flow.felt:
            seen = np.array([-flow.pitch_rad, flow.yaw_rad, flow.roll_rad])
            self._learn(seen - turned, rows, dt)
        if not self.trust.good:
            if self.trust.lies:
                self._begin()
            return flow
        return self._told(turned + rows @ self._mean, flow, dt)

    def level(self, turned: EgoMotion, at_ns: int) -> Gravity | None:
        """How the camera points against the horizon after it `turned`, by gravity; None where no accelerometer tells
        it, or the part sits otherwise than it is said to."""
        told = self.gravity.tell(turned, at_ns) if self.gravity is not None else None
        return None if self.trust.lies else told

    def _rows(self, turned: Array, window: Window, dt: float) -> Array:
        """The derivatives (3, 13) of by how much flow should differ from the gyroscope's turn."""
        rows = np.zeros((3, _STATES))
        for axis in range(3):
            rows[axis, 3 * axis : 3 * axis + 3] = turned
            rows[axis, 9 + axis] = -dt
        rows[:, _OFFSET] = self._mount @ (window.rate[-1] - window.rate[0])
        return rows

    def _spread(self, dt: float) -> None:
        where = np.arange(12)
        self._cov[where, where] += dt * np.array([*(_GAIN_WANDERS**2,) * 9, *(_ZERO_WANDERS**2,) * 3])

    def _note_rates(self, window: Window, dt: float) -> None:
        """Follow for how long it has been still."""
        self._usual += min(1.0, dt / _MEAN_S) * (window.rate.mean(axis=0) - self._usual)
        differs = float(((window.rate - self._usual) ** 2).sum(axis=1).max())
        self._still_s = self._still_s + dt if differs < _STILL_RAD_S**2 else 0.0

    def _learn(self, error: Array, rows: Array, dt: float) -> None:
        """Take in by how much flow differs from the gyroscope."""
        still = not self._steadied and self._still_s > _STILL_S
        surprise = error - rows @ self._mean
        tied: NDArray[np.float64] = self._cov @ rows.T
        expected = rows @ tied
        frame = expected + _FLOW_FRAME**2 * dt * np.eye(3)
        odd = float(surprise @ np.linalg.solve(frame, surprise)) / 3
        self.trust.note_difference(odd, dt)
        if odd > _OUTLIER**2:  # one of the two is wrong, and nothing is to be learnt of it
            return
        total = expected + (_FLOW_STILL if still else _FLOW_MOVING) ** 2 * dt * np.eye(3)
        gain = np.linalg.solve(total, tied.T).T
        self._mean = self._mean + gain @ surprise
        cov = self._cov - gain @ tied.T
        self._cov = 0.5 * (cov + cov.T)
        self.trust.note_zero(self._mean[_ZERO])

    def _told(self, turned: Array, flow: EgoMotion, dt: float) -> EgoMotion:
        """The turn, unless its zero is known so badly that flow alone drifts less."""
        unsure = dt * (NOISE_RAD_RS**2 + self.zero_sd_rad_s**2 * _ADDS_UP_S)
        if flow.known and unsure > DRIFT_RAD_RS**2 * dt:
            return flow
        x, y, z = np.clip(turned, -3.0, 3.0).tolist()
        return EgoMotion(y, -x, z, flow.quality if flow.known else 0.0, math.sqrt(unsure))
