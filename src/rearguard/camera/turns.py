"""Turning a picture clockwise by a quarter, half or three quarters, by degrees, and mirroring it."""

import cv2

from rearguard.types import Image

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def bgr(image: Image) -> Image:
    """A grey picture as one in B, G, R; any other as it is."""
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image


def upright(image: Image, mirrored: bool, turn_deg: int) -> Image:
    """The picture with left and right exchanged if `mirrored`, then turned clockwise."""
    if mirrored:
        image = cv2.flip(image, 1)
    return cv2.rotate(image, TURNS[turn_deg]) if turn_deg else image
