"""A picture made smaller, written as JPEG, and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rearguard.types import Box

if TYPE_CHECKING:
    from rearguard.types import Image

JPEG_QUALITY, CLIP_QUALITY = 85, 75


def scaled(box: Box, scale: float) -> Box:
    """A box in a picture shrunk by `scale`."""
    return Box(box.x0 * scale, box.y0 * scale, box.x1 * scale, box.y1 * scale)


def shrink(image: Image, width_px: int) -> Image:
    """The picture at most `width_px` wide; never enlarged."""
    import cv2

    height, width = image.shape[:2]
    if width <= width_px:
        return image
    size = (width_px, max(1, round(height * width_px / width)))
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def to_jpeg(image: Image, quality: int = JPEG_QUALITY) -> bytes:
    """A BGR picture as JPEG. Raises ValueError when OpenCV cannot encode it."""
    import cv2

    try:
        ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as e:
        raise ValueError(f"cannot encode a picture of shape {image.shape}: {e.err}") from e
    if not ok:
        raise ValueError(f"cannot encode a picture of shape {image.shape}")
    return bytes(data.tobytes())


def from_jpeg(data: bytes) -> Image:
    """A JPEG as a BGR picture. Raises ValueError when it is none."""
    import cv2
    import numpy as np

    image: Image | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not a JPEG")
    return image
