"""Make docs/demo.png: the frame of the demo where the standing figure is 2.3 s away, with what rearguard says of it.

python docs/picture.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.vision.live_view import draw_boxes
from rearguard.vision.pipeline import Pipeline, age_of_file

OUT = Path(__file__).with_name("demo.png")
WIDTH_PX, HEIGHT_PX = 800, 450
MOST_BYTES = 300_000
SHOWN_TTC_S = 2.3


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    config = Config()
    source = open_source("sim:demo?noise=1", config.camera)
    info = source.info
    lens = Pinhole.from_fov(info.width_px, info.height_px, info.hfov_deg)
    pipeline = Pipeline(config, lens, Detector(config.detect), age_of_file)
    for frame in source.frames():
        step = pipeline.process_frame(frame)
        standing = next(t for t in frame.truth if t.name == "standing")
        if standing.ttc_s is not None and standing.ttc_s <= SHOWN_TTC_S:
            break
    image = cv2.resize(draw_boxes(step), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    for bits in (8, 7, 6, 5):  # fewer colours until it is small enough for a README
        kept = np.uint8(0xFF << (8 - bits) & 0xFF)
        data = cv2.imencode(".png", image & kept, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()
        if len(data) <= MOST_BYTES:
            break
    OUT.write_bytes(data)
    print(f"{OUT.name}: {len(data)} bytes, {bits} bits a channel, level {step.verdict.level.name}")


if __name__ == "__main__":
    main()
