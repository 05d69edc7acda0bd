"""One word names any picture source: a path, `webcam:N`, `picamera2` or `sim:NAME`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rearguard.errors import BadInput

if TYPE_CHECKING:
    from rearguard.camera.source import Source
    from rearguard.config.camera import Camera

_FPS_BOUNDS = (0.5, 240.0)


def open_source(
    word: str, camera: Camera, *, fps: float | None = None, realtime: bool = False, seed: int = 0
) -> Source:
    """The source that `word` names, checked as far as can be without reading it through.

    `word`: a video file, a folder of pictures, `webcam:N`, `picamera2`, or `sim:NAME?key=value&…`.
    `fps` overrides the rate of a file or a simulation; `realtime` plays those on CLOCK_MONOTONIC and drops
    late frames (cameras always do). `seed` drives every random choice of a simulation.

    Raises `BadInput` in one line that names the word and the way out; `PartFailed` for a camera that fails.
    """
    if fps is not None and not _FPS_BOUNDS[0] <= fps <= _FPS_BOUNDS[1]:
        raise BadInput(
            f"--fps {fps:g}: must be from {_FPS_BOUNDS[0]:g} to {_FPS_BOUNDS[1]:g} frames per second"
        )
    if word.startswith("sim:"):
        from rearguard.world.source import SimulatedSource

        return SimulatedSource(word, camera, fps=fps, realtime=realtime, seed=seed)
    if word == "picamera2":
        from rearguard.camera.picam import PicamSource

        picam: Source = PicamSource(camera)
        return picam
    if word.startswith("webcam:"):
        if not re.fullmatch(r"webcam:\d{1,3}", word):
            raise BadInput(f"{word}: say webcam:N with the N of /dev/videoN, e.g. webcam:0")
        from rearguard.camera.webcam import Webcam

        return Webcam(int(word.partition(":")[2]), camera, fps)
    if "://" in word:
        raise BadInput(f"{word}: rearguard opens nothing over the network; give a file, a folder or webcam:N")
    path = Path(word)
    # Path.exists would raise of a name too long or in a folder that cannot be read; `open_recorded` tells of those.
    if not word or "\0" in word or (not os.path.exists(path) and not re.search(r"[/.\\]", word)):
        from rearguard.world.catalogue import names

        raise BadInput(
            f"source {word!r} is unknown: give a video file, a folder of pictures, webcam:0, picamera2, "
            f"or sim: with one of {', '.join(names())}"
        )
    from rearguard.camera.files import open_recorded

    return open_recorded(path, fps=fps, hfov_deg=camera.hfov_deg, realtime=realtime)
