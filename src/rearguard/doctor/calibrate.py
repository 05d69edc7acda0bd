"""Measure a lens: pictures of a printed board in, a calibration out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from rearguard.camera.lens import Calibration
from rearguard.errors import BadInput
from rearguard.types import Frame, Image

LEAST_VIEWS = 8
_MOST_VIEWS = 40
_LEAST_CORNERS = 12
_MOVED_SHARE = 0.03  # of the picture's diagonal: a view that is so like the last one tells nothing new
_GRID = 5  # the picture in so many rows and columns, to see where the board was
_GOOD_PX, _BAD_PX = 0.7, 2.0  # at 1280 pixels across
_MARKER_SHARE = 0.75  # of a square of the ChArUco board
_PRINT_PX_PER_SQUARE = 200

_View = tuple[
    NDArray[np.float32], NDArray[np.float32]
]  # of the board: corners in squares (n, 3), and in pixels


@dataclass(frozen=True, slots=True)
class Board:
    """What was printed: a chessboard by its inner corners, or a ChArUco board by its squares."""

    kind: str
    columns: int
    rows: int

    @classmethod
    def of(cls, word: str) -> Board:
        """`chessboard:9x6` or `charuco:8x6`. Raises `BadInput`."""
        found = re.fullmatch(r"(chessboard|charuco):(\d{1,2})x(\d{1,2})", word)
        if not found or not all(3 <= int(n) <= 30 for n in found.groups()[1:]):
            raise BadInput(
                f"--board {word!r}: say chessboard:9x6 (its inner corners) or charuco:8x6 (its squares)"
            )
        return cls(found[1], int(found[2]), int(found[3]))

    @property
    def told(self) -> str:
        """Which board is meant, in words."""
        if self.kind == "charuco":
            return f"the board that `calibrate --print FILE --board charuco:{self.columns}x{self.rows}` draws"
        return f"a chessboard of {self.columns + 1}x{self.rows + 1} squares (--board counts inner corners)"

    def draw(self) -> Image:
        """The ChArUco board, to be printed."""
        size = (self.columns * _PRINT_PX_PER_SQUARE, self.rows * _PRINT_PX_PER_SQUARE)
        return self._charuco().generateImage(size, marginSize=_PRINT_PX_PER_SQUARE // 2)  # type: ignore[no-any-return]

    def find(self, grey: Image) -> _View | None:
        """The board's corners (n, 3) in squares, and where they are in the picture (n, 2)."""
        if self.kind == "charuco":
            board = self._charuco()
            corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
            if ids is None or len(ids) < _LEAST_CORNERS:
                return None
            return board.getChessboardCorners()[ids.ravel()].astype(np.float32), corners.reshape(-1, 2)
        size = (self.columns, self.rows)
        flags = cv2.CALIB_CB_FAST_CHECK | cv2.CALIB_CB_ADAPTIVE_THRESH
        found, corners = cv2.findChessboardCorners(grey, size, flags=flags)
        if found:
            found, corners = cv2.findChessboardCornersSB(grey, size, flags=cv2.CALIB_CB_EXHAUSTIVE)
        if not found:
            return None
        grid = np.zeros((self.columns * self.rows, 3), np.float32)
        grid[:, :2] = np.mgrid[0 : self.columns, 0 : self.rows].T.reshape(-1, 2)
        return grid, corners.reshape(-1, 2)

    def _charuco(self) -> Any:
        codes = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_250)
        return cv2.aruco.CharucoBoard((self.columns, self.rows), 1.0, _MARKER_SHARE, codes)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The lens, how much of the picture the board was seen in, and what to do better (empty: nothing)."""

    lens: Calibration
    coverage: float
    advice: tuple[str, ...]


def measure(frames: Iterable[Frame], board: Board, origin: str, on_view: Callable[[int], None]) -> Measured:
    """Calibrate from frames that show the board; `on_view(count)` hears of each view that is taken.

    Both lens models are fitted, and the one that fits better is taken. Raises `BadInput` when the board is seen too
    seldom or the numbers make no lens.
    """
    views: list[_View] = []
    size: tuple[int, int] | None = None
    looked, last = 0, None
    for frame in frames:
        looked += 1
        height, width = frame.image.shape[:2]
        size = size or (width, height)
        if size != (width, height):
            raise BadInput(f"the picture changes size at frame {frame.seq}")
        found = board.find(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY))
        if found is None:
            continue
        centre = np.append(found[1].mean(axis=0), found[1].std())
        if last is not None and np.linalg.norm(centre - last) < _MOVED_SHARE * math.hypot(*size):
            continue
        last = centre
        views.append(found)
        on_view(len(views))
        if len(views) >= _MOST_VIEWS:
            break
    if len(views) < LEAST_VIEWS or size is None:
        raise BadInput(
            f"the {board.kind} of {board.columns}x{board.rows} was found in {len(views)} different places in {looked} "
            f"pictures, {LEAST_VIEWS} are needed: is it {board.told}, flat, whole in the picture, and moved about?"
        )
    lens = _fit(views, size, origin)
    coverage = _coverage(views, size)
    return Measured(lens=lens, coverage=coverage, advice=_advice(lens, coverage))


def _fit(views: list[_View], size: tuple[int, int], origin: str) -> Calibration:
    tried = [fit for fit in (_pinhole(views, size), _fisheye(views, size)) if fit is not None]
    if not tried:
        raise BadInput("no lens fits what was seen; is the board flat, and --board right?")
    rms, model, matrix, distortion = min(tried, key=lambda fit: fit[0])
    try:
        return msgspec.convert(
            {
                "model": model, "width_px": size[0], "height_px": size[1],
                "fx_px": float(matrix[0, 0]), "fy_px": float(matrix[1, 1]),
                "cx_px": float(matrix[0, 2]), "cy_px": float(matrix[1, 2]),
                "distortion": tuple(map(float, distortion.ravel())), "rms_px": round(float(rms), 4),
                "views": len(views), "origin": origin,
            }, Calibration)  # fmt: skip
    except msgspec.ValidationError as e:
        raise BadInput(
            f"what was seen makes no lens ({e}); tilt the board more, and hold it into the corners"
        ) from e


_Fit = tuple[float, str, NDArray[np.float64], NDArray[np.float64]]


def _pinhole(views: list[_View], size: tuple[int, int]) -> _Fit | None:
    try:
        rms, matrix, distortion, _, _ = cv2.calibrateCamera(
            [v[0] for v in views], [v[1].astype(np.float32) for v in views], size, None, None
        )
    except cv2.error:
        return None
    return (rms, "pinhole", matrix, distortion) if math.isfinite(rms) else None


def _fisheye(views: list[_View], size: tuple[int, int]) -> _Fit | None:
    flags = cv2.fisheye.CALIB_RECOMPUTE_EXTRINSIC | cv2.fisheye.CALIB_FIX_SKEW
    try:
        rms, matrix, distortion, _, _ = cv2.fisheye.calibrate(
            [v[0].reshape(1, -1, 3).astype(np.float64) for v in views],
            [v[1].reshape(1, -1, 2).astype(np.float64) for v in views],
            size, np.eye(3), np.zeros(4), flags=flags,
            criteria=(cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-7),
        )  # fmt: skip
    except cv2.error:  # it gives up on views that hardly tilt
        return None
    return (rms, "fisheye", matrix, distortion) if math.isfinite(rms) else None


def _coverage(views: list[_View], size: tuple[int, int]) -> float:
    """The share of the picture's cells in which a corner was seen."""
    seen = {
        (min(_GRID - 1, int(x / size[0] * _GRID)), min(_GRID - 1, int(y / size[1] * _GRID)))
        for _, corners in views
        for x, y in corners
    }
    return len(seen) / _GRID**2


def _advice(lens: Calibration, coverage: float) -> tuple[str, ...]:
    told = []
    at_1280 = lens.rms_px * 1280 / max(lens.width_px, lens.height_px)
    if at_1280 > _BAD_PX:
        told.append("the corners fit badly: is the board flat, still and sharp in the pictures?")
    elif at_1280 > _GOOD_PX:
        told.append("the corners could fit better: hold the board still, in good light")
    if coverage < 0.8:
        told.append(
            "parts of the picture never showed the board: hold it into every corner, also near the edges"
        )
    return tuple(told)
