"""Draws the self-test's golden picture anew: `python -m rearguard.lab.world.golden`, after a change to the world.

It prints where the person stands, for `rearguard.health.golden`.
"""

from __future__ import annotations

from pathlib import Path

import cv2

from rearguard.config.camera import Camera
from rearguard.health import golden
from rearguard.lab.world.source import SimulatedSource

_WORLD = "sim:stand?gait=off&start=4.5&speed=1&noise=0"
_SIZE_PX = (640, 360)


def draw() -> None:
    """Draw the picture and print the person's box as shares of it."""
    source = SimulatedSource(_WORLD, Camera(), fps=10)
    frame = next(iter(source.frames()))
    source.close()
    box = frame.truth[0].box
    assert box is not None
    small = cv2.resize(frame.image, _SIZE_PX, interpolation=cv2.INTER_AREA)
    path = Path(golden.__file__).with_name(golden.FILE)
    cv2.imwrite(str(path), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    w, h = source.info.width_px, source.info.height_px
    print(f"PERSON = Box({box.x0 / w:.4f}, {box.y0 / h:.4f}, {box.x1 / w:.4f}, {box.y1 / h:.4f})")


if __name__ == "__main__":
    draw()
