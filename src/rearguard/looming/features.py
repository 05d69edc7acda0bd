"""Points of the picture followed over about a step: the raw material of the looming channel.

Two neighbouring frames tell next to nothing of something 3 s away: at 15 fps it grows by 2 %, a fifth of a
pixel at a corner ten pixels from where the wearer is heading. Corners are therefore followed from frame to
frame (pyramidal Lucas-Kanade, Bouguet 2001) and compared over a step's time, in which the bob and the pitch
of the gait have come round again.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Array, Pinhole
from rearguard.types import Image

CELL_PX = 20  # at most one new point in each cell of this size
_COARSE = 2  # whether there is texture is seen at this fraction of the size: noise of single pixels is none
_HIGH_CELLS = 2
_SPOT_PX = 2
_SPARSE = 2  # beside the path, only every so many cells each way
_MOST = 300
_MOST_HIGH = 90  # of them well above the path ahead: sky and trees, which stay in sight and would fill up all
_WINDOW_PX = 11
_LEVELS = 3
_EDGE_PX = 4
# The smaller eigenvalue of the gradient's covariance that is texture rather than sensor noise: measured on
# rendered and real pictures, with a block of 5 and grey levels 0..255.
LEAST_TEXTURE = 1.5e-4
WORST_MATCH = 14.0  # mean grey-level difference of the window, above which it is no longer the same thing


class Points:
    """Corners and where they have been, in places that show the world. `length` frames of the past are kept."""

    def __init__(self, lens: Pinhole, length: int, own: Ignored | None = None) -> None:
        self._lens = lens
        self._length = length
        own = own or Ignored()
        self._seen = own.seen((lens.width_px, lens.height_px), _WINDOW_PX // 2)
        self._coarse = (lens.width_px // _COARSE, lens.height_px // _COARSE)
        self._seen_coarse = own.seen(self._coarse, _WINDOW_PX // 2)
        self._grey: Image | None = None
        self._odd = False
        # (n, length + 1, 2) small pixels, newest last, NaN before a point was first seen.
        self.past: Array = np.empty((0, length + 1, 2))
        self._drift: Array = np.empty((0, 2))  # flow per frame that the turn does not explain
        self.texture: Array = np.zeros((0, 0))  # per cell, of the newest frame searched; NaN where unknown

    def clear(self) -> None:
        """Forget everything."""
        self.past = np.empty((0, self._length + 1, 2))
        self._drift = np.empty((0, 2))
        self._grey = None

    def follow(self, grey: Image, turned: Array, ahead_px: tuple[float, float]) -> None:
        """Follow all points into the next grey picture; `turned` (3, 3) takes
        far rays of the last picture to this one, `ahead_px` is where the path vanishes."""
        before, self._grey = self._grey, grey
        if before is not None and len(self.past):
            self._follow(before, grey, turned)
        self._odd = not self._odd
        if self._odd or len(self.past) < _MOST // 4:
            self._thin()
            self._refill(grey, *ahead_px)

    def _follow(self, before: Image, after: Image, turned: Array) -> None:
        now = self.past[:, -1]
        still = self._lens.pixels(self._lens.rays(now) @ turned.T)
        guess = np.ascontiguousarray((still + self._drift)[:, None], np.float32)
        moved, ok, error = cv2.calcOpticalFlowPyrLK(
            before,
            after,
            np.ascontiguousarray(now[:, None], np.float32),
            guess,
            winSize=(_WINDOW_PX, _WINDOW_PX),
            maxLevel=_LEVELS,
            criteria=(3, 10, 0.03),
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )
        there = moved.reshape(-1, 2).astype(np.float64)
        height, width = after.shape
        inside = (there > _EDGE_PX).all(axis=1) & (there < (width - _EDGE_PX, height - _EDGE_PX)).all(axis=1)
        keep = (ok.ravel() == 1) & (error.ravel() < WORST_MATCH) & inside
        if self._seen is not None:
            column, row = there[keep].astype(int).T
            keep[keep] = self._seen[row, column] > 0
        self.past = np.concatenate([self.past[keep, 1:], there[keep, None]], axis=1)
        self._drift = 0.5 * self._drift[keep] + 0.5 * (there - still)[keep]

    def _thin(self) -> None:
        """Points that have run onto the same spot say the same thing twice; the older one stays."""
        spot = np.floor(self.past[:, -1] / _SPOT_PX).astype(np.int64)
        _, first = np.unique(spot[:, 0] * 4096 + spot[:, 1], return_index=True)
        first.sort()
        self.past, self._drift = self.past[first], self._drift[first]

    def _refill(self, grey: Image, ahead_x: float, ahead_y: float) -> None:
        """New corners where there are none: every cell near the path, every few beside it."""
        coarse = cv2.resize(grey, self._coarse, interpolation=cv2.INTER_AREA)
        self.texture, _ = _corners(coarse, CELL_PX // _COARSE, self._seen_coarse)
        strength, best = _corners(grey, CELL_PX, self._seen)
        rows, columns = strength.shape
        wanted = strength > LEAST_TEXTURE
        wanted[0] = wanted[-1] = False
        away = np.abs((np.arange(columns) + 0.5) * CELL_PX - ahead_x) > 0.25 * grey.shape[1]
        sparse = (np.arange(rows)[:, None] + np.arange(columns)[None]) % _SPARSE == 0
        wanted &= ~away[None] | sparse
        high_row = ahead_y / CELL_PX - _HIGH_CELLS
        held = np.minimum((self.past[:, -1] / CELL_PX).astype(int), (columns - 1, rows - 1))
        wanted[held[:, 1], held[:, 0]] = False
        row, column = np.nonzero(wanted)
        strongest = np.argsort(-strength[row, column])
        row, column = row[strongest], column[strongest]
        is_high, was_high = row < high_row, held[:, 1] < high_row
        high = np.nonzero(is_high)[0][: max(0, _MOST_HIGH - int(was_high.sum()))]
        low = np.nonzero(~is_high)[0][: max(0, _MOST - _MOST_HIGH - int((~was_high).sum()))]
        chosen = np.concatenate([low, high])
        row, column = row[chosen], column[chosen]
        place = best[row, column]
        new = np.full((len(row), self._length + 1, 2), np.nan)
        new[:, -1, 0] = column * CELL_PX + place % CELL_PX
        new[:, -1, 1] = row * CELL_PX + place // CELL_PX
        self.past = np.concatenate([self.past, new])
        self._drift = np.concatenate([self._drift, np.zeros((len(row), 2))])


def _corners(grey: Image, cell_px: int, seen: Image | None) -> tuple[Array, NDArray[np.intp]]:
    """The best corner of each cell: its strength, NaN where the cell reaches into what is left out, for nobody knows
    whether that is plain, and its place in the cell, row by row."""
    corner = cv2.cornerMinEigenVal(grey, 5)
    if seen is not None:
        corner[seen == 0] = np.nan
    strength, place = largest_in_cells(corner, (cell_px, cell_px))
    return strength.astype(np.float64), place


def largest_in_cells(
    of: NDArray[np.float32], cell: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """The largest value in each cell (wide, high) of a picture, and its place in the cell, row by row: (rows, columns)
    each."""
    wide, high = cell
    rows, columns = of.shape[0] // high, of.shape[1] // wide
    cells = of[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    cells = cells.transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    place = cells.argmax(axis=2)
    return np.take_along_axis(cells, place[..., None], axis=2)[..., 0], place
