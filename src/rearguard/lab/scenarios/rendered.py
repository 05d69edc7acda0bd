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
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.scenarios.table import LATENCY_S
from rearguard.lab.world import boxes
from rearguard.lab.world.gyro import Errors
from rearguard.lab.world.photo_looks import PhotoLooks
from rearguard.lab.world.render import Renderer
from rearguard.lab.world.scene import Scene
from rearguard.types import Frame, TrueThing, Verdict
from rearguard.vision.pipeline import FrameResult, Pipeline


def verdicts(
    scene: Scene, fps: float, config: Config, photos: str = "", *, gyro: bool = False
) -> Iterator[tuple[Verdict, tuple[TrueThing, ...]]]:
    """Every frame's verdict with the truth behind it, of `judged_frames`."""
    for step in judged_frames(scene, fps, config, photos, gyro=gyro):
        yield step.verdict, step.frame.truth


def judged_frames(
    scene: Scene, fps: float, config: Config, photos: str = "", *, gyro: bool = False
) -> Iterator[FrameResult]:
    """All that every frame led to; frames are as old as on a Pi. Drawn, or out of `photos`; `gyro`: with a gyroscope
    beside the camera."""
    camera = config.camera
    pitch_rad = math.radians(camera.pitch_deg)
    lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    looks = PhotoLooks(photos, scene.seed) if photos else None
    renderer = Renderer(scene, lens, camera.height_m, pitch_rad, looks)
    detector = _detector(msgspec.json.encode(config.detect))
    detector.forget()  # whatever this process ran before
    turns = boxes.known_gyro(scene, 1 / fps, Errors(), scene.seed, pitch_rad) if gyro else None
    pipeline = Pipeline(config, lens, detector, lambda _: LATENCY_S, turns)
    for seq in range(math.floor(scene.duration_s * fps) + 1):
        image, truth = renderer.frame(seq / fps, seq)
        yield pipeline.process_frame(Frame(seq, round(seq / fps * NS_PER_S), image, truth))


@lru_cache(maxsize=1)
def _detector(settings: bytes) -> Detector:
    """One a process: loading the model takes longer than a short run."""
    return Detector(msgspec.json.decode(settings, type=Detect))
