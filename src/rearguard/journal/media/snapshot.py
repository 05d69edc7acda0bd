"""A picture of the worst moment, as it is stored: small, heads pixelated, JPEG and terminal strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rearguard.journal.media.jpeg import scaled, shrink, to_jpeg
from rearguard.journal.media.thumbnails import MAX_WIDTH_PX, Thumb, pack
from rearguard.types import Box

if TYPE_CHECKING:
    from rearguard.types import Image

PICTURE_WIDTH_PX = 640

Keep = Literal["redacted", "off", "full"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frame worth keeping: BGR picture (height, width, 3) and what to hide in it, boxes around heads.

    The picture must not be changed afterwards; it is encoded later, on the journal's thread.
    """

    image: Image
    heads: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """The files made of a snapshot."""

    jpeg: bytes
    strip: bytes
    redacted: bool


def encode(snapshot: Snapshot, keep: Keep) -> Encoded | None:
    """A snapshot as it may be stored; None when none may.

    Shrunk to `PICTURE_WIDTH_PX` before heads are pixelated, so that no finer picture is ever written; faces that nobody
    told of are looked for, and hidden as well.
    Raises ValueError when the picture cannot be encoded.
    """
    if keep == "off":
        return None
    small = shrunk(snapshot.image, snapshot.heads, keep)
    if keep != "full":
        from rearguard.journal.media.faces import find_faces
        from rearguard.journal.media.redact import redact

        small = redact(small, find_faces(small))
    return Encoded(to_jpeg(small), pack([to_thumb(small, 0.0)]), keep != "full")


def shrunk(image: Image, heads: tuple[Box, ...], keep: Keep) -> Image:
    """A picture of `PICTURE_WIDTH_PX` at most, its heads pixelated unless it is kept in full."""
    small = shrink(image, PICTURE_WIDTH_PX)
    if keep == "full":
        return small
    from rearguard.journal.media.redact import redact

    scale = small.shape[1] / image.shape[1]
    return redact(small, [scaled(box, scale) for box in heads])


def to_thumb(image: Image, offset_s: float, width_px: int = MAX_WIDTH_PX) -> Thumb:
    """A BGR picture as a thumb for the terminal."""
    import cv2

    small = shrink(image, width_px)
    height, width = small.shape[:2]
    return Thumb(width, height, offset_s, cv2.cvtColor(small, cv2.COLOR_BGR2RGB).tobytes())
