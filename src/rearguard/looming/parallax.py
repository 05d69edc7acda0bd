"""What is left of the flow when the camera's turn is taken out: how near each point is.

For a camera that moved by s along the travel direction and turned, a point at depth Z ahead of its new place
is seen at q with q - e = (1 + k) (p - e): p where it was, the turn undone, e the focus of expansion (where the
wearer is heading) and k = s/Z. The time to collision of that point is dt/k, whatever the speed (Lee 1976).
The turn is found from the flow's part across the lines through e alone, which depth does not touch (Bruss &
Horn 1983), so that a near wall cannot pass itself off as a turn. A rolling shutter's turn while the rows are
read is one more unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rearguard.ego.pinhole import Array, Pinhole

_STEPS = 4
_SIGMA_PX = 0.35  # of a followed point, across
_TURN_SD_RAD = 0.006  # what a chain of flow fits may be off by
_FOE_SD = (0.04, 0.05)  # rad: swing left over, bob left over
_CAUCHY = 2.0
_MEDIAN = 0.6745  # of the size of a normal error, in deviations


@dataclass(frozen=True, slots=True)
class Attitude:
    """Where the wearer is heading as the camera sees it, (x, y) as tangents, and the camera's roll in radians."""

    x: float
    y: float
    roll_rad: float


@dataclass(frozen=True, slots=True)
class Parallax:
    """Per point (n,): `nearness` k = s/Z with standard deviation `sd`, `across_px` what the fit leaves across,
    and the level place from the heading as tangents: `side` right, `down`. `readout_s` as fitted. `aside` and
    `below`: how far to the right of, and below, what was supposed the points alone put the heading, tangents, each with
    its deviation."""

    nearness: Array
    sd: Array
    across_px: Array
    side: Array
    down: Array
    readout_s: float
    aside: tuple[float, float]
    below: tuple[float, float]


def solve(
    then_px: Array,
    now_px: Array,
    turned: Array,
    rates: tuple[Array, Array],
    attitude: Attitude,
    lens: Pinhole,
    readout: tuple[float, float],
) -> Parallax:
    """Nearness of points seen at `then_px` and `now_px`, (n, 2) each.

    `turned` (3, 3) takes rays then to rays now; `rates` are the camera's angular velocities (3,) in rad/s
    about x, y, z at both times; `readout` is what is known of the shutter's readout time: mean and sd, s.
    """
    p = lens.rays(then_px) @ turned.T
    p = p[:, :2] / p[:, 2:]
    q = lens.rays(now_px)[:, :2]
    late_then = then_px[:, 1] / lens.height_px - 0.5
    late_now = now_px[:, 1] / lens.height_px - 0.5
    # d(ray)/d(rotation), the classical rotational flow (Longuet-Higgins & Prazdny 1980).
    field = _field(p)
    shutter = _field(q) @ rates[1] * late_now[:, None] - field @ rates[0] * late_then[:, None]
    design = np.concatenate([field, shutter[:, :, None]], axis=2)  # (n, 2, 4)
    unknown = np.array([0.0, 0.0, 0.0, readout[0], 0.0, 0.0])
    prior = unknown.copy()
    stiff = 1.0 / np.array([_TURN_SD_RAD] * 3 + [readout[1], *_FOE_SD]) ** 2
    e0 = np.array([attitude.x, attitude.y])
    sigma = _SIGMA_PX / lens.focal_px
    nearness = np.zeros(len(p))
    across = np.zeros(len(p))
    d = p - e0
    for step in range(_STEPS):
        d = p - (e0 + unknown[4:])
        far = np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-3)
        normal = np.stack([-d[:, 1], d[:, 0]], axis=1) / far[:, None]
        flow = q - p - design @ unknown[:4]
        across = (normal * flow).sum(axis=1)
        nearness = (d * flow).sum(axis=1) / (far * far)
        weight = 1.0 / (sigma**2 * (1.0 + (across / (_CAUCHY * sigma * (3.0 if step == 0 else 1.0))) ** 2))
        rows = np.empty((len(p), 6))
        rows[:, :4] = np.einsum("ni,nij->nj", normal, design)
        rows[:, 4:] = -np.clip(nearness, 0.0, 0.5)[:, None] * normal
        lhs = (rows * weight[:, None]).T @ rows + np.diag(stiff)
        rhs = rows.T @ (weight * across) + stiff * (prior - unknown)
        unknown = unknown + cv2.solve(lhs, rhs, flags=cv2.DECOMP_CHOLESKY)[1].ravel()
    e = e0 + unknown[4:]
    d = p - e
    far2 = np.maximum((d * d).sum(axis=1), 1e-6)
    flow = q - p - design @ unknown[:4]
    nearness = (d * flow).sum(axis=1) / far2
    across = (flow[:, 1] * d[:, 0] - flow[:, 0] * d[:, 1]) / np.sqrt(far2)
    s, c = np.sin(attitude.roll_rad), np.cos(attitude.roll_rad)
    away = q - e
    return Parallax(
        nearness,
        1.4 * sigma / np.sqrt(far2),
        across * lens.focal_px,
        c * away[:, 0] - s * away[:, 1],
        s * away[:, 0] + c * away[:, 1],
        float(unknown[3]),
        *_without_prior(
            unknown[4:], np.linalg.inv(lhs)[4:, 4:].diagonal(), float(np.median(np.abs(across))) / sigma
        ),
    )


def _without_prior(found: Array, variance: Array, left: float) -> list[tuple[float, float]]:
    """What the points alone say of the heading, each way with its deviation: the fit less what was supposed before it.
    `left`: what it leaves in the median, in deviations; people who walk about leave more."""
    told = np.maximum(1.0 / variance - 1.0 / np.square(_FOE_SD), 1e-3)
    off, sd = found / variance / told, max(1.0, left / _MEDIAN) / np.sqrt(told)
    return list(zip(off.tolist(), sd.tolist(), strict=True))


def _field(ray: Array) -> Array:
    """(n, 2, 3): how rays (n, 2) move as the camera turns about x, y, z."""
    x, y = ray[:, 0], ray[:, 1]
    return np.stack(
        [np.stack([x * y, -(1 + x * x), y], axis=1), np.stack([1 + y * y, -x * y, -x], axis=1)], axis=1
    )
