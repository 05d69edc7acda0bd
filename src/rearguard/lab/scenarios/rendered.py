"""The whole pipeline over a rendered scene: the real detector sees the figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.ego.geometry import Pinhole
from rearguard.scenarios.table import LATENCY_S
from rearguard.vision.pipeline import Pipeline
from rearguard.words import Frame, TrueThing, Verdict
from rearguard.world.camera import Lens
from rearguard.world.render import Renderer
from rearguard.world.scene import Scene


def verdicts(scene: Scene, fps: float, config: Config) -> Iterator[tuple[Verdict, tuple[TrueThing, ...]]]:
    """Every frame's verdict with the truth behind it; frames are as old as on a Pi."""
    camera = config.camera
    lens = Lens.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    renderer = Renderer(scene, lens, camera.height_m, math.radians(camera.pitch_deg))
    sight = Pinhole(lens.width_px, lens.height_px, lens.focal_px)
    pipeline = Pipeline(config, sight, _detector(msgspec.json.encode(config.detect)), lambda _: LATENCY_S)
    for seq in range(math.floor(scene.duration_s * fps) + 1):
        image, truth = renderer.frame(seq / fps, seq)
        yield pipeline.step(Frame(seq, round(seq / fps * NS_PER_S), image, truth)).verdict, truth


@lru_cache(maxsize=1)
def _detector(settings: bytes) -> Detector:
    """One a process: loading the model takes longer than a short run."""
    return Detector(msgspec.json.decode(settings, type=Detect))
