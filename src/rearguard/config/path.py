"""Where the path lies in the picture, by how the camera is configured to sit."""

from __future__ import annotations

import math

from rearguard.config.camera import Camera
from rearguard.types import Box, Region, hidden_share

DISTANCES_M = (3.0, 4.5, 6.0, 8.0, 11.0)
HALF_WIDTH_M = 0.9
MOST_HIDDEN = 0.15
"""The share of the path that may be out of sight before it is asked whether what is left suffices."""
_BODY_M = 1.8


def path_boxes(camera: Camera) -> list[Box]:
    """The path at each of `DISTANCES_M`, nearest first, in shares of the upright picture; it may reach out of it.

    The path is a body's height and the corridor's width at the distances covered within the next seconds, seen by a
    level pinhole with the configured field of view and tilt.
    """
    width, height = 480.0, 480.0 * camera.height_px / camera.width_px
    f = 0.5 * width / math.tan(math.radians(camera.hfov_deg) / 2)
    if camera.rotation_deg in (90, 270):
        width, height = height, width
    horizon = height / 2 - f * math.tan(math.radians(camera.pitch_deg))
    boxes = []
    for distance_m in DISTANCES_M:
        x = f * HALF_WIDTH_M / distance_m
        top = horizon - f * (_BODY_M - camera.height_m) / distance_m
        bottom = horizon + f * camera.height_m / distance_m
        boxes.append(Box((width / 2 - x) / width, top / height, (width / 2 + x) / width, bottom / height))
    return boxes


def hidden_of_path(camera: Camera, regions: tuple[Region, ...]) -> float:
    """How much of what the picture shows of the path these regions hide, 0..1; each distance counts alike."""
    shown = [Box(max(b.x0, 0.0), max(b.y0, 0.0), min(b.x1, 1.0), min(b.y1, 1.0)) for b in path_boxes(camera)]
    seen = [box for box in shown if box.width > 0 and box.height > 0]
    return sum(hidden_share(box, regions) for box in seen) / max(1, len(seen))
