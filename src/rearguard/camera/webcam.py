"""A V4L2 webcam through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2

from rearguard.camera.picam_modes import field_of_view_deg
from rearguard.camera.source import SourceInfo
from rearguard.config.camera import Camera
from rearguard.errors import CameraLost, PartFailed
from rearguard.words import Frame, Image

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_STALE_NS = 2_000_000_000


class Webcam:
    """Live frames of /dev/video`number`, turned by `rotation_deg`, stamped with the driver's capture time.

    Raises `PartFailed` naming the webcam when it cannot be opened or when it disappears.
    """

    def __init__(self, number: int, camera: Camera, fps: float | None = None) -> None:
        self._name = f"webcam:{number}"
        self._turn = TURNS.get(camera.rotation_deg)
        self._closed = False
        cv2.setLogLevel(0)
        self._capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self._capture.release()
            raise PartFailed(
                f"{self._name}: cannot open /dev/video{number}; is the camera plugged in and free?"
            )
        for prop, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, camera.width_px),
            (cv2.CAP_PROP_FRAME_HEIGHT, camera.height_px),
            (cv2.CAP_PROP_FPS, fps or camera.fps),
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
        rate = rate if 0.5 <= rate <= 240 else fps or camera.fps
        self.info = SourceInfo(self._name, width, height, rate, hfov_deg, live=True)

    def frames(self) -> Iterator[Frame]:
        seq = 0
        try:
            while not self._closed:
                ok, image = self._capture.read()
                now_ns = time.monotonic_ns()
                if self._closed:
                    return
                if not ok or image is None:
                    raise CameraLost(f"{self._name}: delivers no picture any more; is it still plugged in?")
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
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        return image if self._turn is None else cv2.rotate(image, self._turn)
