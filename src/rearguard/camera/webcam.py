"""A V4L2 webcam through OpenCV."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from rearguard.camera.picam_modes import field_of_view_deg
from rearguard.camera.source import SourceInfo
from rearguard.camera.turns import TURNS, bgr
from rearguard.camera.v4l2 import Mode, choose_mode, modes_of, why_not
from rearguard.config.camera import Camera
from rearguard.errors import CameraLost, PartFailed
from rearguard.types import Frame, Image

_STALE_NS = 2_000_000_000
_MOST_SPOILED = 4  # pictures in a row


class Webcam:
    """Live frames of a V4L2 camera, turned by `rotation_deg`, stamped with the driver's capture time.

    `place` is N of /dev/videoN, or a path that leads there; a name in /dev/v4l/by-id stays the same when the kernel
    counts anew. Of the formats the camera has, the one is taken that keeps the rate.

    Raises `PartFailed` naming the webcam when it cannot be opened or when it disappears.
    """

    def __init__(self, place: str, camera: Camera, fps: float | None = None) -> None:
        self._name = f"webcam:{place}"
        self._device = Path(place if place.startswith("/") else f"/dev/video{place}")
        self._turn = TURNS.get(camera.rotation_deg)
        self._closed = False
        want_fps = fps or camera.fps
        cv2.setLogLevel(0)
        number = re.fullmatch(r"/dev/video(\d{1,3})", os.path.realpath(self._device))
        if number is None:
            raise PartFailed(f"{self._name}: cannot open {self._device}; {why_not(self._device)}")
        mode = self._best_mode(camera, want_fps)
        self._capture = cv2.VideoCapture(int(number[1]), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self._capture.release()
            raise PartFailed(f"{self._name}: cannot open {self._device}; {why_not(self._device)}")
        # The format first: it decides which sizes and rates there are.
        fourcc = [(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.fourcc))] if mode else []
        for prop, value in (
            *fourcc,
            (cv2.CAP_PROP_FRAME_WIDTH, mode.width_px if mode else camera.width_px),
            (cv2.CAP_PROP_FRAME_HEIGHT, mode.height_px if mode else camera.height_px),
            (cv2.CAP_PROP_FPS, mode.fps if mode else want_fps),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            self._capture.set(prop, value)
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)) or camera.width_px
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) or camera.height_px
        hfov_deg = field_of_view_deg(
            camera.hfov_deg, (width, height), (0, 0, width, height), camera.rotation_deg
        )
        if camera.rotation_deg in (90, 270):
            width, height = height, width
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0.5 <= rate <= 240 else want_fps
        told = (f"{mode.fourcc} {mode.width_px}x{mode.height_px} at {mode.fps:g}/s",) if mode else ()
        self.info = SourceInfo(self._name, width, height, rate, hfov_deg, live=True, assumed=told)

    def _best_mode(self, camera: Camera, want_fps: float) -> Mode | None:
        """The mode that keeps the rate; None where the driver tells of none, and OpenCV is left to choose."""
        try:
            return choose_mode(modes_of(self._device), camera.width_px, camera.height_px, want_fps)
        except OSError:
            return None  # opening it tells why

    def frames(self) -> Iterator[Frame]:
        seq = failed = 0
        try:
            while not self._closed:
                ok, image = self._capture.read()
                now_ns = time.monotonic_ns()
                if self._closed:
                    return
                if not ok or image is None:
                    failed += 1
                    # One spoiled picture is a hiccup of the cable; a device that is gone gives none any more.
                    if failed < _MOST_SPOILED and self._device.exists():
                        continue
                    busy = " (it may be in use by another program)" if seq == 0 else ""
                    raise CameraLost(
                        f"{self._name}: delivers no picture any more; is it still plugged in?{busy}"
                    )
                failed = 0
                yield Frame(seq, self._stamp(now_ns), self._turned(image))
                seq += 1
        finally:
            self._capture.release()

    def close(self) -> None:
        """Stop delivering. Never blocks; the device is released by whoever iterates."""
        self._closed = True

    def _stamp(self, now_ns: int) -> int:
        """V4L2 stamps buffers with CLOCK_MONOTONIC; a driver that does not is given the time of arrival."""
        driver_ns = int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return driver_ns if 0 <= now_ns - driver_ns < _STALE_NS else now_ns

    def _turned(self, image: Image) -> Image:
        image = bgr(image)
        return image if self._turn is None else cv2.rotate(image, self._turn)
