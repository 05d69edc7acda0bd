"""Look at a video, a folder of pictures or a simulated world once, with the real detector, and keep the numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.geometry import Pinhole, moved
from rearguard.errors import BadInput
from rearguard.replay.recording import Found, Grown, Header, Look, Loom, Recording, Turn
from rearguard.track.growth import measure
from rearguard.vision.health import PictureWatch
from rearguard.vision.pipeline import Pipeline, Step, age_of_file
from rearguard.words import Box, EgoMotion, Frame, Image, Trouble

Progress = Callable[[int, int | None], None]


def looked(word: str, config: Config, fps: float | None, seed: int) -> str:
    """A digest of all that what is seen depends on, so that a file of detections is not taken for another's.

    Of a video its size counts, of a folder how many files are in it.

    Tracks guide the detector's closer look a little; they do not count here, or nothing could be tuned.
    """
    what = (_extent(word), config.camera, config.detect, config.looming, config.health, fps, seed)
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()[:16]


def see(
    word: str, config: Config, *, fps: float | None = None, seed: int = 0, on_frame: Progress | None = None
) -> Recording:
    """Everything seen in the source named by `word`, frame by frame; `on_frame(done, of)` hears of each.

    Raises `BadInput` for a camera, or a source that cannot be read or has no picture.
    """
    if word.startswith("webcam:") or word == "picamera2":
        raise BadInput(f"{word}: a camera cannot be replayed; give a file, a folder, sim:NAME or an outing")
    source = open_source(word, config.camera, fps=fps, seed=seed)
    try:
        detector = Detector(config.detect)
        eye: _Eye | None = None
        looks: list[Look] = []
        for frame in source.frames():
            if eye is None:
                height, width = frame.image.shape[:2]
                eye = _Eye(config, Pinhole.from_fov(width, height, source.info.hfov_deg), detector)
            looks.append(eye.look(frame))
            if on_frame is not None:
                on_frame(len(looks), source.info.frames)
    finally:
        source.close()
    if eye is None:
        raise BadInput(f"{word}: no picture in it")
    header = Header(
        source=word,
        width_px=eye.lens.width_px,
        height_px=eye.lens.height_px,
        hfov_deg=source.info.hfov_deg,
        looked=looked(word, config, fps, seed),
    )
    return Recording(header, looks)


class _Eye:
    """The outing's own way of seeing, with everything noted down that the tracker is told."""

    def __init__(self, config: Config, lens: Pinhole, detector: Detector) -> None:
        self.lens = lens
        self._pipeline = Pipeline(config, lens, detector, age_of_file)
        self._watch = PictureWatch(config.health)
        self._ego: EgoMotion | None = None
        self._grey: Image | None = None
        self._found: list[Found] = []

    def look(self, frame: Frame) -> Look:
        if frame.image.shape[:2] != (self.lens.height_px, self.lens.width_px):
            raise BadInput(f"the picture changes size at frame {frame.seq}")
        troubles = set(self._watch.look(frame, self._ego, None))
        if self._pipeline.untextured:
            troubles.add(Trouble.NO_TEXTURE)
        step = self._pipeline.step(frame, tuple(sorted(troubles)))
        self._ego = step.ego
        look = Look(
            frame.seq,
            frame.captured_ns,
            [Found.of(d) for d in step.detections if _is_box(d.box)],
            Turn.of(step.ego),
            self._growth(step),
            [Loom.of(t) for t in step.tracks if t.kind == "looming"],
            tuple(sorted(troubles)),
        )
        self._found = look.found
        return look

    def _growth(self, step: Step) -> list[Grown]:
        """Of every detection of the frame before, whether tracked or not: other settings may track others."""
        before, self._grey = self._grey, cv2.cvtColor(step.frame.image, cv2.COLOR_BGR2GRAY)
        if before is None:
            return []
        ego = Turn.of(step.ego).ego
        then = {i: found.detection.box for i, found in enumerate(self._found)}
        now = {i: moved(box, ego, self.lens) for i, box in then.items()}
        grown = measure(before, self._grey, then, now)
        return [Grown(i, round(g.ln_scale, 7), max(round(g.sd, 7), 1e-6)) for i, g in sorted(grown.items())]


def _extent(word: str) -> int:
    path = Path(word)
    try:
        return sum(1 for _ in path.iterdir()) if path.is_dir() else path.stat().st_size
    except (OSError, ValueError):  # no file: a simulated world
        return 0


def _is_box(box: Box) -> bool:
    return all(abs(v) < 1e6 for v in (box.x0, box.y0, box.x1, box.y1))  # not-a-number is no box either
