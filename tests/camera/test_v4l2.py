"""Webcams: the mode that keeps the rate, and why one cannot be opened; a driver stands in for the kernel's."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from rearguard.camera import v4l2, webcam
from rearguard.camera.catalogue import open_source
from rearguard.camera.v4l2 import Mode, choose_mode, modes_of, why_not
from rearguard.config.camera import Camera
from rearguard.errors import CameraLost, PartFailed

# A usual UVC camera: raw pictures are slow when large, compressed ones are not.
UVC = {
    "YUYV": {(640, 480): (30.0,), (1280, 720): (10.0,), (1920, 1080): (5.0,)},
    "MJPG": {(640, 480): (30.0,), (1280, 720): (30.0, 15.0), (1920, 1080): (30.0,)},
}
MJPG_ONLY = {"MJPG": {(1280, 720): (30.0,)}}
YUYV_ONLY = {"YUYV": UVC["YUYV"]}
H264_ONLY = {"H264": {(1280, 720): (30.0,)}}


class Driver:
    """Answers ioctls as linux/videodev2.h lays them out."""

    def __init__(
        self, formats: dict[str, dict[tuple[int, int], tuple[float, ...]]], capability: int = 1
    ) -> None:
        self.formats, self.capability = formats, capability

    def ioctl(self, _file: int, request: int, buffer: bytearray) -> int:
        nr = request & 0xFF
        if nr == 0:
            struct.pack_into("<III", buffer, 80, 0x060600, 0x84A00001, self.capability)
            return 0
        index, code = struct.unpack_from("<II", buffer, 0)
        names = list(self.formats)
        try:
            if nr == 2:
                buffer[44:48] = names[index].encode()
                return 0
            sizes = self.formats[code.to_bytes(4, "little").decode()]
            if nr == 74:
                struct.pack_into("<3I", buffer, 8, 1, *list(sizes)[index])
            else:
                rate = sizes[struct.unpack_from("<II", buffer, 8)][index]
                struct.pack_into("<3I", buffer, 16, 1, 1000, round(rate * 1000))
        except (IndexError, KeyError):
            raise OSError(errno.EINVAL, "no more") from None
        return 0


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def make(formats: dict, capability: int = 1) -> Path:
        monkeypatch.setattr(v4l2.fcntl, "ioctl", Driver(formats, capability).ioctl)
        (tmp_path / "video0").touch()
        return tmp_path / "video0"

    return make


def test_the_drivers_answers_are_read(device) -> None:
    modes = modes_of(device(UVC))
    assert Mode("YUYV", 1280, 720, 10.0) in modes
    assert Mode("MJPG", 1280, 720, 15.0) in modes
    assert len(modes) == 7


@pytest.mark.parametrize(("formats", "asked", "wanted"), [
    (UVC, (1280, 720, 15), ("MJPG", 1280, 720)),  # the raw one would give 10
    (UVC, (640, 480, 15), ("YUYV", 640, 480)),  # no decoding where it is not needed
    (MJPG_ONLY, (640, 480, 15), ("MJPG", 1280, 720)),
    (YUYV_ONLY, (1280, 720, 15), ("YUYV", 640, 480)),  # rather smaller than late
    (YUYV_ONLY, (1280, 720, 8), ("YUYV", 1280, 720)),
])  # fmt: skip
def test_the_mode_that_keeps_the_rate_is_taken(device, formats: dict, asked: tuple, wanted: tuple) -> None:
    mode = choose_mode(modes_of(device(formats)), *asked)
    assert mode is not None
    assert (mode.fourcc, mode.width_px, mode.height_px) == wanted


def test_modes_that_make_no_sense_are_passed_over() -> None:
    fine = Mode("YUYV", 320, 240, 30.0)
    assert choose_mode([Mode("MJPG", 0, 0, 30.0), Mode("MJPG", 1280, 720, 0.0), fine], 1280, 720, 15) == fine
    assert choose_mode([Mode("MJPG", 0, 720, 30.0)], 1280, 720, 15) is None


def test_what_cannot_be_read_is_named(device) -> None:
    assert choose_mode(modes_of(device(H264_ONLY)), 1280, 720, 15) is None
    assert "only H264" in why_not(device(H264_ONLY))


def test_a_camera_that_is_not_there() -> None:
    assert "camera" in why_not(Path("/dev/video987"))


def test_a_metadata_node_gives_no_pictures(device) -> None:
    assert "gives no pictures" in why_not(device(UVC, capability=0x00800000))


def test_who_uses_it_is_named(device) -> None:
    busy = device(UVC)
    with busy.open("rb") as held:
        user = subprocess.Popen(["sleep", "30"], stdin=held)
        try:
            time.sleep(0.2)
            assert f"sleep (process {user.pid}) is using it" in why_not(busy)
        finally:
            user.kill()
            user.wait()


class FakeCapture:
    """Stands in for cv2.VideoCapture; remembers what it was set to, in order."""

    sets: list[tuple[int, float]]
    pictures: list[bool]

    def __init__(self, _number: int, _backend: int) -> None:
        type(self).sets = []
        self.left = list(self.pictures)

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, prop: int, value: float) -> bool:
        self.sets.append((prop, value))
        return True

    def get(self, prop: int) -> float:
        return dict(self.sets).get(prop, 0.0)

    def read(self) -> tuple[bool, np.ndarray | None]:
        good = self.left.pop(0) if self.left else False
        return (True, np.full((48, 64, 3), 7, np.uint8)) if good else (False, None)

    def release(self) -> None:
        pass


@pytest.fixture
def plugged(device, monkeypatch: pytest.MonkeyPatch) -> None:
    """A UVC camera at /dev/video3, found by its lasting name."""
    node = device(UVC)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(webcam, "modes_of", lambda _: modes_of(node))
    monkeypatch.setattr(os.path, "realpath", lambda p: "/dev/video3" if "by-id" in str(p) else str(p))
    monkeypatch.setattr(Path, "exists", lambda _: True)


@pytest.mark.usefixtures("plugged")
def test_the_format_is_set_before_the_size() -> None:
    FakeCapture.pictures = [True]
    source = open_source("webcam:/dev/v4l/by-id/usb-Maker_Camera-video-index0", Camera())
    assert FakeCapture.sets[0] == (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    assert (source.info.width_px, source.info.height_px, source.info.fps) == (1280, 720, 15)
    assert "MJPG 1280x720" in source.info.assumed[0]


@pytest.mark.usefixtures("plugged")
def test_a_spoiled_picture_is_no_lost_camera() -> None:
    FakeCapture.pictures = [True, False, True, False, False, True]
    stream = open_source("webcam:/dev/v4l/by-id/x", Camera()).frames()
    assert [next(stream).seq for _ in range(3)] == [0, 1, 2]
    with pytest.raises(CameraLost, match="still plugged in"):
        next(stream)


@pytest.mark.usefixtures("plugged")
def test_a_camera_that_never_gives_a_picture_may_be_in_use() -> None:
    FakeCapture.pictures = []
    with pytest.raises(CameraLost, match="in use by another program"):
        next(open_source("webcam:/dev/v4l/by-id/x", Camera()).frames())


def test_a_name_that_leads_to_no_camera_is_named() -> None:
    with pytest.raises(PartFailed, match=r"webcam:/dev/v4l/by-id/none: cannot open"):
        open_source("webcam:/dev/v4l/by-id/none", Camera())
