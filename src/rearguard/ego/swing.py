"""The swing of the trunk told from the turning of the path, by a bank of Kalman filters.

A swing goes round at the rhythm of the strides, a path keeps its rate of turning. Each axis has one filter for each
rhythm of the stride and each kind of path, weighted by how well they foretell the next frame (Magill 1965; Blom and
Bar-Shalom 1988 for the mixing). It runs in every frame, so that all filters of all axes are one array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_MEASURED_SD_RAD = 0.01  # of one frame's summed angle: the harness slaps by half a degree
DRIFT_RAD_RS = 0.0065  # of a summed angle, rad per root second: as measured on rendered pictures
UNKNOWN_RAD_RS = 1.0  # the same while no turn can be fitted
# The least of it, whoever measures: nobody holds a line better. Halved, a trunk that turns aside is taken for a bend
# and warned of 0.1 s later; at 0.0065 a gyroscope gains nothing.
_WANDERS_RAD_RS = 0.004
_SWING_LASTS_S = 4.0
_LEAST_WEIGHT = 1e-4
_LOST_WEIGHT = 2e-3  # a kind of path this unlikely begins again from the one that changes
_STRIDES_HZ = (
    0.95,
    1.35,
    1.5,
    1.7,
)  # walking; running backwards (Cavagna et al. 2012: 2.8 to 3.4 steps a second)


class PathKind(NamedTuple):
    """A kind of path: its turning rate's spread (rad/s) at first, and for how long (s) and how far it changes."""

    rate_sd: float
    lasts_s: float
    changes_sd: float


# A path goes straight, or bends steadily, or is just going into or out of a bend. 0.2 rad/s is 2.5 m/s on a radius
# of 12 m; those that are tighter are followed by the kind that changes.
STRAIGHT = PathKind(0.003, 100.0, 0.003)
BEND = PathKind(0.2, 100.0, 0.03)
ENTRY = PathKind(0.2, 7.0, 0.25)
_CHANGES_PER_S = 0.05


class _Row(NamedTuple):
    """The filters of one axis for one kind of path, one for each rhythm: by so many radians it swings as a rule."""

    amplitude_rad: float
    kind: PathKind
    per_stride: float = 1.0


_ROWS = (
    _Row(0.12, STRAIGHT), _Row(0.12, BEND), _Row(0.12, ENTRY),  # yaw; the last kind is the one that changes
    _Row(0.04, STRAIGHT, per_stride=2.0),  # pitch: the path neither climbs nor banks
    _Row(0.05, STRAIGHT),  # roll
)  # fmt: skip
_KINDS = 3
_PER_ROW = len(_STRIDES_HZ)
_FILTERS = len(_ROWS) * _PER_ROW
_FIRST = np.array([0, _KINDS, _KINDS + 1]) * _PER_ROW  # the first filter of each axis
_AXIS_OF = np.repeat([0, 0, 0, 1, 2], _PER_ROW)
# Times the weights: to each filter the sum over its axis.
_SUM_OF_AXIS = np.equal.outer(_AXIS_OF, _AXIS_OF).astype(float)
# Times the weights: the sum over each row; and the rows of each axis.
_SUM_OF_ROW = np.repeat(np.eye(len(_ROWS)), _PER_ROW, axis=0)
_ROWS_OF_AXIS = (slice(0, _KINDS), slice(_KINDS, _KINDS + 1), slice(_KINDS + 1, _KINDS + 2))
# Times the weights: how far each is from the mean over the kinds of path with its rhythm, and below which it is lost.
_SAME_RHYTHM = np.eye(_PER_ROW)[np.arange(_FILTERS) % _PER_ROW]
_MEAN_OF_KINDS = _SAME_RHYTHM @ _SAME_RHYTHM.T * _SUM_OF_AXIS
_MEAN_OF_KINDS /= _MEAN_OF_KINDS.sum(axis=1, keepdims=True)
_MAY_BE_LOST = np.repeat([1.0, 1.0, 0.0, 0.0, 0.0], _PER_ROW)[:, None]
_CHANGES_AND_LOST = np.concatenate(
    [_MEAN_OF_KINDS - np.eye(_FILTERS), _KINDS * _LOST_WEIGHT * _MAY_BE_LOST * _MEAN_OF_KINDS]
)
_MEASURED = np.full(_FILTERS, _MEASURED_SD_RAD**2)
_MOST_SURPRISE = np.full(_FILTERS, 40.0)
_LEAST_LIKELIHOOD = np.full(_FILTERS, 1e-9)
# Arrays, since each plain number among arrays costs as much as what is done with it.
_HALF, _MINUS_HALF = np.array(0.5 + 0j), np.array(-0.5)
_LEAST = _LEAST_WEIGHT / _SUM_OF_AXIS.sum(axis=0)

