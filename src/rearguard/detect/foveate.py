"""Where to look closer: a fixed budget beside the whole frame, spent where the next warning may come from.

The network sees the whole frame shrunk, so what is far is a few pixels tall there. One more, small run per
frame looks at a *region*: a followed thing at the size at which the network boxes it best, or a stretch of the
horizon nearly at the camera's own resolution. `aim` decides which; it is pure, so that every rule is tested without a
network. `merge` joins what both runs found without double boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rearguard.detect.decode import Found
from rearguard.ego.ignored import Ignored
from rearguard.types import Box

Size = tuple[int, int]

# A thing smaller than this in the network's input is easily missed in the whole frame.
WELL_SEEN_PX = 40.0
# Enlarged or shrunk to this height, people are boxed two to four times as truly as at 30 to 90 pixels (measured on
# rendered figures and photographs); a thing that is as tall in the whole frame gains nothing by a closer look.
BEST_PX = 110.0
_WIDEST_SHARE = 0.6  # of the region's width: a car must fit into its region
_SAME_IOU = 0.4  # boxes of both runs that share this much show one thing
_PART = 0.7  # a box this far inside a larger one that the region cannot hold is a part of it
_EDGE_PX = 6.0  # boxes of things the region cuts end a few pixels short of its edge


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known before a frame is looked at: tracks, where they should be now, and where the way leads.

    `tracks`: (id, box in picture pixels), most urgent first; `ahead_px`: the picture point the wearer moves
    towards, None: the middle. Boxes of the wearer's `own` parts are worth no look.
    """

    tracks: tuple[tuple[int, Box], ...] = ()
    ahead_px: tuple[float, float] | None = None
    own: Ignored = field(default_factory=Ignored)


@dataclass(frozen=True, slots=True)
class Sight:
    """Boxes the whole frame showed, in picture pixels: `seen` for certain, and `half_seen`, best first."""

    seen: Sequence[Box] = ()
    half_seen: Sequence[Box] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What `aim` remembers from frame to frame: the turn it is, and when each far track was last seen."""

    turn: int = 0
    searches: int = 0
    seen: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture: left, top, and size in whole pixels, all of it inside the picture."""

    x: int
    y: int
    width: int
    height: int


