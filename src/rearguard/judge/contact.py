"""The probability of contact within a time: one number for every level, from a track's posterior.

Samples of where a thing may be and how it may move are carried on to when its gap along the path is closed; those
that are within the corridor by then, in time, count. What people do next is part of it: a thing may drift on, keep
to a line along the path, or stop crossing. Pure, and deterministic: the samples are quasi-random numbers fixed at
import.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Way:
    """When each sample's gap is closed, and how far beside the path it then is; `weight` of this behaviour."""

    weight: float
    ttc_s: Array
    miss_m: Array

    def share(self, within_s: float, half_width_m: float) -> float:
        """The weight of the samples in contact within a time."""
        hits = np.count_nonzero((self.ttc_s <= within_s) & (np.abs(self.miss_m) <= half_width_m))
        return self.weight * int(hits) / len(self.ttc_s)


@dataclass(frozen=True, slots=True)
class Contact:
    """What may come of one track: the ways it may go on."""

    going: tuple[Way, ...]
    staying: tuple[Way, ...] = ()

    def probability(self, within_s: float, half_width_m: float) -> float:
        """That it is within `half_width_m` of the wearer's middle when its gap is closed, within `within_s`.

        Going on across the path, staying in the line it is on now, or halting there: the most dangerous of these,
        since nobody knows which it will be.
        """
        go = sum(w.share(within_s, half_width_m) for w in self.going)
        return max([go, *(w.share(within_s, half_width_m) for w in self.staying)])

    @property
    def miss(self) -> tuple[float, float]:
        """The distance at which it passes the wearer's middle if it goes on, positive to picture-right, with its
        deviation."""
        mean = sum(w.weight * float(w.miss_m.mean()) for w in self.going)
        var = sum(w.weight * float(((w.miss_m - mean) ** 2).mean()) for w in self.going)
        return mean, math.sqrt(var)


def foresee(motion: Motion, ego: EgoState, *, appears: bool = False) -> Contact:
    """The ways a thing may go on from where it is.

    Parts that just come into view seem to grow, whatever the thing does: that it halts is then as likely as what its
    rates say.
    """
    mean, cov = np.array(motion.mean), np.array(motion.covariance)
    lower = _root(cov)
    ln_range, bearing, radial, turning = mean[:, None] + lower @ _NORMAL[:4]
    speed = np.maximum(ego.speed_m_s + ego.speed_sd_m_s * _NORMAL[4], 0.0)
    z = np.exp(np.clip(ln_range, -3.0, 7.0) + 1j * bearing)
    velocity = (radial + 1j * turning) * z + speed  # its own, over the ground
    s, n, heading = _on_path(z, ego.curvature_per_m)
    own = velocity * np.exp(-1j * heading)
    along, across = own.real, own.imag
    straight = np.zeros_like(n)
    drifts_s, drifts_m = _meets(s, n, speed - along, across)
    spread = math.hypot(float(across.std()), _KEEPS_WITHIN_M_S)
    keeps = _keeps_line(float(across.mean()), spread)
    # Those who keep to a line: the same samples, given that nothing moves across the path.
    off = (across - across.mean()) / (spread**2 * len(across))
    s_, n_, closing_ = (x - float(x @ off) * across for x in (s, n, speed - along))
    keeps_s, keeps_m = _meets(s_, n_, closing_, straight)
    stands, (stood_s, stood_m) = _stands(np.stack([along, across]), s, n, speed)
    # Who crosses may halt before the wearer; who runs along does not stand still from one moment to the next.
    halts_s, _ = _meets(s, n, speed, straight)
    moves = 1 - stands
    going = (
        Way(moves * (1 - keeps), drifts_s, drifts_m),
        Way(moves * keeps, keeps_s, keeps_m),
        Way(stands, stood_s, stood_m),
    )
    if appears:
        return Contact((*(replace(w, weight=w.weight / 2) for w in going), Way(_STAYS / 2, halts_s, n)))
    return Contact(going, (Way(_STAYS, drifts_s, n), Way(_STAYS * (1 - keeps), halts_s, n)))


def _stands(own: Array, s: Array, n: Array, speed: Array) -> tuple[float, tuple[Array, Array]]:
    """The probability that a thing stands, given samples of its own motion (2, n), and when and where it is then met.

    Of who stands the gap closes as fast as the wearer moves: its rates tell the wearer's speed.
    """
    mean = own.mean(axis=1)
    off = own - mean[:, None]
    (a, b), (_, d) = (off @ off.T / own.shape[1]).tolist()
    still, moving = (_inverse(a + sd**2, b, d + sd**2) for sd in (_STANDS_WITHIN_M_S, _MOVES_M_S))
    along, across = mean.tolist()
    weights = (_STAND * _density(along, across, still), (1 - _STAND) * _density(along, across, moving))
    # The same samples, given that it does not move.
    p, q, r, _ = still
    back = np.array([[p, q], [q, r]]) @ own
    s, n, speed = (x - (x @ off.T / own.shape[1]) @ back for x in (s, n, speed))
    return weights[0] / max(sum(weights), 1e-12), _meets(s, n, speed, np.zeros_like(n))


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


def _meets(s: Array, n: Array, closing: Array, across: Array) -> tuple[Array, Array]:
    """When the gaps are closed, s, and how far beside the path things then are, m."""
    gap = np.maximum(s - _BODY_M, 0.0)
    closes = (closing > _LEAST_CLOSING_M_S) & (s > 0)
    ttc = np.where(closes, gap / np.maximum(closing, _LEAST_CLOSING_M_S), _NEVER_S)
    return ttc, n + across * np.minimum(ttc, _FURTHEST_S)


def _keeps_line(across_m_s: float, sd_m_s: float) -> float:
    """The probability that it goes along the path, given how fast it seems to move across."""
    wide = math.hypot(sd_m_s, _ANY_WAY_M_S)
    keeps = _KEEPS_LINE * math.exp(-0.5 * min((across_m_s / sd_m_s) ** 2, 200.0)) / sd_m_s
    free = (1 - _KEEPS_LINE) * math.exp(-0.5 * min((across_m_s / wide) ** 2, 200.0)) / wide
    return keeps / (keeps + free)


def _on_path(z: NDArray[np.complex128], curvature_per_m: float) -> tuple[Array, Array, Array]:
    """(along the path, beside it, the path's heading there) of places ahead + i·right of the wearer."""
    if abs(curvature_per_m) < 1e-4:
        return z.real, z.imag, np.zeros(len(z))
    radius = 1.0 / abs(curvature_per_m)
    inward = z.imag if curvature_per_m > 0 else -z.imag
    across = radius - inward
    n = radius - np.hypot(across, z.real)
    turned = np.arctan2(z.real, across)
    sign = math.copysign(1.0, curvature_per_m)
    return turned * radius, sign * n, sign * turned


def _root(cov: Array) -> Array:
    """A matrix whose product with its transpose is `cov`, also where rounding has made that indefinite."""
    try:
        return np.linalg.cholesky(cov + 1e-12 * np.eye(4))
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
