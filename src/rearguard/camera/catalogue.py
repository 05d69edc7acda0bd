"""One word names any picture source: a path, `webcam:N`, `picamera2` or `sim:NAME`."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rearguard.camera.lens import StraightSource, read_calibration
from rearguard.errors import BadInput

if TYPE_CHECKING:
    from rearguard.camera.source import Source
    from rearguard.config.camera import Camera

_FPS_BOUNDS = (0.5, 240.0)


def open_source(
    word: str,
    camera: Camera,
    *,
    fps: float | None = None,
    hfov_deg: float | None = None,
    lens: str = "",
    realtime: bool = False,
    seed: int = 0,
) -> Source:
    """The source that `word` names, checked as far as can be without reading it through.

    `word`: a video file, a folder of pictures, `webcam:N`, `picamera2`, or `sim:NAME?key=value&…`.
    `fps` overrides the rate of a file or a simulation, `hfov_deg` the lens's field of view, of a file along its
    picture's long side; `lens` names a calibrated lens by which the pictures are straightened: a camera's is
    `camera.lens` unless another is named, a recording has the one that is named here. `realtime` plays files and
    simulations on CLOCK_MONOTONIC and drops late frames (cameras always do). `seed` drives every random choice of a
    simulation.

    Raises `BadInput` in one line that names the word and the way out; `PartFailed` for a camera that fails.
    """
    if fps is not None and not _FPS_BOUNDS[0] <= fps <= _FPS_BOUNDS[1]:
        raise BadInput(
            f"--fps {fps:g}: must be from {_FPS_BOUNDS[0]:g} to {_FPS_BOUNDS[1]:g} frames per second"
        )
    if hfov_deg is not None:
        camera = msgspec.structs.replace(camera, hfov_deg=hfov_deg)
    if lens and word.startswith("sim:"):
        raise BadInput("--lens: a simulated world has a lens without faults")
    live = word == "picamera2" or word.startswith("webcam:")
    named = lens or (camera.lens if live else "")
    calibration = read_calibration(named) if named else None
    source = _plain(word, camera, fps=fps, hfov_asked=hfov_deg is not None, realtime=realtime, seed=seed)
    return source if calibration is None else StraightSource(source, calibration)


def _plain(
    word: str, camera: Camera, *, fps: float | None, hfov_asked: bool, realtime: bool, seed: int
) -> Source:
    """The source as its lens draws it."""
    if word.startswith("sim:"):
        simulated: Source = _laboratory("source").SimulatedSource(
            word, camera, fps=fps, realtime=realtime, seed=seed
        )
        return simulated
    if word == "picamera2":
        from rearguard.camera.picam import PicamSource

        picam: Source = PicamSource(camera)
        return picam
    if word.startswith("webcam:"):
        if not re.fullmatch(r"webcam:(\d{1,3}|/dev/[^\0]{1,200})", word):
            raise BadInput(
                f"{word}: say webcam:N with the N of /dev/videoN, e.g. webcam:0, or webcam:/dev/v4l/by-id/NAME"
            )
        from rearguard.camera.webcam import Webcam

        return Webcam(word.partition(":")[2], camera, fps)
    if "://" in word:
        raise BadInput(f"{word}: rearguard opens nothing over the network; give a file, a folder or webcam:N")
    path = Path(word)
    # Path.exists raises for a name too long or a folder that cannot be read; `open_recorded` reports those.
    if not word or "\0" in word or (not os.path.exists(path) and not re.search(r"[/.\\]", word)):
        names = ", ".join(_laboratory("catalogue").names())
        raise BadInput(
            f"source {word!r} is unknown: give a video file, a folder of pictures, webcam:0, picamera2, "
            f"or sim: with one of {names}"
        )
    from rearguard.camera.files import open_recorded

    return open_recorded(
        path,
        fps=fps,
        hfov_deg=camera.hfov_deg,
        realtime=realtime,
        hfov_asked=hfov_asked,
        rotation_deg=camera.rotation_deg,
    )


def _laboratory(module: str) -> Any:
    """A module of the simulated worlds, imported by name: the warning path does not depend on the laboratory."""
    return import_module(f"rearguard.lab.world.{module}")