# What a filter knows: the mean direction m, less the angle, and its rate of turning r, both real, and the swing z, a
# complex number that goes round, its real part the angle. Of these the means, and the covariances by the names of
# both; z* is the conjugate. The places are such that neighbours are treated alike.
_MM, _MR, _M, _MZ, _RR, _R, _RZ, _ZZ, _ZZ_, _Z = range(10)
# What is measured is m + Re z, nothing if all is foretold. In `h` stand its covariances with m and r, the error, and
# its covariances with z and z*. Each of the ten loses the product of two of these over the variance.
_GAIN_OF = np.array([0, 0, 0, 0, 1, 1, 1, 3, 3, 3])
_TIMES = np.array([0, 1, 2, 3, 1, 2, 3, 3, 4, 2])


class TurnRate(NamedTuple):
    """A way that a direction may turn: how likely it is, 0..1, and its rate with the standard deviation."""

    probability: float
    rad_s: float
    sd_rad_s: float


class Swing(NamedTuple):
    """The angle off the mean direction with sd, and how the mean itself may turn: a way for each kind of path."""

    off_rad: float
    off_sd_rad: float
    ways: list[TurnRate]


class SwingBank:
    """Summed angles (yaw, pitch, roll) in, the swing of each about its mean out."""

    def __init__(self) -> None:
        rhythm = np.array(
            [[2j * math.pi * hz * row.per_stride for hz in _STRIDES_HZ] for row in _ROWS]
        ).ravel()
        kinds = [row.kind for row in _ROWS]
        lasts, changes, rate_sd, amplitude = (
            np.repeat(column, _PER_ROW)
            for column in (
                [k.lasts_s for k in kinds],
                [k.changes_sd for k in kinds],
                [k.rate_sd for k in kinds],
                [row.amplitude_rad for row in _ROWS],
            )
        )
        r, z = -1 / lasts, rhythm - 1 / _SWING_LASTS_S
        # All fade as e to the power of a rate times the time; there are few different ones.
        rates = np.zeros((10, _FILTERS), complex)
        rates[[_MR, _R]], rates[_RR], rates[[_MZ, _Z]], rates[_RZ] = r, 2 * r, z, r + z
        rates[_ZZ], rates[_ZZ_] = 2 * z, 2 * z.real
        self._rates, of = np.unique(rates, return_inverse=True)
        self._rate_of = of.reshape(rates.shape)
        # Chance takes a filter there in the end: each step fades what is left of the way.
        self._settled = np.zeros_like(rates)
        self._settled[_RR], self._settled[_ZZ_] = changes**2, 2 * amplitude**2
        self._come = self._settled.copy()
        self._begun_rr = rate_sd**2
        self._x = np.zeros_like(rates)
        self._x[_MM], self._x[_RR], self._x[_ZZ_] = amplitude**2, rate_sd**2, 2 * amplitude**2
        self._weight = 1 / _SUM_OF_AXIS.sum(axis=0)
        self._onward = np.eye(10, dtype=complex)
        self._h = np.empty((5, _FILTERS), complex)
        self._about = np.empty((5, _FILTERS))

    def add_turn(
        self, turned_rad: tuple[float, float, float], dt: float, *, known: bool = True, sd_rad: float = 0.0
    ) -> list[Swing]:
        """The swings after the camera turned by so much in `dt` seconds; not `known`: by how much is open.

        `sd_rad` is how unsure each angle is, 0: as image flow is.
        """
        if dt > 0:
            per_rs = DRIFT_RAD_RS if known else UNKNOWN_RAD_RS
            self._predict(dt, max(sd_rad**2, _WANDERS_RAD_RS**2 * dt) if sd_rad > 0 else per_rs**2 * dt)
            self._mix(dt)
        self._x[_M] -= np.array(turned_rad).take(_AXIS_OF)
        self._update()
        return self._swings()

    def _predict(self, dt: float, unsure: float) -> None:
        onward, come = self._onward, self._come
        # m += r dt, and what goes with it.
        onward[_MM, _MR], onward[_MM, _RR] = 2 * dt, dt * dt
        onward[_MR, _RR] = onward[_M, _R] = onward[_MZ, _RZ] = dt
        come[_MM] = unsure
        x = onward @ self._x
        x -= self._settled
        x *= np.exp(self._rates * dt).take(self._rate_of)
        x += come
        self._x = x

    def _mix(self, dt: float) -> None:
        """A path may change its kind; a kind that has become unlikely begins again where the changing one is."""
        weight = self._weight
        changes, lost_below = (_CHANGES_AND_LOST @ weight).reshape(2, _FILTERS)
        changes *= 1 - math.exp(-_CHANGES_PER_S * dt)
        weight += changes
        lost = (weight < lost_below).nonzero()[0]
        if not len(lost):
            return
        x = self._x
        x[:, lost] = x[:, (_KINDS - 1) * _PER_ROW + lost % _PER_ROW]
        straight = lost[lost < _PER_ROW]
        if len(straight):
            x[[[_R], [_MR], [_RZ]], straight] = 0.0
            x[_RR, straight] = self._begun_rr[straight]

    def _update(self) -> None:
        x, h = self._x, self._h
        np.add(x[_MM : _M + 1], x[_MZ : _Z + 1 : 3].real, out=h[:3])
        z = np.add(x[_ZZ], x[_ZZ_], out=h[3])
        z *= _HALF
        z += x[_MZ]
        np.conjugate(z, out=h[4])
        variance = h[0].real + z.real
        variance += _MEASURED
        gain = h[:4] / variance
        x -= gain.take(_GAIN_OF, axis=0) * h.take(_TIMES, axis=0)
        surprise = gain[2].real * h[2].real
        likelihood = np.exp(_MINUS_HALF * np.minimum(surprise, _MOST_SURPRISE))
        likelihood /= np.sqrt(variance)
        likelihood /= np.maximum.reduceat(likelihood, _FIRST).take(_AXIS_OF)
        weight = self._weight
        weight *= np.maximum(likelihood, _LEAST_LIKELIHOOD)
        weight /= _SUM_OF_AXIS @ weight
        np.maximum(weight, _LEAST, out=weight)
        weight /= _SUM_OF_AXIS @ weight

    def _swings(self) -> list[Swing]:
        x, about = self._x, self._about
        about[:2] = x[_M : _R + 1 : 3].real  # minus the angle off, and the rate
        np.multiply(about[:2], about[:2], out=about[2:4])
        about[2:4] += x[_MM : _RR + 1 : 4].real
        about[4] = 1.0
        about *= self._weight
        rows = (about @ _SUM_OF_ROW).T.tolist()
        return [_swing(rows[of]) for of in _ROWS_OF_AXIS]


def _swing(rows: list[list[float]]) -> Swing:
    off = square = 0.0
    ways = []
    for o, r, oo, rr, w in rows:
        off, square = off + o, square + oo
        ways.append(TurnRate(w, r / w, _sd(r / w, rr / w)))
    return Swing(-off, _sd(off, square), ways)


def mean_rate(ways: Sequence[TurnRate]) -> tuple[float, float]:
    """The rate of turning over all ways, rad/s, with its standard deviation."""
    mean = square = 0.0
    for probability, rate, sd in ways:
        mean += probability * rate
        square += probability * (rate * rate + sd * sd)
    return mean, _sd(mean, square)


def _sd(mean: float, mean_square: float) -> float:
    return math.sqrt(max(mean_square - mean * mean, 0.0))
