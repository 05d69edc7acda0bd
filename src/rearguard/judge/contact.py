"""The probability of contact within a time: one number for every level, from a track's posterior.

Samples of where a thing may be and how it may move are carried on to when its gap along the path is closed; those
that are within the corridor by then, in time, count. What people do next is part of it: a thing may drift on, keep
to a line along the path, or stop crossing. Pure, and deterministic: the samples are quasi-random numbers fixed at
import.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap, zip_longest
from operator import mul
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rearguard.types import EgoState, Motion

Array = NDArray[np.float64]

_SAMPLES = 64
_BODY_M = 0.2  # the gap is closed when the bodies meet, not their middles
_LEAST_CLOSING_M_S = 0.05
_NEVER_S = 1e3
_FURTHEST_S = 10.0  # no drift is carried on further than this
_KEEPS_LINE = 0.7  # of those who move, as many go along the path; the rest any way at all
_STAYS = 0.8  # what staying in the present line counts for: most who are on their way across go on
_ANY_WAY_M_S = 1.2  # how fast those cross
_KEEPS_WITHIN_M_S = 0.1
_STAND = 0.3  # of what is seen stands
_STANDS_WITHIN_M_S = 0.15
_MOVES_M_S = 1.5  # how fast the rest moves, along and across
_TINY = 1e-12 * np.eye(4)


Weights = tuple[float, ...]

# How a thing may go on, and what tells where it is then: see `foresee`.
_DRIFTS, _KEEPS, _STANDS, _HALTS, _IN_LINE = range(5)
# What is known of samples: the place along and beside the path, how fast the gap closes, the wearer's speed, and the
# thing's own along and across; and the same given that nothing moves across the path, or that it stands.
_S, _N, _CLOSING, _SPEED, _ALONG, _ACROSS = range(6)
_S_KEPT, _N_KEPT, _CLOSING_KEPT, _S_STOOD, _N_STOOD, _CLOSING_STOOD = range(6, 12)
_GIVEN_OF = [_S, _N, _CLOSING, _S, _N, _SPEED]
# By the ways. Of who stands or halts the gap closes as fast as the wearer moves.
_S_OF = [_S, _S_KEPT, _S_STOOD, _S, _S]
_N_OF = [_N, _N_KEPT, _N_STOOD, _N, _N]
_CLOSING_OF = [_CLOSING, _CLOSING_KEPT, _CLOSING_STOOD, _SPEED, _CLOSING]


@dataclass(frozen=True, slots=True)
class Contact:
    """What may come of one track, by the ways it may go on.

    When each sample's gap is closed, and how far beside the path it then is: (ways, samples). `going` and `staying` are
    the ways' weights: if it goes on across the path, and if it stays in the line it is on now. `miss` is the distance
    at which it passes the wearer's middle if it goes on, positive to picture-right, with its deviation; no gap is
    closed before `soonest_s`.
    """

    ttc_s: Array
    beside_m: Array
    going: Weights
    staying: Weights
    miss: tuple[float, float]
    soonest_s: float

    def probability(self, within_s: float, half_width_m: float) -> float:
        """That it is within `half_width_m` of the wearer's middle when its gap is closed, within `within_s`.

        Going on across the path, staying in the line it is on now, or halting there: the most dangerous of these,
        since nobody knows which it will be.
        """
        if within_s < self.soonest_s:
            return 0.0
        hits = (self.ttc_s <= within_s) & (self.beside_m <= half_width_m)
        shares = (hits.sum(axis=1) / _SAMPLES).tolist()
        return float(max(sum(map(mul, self.going, shares)), *map(mul, self.staying, shares)))


def foresee(motions: Sequence[Motion], ego: EgoState, appears: Sequence[bool] = ()) -> list[Contact]:
    """The ways that things may go on from where they are; all of them at once, since arrays are slow by the call.

    Parts that just come into view seem to grow, whatever the thing does: that what `appears` halts is as likely as what
    its rates say.
    """
    if not motions:
        return []
    mean, root = np.array([m.mean for m in motions]), _roots(np.array([m.covariance for m in motions]))
    ln_range, bearing, radial, turning = (mean[:, :, None] + root @ _NORMAL[:4]).transpose(1, 0, 2)
    speed = np.maximum(ego.speed_m_s + ego.speed_sd_m_s * _NORMAL[4], 0.0)
    range_m = np.exp(np.minimum(np.maximum(ln_range, -3.0), 7.0))
    ahead, beside = range_m * np.cos(bearing), range_m * np.sin(bearing)
    # The velocity over the ground.
    forward, right = radial * ahead - turning * beside + speed, radial * beside + turning * ahead
    known = np.empty((len(motions), 12, _SAMPLES))
    known[:, _S], known[:, _N], cos, sin = _on_path(ahead, beside, ego.curvature_per_m)
    known[:, _ALONG] = forward * cos + right * sin
    known[:, _ACROSS] = right * cos - forward * sin
    known[:, _SPEED] = speed
    known[:, _CLOSING] = speed - known[:, _ALONG]
    own = known[:, _ALONG : _ACROSS + 1]
    means = own.sum(axis=2) / _SAMPLES
    with_own = known[:, :6] @ (own - means[:, :, None]).transpose(0, 2, 1) / _SAMPLES
    weights, slopes = zip(*map(_weigh, means.tolist(), with_own.tolist()), strict=True)
    # The same samples, given that they do not move across the path, or not at all.
    known[:, 6:] = known[:, _GIVEN_OF] - np.array(slopes) @ own
    ttc_s, miss_m = _meets(known[:, _S_OF], known[:, _CLOSING_OF]), known[:, _N_OF]
    miss_m[:, _DRIFTS] += known[:, _ACROSS] * np.minimum(ttc_s[:, _DRIFTS], _FURTHEST_S)
    means, squares = miss_m.sum(axis=2) / _SAMPLES, (miss_m * miss_m).sum(axis=2) / _SAMPLES
    ways = starmap(_of_ways, zip_longest(weights, appears, fillvalue=False))
    soonest_s = ttc_s.min(axis=(1, 2)).tolist()
    of_all = zip(ttc_s, np.abs(miss_m), ways, means.tolist(), squares.tolist(), soonest_s, strict=True)
    return [
        Contact(times_s, beside_m, go, stay, _miss(go, mean, square), first_s)
        for times_s, beside_m, (go, stay), mean, square, first_s in of_all
    ]


def _miss(going: Weights, means: list[float], squares: list[float]) -> tuple[float, float]:
    """Mean and deviation of how far beside the path things pass, from those by the ways."""
    mean = sum(map(mul, going, means))
    return mean, math.sqrt(max(sum(map(mul, going, squares)) - (2 - sum(going)) * mean * mean, 0.0))


def _weigh(
    mean: list[float], with_own: list[list[float]]
) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """How likely a thing keeps to a line along the path and how likely it stands, given the mean of its own velocity
    (along, across), and the covariance with it of all that is known; and how what is known goes with that velocity, so
    that it can be told given that there is none across the path, or none at all.
    """
    along, across = mean
    (a, b), (_, d) = with_own[_ALONG:]
    spread = math.hypot(math.sqrt(d), _KEEPS_WITHIN_M_S)
    p, q, r, _ = still = _inverse(a + _STANDS_WITHIN_M_S**2, b, d + _STANDS_WITHIN_M_S**2)
    moving = _inverse(a + _MOVES_M_S**2, b, d + _MOVES_M_S**2)
    stands, moves = _STAND * _density(along, across, still), (1 - _STAND) * _density(along, across, moving)
    slopes = [(0.0, with_own[i][1] / spread**2) for i in (_S, _N, _CLOSING)]
    slopes += [(x * p + y * q, x * q + y * r) for x, y in (with_own[i] for i in (_S, _N, _SPEED))]
    return (_keeps_line(across, spread), stands / max(stands + moves, 1e-12)), slopes


def _of_ways(weights: tuple[float, float], appears: bool) -> tuple[Weights, Weights]:
    """The weights of going on, and those of staying, by the ways."""
    keeps, stands = weights
    moves = 1 - stands
    going = (moves * (1 - keeps), moves * keeps, stands)
    if appears:
        return (*(w / 2 for w in going), _STAYS / 2, 0.0), (0.0,) * 5
    # Who crosses may halt before the wearer; who runs along does not stand still from one moment to the next.
    return (*going, 0.0, 0.0), (0.0, 0.0, 0.0, _STAYS * (1 - keeps), _STAYS)


Inverse = tuple[float, float, float, float]


def _inverse(a: float, b: float, d: float) -> Inverse:
    """The inverse of ((a, b), (b, d)) as (a, b, d), and the determinant of what was inverted.

    Written out: what solves any system takes a hundred times as long, and wakes threads for it.
    """
    det = a * d - b * b
    return d / det, -b / det, a / det, det


def _density(x: float, y: float, inverse: Inverse) -> float:
    """That of a normal distribution about nothing, but for a factor."""
    a, b, d, det = inverse
    return math.exp(-0.5 * min(a * x * x + 2 * b * x * y + d * y * y, 200.0)) / math.sqrt(det)


def _meets(s: Array, closing: Array) -> Array:
    """When gaps are closed, s."""
    gap = np.maximum(s - _BODY_M, 0.0)
    closes = (closing > _LEAST_CLOSING_M_S) & (s > 0)
    return np.where(closes, gap / np.maximum(closing, _LEAST_CLOSING_M_S), _NEVER_S)


def _keeps_line(across_m_s: float, sd_m_s: float) -> float:
    """The probability that it goes along the path, given how fast it seems to move across."""
    wide = math.hypot(sd_m_s, _ANY_WAY_M_S)
    keeps = _KEEPS_LINE * math.exp(-0.5 * min((across_m_s / sd_m_s) ** 2, 200.0)) / sd_m_s
    free = (1 - _KEEPS_LINE) * math.exp(-0.5 * min((across_m_s / wide) ** 2, 200.0)) / wide
    return keeps / (keeps + free)


def _on_path(
    ahead: Array, beside: Array, curvature_per_m: float
) -> tuple[Array, Array, Array | float, Array | float]:
    """(along the path, beside it, cosine and sine of the path's heading there) of places before the wearer."""
    if abs(curvature_per_m) < 1e-4:
        return ahead, beside, 1.0, 0.0
    radius = 1.0 / curvature_per_m
    # From the middle of the bend, as if it went to the right.
    sign = math.copysign(1.0, curvature_per_m)
    out = abs(radius) - sign * beside
    away = np.sqrt(out * out + ahead * ahead)
    along = np.arctan2(ahead, out) * abs(radius)
    return along, radius - sign * away, out / away, sign * ahead / away


def _roots(covs: Array) -> Array:
    """Matrices whose products with their transposes are `covs`, also where rounding has made one indefinite."""
    try:
        return np.linalg.cholesky(covs + _TINY)
    except np.linalg.LinAlgError:
        return np.stack([_root(cov) for cov in covs])


def _root(cov: Array) -> Array:
    try:
        return np.linalg.cholesky(cov + _TINY)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(0.5 * (cov + cov.T))
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _quasi_normal(count: int) -> Array:
    """(5, count) quasi-random normal numbers: an additive recurrence (Roberts 2018), centred and of unit spread."""
    base = 2.0
    for _ in range(30):
        base = (1 + base) ** (1 / 6)
    steps = np.array([base ** -(i + 1) for i in range(5)])
    uniform = (0.5 + steps[:, None] * np.arange(1, count + 1)[None]) % 1.0
    inverse = NormalDist().inv_cdf
    normal = np.array([[inverse(min(max(u, 1e-4), 1 - 1e-4)) for u in line] for line in uniform.tolist()])
    normal -= normal.mean(axis=1, keepdims=True)
    return np.asarray(normal / normal.std(axis=1, keepdims=True))


_NORMAL = _quasi_normal(_SAMPLES)
