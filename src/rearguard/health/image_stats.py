"""What a small grey copy of the picture says about the lens: a handful of numbers, cheap enough for every frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.ego.ignored import Ignored
from rearguard.types import Image

WIDTH_PX = 160  # of the small copy: enough to see fog and hands, about 2 % of the pixels of 1280x720
_TILES = 8
_BURNT = 250
_DAY_LUMA = 64.0
_DUSK_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class PictureStats:
    """One picture in numbers. Brightness and contrast are in grey levels 0..255.

    `luma`: mean brightness. `flat_share`: share of the 8x8 tiles whose contrast (standard deviation) is below
    the asked limit. `burnt_share`: share of pixels at 250 or more. `sharpness`: variance of the Laplacian.
    """

    luma: float
    flat_share: float
    burnt_share: float
    sharpness: float


def coarse_copy(image: Image) -> Image:
    """Single pixels of the picture, about 320 to a row: a copy that costs a tenth of reading them all.

    `image`: BGR or grey uint8, (height, width[, 3]).
    """
    width = min(image.shape[1], 2 * WIDTH_PX)
    height = max(1, round(width * image.shape[0] / image.shape[1]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def small_grey(coarse: Image) -> NDArray[np.uint8]:
    """A grey copy 160 px wide of a coarse copy, each pixel the mean of several.

    The mean takes sensor noise out, so that a covered lens with the gain turned up is still featureless.
    """
    grey = cv2.cvtColor(coarse, cv2.COLOR_BGR2GRAY) if coarse.ndim == 3 else coarse
    height = max(_TILES, round(WIDTH_PX * coarse.shape[0] / coarse.shape[1]))
    return np.asarray(cv2.resize(grey, (WIDTH_PX, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def measure(small: NDArray[np.uint8], flat_std: float, own: Ignored | None = None) -> PictureStats:
    """The numbers of a small grey picture; a tile with contrast below `flat_std` counts as flat.

    What shows the wearer's `own` parts is left out. At dusk everything has less contrast, so the limit falls with the
    brightness, to about a third.
    """
    values = small.astype(np.float32)
    mean = cv2.resize(values, (_TILES, _TILES), interpolation=cv2.INTER_AREA)
    square = cv2.resize(values * values, (_TILES, _TILES), interpolation=cv2.INTER_AREA)
    variance = square - mean * mean
    seen = own.seen((small.shape[1], small.shape[0])) if own else None
    if own and seen is not None:
        shown = ~own.tiles(_TILES, _TILES)
        mean, variance, small = mean[shown], variance[shown], small[seen > 0]
    luma = float(mean.mean())
    limit = flat_std * min(1.0, max(_DUSK_SHARE, luma / _DAY_LUMA))
    _, deviation = cv2.meanStdDev(cv2.Laplacian(values, cv2.CV_32F), mask=seen)
    return PictureStats(
        luma=luma,
        flat_share=float((variance < limit * limit).mean()),
        burnt_share=float((small >= _BURNT).mean()),
        sharpness=float(deviation[0, 0] ** 2),
    )
