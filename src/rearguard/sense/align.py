"""How a gyroscope sits against the camera and how late their clocks are to each other, from one waving of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.sense.rates import Array, Rates, turn_of
from rearguard.types import EgoMotion

_FURTHEST_S, _STEP_S = 0.1, 0.004  # of the offsets that are tried
_LEAST_TURNS = 40
_LEAST_RAD_S = 0.3  # waving is faster, on the average
_LEAST_SECOND = 0.15  # of the strongest axis: a turn about one axis alone leaves that about it open
_MOST_LEFT = 0.35  # of the turns seen: more, and the two do not tell of the same thing
_ROUNDS = 4
_FAR = 3.0  # deviations: what differs by more counts less (Huber 1964)


@dataclass(frozen=True, slots=True)
class Alignment:
    """`turned_deg` and `offset_s` as the settings [gyro] take them; `left` is the share of the turns seen that is not
    explained, `zero_deg_s` what the sensor tells about the camera's axes when nothing turns. `why`: what is missing,
    empty when all is known."""

    turned_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    offset_s: float = 0.0
    left: float = 1.0
    zero_deg_s: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turns: int = 0
    why: str = ""


def align(turns: Sequence[tuple[int, int, EgoMotion]], rates: Rates) -> Alignment:
    """The alignment from turns that image flow saw, each from one moment to another, and the rates of that time.

    The rotation is Wahba's problem, solved by singular values (Kabsch 1976), for each offset of a grid; the best offset
    is where the least is left.
    """
    known = [(a, b, e) for a, b, e in turns if e.known and b > a]
    if len(known) < _LEAST_TURNS:
        return Alignment(
            turns=len(known), why="the picture told too few turns: wave where there is something to see"
        )
    best: list[tuple[float, float, _Fit]] = []
    for offset_s in np.arange(-_FURTHEST_S, _FURTHEST_S + _STEP_S / 2, _STEP_S).tolist():
        fit = _fit(known, rates, round(offset_s * NS_PER_S))
        if fit is not None:
            best.append((fit.left, offset_s, fit))
    if not best:
        return Alignment(turns=len(known), why="the gyroscope told nothing meanwhile")
    left, offset_s, fit = min(best, key=lambda b: b[0])
    vector, _ = cv2.Rodrigues(fit.mount)
    x, y, z = np.degrees(vector).ravel().tolist()
    right, down, ahead = np.degrees(fit.zero).tolist()
    why = fit.why
    if not why and left > _MOST_LEFT:
        why = "picture and gyroscope tell of different turns: is the lens's field of view right?"
    if not why and abs(offset_s) > _FURTHEST_S - _STEP_S:
        why = "their clocks are too far apart"
    return Alignment((x, y, z), _between(best, offset_s), left, (right, down, ahead), fit.turns, why)


@dataclass(frozen=True, slots=True)
class _Fit:
    mount: Array
    zero: Array
    left: float
    turns: int
    why: str


def _fit(known: Sequence[tuple[int, int, EgoMotion]], rates: Rates, offset_ns: int) -> _Fit | None:
    """The best rotation at one offset."""
    felt, seen, dts = [], [], []
    for from_ns, to_ns, ego in known:
        window = rates.window(from_ns + offset_ns, to_ns + offset_ns)
        if window is None or window.clipped:
            continue
        dt = (to_ns - from_ns) / NS_PER_S
        felt.append(turn_of(window) / dt)
        seen.append((-ego.pitch_rad / dt, ego.yaw_rad / dt, ego.roll_rad / dt))
        dts.append(dt)
    if len(felt) < _LEAST_TURNS:
        return None
    g, f = np.array(felt), np.array(seen)
    weight = np.ones(len(g))
    mount, zero = np.eye(3), np.zeros(3)
    strength = np.zeros(3)
    for _ in range(_ROUNDS):
        share = weight[:, None] / weight.sum()
        g_mean, f_mean = (share * g).sum(axis=0), (share * f).sum(axis=0)
        u, strength, vt = np.linalg.svd(((f - f_mean) * weight[:, None]).T @ (g - g_mean))
        turned_over = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])  # a rotation, no mirror
        mount = u @ turned_over @ vt
        zero = mount @ g_mean - f_mean
        off = np.linalg.norm(f + zero - g @ mount.T, axis=1)
        sd = 1.4826 * float(np.median(off)) + 1e-9
        weight = 1 / np.maximum(1.0, off / (_FAR * sd))
    moved = math.sqrt(float(((f - f.mean(axis=0)) ** 2).sum(axis=1).mean()))
    left = math.sqrt(float((weight * off**2).sum() / weight.sum())) / max(moved, 1e-9)
    why = ""
    if moved < _LEAST_RAD_S:
        why = "it was hardly turned: wave it, faster"
    elif strength[1] < _LEAST_SECOND * strength[0]:
        why = "it was turned about one axis only: wave it up and down, to the sides, and roll it"
    return _Fit(mount, zero, left, len(g), why)


def _between(tried: list[tuple[float, float, _Fit]], best_s: float) -> float:
    """The offset of the least of the parabola through the best and its neighbours."""
    by = {round(offset / _STEP_S): left**2 for left, offset, _ in tried}
    at = round(best_s / _STEP_S)
    before, here, after = by.get(at - 1), by[at], by.get(at + 1)
    if before is None or after is None or before + after - 2 * here <= 0:
        return best_s
    return best_s + 0.5 * _STEP_S * (before - after) / (before + after - 2 * here)
