"""Looming: whatever stands in the wearer's way, told from the picture's own expansion.

Walls, fences, hurdles, posts and gates are in no detector's vocabulary, but they grow in the picture as they
come nearer. Points are followed over a step's time (`points`), the camera's turn is taken out and each point's
nearness found (`parallax`), the ground is told from what stands on it (`ground`), and what keeps counting down
for half a stride becomes a track of kind "looming" (`track.patches`), which the judge treats like any other. The ground
also tells how fast the wearer moves.

What has no texture cannot be seen this way, nor a world that does not move as one that stands still: `blind` says when
nothing in the path can be followed, or too little of the picture moves alike.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.config.looming import Looming as Settings
from rearguard.ego.ignored import Ignored
from rearguard.ego.level import axes, direction
from rearguard.ego.pinhole import Array, Pinhole, turn
from rearguard.ego.small_view import SmallView
from rearguard.looming import ground, parallax
from rearguard.looming.features import CELL_PX, Points
from rearguard.looming.parallax import Attitude, Parallax
from rearguard.types import Box, EgoMotion, EgoState, Heading, Image, LoomingPatch, Speed, Track

# Of the picture looked at: of 320 pixels, posts and the bars of gates are one or two wide and are found a second later.
_WIDTH_PX = 640
MOST_BACK = 12  # frames kept; with the least spacing below they reach back for any baseline there is
LEAST_SPACING_S = 0.045  # faster frames are skipped: they cost time and tell little
LONGEST_GAP_S = 0.5
_LEAST_POINTS = 12
_READOUT_S = (0.012, 0.004)  # usual rolling shutter and what is unsure of it
_AGREES_PX = 1.0
_LEAST_AGREEING = 0.6  # of all points; fewer, and the picture does not move as a still world would
_LEARN = 0.1
_LEARN_GRADE = 0.3  # of a frame's own say: a near wall reaches down into the ground's part of the picture
_SPEED_SD = 0.12  # of the speed that the ground's flow tells, as measured on rendered grounds
_LEAST_SPEED_SD_M_S = 0.15
_MANY_POINTS = 25.0
_MOST_HEADING_SD_RAD = 0.1  # of a heading that is told at all
# A tangent: the picture's edge is little further, and beyond it nothing tells whence it expands.
_MOST_HEADING = 0.5
_LEAST_HEADING_M_S = 1.0  # who turns on the spot carries the camera sideways nearly as fast
_SWAYS_RAD = 0.012  # from step to step, about where the wearer is heading: measured on rendered and photographed worlds
# The same up and down, and by how much more than it says the fit is off there: of a wall that fills the picture a nod
# and another heading look alike.
_BOBS_RAD, _DOWN_FACTOR = 0.02, 4.0
_LEAST_MOVE_M_S = 0.4  # slower than this the wearer stands, and nothing is approached
_LOOK_AHEAD_M = 6.0  # where the path must show texture
# Of the path's cells, clear tracks and textured things show it in 0.8 and more, a blank wall in 0.5 or less.
_LEAST_SIGHTED, _SIGHTED_AGAIN = 0.5, 0.6
# Smaller eigenvalue as in `points`, which wants corners; here it is enough to stand out from sensor noise.
_LEAST_TEXTURE = 7e-5


@dataclass(frozen=True, slots=True)
class _Moment:
    at_s: float
    turn: Array  # (3, 3) from the moment before
    rate: Array  # (3,) rad/s about x, y, z


@dataclass(frozen=True, slots=True)
class Sight:
    """What one frame showed: patches that stand up from the ground, None where it could not be looked at; the wearer's
    speed, where the ground told it; and where the wearer is heading. `hidden`: it could not for what the detector
    follows."""

    patches: tuple[LoomingPatch, ...] | None = None
    speed: Speed | None = None
    heading: Heading | None = None
    hidden: bool = False


class LoomingDetector:
    """Feeds on grey pictures and ego-motion, tells what is in the way. One frame at a time, in order."""

    def __init__(
        self, settings: Settings, lens: Pinhole, camera: Camera, usual_pace_m_s: float = 2.5
    ) -> None:
        self._settings = settings
        self._usual = usual_pace_m_s
        self._view = SmallView(lens, _WIDTH_PX)
        self._lens = self._view.lens
        self._camera = camera
        self._points = Points(self._lens, MOST_BACK, Ignored(camera.ignore).within(self._view.part))
        self._moments: deque[_Moment] = deque(maxlen=MOST_BACK + 1)
        self._pending = np.eye(3)
        self._last_w: Array | None = None
        self._last_ns: int | None = None
        self._readout_s = _READOUT_S[0]
        self._sighted = 1.0  # share of the path ahead that could be looked at, smoothed
        self.blind = False

    def detect(
        self, grey: Image, at_ns: int, turned: EgoMotion, ego: EgoState, tracks: Sequence[Track] = (),
        *, holds: bool = False,
    ) -> Sight:  # fmt: skip
        """What is in the way as of this frame.

        `grey` is the frame in grey, `turned` the turn since the previous frame, `tracks` what the detector already
        follows: it is left to it. `holds`: something is already believed to stand in the way.
        """
        dt = None if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        if dt is not None and not 0 <= dt <= LONGEST_GAP_S:
            self._forget_motion()
            dt = None
        if not turned.known and not holds:
            # What was followed through a torn or covered picture is something else now. But of a wall that fills the
            # picture little is far enough to tell the turn by: what counts down already is not let go for that.
            self._forget_motion()
            turned = EgoMotion()
        attitude = _attitude(ego)
        self._pending = turn(turned) @ self._pending
        if dt is not None and dt < LEAST_SPACING_S:
            return Sight()
        self._last_ns = at_ns
        self._points.follow(self._view.shrink(grey), self._pending, self._pixel(attitude))
        self._moments.append(self._moment(at_ns, dt))
        self._pending = np.eye(3)
        sight = self._see(attitude, ego, tracks)
        looked = sight.patches is not None or sight.hidden
        self._judge_sight(dt or 0.0, self._texture_share(attitude) if looked else 0.0)
        return sight

    # ── what there is to go by ──────────────────────────────────────────────────────────────────────────

    def _forget_motion(self) -> None:
        self._points.clear()
        self._moments.clear()
        self._pending = np.eye(3)
        self._last_w = None

    def _pixel(self, attitude: Attitude) -> tuple[float, float]:
        focal = self._lens.focal_px
        return (
            self._lens.cx + focal * attitude.x,
            self._lens.cy + focal * attitude.y,
        )

    def _moment(self, at_ns: int, dt: float | None) -> _Moment:
        m = self._pending
        w = np.zeros(3)
        if dt:
            # The turn takes far rays from before to now, the camera itself turned the other way.
            w = 0.5 * np.array([m[1, 2] - m[2, 1], m[2, 0] - m[0, 2], m[0, 1] - m[1, 0]]) / dt
        # The mean rate over the last frame is that of its middle: carried on to its end.
        rate = w if self._last_w is None else 1.5 * w - 0.5 * self._last_w
        self._last_w = w if dt else None
        return _Moment(at_ns / NS_PER_S, m, rate)

    def _baseline(self) -> int:
        """How many moments back the picture to compare with is; 0 while there is none far enough back."""
        now = self._moments[-1].at_s
        spans = [now - m.at_s for m in self._moments]
        if spans[0] < 0.6 * self._settings.baseline_s:
            return 0
        best = min(range(len(spans) - 1), key=lambda i: abs(spans[i] - self._settings.baseline_s))
        return len(spans) - 1 - best

    # ── seeing ──────────────────────────────────────────────────────────────────────────────────────────

    def _see(self, attitude: Attitude, ego: EgoState, tracks: Sequence[Track]) -> Sight:
        back = self._baseline()
        if back == 0:
            return Sight()
        past = self._points.past
        followed = ~np.isnan(past[:, -1 - back, 0])
        usable = followed & ~self._of_tracks(past[:, -1], tracks)
        if int(usable.sum()) < _LEAST_POINTS:
            return Sight(hidden=int(followed.sum()) >= _LEAST_POINTS)
        then, now = past[usable, -1 - back], past[usable, -1]
        turned = np.eye(3)
        for moment in list(self._moments)[-back:]:
            turned = moment.turn @ turned
        before = self._moments[-1 - back]
        span = self._moments[-1].at_s - before.at_s
        seen = parallax.solve(
            then,
            now,
            turned,
            (before.rate, self._moments[-1].rate),
            attitude,
            self._lens,
            (self._readout_s, _READOUT_S[1]),
        )
        if float((np.abs(seen.across_px) < _AGREES_PX).mean()) < _LEAST_AGREEING:
            return Sight()
        self._readout_s += _LEARN * (min(max(seen.readout_s, 0.0), 0.04) - self._readout_s)
        height = self._camera.height_m
        expected = max(ego.speed_m_s, _LEAST_MOVE_M_S) * span / height
        told = ground.grade(seen, self._usual * span / height, expected)
        g = expected if told is None else expected + _LEARN_GRADE * (told[0] - expected)
        speed_m_s = (g if told is None else told[0]) * height / span
        speed, heading = None, None
        if told is not None:
            few = max(1.0, _MANY_POINTS / max(told[1], 1.0))  # a handful of points may be anything that moves
            speed = Speed(min(speed_m_s, 15.0), few * max(_SPEED_SD * speed_m_s, _LEAST_SPEED_SD_M_S))
            if speed_m_s >= _LEAST_HEADING_M_S:
                heading = self._heading(seen, attitude, ego, span, few * math.sqrt(back))
        if g * height / span < _LEAST_MOVE_M_S:
            return Sight((), speed)
        clusters = ground.standing(
            seen, g, height, half_width_m=self._settings.half_width_m, least=span / self._settings.reach_s
        )
        return Sight(tuple(self._patch(c, now, g, span, back) for c in clusters), speed, heading)

    def _patch(self, c: ground.Cluster, now: Array, g: float, span: float, back: int) -> LoomingPatch:
        at = self._view.to_frame(now[c.members])
        (x0, y0), (x1, y1) = at.min(axis=0), at.max(axis=0)
        # Neighbouring frames share most of what they are compared with: their errors are nearly the same.
        return LoomingPatch(
            rate_per_s=c.nearness / span,
            sd_per_s=c.sd / span * math.sqrt(back),
            left_m=c.left_m,
            right_m=c.right_m,
            range_m=g * self._camera.height_m / c.nearness,
            box=Box(float(x0), float(y0), float(x1), float(y1)),
            support=c.support,
        )

    def _heading(
        self, seen: Parallax, supposed: Attitude, ego: EgoState, span_s: float, unsure: float
    ) -> Heading | None:
        """Where the wearer is heading, as the picture alone tells it, in the mean over the span that it compares; with
        `unsure` times the deviation that the fit has."""
        (aside, sd), (below, down_sd) = seen.aside, seen.below
        if sd > _MOST_HEADING_SD_RAD or abs(supposed.x + aside) > _MOST_HEADING:
            return None
        known = down_sd < _MOST_HEADING_SD_RAD and abs(supposed.y + below) < _MOST_HEADING
        foe = replace(supposed, x=supposed.x + aside, y=supposed.y + (below if known else 0.0))
        there = direction(*self._pixel(foe), axes(ego), self._lens)
        bearing_rad = math.remainder(there.bearing_rad - ego.swing_rad, 2 * math.pi)
        down_rad = math.atan(there.down) - ego.pitch_rad if known else 0.0
        down_sd_rad = unsure * math.hypot(_BOBS_RAD, _DOWN_FACTOR * down_sd) if known else 0.0
        return Heading(bearing_rad, unsure * math.hypot(_SWAYS_RAD, sd), span_s, down_rad, down_sd_rad)

    def _of_tracks(self, points: Array, tracks: Sequence[Track]) -> ground.Flags:
        """Points on what the detector follows already; people also move by themselves."""
        inside = np.zeros(len(points), bool)
        for track in tracks:
            if track.kind != "detected" or track.seen_ns < track.at_ns:
                continue
            b = self._view.to_small(track.box, pad=0.08 * track.box.height)
            inside |= (
                (points[:, 0] > b.x0) & (points[:, 0] < b.x1) & (points[:, 1] > b.y0) & (points[:, 1] < b.y1)
            )
        return inside

    def _judge_sight(self, dt: float, share: float) -> None:
        """Sets `blind`, given the share of the path that could be looked at in this frame."""
        self._sighted += min(1.0, dt / self._settings.blind_s) * (share - self._sighted)
        self.blind = self._sighted < (_SIGHTED_AGAIN if self.blind else _LEAST_SIGHTED)

    def _texture_share(self, attitude: Attitude) -> float:
        """Where the body will pass a few metres ahead, the share in which something could be followed."""
        texture = self._points.texture
        x, y = self._pixel(attitude)
        per_m = self._lens.focal_px / _LOOK_AHEAD_M
        height, half = self._camera.height_m, self._settings.half_width_m
        rows = slice(_cell(y - (1.8 - height) * per_m), _cell(y + (height - 0.2) * per_m) + 1)
        columns = slice(_cell(x - half * per_m), _cell(x + half * per_m) + 1)
        path = texture[rows, columns]
        path = path[~np.isnan(path)]
        return float((path > _LEAST_TEXTURE).mean()) if path.size else 1.0


def _attitude(ego: EgoState) -> Attitude:
    """Where the path vanishes as the camera sees it, as tangents, and the roll."""
    right, down, forward = (r[2] for r in axes(ego))
    forward = max(forward, 0.2)
    return Attitude(right / forward, down / forward, ego.roll_rad)


def _cell(px: float) -> int:
    return max(0, int(px / CELL_PX))
