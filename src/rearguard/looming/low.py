"""What one trips over: things a few centimetres high in the path, told from the ground they stand on.

A point h above a flat ground moves faster than the ground behind it, by the share h/(H - h) of a lens at height H: a
branch of 8 cm six metres ahead by two pixels while the wearer takes a step. The channel of points (`detector`) looks at
half the picture's detail. Here the path's few metres are compared at full resolution, after the ground's own motion has
been taken out (`plane`), at places with an edge across the path: what moves more, in the direction in which only height
moves it, stands up. `track.patches` believes in it when it counts down for a stride.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.config.looming import Looming as Settings
from rearguard.ego.ignored import Ignored
from rearguard.ego.level import axes
from rearguard.ego.pinhole import Array, Pinhole, turn
from rearguard.looming.detector import LEAST_SPACING_S, LONGEST_GAP_S, MOST_BACK
from rearguard.looming.plane import Ground, Plane, View, best_of_cells
from rearguard.types import HIGHEST_LOW_M, Box, EgoMotion, EgoState, Image, LoomingPatch

Windows = NDArray[np.float32]
_LEAST_FOCAL_PX = 250.0  # with less, a kerb moves by less than a pixel
_LEAST_MOVE_M_S = 0.5
_GAIN = 0.2  # of a frame's own say on the speed and the horizon
_KNOWN_AFTER, _FORGOTTEN_AFTER = 6, 5  # fits, and failed ones in a row
_PACE_OFF = 0.35  # further from what all others say than this, it is learnt anew
_CELL_PX = (10, 8)
_HALF_WINDOW_PX = 5
_LEAST_EDGE = 6.0  # mean square of the slope down the picture, grey levels² per pixel²
_MOST_POINTS = 400
_TRIED_PX = (0.0, 1.5, 3.0, 5.0, 7.5, 10.5)  # how much further something may have moved than the ground
_STEPS = 4
_NOISE_VAR = 8.0  # of the difference of two pixels, grey levels²
_BLUR_SHARE = 0.2  # of a window's contrast that two pictures of the same thing may differ by
_FLOOR_PX = 0.12  # what a place is off by, however sharp
_SURE = 3.0  # deviations above the ground
_LEAST_UP_M = 0.03
_SAME_DEPTH = 0.05  # points whose nearness differs less are at one depth
_RATE_SD = 0.04  # of the rate


@dataclass(slots=True)
class _Moment:
    at_s: float
    grey: Image
    turned: Array  # (3, 3), takes rays of this moment to rays now


@dataclass(frozen=True, slots=True)
class _Usual:
    """What the last second told: the pace, how far below the supposed horizon the true one is (a tangent), out of how
    many fits, and how many have failed since."""

    pace_m_s: float
    horizon: float = 0.0
    seen: int = 0
    missed: int = 0

    def after(self, pace_m_s: float, horizon: float) -> _Usual:
        """The same after one more frame."""
        gain = max(_GAIN, 1.0 / (self.seen + 1))
        return _Usual(
            self.pace_m_s + gain * (pace_m_s - self.pace_m_s),
            self.horizon + gain * (horizon - self.horizon),
            self.seen + 1,
        )


@dataclass(frozen=True, slots=True)
class _Points:
    """Places of the view, (n,): tangents, pixels, and how much further each moved than the ground, with its sd."""

    u: Array
    t: Array
    x: Array
    y: Array
    excess_px: Array
    sd_px: Array


class LowDetector:
    """Feeds on whole grey pictures, the turn and the ego state; tells what stands up from the ground by little."""

    def __init__(self, settings: Settings, lens: Pinhole, camera: Camera) -> None:
        self._settings = settings
        self._height_m = camera.height_m
        own = Ignored(camera.ignore, (lens.width_px, lens.height_px))
        self._ground = Ground(lens, camera.height_m, own)
        self._usable = lens.focal_px >= _LEAST_FOCAL_PX
        self._past: deque[_Moment] = deque(maxlen=MOST_BACK)
        self._pending = np.eye(3)
        self._last_s: float | None = None
        self._usual: _Usual | None = None

    def detect(
        self, grey: Image, at_ns: int, turned: EgoMotion, ego: EgoState
    ) -> tuple[LoomingPatch, ...] | None:
        """The nearest low thing as of this frame; None where the ground could not be looked at.

        `grey` is the whole picture, `turned` the turn since the previous frame.
        """
        if not self._usable:
            return None
        at_s = at_ns / NS_PER_S
        gap_s = None if self._last_s is None else at_s - self._last_s
        if gap_s is not None and not 0 <= gap_s <= LONGEST_GAP_S:
            gap_s = None
        if gap_s is None or not turned.known:
            self._past.clear()
            self._pending = np.eye(3)
        else:
            self._pending = turn(turned) @ self._pending
        if gap_s is not None and gap_s < LEAST_SPACING_S:  # the same pictures as there
            return None
        self._last_s = at_s
        for moment in self._past:
            moment.turned = self._pending @ moment.turned
        self._pending = np.eye(3)
        self._past.append(_Moment(at_s, grey, np.eye(3)))
        then = min(self._past, key=lambda m: abs(at_s - m.at_s - self._settings.baseline_s))
        span_s = at_s - then.at_s
        if span_s < 0.6 * self._settings.baseline_s or ego.speed_m_s < _LEAST_MOVE_M_S:
            self._usual = None
            return None
        return self._compare(grey, then, np.array(axes(ego)), span_s, ego.speed_m_s)

    def _compare(
        self, grey: Image, then: _Moment, facing: Array, span_s: float, speed_m_s: float
    ) -> tuple[LoomingPatch, ...] | None:
        usual = self._usual
        if usual is None or abs(usual.pace_m_s / speed_m_s - 1) > _PACE_OFF:
            usual = _Usual(speed_m_s)
        g = usual.pace_m_s * span_s / self._height_m
        now = self._ground.view(grey, facing)
        before = self._ground.view(then.grey, then.turned.T @ facing, g)
        shown = self._ground.shown(now, before)
        plane = self._ground.fit(now, before, shown, g, usual.horizon, known=usual.seen >= _KNOWN_AFTER)
        if plane is None:
            self._usual = (
                None if usual.missed >= _FORGOTTEN_AFTER else replace(usual, missed=usual.missed + 1)
            )
            return None
        self._usual = usual.after(plane.g * self._height_m / span_s, plane.horizon)
        if usual.seen < _KNOWN_AFTER:
            return None
        points = self._excess(now, before, shown, plane)
        found = self._nearest(points, plane.g)
        return () if found is None else (self._patch(points, found, plane.g, span_s, now.to_frame),)

    def _excess(self, now: View, then: View, shown: Image, plane: Plane) -> _Points:
        """How much further places with an edge across the path moved than the ground there.

        Sought along the path alone, by steps and then to a part of a pixel (Lucas & Kanade 1981 in one dimension).
        """
        size = 2 * _HALF_WINDOW_PX + 1
        slope = cv2.Sobel(now.image, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        edge = cv2.boxFilter(slope * slope, -1, (size, size))
        edge[shown == 0] = 0.0
        x, y = best_of_cells(edge, _CELL_PX, _LEAST_EDGE, _MOST_POINTS)
        u, t = self._ground.tangents(x, y)
        across, along = self._ground.drift_px(plane, u, t)
        step = np.arange(-_HALF_WINDOW_PX, _HALF_WINDOW_PX + 1)
        at_x = (x[:, None] + np.tile(step, size)).astype(np.float32)
        at_y = (y[:, None] + np.repeat(step, size)).astype(np.float32)
        here = _even(_sampled(now.image, at_x, at_y))
        rise = _even(_sampled(slope, at_x, at_y))
        was_x, was_y = at_x - across[:, None].astype(np.float32), at_y - along[:, None].astype(np.float32)

        def off(excess: Array) -> Windows:
            return _even(_sampled(then.image, was_x, was_y - excess[:, None].astype(np.float32))) - here

        cost = np.stack([(off(np.full(len(x), e)) ** 2).mean(axis=1) for e in _TRIED_PX], axis=1)
        excess = np.array(_TRIED_PX)[cost.argmin(axis=1)]
        power = (rise * rise).sum(axis=1) + 1.0
        for _ in range(_STEPS):
            excess = excess + np.clip((rise * off(excess)).sum(axis=1) / power, -1.5, 1.5)
        left = (off(excess) ** 2).mean(axis=1)
        good = left < _BLUR_SHARE * (here * here).mean(axis=1) + 0.75 * _NOISE_VAR
        good &= np.abs(excess - np.array(_TRIED_PX).mean()) < _TRIED_PX[-1]
        sd = np.hypot(_FLOOR_PX, np.sqrt((_NOISE_VAR + left) / power))
        return _Points(u[good], t[good], x[good], y[good], excess[good], sd[good])

    def _nearest(self, points: _Points, g: float) -> NDArray[np.intp] | None:
        """The points of the nearest thing that stands up: enough of them, surely above the ground, at one depth."""
        if not len(points.t):
            return None
        nearness = self._nearness(points, g)
        up_m = self._height_m * (1 - g * points.t / nearness)
        beside_m = points.u * g * self._height_m / nearness
        # A thing may have more places with an edge than the ground around it; nothing is below the ground, so that what
        # seems to be tells how far off places of the ground are.
        lower = points.excess_px[points.excess_px < 0]
        sd = np.maximum(points.sd_px, 1.5 * float(np.median(-lower)) if len(lower) else 0.0)
        stands = (points.excess_px > _SURE * sd) & (up_m > _LEAST_UP_M) & (up_m < HIGHEST_LOW_M)
        index = np.nonzero(stands & (np.abs(beside_m) < self._settings.half_width_m))[0]
        k = nearness[index]
        # Nothing is below the ground: as many as seem to be are mistakes, and so are as many above it.
        below = int((points.excess_px < -_SURE * sd).sum())
        same = np.abs(k[:, None] - k[None]) < _SAME_DEPTH * k[:, None]
        enough = np.nonzero(same.sum(axis=1) - below >= self._settings.min_points)[0]
        if not len(enough):
            return None
        return np.asarray(index[same[enough[np.argmax(k[enough])]]], np.intp)

    def _nearness(self, points: _Points, g: float) -> Array:
        """Way over depth, of each point."""
        return np.maximum(g * points.t + points.excess_px / self._ground.fy / points.t, 1e-6)

    def _patch(
        self, points: _Points, of: NDArray[np.intp], g: float, span_s: float, to_frame: Array
    ) -> LoomingPatch:
        nearness = self._nearness(points, g)[of]
        k = float(np.median(nearness))
        beside_m = points.u[of] * g * self._height_m / nearness
        place = np.stack([points.x[of], points.y[of], np.ones(len(of))], axis=1) @ to_frame.T
        place = place[:, :2] / place[:, 2:]
        (x0, y0), (x1, y1) = place.min(axis=0), place.max(axis=0)
        return LoomingPatch(
            rate_per_s=k / span_s,
            sd_per_s=_RATE_SD * k / span_s,
            left_m=float(beside_m.min()),
            right_m=float(beside_m.max()),
            range_m=g * self._height_m / k,
            box=Box(float(x0), float(y0), float(x1), float(y1)),
            support=float(len(of)),
            low=True,
        )


def _sampled(image: Image | Windows, x: Windows, y: Windows) -> Windows:
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def _even(windows: Windows) -> Windows:
    """Windows (n, pixels) without their mean brightness."""
    return np.asarray(windows - windows.mean(axis=1, keepdims=True), np.float32)