def aim(
    memory: Memory,
    hints: Hints,
    sight: Sight,
    picture: Size,
    region: Size,
    shrunk: float,
    closer: float,
) -> tuple[Memory, Region | None]:
    """Where to look closer in this frame, given the whole frame's `sight`; None: nowhere.

    `region` is the network's input, `shrunk` the whole frame's scale (network pixels per picture pixel), `closer` that
    of a search. In this order:

    1. a far track that the whole frame lost: the one unseen longest, then the most urgent;
    2. in every fourth frame, the best of the far things that it half saw, which may be one about to be, or a
       search: straight ahead, and in between from left to right at the same height;
    3. a track that would be seen better at its own size: in every second frame the most urgent, in between the
       others, each in its turn;
    4. in every second frame while there is none, a search.
    """
    turn = memory.turn + 1
    far = {id_: box for id_, box in hints.tracks if box.height * shrunk < WELL_SEEN_PX}
    small = [box for _, box in hints.tracks if box.height * shrunk < BEST_PX]
    lost = [id_ for id_, box in far.items() if not any(_could_be(box, s) for s in sight.seen)]
    half = [box for box in sight.half_seen if box.height * shrunk < WELL_SEEN_PX]
    last = {id_: memory.seen.get(id_, turn - 1) if id_ in lost else turn for id_ in far}
    wide = (round(region[0] / closer), round(region[1] / closer))
    if lost:
        target = min(lost, key=lambda id_: last[id_])  # the first of equals is the most urgent
        last[target] = turn
        return Memory(turn, memory.searches, last), _around(far[target], picture, wide)
    if half and (turn % 4 == 3 or not small):
        return Memory(turn, memory.searches, last), _around(half[0], picture, wide)
    if small and turn % 4 != 3:
        others = small[1:] or small
        box = small[0] if turn % 2 == 0 else others[turn // 4 % len(others)]
        return Memory(turn, memory.searches, last), _at_own_size(box, picture, region)
    if small or turn % 2 == 1:
        return Memory(turn, memory.searches + 1, last), _search(
            memory.searches, hints.ahead_px, picture, wide
        )
    return Memory(turn, memory.searches, last), None


def _search(number: int, ahead: tuple[float, float] | None, picture: Size, region: Size) -> Region:
    """Straight ahead every other time, else the next of the places that together span the picture."""
    x, y = ahead or (picture[0] / 2, picture[1] / 2)
    if number % 2 == 0:
        return _at((x, y), picture, region)
    places = -(-picture[0] // region[0])
    return _at(((number // 2 % places + 0.5) * picture[0] / places, y), picture, region)


def _around(box: Box, picture: Size, region: Size) -> Region:
    return _at((box.cx, box.cy), picture, region)


def _at_own_size(box: Box, picture: Size, region: Size) -> Region:
    """The region in which a thing is as tall as it is boxed best, or as wide as fits in."""
    scale = max(box.height / BEST_PX, box.width / (_WIDEST_SHARE * region[0]))
    size = (max(round(region[0] * scale), 8), max(round(region[1] * scale), 8))
    return _at((box.cx, box.cy), picture, size)


def _at(centre: tuple[float, float], picture: Size, region: Size) -> Region:
    """The region around a point, moved to lie inside the picture (cut down to a smaller picture)."""
    width, height = min(region[0], picture[0]), min(region[1], picture[1])
    x = round(min(max(centre[0] - width / 2, 0), picture[0] - width))
    y = round(min(max(centre[1] - height / 2, 0), picture[1] - height))
    return Region(x, y, width, height)


def _could_be(a: Box, b: Box) -> bool:
    """Whether a box expected and a box seen can be one thing: they overlap and are of like height."""
    apart = abs(a.cx - b.cx) > (a.width + b.width) / 2 or abs(a.cy - b.cy) > (a.height + b.height) / 2
    return not apart and 0.5 < (a.height + 1e-6) / (b.height + 1e-6) < 2.0


def merge(whole: Found, closer: Found, region: Region, picture: Size) -> Found:
    """Both runs' findings, in picture pixels, with one box per thing.

    `closer` is in the region's pixels. Of a thing both saw, the closer look's box stays with the better
    score; but what the region's edge cuts, or may cut, is the whole frame's to tell, parts of it too.
    """
    boxes, scores, classes = closer
    boxes = boxes + np.array([region.x, region.y, region.x, region.y], np.float32)
    uncut = _inside(boxes, region, picture)
    boxes, scores, classes = boxes[uncut], scores[uncut], classes[uncut]
    same = _same_things(boxes, whole[0]) & (classes[:, None] == whole[2][None, :])
    told = _inside(whole[0], region, picture)
    part = _share(boxes, whole[0]) > _PART
    new = ~((same | part) & ~told).any(axis=1)
    boxes, scores, classes, same = boxes[new], scores[new], classes[new], same[new]
    scores = np.maximum(scores, np.where(same, whole[1][None, :], 0).max(axis=1, initial=0))
    alone = ~same.any(axis=0)
    return (
        np.concatenate([whole[0][alone], boxes]),
        np.concatenate([whole[1][alone], scores]),
        np.concatenate([whole[2][alone], classes]),
    )


def _inside(boxes: NDArray[np.float32], region: Region, picture: Size) -> NDArray[np.bool_]:
    """Which boxes the region's edge does not cut; the picture's own edge cuts for both runs alike."""
    end = (region.x + region.width, region.y + region.height)
    left = region.x + _EDGE_PX if region.x > 0 else -np.inf
    top = region.y + _EDGE_PX if region.y > 0 else -np.inf
    right = end[0] - _EDGE_PX if end[0] < picture[0] else np.inf
    bottom = end[1] - _EDGE_PX if end[1] < picture[1] else np.inf
    low, high = np.array([left, top]), np.array([right, bottom])
    result: NDArray[np.bool_] = (boxes[:, :2] > low).all(axis=1) & (boxes[:, 2:] < high).all(axis=1)
    return result


def _same_things(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes of `a` (n, 4) and `b` (m, 4) overlap enough to show one thing: (n, m)."""
    shared = _shared(a, b)
    result: NDArray[np.bool_] = shared > _SAME_IOU * (_area(a)[:, None] + _area(b)[None, :] - shared)
    return result


def _share(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each box of `a` (n, 4) lies in each of `b` (m, 4): (n, m), 0..1."""
    result: NDArray[np.float32] = _shared(a, b) / np.maximum(_area(a)[:, None], 1e-9)
    return result


def _shared(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    near = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return np.asarray(np.prod(np.maximum(near, 0), axis=2))


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
