"""A simulated source judged by what has no class alone: no detector beside the channels of `looming`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import msgspec
import numpy as np

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.ego.flow import FlowEgo
from rearguard.ego.pinhole import Pinhole
from rearguard.looming.detector import LoomingDetector
from rearguard.looming.low import LowDetector
from rearguard.types import EgoMotion, Frame, Image, Level, LoomingPatch, Observation, Track
from rearguard.vision.rules import Rules


class Looked(NamedTuple):
    """A frame, what was followed in it, the level, what was seen low, and the channel itself."""

    frame: Frame
    tracks: tuple[Track, ...]
    level: Level
    low: tuple[LoomingPatch, ...]
    looming: LoomingDetector


def grey(frame: Frame) -> Image:
    """A frame in grey, as the pipeline hands it on."""
    return np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8)


def looked(
    word: str, camera: Camera, *, fps: float | None = None, hangs_deg: float = 0.0, low: bool = False
) -> Iterator[Looked]:
    """Each frame of a source; `low`: with the channel of what one trips over. The pod hangs off by an angle that nobody
    knows of."""
    config = Config()
    hung = msgspec.structs.replace(camera, pitch_deg=camera.pitch_deg + hangs_deg)
    source = open_source(word, hung, fps=fps)
    lens = Pinhole.from_fov(source.info.width_px, source.info.height_px, source.info.hfov_deg)
    flow, looming = FlowEgo(lens), LoomingDetector(config.looming, lens, camera)
    ground, rules = LowDetector(config.looming, lens, camera), Rules(config, lens)
    for frame in source.frames():
        motion = flow.estimate_turn(frame.image).rounded()
        turned = motion if motion.known else EgoMotion()
        ego = rules.turn(turned, frame.captured_ns)
        sight = looming.detect(grey(frame), frame.captured_ns, motion, ego, holds=rules.holds_patches)
        patches, found = sight.patches, None
        if low:
            found = ground.detect(grey(frame), frame.captured_ns, motion, ego)
        if found is not None:
            patches = (*(patches or ()), *found)
        seen = Observation(frame.seq, frame.captured_ns, (), turned, looming=patches, speed=sight.speed)
        tracks, verdict = rules.judge_frame(seen.rounded())
        yield Looked(frame, tracks, verdict.level, found or (), looming)
