"""A picture of the worst moment, as it is stored: small, heads pixelated, JPEG and terminal strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rearguard.journal.strip import MAX_WIDTH_PX, Thumb, pack
from rearguard.words import Box

if TYPE_CHECKING:
    from rearguard.words import Image

PICTURE_WIDTH_PX = 640
JPEG_QUALITY = 85

Keep = Literal["redacted", "off", "full"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frame worth keeping: BGR picture (height, width, 3) and every person box in it, doubtful ones too.

    The picture must not be changed afterwards; it is encoded later, on the journal's thread.
    """

    image: Image
    people: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """The files made of a snapshot."""

    jpeg: bytes
    strip: bytes
    redacted: bool


def encode(snapshot: Snapshot, keep: Keep) -> Encoded | None:
    """A snapshot as it may be stored; None when none may.

    Shrunk to `PICTURE_WIDTH_PX` before heads are pixelated, so that no finer picture is ever written.
    Raises ValueError when the picture cannot be encoded.
    """
    if keep == "off":
        return None
    small = shrink(snapshot.image, PICTURE_WIDTH_PX)
    if keep != "full":
        from rearguard.journal.redact import redact

        scale = small.shape[1] / snapshot.image.shape[1]
        small = redact(small, [scaled(box, scale) for box in snapshot.people])
    return Encoded(to_jpeg(small), pack([to_thumb(small, 0.0)]), keep != "full")


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
    return _bytes(data)


def from_jpeg(data: bytes) -> Image:
    """A JPEG as a BGR picture. Raises ValueError when it is none."""
    import cv2
    import numpy as np

    image: Image | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not a JPEG")
    return image


def to_thumb(image: Image, offset_s: float, width_px: int = MAX_WIDTH_PX) -> Thumb:
    """A BGR picture as a thumb for the terminal."""
    import cv2

    small = shrink(image, width_px)
    height, width = small.shape[:2]
    return Thumb(width, height, offset_s, _bytes(cv2.cvtColor(small, cv2.COLOR_BGR2RGB)))


def _bytes(array: Any) -> bytes:
    return bytes(array.tobytes())
