"""Any picture a source may deliver, as BGR uint8; what cannot be one is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.errors import BadInput

if TYPE_CHECKING:
    from rearguard.types import Image

_TO_BGR = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}
_MAX_SIDE_PX = 16384


def as_bgr(image: NDArray[Any]) -> Image:
    """`image` as BGR uint8 (height, width, 3); the usual frame passes through untouched.

    Takes grey (2-D or one channel), BGR and BGRA; uint8, uint16 (full range) and finite floats, 0..1 or
    0..255. Raises `BadInput` when it is empty, huge, of another type, or not finite.
    """
    if not isinstance(image, np.ndarray):
        raise BadInput(f"picture: a {type(image).__name__}, not an array")
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise BadInput(f"picture: shape {image.shape} is neither grey, BGR nor BGRA")
    if image.size == 0:
        raise BadInput(f"picture: empty (shape {image.shape})")
    if max(image.shape) > _MAX_SIDE_PX:
        raise BadInput(f"picture: shape {image.shape}, the most is {_MAX_SIDE_PX} pixels a side")
    if image.dtype == np.uint8 and image.ndim == 3 and channels == 3:
        return image
    eight_bit = np.ascontiguousarray(_to_eight_bit(image))
    return eight_bit if channels == 3 else cv2.cvtColor(eight_bit, _TO_BGR[channels])


def _to_eight_bit(image: NDArray[Any]) -> Image:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    if np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all():
            raise BadInput("picture: has values that are not finite (NaN or infinity)")
        top = 255.0 if image.max() <= 1.0 else 1.0
        return np.clip(image * top, 0, 255).astype(np.uint8)
    raise BadInput(f"picture: {image.dtype} pixels; uint8, uint16 and floats are understood")
