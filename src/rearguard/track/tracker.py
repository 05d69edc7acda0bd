"""Tracks over time: detections in, tracks with time to collision out.

Made for a bouncing camera: the boxes are first moved by the measured turn of the camera, matched in two passes
(good scores, then weak ones that may only continue a track, as in ByteTrack, Zhang et al. 2022), and a track
lives on unseen for a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.config.track import Track as Settings
from rearguard.ego.geometry import Pinhole, moved
from rearguard.ego.heading import Heading
from rearguard.track import associate, edges, lateral, scale
from rearguard.track.growth import Growth
from rearguard.words import Box, Detection, EgoMotion, Track
from rearguard.words import Lateral as LateralState

_GATE = 0.9
_GATE_UNSEEN_PER_S = 1.5
_GATE_NO_EGO = 1.8
_DUPLICATE_IOU = 0.55
_WIDTH_NOISE_FACTOR = 5.0  # arms and legs swing: a width is that much noisier than a height
_LEAST_NOISE = 0.4  # the learned noise never falls below this share of the expected one
_BEARING_SD_RAD = 0.02  # box centre and what is left of the swing, which lasts for several frames
_BEARING_SD_BLIND_RAD = 0.12  # with no ego-motion the whole swing of the trunk is in the bearing
_TIGHTEST_BEND_PER_M = 1 / 20
_FURTHEST_BEND_M = 40.0
_BEND_SD = 0.2  # a bend begins and ends: the path's own offset is off by this share
_OFFSET_SD_M = 0.1  # a body is no point
_CUT_OFFSET_SD_M = 0.25  # where the picture's edge hides its outer side
_UNCUT = edges.Cut(left=False, top=False, right=False, bottom=False)
_GOOD_EGO = 0.35
_KNOWN_HITS = 10
_SPENT_S = 0.2  # unseen with less time left than this, it has been met or has passed
_ANOTHER = 0.2  # a size (ln) that has started anew this far from the old one is another thing's
_TURNED_SD = 0.3  # the growth a turn makes is known to this share: a body is no flat board
# Where the texture tells nothing, a box is believed less: its errors last for several frames.
_UNTEXTURED_FACTOR = 2.0
# Who steps out from behind something, or just gets found, has a growing box for a moment.
_BIRTH_NOISE = 0.08
_BIRTH_S = 0.4
# Of two people one before the other the box may be either's, or both's.
_CROWDED_NOISE = 0.15


class Live:
    """A track being followed; only the tracker touches it."""

    def __init__(self, id_: int, detection: Detection, at_ns: int, state: scale.ScaleState) -> None:
        self.id = id_
        self.votes = {detection.label: detection.score}
        self.box = detection.box
        self.score = self.best_score = detection.score
        self.first_ns = self.seen_ns = at_ns
        self.hits = self.strong = 1
        self.scale = state
        self.ln_aspect = math.log(max(detection.box.width, 1.0) / max(detection.box.height, 1.0))
        self.lateral: LateralState | None = None
        self.cut = _UNCUT
        self.facing = 1.0  # size in the picture over `scale.size_px`, the size were the camera along the path
        self.ln_turned = 0.0  # by how much (ln) the camera's turn alone made its texture grow in this frame
        self.textured = False  # the picture itself told its growth

    @property
    def label(self) -> str:
        return max(self.votes, key=lambda k: self.votes[k])


class Tracker:
    """Follows things from frame to frame. `height_prior_m(label)` gives a true height, or None if unknown."""

    def __init__(
        self,
        settings: Settings,
        lens: Pinhole,
        height_prior_m: Callable[[str], float | None],
        *,
        min_score: float = 0.3,
    ) -> None:
        self._settings = settings
        self._lens = lens
        self._prior = height_prior_m
        self._min_score = min_score
        self._heading = Heading()
        self._live: list[Live] = []
        self._last_ns: int | None = None
        self._before_ns: int | None = None  # the frame before that
        self._next_id = 1
        self._boxes: list[Box] = []  # of this frame's detections

    def expect(self, ego: EgoMotion) -> tuple[dict[int, Box], dict[int, Box]]:
        """Boxes by track in the last frame, and where the camera's turn takes them in the next one."""
        then = {t.id: edges.visible(t.box, self._lens) for t in self._live if t.seen_ns == self._last_ns}
        return then, {id_: moved(box, ego, self._lens) for id_, box in then.items()}

    def step(
        self,
        at_ns: int,
        detections: Sequence[Detection],
        ego: EgoMotion,
        growth: Mapping[int, Growth] = MappingProxyType({}),
    ) -> list[Track]:
        """The tracks as of a frame captured at `at_ns`; frames that do not move on in time change nothing.

        `growth` is what the picture's texture says of each track's scale since the last frame.

        Only confirmed tracks (`min_hits` detections) are returned.
        """
        if self._last_ns is not None and at_ns <= self._last_ns:
            return [self._tell(t, at_ns) for t in self._live if self._confirmed(t)]
        dt = 0.0 if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        self._before_ns = self._last_ns
        self._last_ns = at_ns
        bend_was = self._heading.bend_rad_s
        if not ego.known:
            self._heading.forget()
            ego = EgoMotion()
        swing = self._heading.turn(ego.yaw_rad, at_ns)
        self._bend(self._heading.bend_rad_s - bend_was)
        self._predict(dt, ego, swing)
        self._grow(dt, growth)
        usable = [d for d in detections if _sane(d)]
        self._boxes = [d.box for d in usable if d.score >= self._min_score]
        strong = [d for d in usable if d.score >= self._min_score]
        weak = [d for d in usable if d.score < self._min_score]
        left = self._match(self._live, strong, at_ns, ego, swing)
        unseen = [t for t in self._live if t.seen_ns != at_ns]
        self._match(unseen, weak, at_ns, ego, swing)
        self._begin(left, at_ns, ego, swing)
        horizon_ns = at_ns - round(self._settings.max_missed_s * NS_PER_S)
        self._live = [t for t in self._live if t.seen_ns >= horizon_ns and self._keeps(t, at_ns)]
        return [self._tell(t, at_ns) for t in self._live if self._confirmed(t)]

    # ── prediction ──────────────────────────────────────────────────────────────────────────────────────

    def _predict(self, dt: float, ego: EgoMotion, swing: float) -> None:
        ahead_px = 0.5 * self._lens.width_px - self._lens.focal_px * math.tan(swing)
        for track in self._live:
            before = track.scale.size_px
            distance = self._range_m(track)
            wander, fastest = self._wander(distance)
            cut_unknown = track.cut.anywhere and track.hits < _KNOWN_HITS
            if cut_unknown or self._is_fresh_and_lost(track):
                track.scale = scale.coast(track.scale, dt, wander)
            else:
                track.scale = scale.predict(track.scale, dt, wander, fastest)
            drift_px = 0.0
            if track.lateral is not None:
                if distance:
                    drift_px = self._lens.focal_px * track.lateral.drift_m_s * dt / distance
                track.lateral = lateral.predict(track.lateral, dt)
            box = moved(track.box, ego, self._lens)
            facing = self._lens.facing(box.cx, swing)
            turned = facing / track.facing
            track.ln_turned = math.log(turned) + 0.5 * self._ln_widened(track.box, box)
            track.facing = facing
            grow = min(max(track.scale.size_px / before * turned, 0.5), 2.0)
            w, h = box.width * grow, box.height * (1.0 if track.cut.upright else grow)
            # What comes nearer moves away from the point that is travelled to.
            cx, cy = ahead_px + (box.cx - ahead_px) * grow + drift_px, box.cy
            track.box = Box(cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)

    def _grow(self, dt: float, growth: Mapping[int, Growth]) -> None:
        for track in self._live:
            seen = growth.get(track.id)
            track.textured = seen is not None
            if seen is not None and dt > 0:
                sd = math.hypot(seen.sd, _TURNED_SD * track.ln_turned)
                track.scale = scale.grow(track.scale, (seen.ln_scale - track.ln_turned) / dt, sd / dt)

    def _ln_widened(self, then: Box, now: Box) -> float:
        """By how much more (ln) a turn stretches widths than heights: the one as 1/cos of the bearing more."""
        was, is_ = self._lens.bearing_rad(then.cx), self._lens.bearing_rad(now.cx)
        return math.log(math.cos(was) / math.cos(is_))

    def _is_fresh_and_lost(self, track: Live) -> bool:
        """Unseen before it was known well: counting its time down would make a ghost into a collision."""
        return track.hits < _KNOWN_HITS and track.seen_ns != self._before_ns

    def _wander(self, distance_m: float | None) -> tuple[float, float]:
        """How far r may wander (1/s per root s) and how large it may be: speeds are bounded, so far things
        expand slowly."""
        settings = self._settings
        if distance_m is None:
            return settings.rate_noise, 10.0
        noise = settings.speed_noise_m_s / max(distance_m, 0.5)
        return min(max(noise, 0.02), 0.5), settings.fastest_closing_m_s / max(distance_m, 0.5)

    # ── association ─────────────────────────────────────────────────────────────────────────────────────

    def _match(
        self, tracks: list[Live], detections: list[Detection], at_ns: int, ego: EgoMotion, swing: float
    ) -> list[Detection]:
        """Match and update; return the detections that continue no track."""
        if not tracks or not detections:
            return list(detections)
        cuts = [edges.cut(d.box, self._lens) for d in detections]
        costs = np.array(
            [
                [
                    associate.cost(
                        t.box,
                        t.label,
                        replace(d, box=edges.whole(d.box, sides, t.box.width)) if sides.beside else d,
                        size_px=t.scale.size_px * t.facing,
                        size_sd=self._size_sd(t),
                        cut=sides,
                    )
                    for d, sides in zip(detections, cuts, strict=True)
                ]
                for t in tracks
            ]
        )
        base = _GATE if ego.quality >= _GOOD_EGO else _GATE_NO_EGO
        gates = [base + _GATE_UNSEEN_PER_S * (at_ns - t.seen_ns) / NS_PER_S for t in tracks]
        pairs = associate.assign(costs, gates)
        for i, j in pairs:
            self._update(tracks[i], detections[j], at_ns, ego, swing)
        taken = {j for _, j in pairs}
        return [d for j, d in enumerate(detections) if j not in taken]

    def _size_sd(self, track: Live) -> float:
        """How unsure (ln) the height of a track's next box is: the estimate's own doubt and the edges' noise."""
        edge_noise = self._settings.edge_noise * self._lens.height_px / track.scale.size_px
        return math.hypot(track.scale.p00**0.5, 2.0 * edge_noise)

    def _begin(self, detections: list[Detection], at_ns: int, ego: EgoMotion, swing: float) -> None:
        for detection in sorted(detections, key=lambda d: -d.score):
            if any(
                t.seen_ns == at_ns and associate.iou(t.box, detection.box) > _DUPLICATE_IOU
                for t in self._live
            ):
                continue
            facing = self._lens.facing(detection.box.cx, swing)
            track = Live(self._next_id, detection, at_ns, self._first_scale(detection, facing))
            track.facing = facing
            track.cut = edges.cut(detection.box, self._lens)
            self._next_id += 1
            self._live.append(track)
            self._see_lateral(track, ego, swing)

    def _first_scale(self, detection: Detection, facing: float) -> scale.ScaleState:
        """Before two sightings, assume that the wearer runs at a usual pace towards something that stands."""
        height = max(detection.box.height, 1.0) / facing
        prior = self._prior(detection.label)
        pace = self._settings.usual_pace_m_s
        rate = pace * height / (prior * self._lens.focal_px) if prior else 0.3
        return scale.begin(
            height, self._settings.scale_noise, r=min(0.5 * rate, 1.0), r_sd=min(max(rate, 0.15), 2.0)
        )

    # ── measurement ─────────────────────────────────────────────────────────────────────────────────────

    def _update(self, track: Live, detection: Detection, at_ns: int, ego: EgoMotion, swing: float) -> None:
        box = detection.box
        sides = edges.cut(box, self._lens)
        width = track.scale.size_px * track.facing * math.exp(track.ln_aspect)
        track.box = edges.whole(box, sides, width)
        track.facing = self._lens.facing(track.box.cx, swing)
        before = track.scale
        edge_noise = self._settings.edge_noise * self._lens.height_px / box.height
        least = self._settings.scale_noise * _LEAST_NOISE
        if not track.textured and detection.score < self._min_score:
            least = self._settings.scale_noise * _UNTEXTURED_FACTOR
        age_s = (at_ns - track.first_ns) / NS_PER_S
        least = math.hypot(least, _BIRTH_NOISE * math.exp(-age_s / _BIRTH_S))
        least = math.hypot(least, _CROWDED_NOISE * associate.crowding(box, self._boxes))
        if not sides.upright:
            track.scale = scale.update(track.scale, box.height / track.facing, math.hypot(least, edge_noise))
            if not sides.beside:
                track.ln_aspect += 0.2 * (math.log(box.width / box.height) - track.ln_aspect)
        elif not sides.beside:
            size = box.width * math.exp(-track.ln_aspect) / track.facing
            noise = math.hypot(_WIDTH_NOISE_FACTOR * self._settings.scale_noise, edge_noise)
            track.scale = scale.update(track.scale, size, noise)
        track.cut = sides
        track.score = detection.score
        track.best_score = max(track.best_score, detection.score)
        if before.outliers and not track.scale.outliers and abs(track.scale.ln_s - before.ln_s) > _ANOTHER:
            self._renew(track, detection, at_ns)
        track.votes[detection.label] = track.votes.get(detection.label, 0.0) + detection.score
        track.seen_ns = at_ns
        track.hits += 1
        track.strong += detection.score >= self._min_score
        self._see_lateral(track, ego, swing)

    def _renew(self, track: Live, detection: Detection, at_ns: int) -> None:
        """Another thing stands where this one was: it must be seen as often as a new one before it counts."""
        track.id, self._next_id = self._next_id, self._next_id + 1
        track.votes = {}
        track.first_ns = at_ns
        track.hits = track.strong = 0
        track.best_score = 0.0
        track.scale = self._first_scale(detection, track.facing)
        track.lateral = None

    def _see_lateral(self, track: Live, ego: EgoMotion, swing: float) -> None:
        distance = self._range_m(track)
        if distance is None:
            return
        offset = distance * math.tan(self._lens.bearing_rad(track.box.cx) + swing)
        # On a bend the path itself leaves the tangent by d²/2R: 1.4 m at 10 m on a stadium's track.
        bent = 0.5 * self._curvature_per_m(self._heading.bend_rad_s) * min(distance, _FURTHEST_BEND_M) ** 2
        offset -= bent
        known = self._heading.settled if ego.quality >= _GOOD_EGO else 0.0
        bearing_sd = _BEARING_SD_RAD + (1.0 - known) * (_BEARING_SD_BLIND_RAD - _BEARING_SD_RAD)
        body_sd = _CUT_OFFSET_SD_M if track.cut.beside else _OFFSET_SD_M
        sd = math.hypot(distance * bearing_sd, body_sd, _BEND_SD * bent)
        if track.lateral is None:
            track.lateral = lateral.begin(offset, sd)
        else:
            track.lateral = lateral.update(track.lateral, offset, sd)

    def _bend(self, more_rad_s: float) -> None:
        """The bend of the path is known anew: tell where everything is beside that path, without a jump.

        A thing at distance d, closing at r·d, is moved by the path's ½κd² and by d times the turn that the
        mean direction lagged behind; its drift by the rates of both.
        """
        if not more_rad_s:
            return
        curvature, turn = self._curvature_per_m(more_rad_s), more_rad_s * self._heading.lag_s
        for track in self._live:
            distance = self._range_m(track)
            if track.lateral is None or distance is None:
                continue
            distance = min(distance, _FURTHEST_BEND_M)
            offset = -0.5 * curvature * distance**2 - turn * distance
            drift = track.scale.r * (curvature * distance**2 + turn * distance)
            track.lateral = lateral.shift(track.lateral, offset, drift)

    def _curvature_per_m(self, bend_rad_s: float) -> float:
        """The curvature of a path that turns this fast, positive to picture-right."""
        bend_per_m = bend_rad_s / self._settings.usual_pace_m_s
        return min(max(bend_per_m, -_TIGHTEST_BEND_PER_M), _TIGHTEST_BEND_PER_M)

    def _range_m(self, track: Live) -> float | None:
        prior = self._prior(track.label)
        return None if prior is None else prior * self._lens.focal_px / track.scale.size_px

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────

    def _confirmed(self, track: Live) -> bool:
        sure = track.label == "person" or track.best_score >= self._settings.min_score_things
        return sure and track.strong >= self._settings.min_hits

    def _keeps(self, track: Live, at_ns: int) -> bool:
        """A track that is not yet known well must be seen in nearly every frame; none outlives its own time."""
        if track.seen_ns != at_ns and track.scale.r * _SPENT_S > 1.0:
            return False
        known = self._confirmed(track) and track.hits >= _KNOWN_HITS
        return known or (at_ns - track.seen_ns) <= 0.5 * self._settings.max_missed_s * NS_PER_S

    def _tell(self, track: Live, at_ns: int) -> Track:
        return Track(
            id=track.id,
            label=track.label,
            box=edges.visible(track.box, self._lens),
            score=track.score,
            at_ns=at_ns,
            first_ns=track.first_ns,
            seen_ns=track.seen_ns,
            hits=track.hits,
            closing_per_s=track.scale.r,
            closing_sd_per_s=track.scale.r_sd,
            ttc_s=scale.ttc_s(track.scale),
            range_m=self._range_m(track),
            lateral=track.lateral,
            truncated=track.cut.anywhere,
        )


def _sane(detection: Detection) -> bool:
    box = detection.box
    numbers = (box.x0, box.y0, box.x1, box.y1, detection.score)
    return all(math.isfinite(v) and abs(v) < 1e6 for v in numbers) and box.width >= 1.0 and box.height >= 1.0
