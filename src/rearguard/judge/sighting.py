"""One track in one frame, as an encounter takes it in, and whether two such mean the same thing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rearguard.clock import NS_PER_S
from rearguard.types import Box, Reason, Threat, Track, Verdict

# Two tracks mean the same contact when its time agrees to this, and to this share of the time left; a track that has
# just begun is off by a third.
_CONTACT_S, _CONTACT_SHARE = 0.7, 0.35
# ... and its place to this, with as much again for doubt.
_PLACE_M, _PLACE_DOUBT_M = 0.6, 0.8
# Two boxes show one thing when they share this much, of both together or of the smaller one.
_SAME_IOU, _SAME_SHARE = 0.3, 0.6
# What a less known track tells of the range may differ by this (ln), and by as much again for each second in
# between, before it is not believed: of somebody cut by the picture's edge, half is taken for a whole one further away.
_BELIEVED, _BELIEVED_PER_S = 0.2, 0.3
_ELSEWHERE = 0.7  # ... and by more than this it is another thing, of which the time is told wrongly
_NEAR_M = 1.0  # nobody's range is told better than that they are nearer than this


@dataclass(frozen=True, slots=True)
class Sighting:
    """One track in one frame: its threat, whether it was seen in this frame, and how well it is supported."""

    t_ns: int
    seq: int
    threat: Threat
    seen: bool
    hits: int
    score: float
    beside_m: float  # from the path, positive to picture-right, where it is now

    @property
    def detected(self) -> bool:
        """Told by the detector, which knows what it is, not by the picture's expansion."""
        return self.threat.kind == "detected"

    @property
    def support(self) -> tuple[bool, bool, int]:
        """By what the best of several sightings of one thing in one frame is chosen."""
        return self.seen, self.detected, self.hits


def sightings(verdict: Verdict, tracks: Sequence[Track]) -> Iterator[Sighting]:
    """What a frame says of each thing that was judged in it."""
    known = {t.id: t for t in tracks}
    for threat in verdict.threats:
        track = known.get(threat.track)
        seen = track is not None and track.seen_ns >= verdict.captured_ns and not threat.reason.lost
        hits, score, beside_m = (0, 0.0, 0.0)
        if track is not None:
            hits, score = track.hits, track.score
            beside_m = track.range_m * math.sin(track.motion.mean[1])
        yield Sighting(verdict.captured_ns, verdict.seq, threat, seen, hits, score, beside_m)


def same_contact(a: Sighting, b: Sighting) -> bool:
    """Whether two sightings, of different tracks, mean the same contact: its moment and its place agree."""
    return (
        _same_moment(a, b) is True
        and not elsewhere(a, b)
        and same_place(a.threat.reason, b.threat.reason, _PLACE_DOUBT_M)
    )


def _same_moment(a: Sighting, b: Sighting) -> bool | None:
    """Whether both mean a contact at the same moment; None where either tells of none."""
    one_s, two_s = a.threat.ttc_s, b.threat.ttc_s
    if one_s is None or two_s is None:
        return None
    apart_s = abs((a.t_ns - b.t_ns) / NS_PER_S + one_s - two_s)
    return apart_s <= _CONTACT_S + _CONTACT_SHARE * min(one_s, two_s)


def elsewhere(a: Sighting, b: Sighting) -> bool:
    """Whether one is so much further away that they are two things."""
    if not (a.detected and b.detected):
        return False
    before, now = sorted((a, b), key=lambda s: s.t_ns)
    off = _off_ln(before, now, least_m=_NEAR_M)
    return off is not None and off > _ELSEWHERE


def comes_next(lost: Sighting, now: Sighting) -> bool:
    """Whether somebody else is met later, first seen in the middle of whom they were hidden by: a part of a thing that
    fills the picture seems as far away, but is met when the thing is."""
    return elsewhere(lost, now) and _same_moment(lost, now) is False


def same_place(one: Reason, two: Reason, most_doubt_m: float) -> bool:
    """Whether they pass at the same place, as far as either knows; no more than `most_doubt_m` of doubt counts."""
    if one.miss_m is None or two.miss_m is None:
        return True
    doubt_m = math.hypot(one.miss_sd_m or 0.0, two.miss_sd_m or 0.0)
    return abs(one.miss_m - two.miss_m) <= _PLACE_M + min(doubt_m, most_doubt_m)


def as_far(before: Sighting, now: Sighting) -> bool | None:
    """Whether it is as far away as it should be by now; None where either does not tell."""
    off = _off_ln(before, now)
    return None if off is None else off <= _BELIEVED + _BELIEVED_PER_S * (now.t_ns - before.t_ns) / NS_PER_S


def _off_ln(before: Sighting, now: Sighting, least_m: float = 0.1) -> float | None:
    """By how much (ln) the distance differs from what it should be by now; None where either does not tell.

    All that is nearer than `least_m` is equally far.
    """
    before_m, now_m, left_s = before.threat.range_m, now.threat.range_m, before.threat.ttc_s
    if before_m is None or now_m is None or not left_s:
        return None
    expected_m = before_m * max(0.1, 1.0 - (now.t_ns - before.t_ns) / NS_PER_S / left_s)
    return abs(math.log(max(now_m, least_m) / max(expected_m, least_m)))


def seen_apart(a: Sighting, b: Sighting) -> bool:
    """Whether two sightings of one frame are of two things: next to each other, or one before the other, which is not
    met at the same moment. A part of a thing is."""
    return not one_thing(a.threat.box, b.threat.box) or _same_moment(a, b) is False


def one_thing(a: Box, b: Box) -> bool:
    """Whether two boxes of one frame may well show one thing: they are much the same, or one is a part of the other."""
    common = a.shared(b)
    return common >= min(_SAME_IOU * (a.area + b.area - common), _SAME_SHARE * min(a.area, b.area)) > 0
