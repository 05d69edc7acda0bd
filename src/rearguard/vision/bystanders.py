"""Where heads are that must not be stored: everybody known in the last second, wherever they are by now.

The detector misses people, most of all near ones that the picture's edge cuts, and calls some of them something else.
So whoever was found by it, followed by the tracker, or grew towards the wearer as an unnamed obstacle, is hidden for a
second after, moved as the camera turned since and grown as it came nearer; and the longer it has not been seen, the
larger is what is hidden.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rearguard.clock import NS_PER_S
from rearguard.ego.pinhole import Pinhole, moved
from rearguard.journal.media.redact import head
from rearguard.types import Box, EgoMotion, Observation, Track

REMEMBER_S = 1.0
# What is hidden around a head grows by this share of its person's width each second that nobody has seen it: gait and
# the person's own steps move it.
_DOUBT_PER_S = 0.6
_DOUBT_SCORE = (
    0.5  # ... and, for a detection, with what is missing of a score of 1: weak boxes are often cut short
)
_DOUBT_TURN = 0.5  # and so much each second at once, while it is not known how the camera turned
_FASTEST_PER_S = 3.0  # ln: nothing grows faster and can still be followed
_SAME_SHARE = 0.6  # of the smaller box: one of them hides the other's head


@dataclass(frozen=True, slots=True)
class _Known:
    """Somebody: the box by now, growth in ln per second, and how long unseen, as doubt in shares of the width."""

    box: Box
    rate: float
    seen_ns: int
    doubt: float


class Bystanders:
    """Follows people a little longer than the tracker does. One frame at a time, in order."""

    def __init__(self, lens: Pinhole) -> None:
        self._lens = lens
        self._known: list[_Known] = []
        self._last_ns: int | None = None

    def heads(self, seen: Observation, tracks: Sequence[Track]) -> tuple[Box, ...]:
        """What to hide in this frame: boxes around heads, in its pixels. `tracks` are as of this frame."""
        now_ns = seen.captured_ns
        dt = 0.0 if self._last_ns is None else (now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        if not 0 <= dt <= REMEMBER_S:
            self._known.clear()
        now = list(_told(seen, tracks))
        before = [self._later(k, dt, seen.ego) for k in self._known]
        kept = [
            k
            for k in before
            if now_ns - k.seen_ns <= REMEMBER_S * NS_PER_S and not any(_hides(n, k) for n in now)
        ]
        self._known = [*now, *kept]
        return tuple(head(k.box, k.doubt) for k in self._known)

    def _later(self, known: _Known, dt: float, ego: EgoMotion) -> _Known:
        box = moved(known.box, ego, self._lens)
        grown = 0.5 * (math.exp(min(known.rate, _FASTEST_PER_S) * dt) - 1.0)
        box = Box(
            box.x0 - grown * box.width,
            box.y0 - grown * box.height,
            box.x1 + grown * box.width,
            box.y1 + grown * box.height,
        )
        doubt = known.doubt + dt * (_DOUBT_PER_S + (0.0 if ego.known else _DOUBT_TURN))
        return _Known(box, known.rate, known.seen_ns, doubt)


def _told(seen: Observation, tracks: Sequence[Track]) -> list[_Known]:
    """Everybody whom detector, tracker and looming tell of in this frame."""
    found = [
        _Known(d.box, 0.0, seen.captured_ns, _DOUBT_SCORE * (1.0 - d.score))
        for d in seen.detections
        if d.label == "person"
    ]
    for track in tracks:
        if track.label == "person":
            unseen_s = (seen.captured_ns - track.seen_ns) / NS_PER_S
            rate = max(0.0, track.closing_per_s)
            doubt = _DOUBT_SCORE * (1.0 - track.score) + _DOUBT_PER_S * unseen_s
            found.append(_Known(track.box, rate, track.seen_ns, doubt))
        elif track.kind != "detected":
            found.append(_Known(_upright(track.box), max(0.0, track.closing_per_s), track.seen_ns, 0.0))
    return found


def _upright(patch: Box) -> Box:
    """The person that a patch may be the middle of: nobody says where its head is, so all above it counts as one."""
    return Box(patch.x0 - 0.5 * patch.width, patch.y0 - patch.height, patch.x1 + 0.5 * patch.width, patch.y1)


def _hides(now: _Known, before: _Known) -> bool:
    """Whether who was known before is known anew, surely and at much the same size."""
    common = now.box.shared(before.box)
    larger, smaller = sorted((now.box.area, before.box.area), reverse=True)
    return now.doubt <= before.doubt and common >= _SAME_SHARE * smaller and smaller >= 0.4 * larger
