"""Which parts of the picture are alive: tile by tile, so that half-blind is not taken for sighted.

    watch = TileWatch(path_weights(camera))
    seen = watch.check_tiles(small, at_ns)
    seen.path_dead, seen.dead            # shares 0..1, of the path and of the picture

A live part of a moving camera's picture changes; a part that stops changing in one frame, while the rest goes on, is
frozen, with fresh sensor noise on it or without. A part that loses its detail within one frame is covered, smeared,
black or saturated; one whose neighbouring pixels stop resembling each other shows noise. What happens slowly is
the world: a wearer who stops, a wall that fills the picture, dusk.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.config.path import MOST_HIDDEN, path_boxes
from rearguard.ego.ignored import Ignored
from rearguard.types import Image

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

COLUMNS, ROWS = 12, 8
"""Tiles across and down: fine enough for thirds and quarters, coarse enough for 150 pixels of the small copy each."""

# ── what counts as dead; grey levels of the small copy ──────────────────────────────────────────────────
_WINDOW_S = (
    0.5  # a still part is compared with the pictures of this long; halved, a step's turning point looks still
)
_MOST_COMPARED = 6  # of those pictures; more costs time and says no more
_STILL = 0.8  # less change than this is none; noise raises it to 1.4 times what the quietest tile shows
_STILL_PER_NOISE = 1.4
_MOST_STILL = 5.0
_MOVED = 3.0  # a part that stands still must have changed by this many times as much just before
_FALL_S = 0.3  # "just before", "within one frame": at most so long ago, for low frame rates
_MOVING_SHARE = 0.5  # of the textured tiles change: the camera may be moving
_MOVED_FOR = 0.7  # of the time before: it moved indeed, it was not just a hand that came and went
_MOVED_WITHIN_S = 3.0
_MOVED_LEAST_S = 1.0
_SEEN_MOVING = 2.2  # a texture's deviation over "still", so that a shift of it is `_MOVED`: 3 / √2
_FEW_MOVE = 4  # tiles, and the whole picture stands: the camera froze, or the wearer stopped
_UNABATED = (
    0.86  # of the usual motion a second ago, up to the end: 0.87 to 1.2 of a camera, 0.66 to 0.85 of a wearer
)
_TEXTURED = (
    6.0  # standard deviation of a tile that can be seen to move, by day; in dim light all contrasts are less
)
_DAY_LUMA = 128.0  # mean brightness from which it is day
_DUSK_SHARE = 0.2  # the least share that is left of a limit
_HAD = 0.5  # of its usual detail, or motion, just before: what it loses slowly, the world takes from it
_KNOWN_AFTER_S = 1.5  # before that nothing is usual
_LEFT = 0.25  # of its usual detail, and the tile has lost it
_BACK = 0.4  # of its usual detail, and the tile has it again
_DETAIL_PER_NOISE = 3.0  # mean absolute Laplacian of white noise, per grey level it changes by: 2.5
_LEAST_DETAIL = 8.0  # what a tile must usually have, for its loss to be seen
_USUAL_S = 8.0  # time constant of the usual
_USUAL_LOST_S = 120.0  # and while it is lost
_NOISY, _NATURAL = 0.3, 0.42  # likeness of neighbouring pixels: of noise at most, of a picture at least
_LEAST_TOGETHER = 8  # tiles: fewer at once are a thing that passes, not a part that dies
_ISLAND = 0.5  # of the nine tiles around and at a place
_IN_PATH = 0.005  # the least share of the path for which a tile without any contrast is not just sky
_BLACK, _WHITE, _EMPTY = 6.0, 249.0, 1.5


@dataclass(frozen=True, slots=True)
class TileHealth:
    """One picture's parts. `tiles` is True where dead, (ROWS, COLUMNS).

    `path_dead`, `dead`: the dead share of the path and of the picture, 0..1. `stood_still`: the whole picture
    stopped within one frame and has not moved since.
    """

    tiles: Flags
    path_dead: float
    dead: float
    stood_still: bool


def path_weights(camera: Camera) -> Floats:
    """How much of the path ahead (`path_boxes`) each tile shows, (ROWS, COLUMNS), in sum 1."""
    w, h = 480, 320
    weights = np.zeros((ROWS, COLUMNS))
    for box in path_boxes(camera):
        plate = np.zeros((h, w), np.float32)
        rows = slice(max(0, round(box.y0 * h)), max(0, min(h, round(box.y1 * h))))
        plate[rows, max(0, round(box.x0 * w)) : max(0, min(w, round(box.x1 * w)))] = 1.0
        if plate.any():
            weights += tile_means(plate) / tile_means(plate).sum()
    total = weights.sum()
    none = np.full((ROWS, COLUMNS), 1.0 / (ROWS * COLUMNS))
    return np.asarray(weights / total) if total else none


def tile_means(values: Floats) -> Floats:
    """The mean of each tile of pictures (…, height, width) of at least as many pixels, (…, ROWS, COLUMNS).

    What `cv2.resize` with `INTER_AREA` says, at a quarter of its time: this runs some twenty times a picture.
    """
    height, width = values.shape[-2:]
    return np.asarray(_area_shares(height, ROWS) @ values @ _area_shares(width, COLUMNS).T, np.float32)


@cache
def _area_shares(pixels: int, tiles: int) -> Floats:
    """How much of each tile each pixel of a line is, (tiles, pixels), in sum 1 a tile."""
    step = pixels / tiles
    edges = np.arange(tiles)[:, None] * step
    at = np.arange(pixels)[None]
    inside = np.minimum(at + 1, edges + step) - np.maximum(at, edges)
    return np.asarray(np.maximum(inside, 0.0) / step, np.float32)


def changes(now: Floats, then: Floats) -> Floats:
    """How much each tile changed but for its brightness: the standard deviation of the difference, (…, ROWS, COLUMNS).

    `then` may be several pictures, (…, height, width).
    """
    difference = now - then
    mean = tile_means(difference)
    spread: Floats = np.sqrt(np.maximum(tile_means(difference * difference) - mean * mean, 0.0))
    return spread


class TileWatch:
    """Feeds on small grey pictures in order; see the module. Never raises on any picture of one size.

    Tiles of the wearer's `own` parts are not judged, but what they hide of the path is as lost as what is dead.
    """

    def __init__(self, weights: Floats, own: Ignored | None = None) -> None:
        self._weights = weights
        self._ignored = (own or Ignored()).tiles(ROWS, COLUMNS)
        self._watched = ~self._ignored
        self._past: deque[tuple[int, Floats]] = deque()
        self._ranges: deque[tuple[int, Floats]] = (
            deque()
        )  # how much each tile changed within the window, lately
        self._details: deque[tuple[int, Floats]] = deque()
        self._bests: deque[tuple[int, Floats]] = deque()
        self._likenesses: deque[tuple[int, Floats]] = deque()
        self._quiet: deque[tuple[int, float]] = deque()  # the quietest tile's change from frame to frame
        none = np.zeros((ROWS, COLUMNS), np.bool_)
        self._frozen, self._lost, self._noisy, self._moves = none, none, none, none
        self._usual_range: Floats | None = None
        self._usual_ranges: deque[tuple[int, Floats]] = deque()  # of the last second
        self._froze_ns = 0  # when a part was last found frozen
        self._usual_detail: Floats | None = None
        self._usual_likeness: Floats | None = None
        self._motion: deque[tuple[int, bool]] = deque()
        self._lost_ns: int | None = None  # when so many lost their detail at once
        self._light = 1.0
        self._first_ns = 0
        self._last_ns = 0

    def check_tiles(self, small: Image, at_ns: int) -> TileHealth:
        """Judge one picture: grey uint8, (height, width), at a time that does not go back."""
        values = small.astype(np.float32)
        if self._past and self._past[-1][1].shape != values.shape:
            self._past.clear()
        mean = tile_means(values)
        std = np.sqrt(np.maximum(tile_means(values * values) - mean * mean, 0.0))
        changed = self._changes(values, at_ns)
        noise = self._noise(changed[-1], at_ns) if len(changed) else 0.0
        self._light = min(1.0, max(_DUSK_SHARE, float(mean[self._watched].mean()) / _DAY_LUMA))
        if self._past and at_ns - self._past[0][0] >= _WINDOW_S * NS_PER_S:
            self._look_for_frozen(changed.max(axis=0), std, noise, at_ns)
        self._look_for_lost(values, noise, at_ns)
        self._look_for_noise(values, std, at_ns)
        self._past.append((at_ns, values))
        self._last_ns = at_ns
        empty = (std < _EMPTY) & ((mean < _BLACK) | ((mean > _WHITE) & (self._weights > _IN_PATH)))
        return self._summary((self._frozen | self._lost | self._noisy | empty) & self._watched, std)

    def _summary(self, dead: Flags, std: Floats) -> TileHealth:
        if dead.sum() < _LEAST_TOGETHER:
            dead = np.zeros_like(dead)
        # What has no texture cannot be judged, and a live island is of no use: as dead as most of what lies around.
        dead = dead | (cv2.blur(dead.astype(np.float32), (3, 3), borderType=cv2.BORDER_REPLICATE) > _ISLAND)
        dead &= self._watched
        textured = (std >= _TEXTURED * self._light) & self._watched
        still = bool(textured.any()) and bool(self._frozen[textured].mean() > 0.9)
        # While parts stand still, only what moves is known to be alive: far ahead nothing moves of a steady camera.
        alive = ~dead & (self._moves if self._frozen.any() else self._watched)
        lost, left = float(self._weights[dead | self._ignored].sum()), float(self._weights[alive].sum())
        path_dead = lost / (lost + left) if lost >= MOST_HIDDEN else lost
        return TileHealth(dead, path_dead, float(dead[self._watched].mean()), still)

    def _changes(self, values: Floats, at_ns: int) -> Floats:
        """How much each tile changed since some pictures of the window, the last one last, (n, ROWS, COLUMNS)."""
        while len(self._past) > 1 and at_ns - self._past[1][0] >= _WINDOW_S * NS_PER_S:
            self._past.popleft()
        if not self._past:
            return np.empty((0, ROWS, COLUMNS), np.float32)
        picked = np.unique(np.linspace(0, len(self._past) - 1, _MOST_COMPARED).round().astype(int))
        return changes(values, np.stack([self._past[i][1] for i in picked]))

    def _noise(self, change: Floats, at_ns: int) -> float:
        """The sensor's noise: the change of the quietest tile within the last seconds, in grey levels."""
        some = change[(change > 0.05) & self._watched]
        if some.size:
            self._quiet.append((at_ns, float(some.min())))
        _forget(self._quiet, at_ns - 3 * NS_PER_S)
        return min((q for _, q in self._quiet), default=0.0)

    def _look_for_frozen(self, now: Floats, std: Floats, noise: float, at_ns: int) -> None:
        still = min(_MOST_STILL, max(_STILL, _STILL_PER_NOISE * noise))
        _forget(self._ranges, at_ns - round(_FALL_S * NS_PER_S), keep=1)
        before = max_of(self._ranges, now)
        plain = std < _TEXTURED * self._light
        textured = ~plain & (std >= _SEEN_MOVING * still) & self._watched
        moving = bool(textured.any()) and bool((now[textured] > _MOVED * still).mean() >= _MOVING_SHARE)
        self._motion.append((at_ns, moving))
        _forget(self._motion, at_ns - round(_MOVED_WITHIN_S * NS_PER_S))
        earlier = [m for then_ns, m in self._motion if at_ns - then_ns >= _WINDOW_S * NS_PER_S]
        long_enough = at_ns - self._motion[0][0] >= (_WINDOW_S + _MOVED_LEAST_S) * NS_PER_S
        moving_before = long_enough and sum(earlier) >= _MOVED_FOR * len(earlier)
        if self._usual_range is None:
            self._usual_range = now
        fell = (now < still) & (before > _MOVED * still) & (before > _HAD * self._usual_range) & ~plain
        fell &= self._watched
        self._usual_ranges.append((at_ns, self._usual_range))
        _forget(self._usual_ranges, at_ns - NS_PER_S, keep=1)
        follow = 1 - math.exp(-max(0, at_ns - self._last_ns) / NS_PER_S / _MOVED_WITHIN_S)
        self._usual_range = self._usual_range + follow * (now - self._usual_range)
        self._moves = (now > 2 * still) & self._watched
        if self._moves.sum() < _FEW_MOVE and textured.any():
            unabated = float(np.median((before / np.maximum(self._usual_ranges[0][1], still))[textured]))
            if (
                unabated < _UNABATED
            ):  # who stops slows down before, and parts of the picture stop a little sooner
                fell = np.zeros_like(fell)
                if at_ns - self._froze_ns <= _FALL_S * NS_PER_S:
                    self._frozen = fell
        if moving_before and max(fell.sum(), self._frozen.sum()) >= _LEAST_TOGETHER:
            if (fell & ~self._frozen).any():
                self._froze_ns = at_ns
            self._frozen = self._frozen | fell
        self._frozen = self._frozen & (now < 2 * still)
        self._ranges.append((at_ns, now))

    def _look_for_lost(self, values: Floats, noise: float, at_ns: int) -> None:
        if not noise:  # of the first pictures nothing is known
            return
        own = tile_means(cv2.absdiff(cv2.Laplacian(values, cv2.CV_32F), np.zeros_like(values)))
        own = np.maximum(own - _DETAIL_PER_NOISE * noise, 0.0)
        self._details.append((at_ns, own))
        _forget(self._details, at_ns - round(_WINDOW_S * NS_PER_S), keep=1)
        best = max_of(self._details, own)  # steps blur single frames
        _forget(self._bests, at_ns - round(_FALL_S * NS_PER_S), keep=1)
        before = max_of(self._bests, best)
        self._bests.append((at_ns, best))
        if self._usual_detail is None:
            self._usual_detail, self._first_ns = best, at_ns
            return
        usual = self._usual_detail
        lost = (best < _LEFT * usual) & (usual > _LEAST_DETAIL * self._light) & (before > _HAD * usual)
        lost &= self._watched & (at_ns - self._first_ns > _KNOWN_AFTER_S * NS_PER_S)
        if lost.sum() >= _LEAST_TOGETHER:
            self._lost_ns = at_ns
        if self._lost_ns is not None and at_ns - self._lost_ns <= _FALL_S * NS_PER_S:
            self._lost = self._lost | lost
        self._lost = self._lost & (best < _BACK * usual)
        young_s = max(0.1, (at_ns - self._first_ns) / NS_PER_S)
        follow = 1 - math.exp(-max(0, at_ns - self._last_ns) / NS_PER_S / min(young_s, _USUAL_S))
        # Or a plain place would be taken for a covered lens for ever.
        slowly = follow * _USUAL_S / _USUAL_LOST_S
        self._usual_detail = usual + np.where(self._lost, slowly, follow) * (best - usual)

    def _look_for_noise(self, values: Floats, std: Floats, at_ns: int) -> None:
        across: Floats = values[:, 1:] - values[:, :-1]
        down: Floats = values[1:] - values[:-1]
        steps = np.minimum(tile_means(across * across), tile_means(down * down))
        # The direction that is more alike: planks and fences have one.
        likeness = 1 - steps / np.maximum(2 * std * std, 1.0)
        self._likenesses.append((at_ns, likeness))
        _forget(self._likenesses, at_ns - round(_WINDOW_S * NS_PER_S), keep=1)
        best = max_of(self._likenesses, likeness)
        if self._usual_likeness is None:
            self._usual_likeness = likeness
        noisy = (best < _NOISY) & (self._usual_likeness > _NATURAL) & (std > _TEXTURED * self._light)
        noisy &= self._watched
        back = best > 0.5 * (_NOISY + _NATURAL)
        if max(noisy.sum(), self._noisy.sum()) >= _LEAST_TOGETHER:
            self._noisy = self._noisy | noisy
        self._noisy = self._noisy & ~back
        follow = 1 - math.exp(-max(0, at_ns - self._last_ns) / NS_PER_S / _USUAL_S)
        usual = self._usual_likeness
        self._usual_likeness = np.where(self._noisy, usual, usual + follow * (likeness - usual))


def _forget(past: deque[Any], before_ns: int, keep: int = 0) -> None:
    """Drop what is older, but for the newest `keep`."""
    while len(past) > keep and past[0][0] < before_ns:
        past.popleft()


def max_of(past: deque[tuple[int, Floats]], now: Floats) -> Floats:
    """The largest of each tile's values, this one included."""
    most: Floats = np.max([now, *(values for _, values in past)], axis=0)
    return most
