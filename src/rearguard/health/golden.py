"""The golden picture: a rendered scene with one person in it, which a working detector must find.

    python -m rearguard.lab.world.golden     draws it anew, after a change to the simulated world

It is kept as a file, because drawing it would take a Raspberry Pi longer than the whole self-test may.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import cv2
import numpy as np

from rearguard.errors import PartFailed
from rearguard.types import Box, Image

FILE = "golden.png"
# Where the person stands, as shares of the picture; measured from the world's exact truth when it was drawn.
PERSON = Box(0.4577, 0.4690, 0.5423, 0.9633)


def golden(size: tuple[int, int]) -> tuple[Image, Box]:
    """The golden picture in a camera's size (width, height), and the person's box in it, in pixels.

    The scene keeps its proportions; what is missing above and below is filled with its edge. Raises
    `PartFailed` when the file is missing or broken.
    """
    with as_file(files("rearguard.health") / FILE) as path:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise PartFailed(f"golden picture {FILE} is missing or broken; install rearguard again")
    width, height = size
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    small = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    right, bottom = width - inner[0] - left, height - inner[1] - top
    framed = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE)
    box = Box(
        left + PERSON.x0 * inner[0],
        top + PERSON.y0 * inner[1],
        left + PERSON.x1 * inner[0],
        top + PERSON.y1 * inner[1],
    )
    return np.asarray(framed, dtype=np.uint8), box
