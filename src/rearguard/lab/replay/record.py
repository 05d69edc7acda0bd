"""Look at a video, a folder of pictures or a simulated world once, with the real detector, and keep the numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput, CutShort
from rearguard.health.picture import PictureWatch
from rearguard.lab.replay.recording import Header, Recording
from rearguard.sense.source import GyroSense
from rearguard.types import EgoMotion, Fault, Frame, Observation
from rearguard.vision.pipeline import FrameResult, Pipeline, age_of_file

Progress = Callable[[int, int | None], None]


def looked(
    word: str, config: Config, fps: float | None, seed: int, hfov_deg: float | None = None, lens: str = ""
) -> str:
    """A digest of everything that detections depend on, so that a file of detections is not used for another source.

    Of a video its size counts, of a folder how many files are in it.

    Tracks guide the detector's closer look a little; they do not count here, or nothing could be tuned.
    """
    what = (
        recording_extent(word),
        config.camera,
        config.detect,
        config.looming,
        config.health,
        fps,
        seed,
        hfov_deg,
        *([lens] if lens else []),
        *([config.gyro] if config.gyro.device else []),
    )
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()[:16]


def record(
    word: str,
    config: Config,
    *,
    fps: float | None = None,
    hfov_deg: float | None = None,
    lens: str = "",
    seed: int = 0,
    on_frame: Progress | None = None,
) -> Recording:
    """Everything seen in the source named by `word`, frame by frame; `on_frame(done, of)` hears of each.

    Of a file that is cut short it is what there is; the header says so.

    Raises `BadInput` for a camera, or a source that cannot be read or has no picture.
    """
    if word.startswith("webcam:") or word == "picamera2":
        raise BadInput(f"{word}: a camera cannot be replayed; give a file, a folder, sim:NAME or an outing")
    source = open_source(word, config.camera, fps=fps, hfov_deg=hfov_deg, lens=lens, seed=seed)
    cut = ""
    try:
        detector = Detector(config.detect)
        watched: WatchedPipeline | None = None
        seen: list[Observation] = []
        for frame in source.frames():
            if watched is None:
                height, width = frame.image.shape[:2]
                pinhole = Pinhole.from_fov(width, height, source.info.hfov_deg)
                gyro = GyroSense.beside(source, config.gyro, live=False, film="" if fps else word)
                watched = WatchedPipeline(config, pinhole, detector, gyro)
            seen.append(watched.process_frame(frame).seen)
            if on_frame is not None:
                on_frame(len(seen), source.info.frames)
    except CutShort as e:
        cut = str(e)
    finally:
        source.close()
    if watched is None:
        raise BadInput(f"{word}: no picture in it")
    header = Header(
        source=word,
        width_px=pinhole.width_px,
        height_px=pinhole.height_px,
        hfov_deg=source.info.hfov_deg,
        looked=looked(word, config, fps, seed, hfov_deg, lens),
        assumed=source.info.assumed,
        cut=cut,
    )
    return Recording(header, seen)


class WatchedPipeline:
    """The outing's own way of seeing a file: the pipeline, and the watch over its pictures."""

    def __init__(
        self, config: Config, lens: Pinhole, detector: Detector, gyro: GyroSense | None = None
    ) -> None:
        self._lens = lens
        self._gyro = gyro
        self._pipeline = Pipeline(config, lens, detector, age_of_file, gyro.fusion if gyro else None)
        self._watch = PictureWatch(config.health, config.camera)
        self._ego: EgoMotion | None = None

    def process_frame(self, frame: Frame) -> FrameResult:
        """See and judge one frame. Raises `BadInput` when the picture changes its size."""
        if frame.image.shape[:2] != (self._lens.height_px, self._lens.width_px):
            raise BadInput(f"the picture changes size at frame {frame.seq}")
        faults = set(self._watch.check_picture(frame, self._ego, None))
        if self._pipeline.untextured:
            faults.add(Fault.NO_TEXTURE)
        if self._gyro is not None and self._gyro.failed:
            faults.add(Fault.GYRO_FAILED)
        step = self._pipeline.process_frame(frame, tuple(sorted(faults)))
        self._ego = step.seen.ego
        return step


def recording_extent(word: str) -> int:
    """How much there is of a recording, to tell it from another of the same name: bytes, or files in its folder."""
    path = Path(word)
    try:
        return sum(1 for _ in path.iterdir()) if path.is_dir() else path.stat().st_size
    except (OSError, ValueError):  # no file: a simulated world
        return 0
