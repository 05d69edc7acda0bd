"""One filter a thing: where it is, how it moves and how large it is, from whatever saw it.

Log-polar coordinates (Aidala and Hammel 1983, modified polar coordinates): with z = ln R + iβ and w = dz/dt a
constant relative velocity is exactly z += ln(1 + w·dt), w /= 1 + w·dt, and Re w is -1/TTC, which pictures measure
without knowing any size. The range itself comes from a size that is known only so well, and is a state as well.
What lasts of a box's error from frame to frame is the last state: no average of correlated errors is a truth.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rearguard.ego.swing import DRIFT_RAD_RS
from rearguard.types import EgoState, Motion, SizePrior

Array = NDArray[np.float64]

LN_RANGE, BEARING, RADIAL, TURNING, LN_SIZE, BOX_ERROR = range(6)
_STATES = 6
_LEAST_LN_RANGE, _MOST_LN_RANGE = math.log(0.3), math.log(400.0)
_FASTEST_PER_S = 15.0
_MOST_SIGMAS = 3.0
_ANYWHERE_SD = 0.7  # of ln range or bearing: half as far or twice, 40 degrees to either side
NEWS_SIGMAS = 2.0  # what is off by more is not off by chance
# A bearing that is off by so much, for so long, is no bad box: a step aside, about as fast as this.
_NEWS_S, _STEPS_ASIDE_M_S = 0.15, 1.5
LEAST_ADVANCE = 0.2  # within one step no thing loses more than four fifths of its range


_EYE = np.eye(_STATES)


class ThingFilter:
    """An extended Kalman filter over (ln range m, bearing rad, d ln range/dt, d bearing/dt, ln size m, box error).

    The mean is a list, since NumPy's own numbers are slow one by one.
    """

    __slots__ = ("_aside_s", "cov", "mean")

    def __init__(self, mean: list[float], cov: Array) -> None:
        self.mean = mean
        self.cov = cov
        # For how long it has been further to the right than expected; to the left: negative.
        self._aside_s = 0.0

    @classmethod
    def begin(
        cls, *, ln_range: float, bearing_rad: float, bearing_sd_rad: float, ln_size: float, ln_size_sd: float,
        ln_box_sd: float, thing_speed_sd_m_s: float, ego: EgoState,
    ) -> ThingFilter:  # fmt: skip
        """A thing first seen: of its own it moves at up to `thing_speed_sd_m_s` any way, the wearer as they do.

        Its range errs with its size (a tall thing is further away than it looks) and with its box.
        """
        range_m = math.exp(ln_range)
        s, c = math.sin(bearing_rad), math.cos(bearing_rad)
        pace = ego.speed_m_s
        mean = [ln_range, bearing_rad, -pace * c / range_m, pace * s / range_m, ln_size, 0.0]
        cov = np.zeros((_STATES, _STATES))
        cov[BEARING, BEARING] = bearing_sd_rad**2
        own = thing_speed_sd_m_s**2 + ego.speed_sd_m_s**2
        unsure = (pace * ln_size_sd) ** 2  # whose range is unsure, whose rates are
        cov[RADIAL, RADIAL] = (own + unsure * c * c) / range_m**2
        cov[TURNING, TURNING] = (
            thing_speed_sd_m_s**2 + (ego.speed_sd_m_s * s) ** 2 + unsure * s * s
        ) / range_m**2
        thing = cls(mean, cov)
        thing._spread(ln_size_sd**2, ln_box_sd**2)
        return thing

    def anchor(self, ln_range: float, prior: SizePrior, ln_box_sd: float) -> None:
        """It is seen whole for the first time, or turns out to be of another kind: where it is and how large begin
        anew; how that changes stays, but is known less of what is nearer: speeds that are usual are more of its range.
        """
        nearer = math.exp(max(self.mean[LN_RANGE] - ln_range, 0.0))
        self.cov[[RADIAL, TURNING], :] *= nearer
        self.cov[:, [RADIAL, TURNING]] *= nearer
        self.mean[LN_RANGE], self.mean[LN_SIZE], self.mean[BOX_ERROR] = ln_range, prior.ln_height, 0.0
        for i in (LN_RANGE, LN_SIZE, BOX_ERROR):
            self.cov[i, :] = self.cov[:, i] = 0.0
        self._spread(prior.ln_height_sd**2, ln_box_sd**2)

    def _spread(self, size: float, box: float) -> None:
        """The variances of range, size and box error of a box just seen; the range errs with both others."""
        cov = self.cov
        cov[LN_RANGE, LN_RANGE] = size + box + 1e-4
        cov[LN_SIZE, LN_SIZE] = cov[LN_RANGE, LN_SIZE] = cov[LN_SIZE, LN_RANGE] = size
        cov[BOX_ERROR, BOX_ERROR] = cov[LN_RANGE, BOX_ERROR] = cov[BOX_ERROR, LN_RANGE] = box

    # ── prediction ──────────────────────────────────────────────────────────────────────────────────────

    def predict(
        self, dt: float, ego: EgoState, *, wander_m_s_rs: tuple[float, float], box_error_sd: float,
        box_error_lasts_s: float, faster_m_s: float = 0.0,
    ) -> None:  # fmt: skip
        """`dt` seconds on: constant relative velocity, but for the path's own turn under the wearer's feet.

        `wander_m_s_rs` is how far a velocity wanders along the line of sight and across it, m/s per root second;
        `faster_m_s` by how much the wearer got faster.
        """
        m = self.mean
        u, v = m[RADIAL], m[TURNING]
        a, b = max(1 + u * dt, LEAST_ADVANCE), v * dt
        norm = a * a + b * b
        u1, v1 = (u * a + v * b) / norm, (v * a - u * b) / norm
        turned = ego.turn_rate_rad_s * dt
        ln_range = m[LN_RANGE] + 0.5 * math.log(norm)
        bearing = m[BEARING] + math.atan2(b, a) - ego.path_turned_rad
        # The wearer's velocity turns with the path: seen from the wearer, the thing's turns the other way.
        range_m = math.exp(min(max(ln_range, _LEAST_LN_RANGE), _MOST_LN_RANGE))
        push = turned * ego.speed_m_s / range_m
        s, c = math.sin(bearing), math.cos(bearing)
        u1, v1 = u1 - faster_m_s * c / range_m, v1 + faster_m_s * s / range_m
        f = _EYE.copy()
        # d/dw of ln(1 + w dt) is dt/(1 + w dt), of w/(1 + w dt) its square: as complex numbers (p + iq), (r + is)
        p, q = dt * a / norm, -dt * b / norm
        r, t = (a * a - b * b) / norm**2, -2 * a * b / norm**2
        f[LN_RANGE, RADIAL], f[LN_RANGE, TURNING] = p, -q
        f[BEARING, RADIAL], f[BEARING, TURNING] = q, p
        f[RADIAL, RADIAL], f[RADIAL, TURNING] = r, -t
        f[TURNING, RADIAL], f[TURNING, TURNING] = t, r
        f[RADIAL, LN_RANGE], f[TURNING, LN_RANGE] = push * s, push * c
        f[RADIAL, BEARING], f[TURNING, BEARING] = -push * c, push * s
        keep = math.exp(-dt / box_error_lasts_s)
        f[BOX_ERROR, BOX_ERROR] = keep
        self.mean = [ln_range, bearing, u1 - push * s, v1 - push * c, m[LN_SIZE], keep * m[BOX_ERROR]]
        cov = f @ self.cov @ f.T
        self.cov = 0.5 * (cov + cov.T)
        along, across = wander_m_s_rs
        self._diffuse(RADIAL, LN_RANGE, (along / range_m) ** 2, dt)
        self._diffuse(TURNING, BEARING, (across / range_m) ** 2, dt)
        self.cov[BEARING, BEARING] += DRIFT_RAD_RS**2 * dt
        self.cov[BOX_ERROR, BOX_ERROR] += box_error_sd**2 * (1 - keep * keep)
        self._bound()

    def _diffuse(self, rate: int, place: int, per_s: float, dt: float) -> None:
        """White acceleration: a rate that wanders, and the place with it."""
        self.cov[rate, rate] += per_s * dt
        self.cov[rate, place] += per_s * dt * dt / 2
        self.cov[place, rate] += per_s * dt * dt / 2
        self.cov[place, place] += per_s * dt**3 / 3

    def _bound(self) -> None:
        m = self.mean
        m[LN_RANGE] = min(max(m[LN_RANGE], _LEAST_LN_RANGE), _MOST_LN_RANGE)
        m[RADIAL] = min(max(m[RADIAL], -_FASTEST_PER_S), _FASTEST_PER_S)
        m[TURNING] = min(max(m[TURNING], -_FASTEST_PER_S), _FASTEST_PER_S)

    # ── measurement ─────────────────────────────────────────────────────────────────────────────────────

    def update(self, row: Array, error: float, variance: float, *, keep_rates: bool = False) -> float:
        """One scalar measurement: its `row` of derivatives, how far it is from the expected, and its variance.

        `keep_rates`: it tells where the thing is and how large, but nothing of how that changes (Schmidt 1966).
        Returns the squared error in units of its expected variance.
        """
        ph = self.cov @ row
        total = float(row @ ph) + variance
        sd = math.sqrt(total)
        # An error of more than three deviations is more likely a bad measurement than news (Huber 1964).
        most = _MOST_SIGMAS * sd
        surprise = error * error / total
        error = min(max(error, -most), most)
        told = ph / sd  # the gain is that over the deviation
        if keep_rates:
            kept = told.copy()
            kept[RADIAL] = kept[TURNING] = 0.0
            rest = told - kept
            self.cov = self.cov - told[:, None] * told + rest[:, None] * rest
            told = kept
        else:
            self.cov = self.cov - told[:, None] * told
        error /= sd
        self.mean = [m + t * error for m, t in zip(self.mean, told.tolist(), strict=True)]
        self._bound()
        return surprise

    def update_bearing(self, error: float, variance: float, dt: float, noise: float) -> None:
        """Where it is to the side, `dt` seconds after it was last looked for; boxes err by `noise` times the usual.

        A bearing that is off may be a bad box. One that stays off the same way is news: the thing, or the wearer, steps
        aside, and how fast is not known any more.
        """
        off = error / math.sqrt(self.cov[BEARING, BEARING] + noise * noise * variance)
        goes_on = abs(off) > NEWS_SIGMAS and off * self._aside_s >= 0
        self._aside_s = self._aside_s + math.copysign(dt, off) if goes_on else 0.0
        if abs(self._aside_s) > _NEWS_S:
            faster = (_STEPS_ASIDE_M_S / self.range_m) ** 2
            self.cov[TURNING, TURNING] += faster
            self.cov[TURNING, BEARING] += faster * dt
            self.cov[BEARING, TURNING] += faster * dt
            self.cov[BEARING, BEARING] += faster * dt * dt
        self.update(_BEARING, error, variance)

    def expected_variance(self, row: Array) -> float:
        """The variance of what `row` measures, before it is measured."""
        return float(row @ self.cov @ row)

    @property
    def may_be_anywhere(self) -> bool:
        """Whether its place is so unsure that a linear filter cannot take a measurement in."""
        return bool(max(self.cov[LN_RANGE, LN_RANGE], self.cov[BEARING, BEARING]) > _ANYWHERE_SD**2)

    def moves(self, ego: EgoState) -> bool:
        """Whether it moves over the ground, beyond what is unsure of its own rates and of the wearer's speed."""
        m, range_m, pace = self.mean, self.range_m, ego.speed_m_s
        s, c = math.sin(m[BEARING]), math.cos(m[BEARING])
        towards, across = -m[RADIAL] * range_m - pace * c, m[TURNING] * range_m - pace * s
        # How fast it seems to come goes with how large it is taken for.
        unsure = ego.speed_sd_m_s**2 + pace * pace * float(self.cov[LN_SIZE, LN_SIZE])
        toward_var = float(self.cov[RADIAL, RADIAL]) * range_m**2 + unsure * c * c
        across_var = float(self.cov[TURNING, TURNING]) * range_m**2 + unsure * s * s
        return towards**2 / max(toward_var, 1e-6) + across**2 / max(across_var, 1e-6) > NEWS_SIGMAS**2

    @property
    def range_m(self) -> float:
        return math.exp(self.mean[LN_RANGE])

    def motion(self, path_sd_rad: float = 0.0) -> Motion:
        """The posterior of place and motion, as the judge reads it; the path's own direction is known to so much."""
        rows = self.cov[:4, :4].tolist()
        rows[BEARING][BEARING] += path_sd_rad**2
        return Motion(tuple(self.mean[:4]), tuple(map(tuple, rows)))  # type: ignore[arg-type]


def row(**entries: float) -> Array:
    """A measurement's derivatives by the names of the states."""
    out = np.zeros(_STATES)
    for name, value in entries.items():
        out[_INDEX[name]] = value
    return out


_INDEX = {"ln_range": LN_RANGE, "bearing": BEARING, "radial": RADIAL, "turning": TURNING, "ln_size": LN_SIZE,
          "box_error": BOX_ERROR}  # fmt: skip
_BEARING = row(bearing=1.0)
