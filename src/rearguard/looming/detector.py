"""Looming: whatever stands in the wearer's way, told from the picture's own expansion.

Walls, fences, hurdles, posts and gates are in no detector's vocabulary, but they grow in the picture as they
come nearer. Points are followed over a step's time (`points`), the camera's turn is taken out and each point's
nearness found (`parallax`), the ground is told from what stands on it (`ground`), and what keeps counting down
for a stride is reported (`follow`) as a track of kind "looming", which the judge treats like any other.

What has no texture cannot be seen this way: `blind` says when nothing in the path can be followed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.config.looming import Looming as Settings
from rearguard.ego.flow import SMALL_WIDTH_PX
from rearguard.ego.geometry import Array, Pinhole, turn
from rearguard.looming import ground, parallax
from rearguard.looming.attitude import Attitude, Swing
from rearguard.looming.follow import Follower, Sighting
from rearguard.looming.points import CELL_PX, Points
from rearguard.words import Box, EgoMotion, Image, Track

_MOST_BACK = 12  # frames kept; with the least spacing below they reach back for any baseline there is
_LEAST_SPACING_S = 0.045  # faster frames are skipped: they cost time and tell little
_LONGEST_GAP_S = 0.5
_LEAST_POINTS = 12
_READOUT_S = (0.012, 0.004)  # usual rolling shutter and what is unsure of it
_AGREES_PX = 1.0
_LEAST_AGREEING = 0.6  # of all points; fewer, and the picture does not move as a still world would
_LEARN = 0.1
_LEARN_GRADE = 0.3
_LEAST_MOVE_M_S = 0.4  # slower than this the wearer stands, and nothing is approached
_LOOK_AHEAD_M = 6.0  # where the path must show texture
# Of the path's cells, clear tracks and textured things show it in 0.8 and more, a blank wall in 0.5 or less.
_LEAST_TEXTURED, _TEXTURED_AGAIN = 0.5, 0.6
# Smaller eigenvalue as in `points`, which wants corners; here it is enough to stand out from sensor noise.
_LEAST_TEXTURE = 7e-5


@dataclass(frozen=True, slots=True)
class _Moment:
    at_s: float
    turn: Array  # (3, 3) from the moment before
    rate: Array  # (3,) rad/s about x, y, z


class Looming:
    """Feeds on small grey pictures and ego-motion, tells what is in the way. One frame at a time, in order."""

    def __init__(
        self, settings: Settings, lens: Pinhole, camera: Camera, usual_pace_m_s: float = 2.5
    ) -> None:
        self._settings = settings
        self._zoom = SMALL_WIDTH_PX / lens.width_px
        self._lens = Pinhole(
            SMALL_WIDTH_PX, max(16, round(lens.height_px * self._zoom)), lens.focal_px * self._zoom
        )
        self._camera = camera
        self._pace_m_s = usual_pace_m_s
        self._points = Points(self._lens, _MOST_BACK)
        self._follower = Follower(settings.agree_s, settings.min_points)
        self._swing = Swing(math.radians(camera.pitch_deg))
        self._moments: deque[_Moment] = deque(maxlen=_MOST_BACK + 1)
        self._pending = np.eye(3)
        self._last_w: Array | None = None
        self._last_ns: int | None = None
        self._grade: float | None = None  # g per second: speed over height
        self._readout_s = _READOUT_S[0]
        self._textured = 1.0  # share of the path ahead that has texture, smoothed
        self.blind = False

    def look(self, grey: Image, at_ns: int, ego: EgoMotion, tracks: Sequence[Track] = ()) -> list[Track]:
        """What is in the way as of this frame, nearest in time first.

        `grey` is the small grey picture of `FlowEgo`, `ego` the turn since the previous frame, `tracks` what the
        detector already follows: things of known size among them are left to it.
        """
        dt = None if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        if (dt is not None and dt > _LONGEST_GAP_S) or (dt is not None and dt < 0):
            self._forget()
            dt = None
        if not ego.known and not self._follower.holds:
            # What was followed through a torn or covered picture is something else now. But of a wall that fills the
            # picture little is far enough to tell the turn by: what counts down already is not let go for that.
            self._forget_motion()
            ego = EgoMotion()
        attitude = self._swing.turn(ego, at_ns)
        self._pending = turn(ego) @ self._pending
        if dt is not None and dt < _LEAST_SPACING_S:
            return self._follower.step(at_ns, (), looked=False)
        self._last_ns = at_ns
        self._points.follow(grey, self._pending, self._pixel(attitude))
        self._moments.append(self._moment(at_ns, dt))
        self._pending = np.eye(3)
        self._judge_texture(dt or 0.0, attitude)
        seen = self._see(attitude, tracks)
        found = self._follower.step(at_ns, seen or (), looked=seen is not None)
        return sorted(found, key=lambda t: t.ttc_s if t.ttc_s is not None else math.inf)

    # ── what there is to go by ──────────────────────────────────────────────────────────────────────────

    def _forget(self) -> None:
        self._follower.clear()
        self._forget_motion()

    def _forget_motion(self) -> None:
        self._points.clear()
        self._moments.clear()
        self._swing.forget()
        self._pending = np.eye(3)
        self._last_w = None

    def _pixel(self, attitude: Attitude) -> tuple[float, float]:
        focal = self._lens.focal_px
        return (
            0.5 * self._lens.width_px + focal * attitude.x,
            0.5 * self._lens.height_px + focal * attitude.y,
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

    def _see(self, attitude: Attitude, tracks: Sequence[Track]) -> list[Sighting] | None:
        back = self._baseline()
        if back == 0:
            return None
        past = self._points.past
        usable = ~np.isnan(past[:, -1 - back, 0]) & ~self._of_tracks(past[:, -1], tracks)
        if int(usable.sum()) < _LEAST_POINTS:
            return None
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
            return None
        self._readout_s += _LEARN * (min(max(seen.readout_s, 0.0), 0.04) - self._readout_s)
        g = self._ground(seen, span)
        height = self._camera.height_m
        if g * height / span < _LEAST_MOVE_M_S:
            return []
        clusters = ground.standing(
            seen, g, height, half_width_m=self._settings.half_width_m, least=span / self._settings.reach_s
        )
        return [self._sighting(c, now, g, span, back) for c in clusters]

    def _ground(self, seen: parallax.Parallax, span: float) -> float:
        usual = self._pace_m_s * span / self._camera.height_m
        before = usual if self._grade is None else self._grade * span
        g = ground.grade(seen, usual, before)
        if g is not None:
            rate = g / span
            self._grade = rate if self._grade is None else self._grade + _LEARN_GRADE * (rate - self._grade)
        return usual if self._grade is None else self._grade * span

    def _sighting(self, c: ground.Cluster, now: Array, g: float, span: float, back: int) -> Sighting:
        at = now[c.members] / self._zoom
        (x0, y0), (x1, y1) = at.min(axis=0), at.max(axis=0)
        # Neighbouring frames share most of what they are compared with: their errors are nearly the same.
        return Sighting(
            rate=c.nearness / span,
            sd=c.sd / span * math.sqrt(back),
            left_m=c.left_m,
            right_m=c.right_m,
            range_m=g * self._camera.height_m / c.nearness,
            box=Box(float(x0), float(y0), float(x1), float(y1)),
            support=c.support,
        )

    def _of_tracks(self, points: Array, tracks: Sequence[Track]) -> ground.Flags:
        """Points on things of known size that the detector follows already; people also move by themselves."""
        inside = np.zeros(len(points), bool)
        for track in tracks:
            if track.kind != "detected" or track.range_m is None or track.seen_ns < track.at_ns:
                continue
            b = track.box
            pad = 0.08 * b.height
            inside |= (
                (points[:, 0] > (b.x0 - pad) * self._zoom)
                & (points[:, 0] < (b.x1 + pad) * self._zoom)
                & (points[:, 1] > (b.y0 - pad) * self._zoom)
                & (points[:, 1] < (b.y1 + pad) * self._zoom)
            )
        return inside

    def _judge_texture(self, dt: float, attitude: Attitude) -> None:
        """Sets `blind`: where the body will pass a few metres ahead, hardly anything could be followed."""
        texture = self._points.texture
        if texture.size == 0:
            return
        x, y = self._pixel(attitude)
        per_m = self._lens.focal_px / _LOOK_AHEAD_M
        height, half = self._camera.height_m, self._settings.half_width_m
        rows = slice(_cell(y - (1.8 - height) * per_m), _cell(y + (height - 0.2) * per_m) + 1)
        columns = slice(_cell(x - half * per_m), _cell(x + half * per_m) + 1)
        path = texture[rows, columns]
        share = float((path > _LEAST_TEXTURE).mean()) if path.size else 1.0
        self._textured += min(1.0, dt / self._settings.blind_s) * (share - self._textured)
        self.blind = self._textured < (_TEXTURED_AGAIN if self.blind else _LEAST_TEXTURED)


def _cell(px: float) -> int:
    return max(0, int(px / CELL_PX))
