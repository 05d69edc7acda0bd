"""How well people are found at a distance, drawn and photographed: `python -m rearguard.lab.evaluate.looks FOLDER`.

Each of 24 people stands alone in the lane of a world of their own, at each distance once. Printed by distance and
looks: the height in the picture, the share found in one look at the whole picture, the mean score, and the median and
the deviation of the logarithm of told by true height.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import msgspec
import numpy as np

from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.world import catalogue
from rearguard.lab.world.photo_looks import PhotoLooks, usable
from rearguard.lab.world.render import Renderer
from rearguard.types import Box, Detection

DISTANCES_M = (4.0, 6.0, 9.0, 13.0, 18.0, 25.0)
PEOPLE = 24
_SAME_IOU = 0.5


def measure(folder: str) -> None:
    """Print the table."""
    config = Config()
    camera = config.camera
    lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    pitch_rad = math.radians(camera.pitch_deg)
    # One look at the whole picture: what a closer look finds depends on the frames before.
    detector = Detector(msgspec.structs.replace(config.detect, closer_share=0.0))
    found: dict[tuple[float, str], list[tuple[float, Detection | None]]] = {}
    for seed in range(PEOPLE):
        looks = PhotoLooks(folder, seed)
        for distance in DISTANCES_M:
            scene = catalogue.scene("stand", seed=seed, start=distance, gait=0)
            for name, how in (("drawn", None), ("photo", looks)):
                image, truth = Renderer(scene, lens, camera.height_m, pitch_rad, how).frame(0.0, 0)
                box = truth[0].box
                assert box is not None
                told = detector.detect(image)
                found.setdefault((distance, name), []).append((box.height, _best(box, told)))
    print("distance | looks | height px | found | score | ln height: median, deviation")
    for (distance, name), rows in found.items():
        hits = [(tall, told) for tall, told in rows if told is not None]
        off = [math.log(told.box.height / tall) for tall, told in hits]
        print(
            f"{distance:g} m | {name} | {np.mean([tall for tall, _ in rows]):.0f} | {len(hits) / len(rows):.2f} | "
            f"{np.mean([told.score for _, told in hits]):.2f} | {np.median(off):+.3f}, {np.std(off):.3f}"
        )


def _best(true: Box, told: list[Detection]) -> Detection | None:
    same = [d for d in told if d.label == "person" and d.box.iou(true) >= _SAME_IOU]
    return max(same, key=lambda d: d.score, default=None)


if __name__ == "__main__":
    measure(usable(Path(sys.argv[1])))
