"""Tracks over time: detections and looming patches in, one filter a thing, tracks out.

Each frame: everything is carried on to now, growth of textures is taken in, good detections continue tracks or begin
them, weak ones only continue tracks that are expected to be weak (after ByteTrack, Zhang et al. 2022), and what was
not seen fades.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.config.track import Track as Settings
from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole
from rearguard.track import clipping
from rearguard.track.associate import GATE, Expected, assign, crowding, distance, group, shared, taller_by
from rearguard.track.boxes import (
    BOX_ERROR_LASTS_S,
    BoxModel,
    box_error_sd,
    first_box_sd,
)
from rearguard.track.clipping import Cut
from rearguard.track.existence import Existence
from rearguard.track.filter import BEARING, LN_RANGE, LN_SIZE, NEWS_SIGMAS, ThingFilter
from rearguard.types import Box, Detection, EgoState, Growth, Observation, SizePrior, Track

_UNCUT = Cut(left=False, top=False, right=False, bottom=False)
# What shares as much of its union with a thing that is seen, or is missed where it was expected, is that thing; and so
# is a lost one of its own box, or of its width where an upper or lower part was found.
_SAME_SHARE = 0.5
_CROWDED_NOISE = 8.0  # of two people one before the other the box may be either's, or both's
_LONGEST_UNKNOWN_S = 0.35  # what was never believed in is dropped when unseen for so long
_WEAK_MARGIN = 0.12  # a track is expected to be weak whose usual score is no more than this above the least
_WEAK_GATE = 7.0
_ASPECT_GAIN = 0.2
_COMES_INTO_VIEW_S = 0.8  # for so long at the most, and no longer than it takes to be seen from head to foot
_SPEED_KNOWN_M_S = 0.4  # a speed known better than this has changed when it seems to have
_GROWTH_SD_FACTOR = 1.5  # the fit's own deviation is too small by so much, as measured with true boxes
_NOISE_GAIN, _LEAST_NOISE, _MOST_NOISE = 0.1, 0.7, 3.0
_BEARING_STRAYS_RAD = 0.015  # between two frames


@dataclass(slots=True)
class Live:
    """A track being followed; only the tracker touches it."""

    id: int
    thing: ThingFilter
    existence: Existence
    box: Box
    first_ns: int
    seen_ns: int
    votes: dict[str, float]
    score: float
    down: float  # tangent of its middle below the horizon
    prior: SizePrior
    ln_aspect: float
    hits: int = 1
    known: bool = False  # it was believed in once
    cut: Cut = _UNCUT
    whole: bool = False  # it was seen whole, from head to foot
    taller: bool = False  # its last box was much taller than expected
    noise: float = 1.0  # of its boxes, against the usual
    place: int = 0  # among the detections of the frame it was last seen in
    bearing_was: float = 0.0
    expected: Expected | None = None

    @property
    def label(self) -> str:
        return max(self.votes, key=lambda k: self.votes[k])


class Tracker:
    """Follows things from frame to frame. `prior_of(label)` is what is known of a thing by its label; detections of
    the wearer's `own` parts are left out."""

    def __init__(
        self,
        settings: Settings,
        lens: Pinhole,
        prior_of: Callable[[str], SizePrior],
        *,
        min_score: float = 0.3,
        own: Ignored | None = None,
    ) -> None:
        self._settings = settings
        self._lens = lens
        self._prior_of = prior_of
        self._min_score = min_score
        self._own = own or Ignored()
        self._live: list[Live] = []
        self._last_ns: int | None = None
        self._boxes_were: BoxModel | None = None
        self._ego_was: EgoState | None = None
        self._next_id = 1

    @property
    def continued(self) -> dict[int, Box]:
        """What the last frame showed of each track, by its place among that frame's detections."""
        seen = (t for t in self._live if t.seen_ns == self._last_ns)
        return {t.place: clipping.visible(t.box, self._lens) for t in seen}

    def update(self, seen: Observation, ego: EgoState) -> list[Track]:
        """The tracks as of a frame; one that does not move on in time changes nothing.

        Only tracks that are more likely there than not are returned.
        """
        at_ns = seen.captured_ns
        if self._last_ns is not None and at_ns <= self._last_ns:
            return self._tell(ego)
        dt = 0.0 if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        before_ns, self._last_ns = self._last_ns, at_ns
        longest_ns = round(self._settings.max_missed_s * NS_PER_S)
        # Over a gap in time nothing goes on.
        self._live = [t for t in self._live if at_ns - t.seen_ns <= longest_ns]
        was, self._ego_was = self._ego_was or ego, ego
        if not self._live and not seen.detections:  # as in most frames
            return []
        boxes = BoxModel(self._lens, ego)
        self._predict(dt, was, ego, boxes, known=seen.ego.known)
        self._grow(dt, before_ns, seen.growth, boxes)
        usable = [(i, d) for i, d in enumerate(seen.detections) if _sane(d) and not self._own.holds(d.box)]
        strong = [(i, d) for i, d in usable if d.score >= self._min_score]
        weak = [(i, d) for i, d in usable if d.score < self._min_score]
        crowd = [d.box for _, d in strong]
        left = self._match(self._live, strong, dt, boxes, crowd, GATE)
        pale = [t for t in self._live if t.seen_ns != at_ns and self._may_be_weak(t)]
        self._match(pale, weak, dt, boxes, crowd, _WEAK_GATE)
        self._begin(self._in_place(left, dt, boxes, crowd), boxes)
        self._fade(dt)
        self._boxes_were = boxes
        return self._tell(ego)

    # ── prediction ──────────────────────────────────────────────────────────────────────────────────────

    def _predict(self, dt: float, was: EgoState, ego: EgoState, boxes: BoxModel, *, known: bool) -> None:
        """Carry everything on to now, `was` the ego state of the frame before; `known`: the camera's turn is."""
        faster_m_s = ego.speed_m_s - was.speed_m_s
        both_known = max(was.speed_sd_m_s, ego.speed_sd_m_s) < _SPEED_KNOWN_M_S
        known_m_s = faster_m_s if both_known else 0.0
        for t in self._live:
            t.bearing_was = float(t.thing.mean[BEARING])
            range_was = t.thing.range_m
            sd = t.noise * box_error_sd(math.exp(boxes.ln_height(t.thing, with_error=False)))
            if dt:
                along = math.hypot(t.prior.pace_m_s_rs, faster_m_s / math.sqrt(dt))
                t.thing.predict(
                    dt,
                    ego,
                    wander_m_s_rs=(along, t.prior.agility_m_s_rs),
                    box_error_sd=sd,
                    box_error_lasts_s=BOX_ERROR_LASTS_S,
                    faster_m_s=known_m_s,
                )
            if not known:  # the rhythm of the strides tells a turn that nobody saw only so well
                t.thing.cov[BEARING, BEARING] += ego.swing_sd_rad**2
            t.down *= min(range_was / t.thing.range_m, 2.0)
            t.box = boxes.box_of(t.thing, t.down, t.ln_aspect)
            size_sd = math.sqrt(boxes.size_variance(t.thing, max(t.box.height, 1.0)))
            bearing_sd = math.sqrt(t.thing.cov[BEARING, BEARING] + _BEARING_STRAYS_RAD**2)
            t.expected = Expected(
                t.label,
                t.box,
                bearing_sd * self._lens.focal_px,
                size_sd,
                clipping.cut(t.box, self._lens),
            )

    def _grow(self, dt: float, before_ns: int | None, growth: Sequence[Growth], boxes: BoxModel) -> None:
        if dt <= 0 or self._boxes_were is None:
            return
        of = {g.detection: g for g in growth}
        for t in self._live:
            g = of.get(t.place) if t.seen_ns == before_ns else None
            if g is not None:
                sd = _GROWTH_SD_FACTOR * g.sd
                boxes.measure_growth(
                    t.thing, g.ln_scale, sd, dt, t.bearing_was, self._boxes_were, t.ln_aspect
                )

    # ── association ─────────────────────────────────────────────────────────────────────────────────────

    def _match(
        self, tracks: list[Live], found: list[tuple[int, Detection]], dt: float, boxes: BoxModel,
        crowd: Sequence[Box], gate: float,
    ) -> list[tuple[int, Detection]]:  # fmt: skip
        """Match and update; return the detections that continue no track."""
        if not tracks or not found:
            return found
        cuts = [clipping.cut(d.box, self._lens) for _, d in found]
        costs = np.array(
            [[self._distance(t, d, cut) for (_, d), cut in zip(found, cuts, strict=True)] for t in tracks]
        )
        pairs = assign(costs, gate)
        continued = {i for i, _ in pairs}
        lost = [t for i, t in enumerate(tracks) if i not in continued and t.existence.believed > 0]
        taken = set()
        for i, j in pairs:
            if any(_outvotes(other, tracks[i], found[j][1].box) for other in lost):
                continue  # it is somebody else, for once by another name
            self._update(tracks[i], *found[j], cuts[j], dt, boxes, crowd)
            taken.add(j)
        return [one for j, one in enumerate(found) if j not in taken]

    def _in_place(
        self, found: list[tuple[int, Detection]], dt: float, boxes: BoxModel, crowd: Sequence[Box]
    ) -> list[tuple[int, Detection]]:
        """Update what is believed in and was found in its place, by another name or in part; return the rest."""
        rest = []
        for place, d in found:
            lost = (t for t in self._live if t.seen_ns != self._last_ns and t.existence.believed > 0)
            shares = ((shared(t.label, t.box, d), t) for t in lost)
            share, same = max(shares, key=lambda one: one[0], default=(0.0, None))
            if same is None or share <= _SAME_SHARE:
                rest.append((place, d))
                continue
            assert same.expected is not None
            cut, off, again = clipping.cut(d.box, self._lens), taller_by(same.expected, d), same.taller
            if off > NEWS_SIGMAS and again:  # something hid a part of it before
                same.whole = False
            elif same.whole and abs(off) > NEWS_SIGMAS:
                # Something hides a part of it, or a box is too tall for once: as if the picture's edge cut it.
                cut, d = replace(cut, bottom=True), _no_taller(d, same.box.height)
            self._update(same, place, d, cut, dt, boxes, crowd)
            same.taller = off > NEWS_SIGMAS
        return rest

    def _distance(self, track: Live, detection: Detection, cut: Cut) -> float:
        assert track.expected is not None
        whole = clipping.whole(detection.box, cut, track.box.width)
        return distance(track.expected, detection, whole, cut)

    def _may_be_weak(self, track: Live) -> bool:
        return track.existence.usual_score < self._min_score + _WEAK_MARGIN or track.existence.log_odds > 1.0

    def _begin(self, found: list[tuple[int, Detection]], boxes: BoxModel) -> None:
        assert self._last_ns is not None
        for place, d in sorted(found, key=lambda one: -one[1].score):
            if any(t.seen_ns == self._last_ns and t.box.iou(d.box) > _SAME_SHARE for t in self._live):
                continue
            cut = clipping.cut(d.box, self._lens)
            prior = self._prior_of(d.label)
            thing, where, aspect = boxes.first_sight(d, cut, prior)
            track = Live(
                self._next_id, thing, Existence.begin(d.score), d.box, self._last_ns,
                self._last_ns, {d.label: d.score}, d.score, where.down, prior, aspect,
            )  # fmt: skip
            track.cut, track.whole, track.place = cut, not cut.upright, place
            self._live.append(track)
            self._next_id += 1

    # ── measurement ─────────────────────────────────────────────────────────────────────────────────────

    def _update(
        self, t: Live, place: int, d: Detection, cut: Cut, dt: float, boxes: BoxModel, crowd: Sequence[Box]
    ) -> None:
        assert self._last_ns is not None
        if t.thing.may_be_anywhere:
            t.thing, _, t.ln_aspect = boxes.first_sight(d, cut, t.prior)
            t.first_ns, t.whole = self._last_ns, not cut.upright
        t.taller = False
        whole = clipping.whole(d.box, cut, t.box.width)
        noise = t.noise + _CROWDED_NOISE * crowding(d.box, crowd)
        if not cut.upright and not t.whole:
            t.whole = True
            if not cut.beside:
                t.ln_aspect = math.log(d.box.width / d.box.height)
            ln_range = boxes.ln_range(d.box.height, t.prior.ln_height, float(t.thing.mean[BEARING]))
            t.thing.anchor(ln_range, t.prior, first_box_sd(d.box, whole))
        surprise = boxes.measure(t.thing, d, whole, cut, t.ln_aspect, noise, dt, known_whole=t.whole)
        wanted = t.noise * math.sqrt(min(surprise, 9.0))
        t.noise = min(
            max(t.noise + _NOISE_GAIN * (max(wanted, _LEAST_NOISE) - t.noise), _LEAST_NOISE), _MOST_NOISE
        )
        if not cut.anywhere:
            t.ln_aspect += _ASPECT_GAIN * (math.log(d.box.width / d.box.height) - t.ln_aspect)
        if not cut.upright:
            t.down = boxes.direction(whole).down
        t.box, t.cut, t.score = whole, cut, d.score
        self._vote(t, d)
        t.seen_ns, t.place = self._last_ns, place
        t.hits += 1
        moves = bool(t.prior.speed_m_s) and t.thing.moves(boxes.ego)  # what stands only seems to
        t.existence.see(d.score, dt, bounded=t.prior.often_false and not moves)

    def _vote(self, t: Live, d: Detection) -> None:
        """Count its name; a thing that turns out to be of another kind is as large as that kind, and as far away."""
        t.votes[d.label] = t.votes.get(d.label, 0.0) + d.score
        prior = self._prior_of(t.label)
        if prior.ln_height != t.prior.ln_height:
            ln_range = float(t.thing.mean[LN_RANGE] - t.thing.mean[LN_SIZE]) + prior.ln_height
            t.thing.anchor(ln_range, prior, first_box_sd(t.box, t.box))
        t.prior = prior

    def _fade(self, dt: float) -> None:
        assert self._last_ns is not None
        seen = [t for t in self._live if t.seen_ns == self._last_ns]
        for t in self._live:
            if t.seen_ns != self._last_ns and not self._own.holds(t.box):  # who is behind a strap is not gone
                t.existence.miss(dt)
            t.known = t.known or t.existence.believed > 0
        self._live = [t for t in self._live if t.seen_ns == self._last_ns or self._stays(t, seen)]

    def _stays(self, t: Live, seen: Sequence[Live]) -> bool:
        """Whether a track that was not seen in this frame is followed on."""
        assert self._last_ns is not None
        longest_s = self._settings.max_missed_s if t.known else _LONGEST_UNKNOWN_S
        if self._last_ns - t.seen_ns > longest_s * NS_PER_S or any(_outvotes(o, t, t.box) for o in seen):
            return False
        return t.known or not any(_swallows(o, t) for o in seen)

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, ego: EgoState) -> list[Track]:
        assert self._last_ns is not None
        return [
            Track(
                id=t.id,
                label=t.label,
                box=clipping.visible(t.box, self._lens),
                score=t.score,
                at_ns=self._last_ns,
                first_ns=t.first_ns,
                seen_ns=t.seen_ns,
                hits=t.hits,
                existence=t.existence.probability,
                motion=t.thing.motion(ego.swing_sd_rad),
                truncated=t.cut.anywhere,
                appears=not t.whole and self._last_ns - t.first_ns < _COMES_INTO_VIEW_S * NS_PER_S,
            )
            for t in self._live
            if t.existence.believed > 0
        ]


def _outvotes(one: Live, other: Live, box: Box) -> bool:
    """Whether what is in this box, where both tracks of two kinds would be, is the one: it was called so more often."""
    if group(one.label) == group(other.label) or one.box.iou(box) <= _SAME_SHARE:
        return False
    return sum(one.votes.values()) > sum(other.votes.values())


def _no_taller(found: Detection, height: float) -> Detection:
    b = found.box
    return Detection(Box(b.x0, b.y0, b.x1, min(b.y1, b.y0 + height)), found.label, found.score)


def _swallows(seen: Live, lost: Live) -> bool:
    """Whether a lost track, never believed in, is the thing that another one sees.

    Who was believed in and is now inside another's box is behind them, and will come out again.
    """
    smaller = min(seen.box.area, lost.box.area)
    return seen.label == lost.label and seen.box.shared(lost.box) > _SAME_SHARE * smaller


def _sane(detection: Detection) -> bool:
    box = detection.box
    numbers = (box.x0, box.y0, box.x1, box.y1, detection.score)
    return all(math.isfinite(v) and abs(v) < 1e6 for v in numbers) and box.width >= 1.0 and box.height >= 1.0
