"""The picamera2 source: what it says without a camera, and what it does on real libcamera."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from rearguard.camera.picam import PicamSource, monotonic_from_boottime, unpadded
from rearguard.config.camera import Camera
from rearguard.errors import PartFailed

try:
    import libcamera  # noqa: F401
    import picamera2

    CAMERAS = len(picamera2.Picamera2.global_camera_info())
    WHY_NOT = "" if CAMERAS else "libcamera finds no camera"
except Exception as e:
    WHY_NOT = f"no picamera2 with libcamera here ({e})"

live = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")
SMALL = Camera(width_px=640, height_px=480, fps=60, lost_after_s=0.5)


def test_rows_lose_their_padding_without_a_copy():
    buffer = np.zeros(64 * 3, np.uint8)
    rows = buffer.reshape(3, 64)
    rows[:, :12] = np.arange(36, dtype=np.uint8).reshape(3, 12)
    rows[:, 12:] = 255
    image = unpadded(buffer.data, 4, 3, 64)
    assert image.shape == (3, 4, 3)
    assert image[1, 2].tolist() == [18, 19, 20]
    assert image.max() == 35
    assert np.shares_memory(image, buffer)


def test_boottime_becomes_monotonic_and_never_the_future():
    a = time.monotonic_ns()
    b = monotonic_from_boottime(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    c = time.monotonic_ns()
    assert a - 1_000_000 <= b <= c
    assert monotonic_from_boottime(time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 10**12) <= time.monotonic_ns()


def test_without_picamera2_one_line_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(PartFailed, match="apt install") as raised:
        PicamSource(Camera())
    assert "\n" not in str(raised.value)


def test_a_foreign_numpy_is_one_line_too(monkeypatch, tmp_path):
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed,\\nmay indicate')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(PartFailed, match=r"numpy\.dtype size changed, may indicate"):
        PicamSource(Camera())


@live
def test_frames_are_bgr_and_stamped_with_the_sensors_time():
    source = PicamSource(SMALL)
    try:
        frames = []
        for frame in source.frames():
            frames.append((frame.seq, frame.captured_ns, time.monotonic_ns()))
            if frame.seq == 30:
                break
    finally:
        source.close()
    assert frame.image.shape == (480, 640, 3)
    assert frame.image.dtype == np.uint8
    assert frame.image.flags.c_contiguous
    assert source.info.live
    assert [seq for seq, _, _ in frames] == list(range(31))
    assert all(captured <= seen for _, captured, seen in frames)
    assert np.median([seen - captured for _, captured, seen in frames[5:]]) < 100e6
    steps = np.diff([captured for _, captured, _ in frames]) / 1e9
    assert np.median(steps) == pytest.approx(1 / 60, rel=0.05)  # the frame rate asked for
    colours = {tuple(int(v > 127) for v in frame.image[240, x]) for x in range(40, 640, 80)}
    assert {(0, 0, 1), (1, 0, 0), (0, 1, 1)} <= colours  # red, blue and yellow bars, as B, G, R
    first, last = frame.image[240, 40], frame.image[240, 600]
    assert int(first.min()) > 200 > 50 > int(last.max())  # white left, black right: not mirrored


@live
def test_a_turned_pod_turns_the_picture():
    source = PicamSource(Camera(width_px=640, height_px=480, fps=60, rotation_deg=90))
    try:
        frame = next(iter(source.frames()))
    finally:
        source.close()
    assert frame.image.shape == (640, 480, 3)
    assert (source.info.width_px, source.info.height_px) == (480, 640)
    assert int(frame.image[20, 240].min()) > 200  # the white bar, left before, is on top


@live
def test_odd_widths_come_without_stride():
    source = PicamSource(Camera(width_px=1000, height_px=562, fps=30))
    try:
        image = next(iter(source.frames())).image
    finally:
        source.close()
    assert image.shape == (source.info.height_px, source.info.width_px, 3)
    top, bottom = image[20].astype(int), image[540].astype(int)
    assert np.abs(top - bottom).max() < 10  # vertical bars stay upright: a row read too long would lean
    assert np.ptp(top) > 200


@live
def test_a_second_user_is_told_in_one_line():
    source = PicamSource(SMALL)
    try:
        with pytest.raises(PartFailed, match="another program") as raised:
            PicamSource(SMALL)
        assert "\n" not in str(raised.value)
        assert next(iter(source.frames())).image.any()  # the first user goes on
    finally:
        source.close()


@live
def test_fifty_starts_leave_nothing_behind():
    def held():
        gc.collect()  # picamera2's objects point at each other and wait for the collector
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    def resident_kb():
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    for start in range(50):
        source = PicamSource(SMALL)
        assert next(iter(source.frames())).image.any()
        source.close()
        assert not source.stuck
        if start == 4:
            early, early_kb = held(), resident_kb()
    assert held()[0] <= early[0] + 2
    assert held()[1] <= early[1]
    assert resident_kb() < early_kb + 40_000  # 45 more starts; one picture is 900 kB


@live
def test_a_frozen_camera_is_lost_and_closes_in_time(tmp_path, monkeypatch):
    freeze = tmp_path / "freeze"
    monkeypatch.setenv("LIBCAMERA_VIRTUAL_FREEZE", str(freeze))
    source = PicamSource(SMALL)
    frames = source.frames()
    next(frames)
    freeze.touch()
    began = time.monotonic()
    with pytest.raises(PartFailed, match=r"no picture for 0\.5 s"):
        list(frames)
    assert time.monotonic() - began < 3
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 3
    freeze.unlink()
    again = PicamSource(SMALL)
    try:
        assert next(iter(again.frames())).image.any()
    finally:
        again.close()


@live
def test_closing_from_another_thread_ends_the_frames():
    source = PicamSource(SMALL)
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(f.seq for f in source.frames()))
    thread.start()
    time.sleep(0.5)
    source.close()
    thread.join(3)
    assert not thread.is_alive()
    assert len(seen) > 5


_LEAVE = """
import sys, threading, time
from rearguard.camera.latest import Newest
from rearguard.camera.picam import PicamSource
from rearguard.config.camera import Camera
feed = Newest(PicamSource(Camera(width_px=640, height_px=480, fps=60)))
assert feed.get(5) is not None
{leave}
"""


@live
@pytest.mark.parametrize(
    "leave", ["feed.stop()", "", "feed.stop(); time.sleep(0.02)", "open(sys.argv[1], 'w')"]
)
def test_leaving_the_program_with_an_open_camera_is_quick_and_quiet(leave, tmp_path):
    freeze = tmp_path / "freeze"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LEAVE.format(leave=leave), str(freeze)],
        env={**os.environ, "LIBCAMERA_VIRTUAL_FREEZE": str(freeze)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert time.monotonic() - began < 12


@live
def test_the_modules_own_tuning_is_opened_with_its_exposure_capped(tmp_path, monkeypatch):
    tuning = {"version": 2.0, "target": "bcm2835", "algorithms": [{"rpi.agc": {"channels": [{"exposure_modes": {
        "normal": {"shutter": [100, 66666], "gain": [1.0, 8.0]}}}]}}]}  # fmt: skip
    for platform in ("vc4", "pisp"):
        folder = tmp_path / "libcamera/src/ipa/rpi" / platform / "data"
        folder.mkdir(parents=True)
        (folder / "imx708.json").write_text(json.dumps(tuning))
    monkeypatch.setenv("HOME", str(tmp_path))
    opened = []
    real = picamera2.Picamera2.__init__

    def watched(self, *args, **kwargs):
        opened.append(kwargs.get("tuning"))
        real(self, *args, **kwargs)

    monkeypatch.setattr(picamera2.Picamera2, "__init__", watched)
    source = PicamSource(SMALL)
    try:
        assert next(iter(source.frames())).image.any()
    finally:
        source.close()
    assert opened[0] is None  # which module is it?
    assert opened[1]["algorithms"][0]["rpi.agc"]["channels"][0]["exposure_modes"]["normal"] == {
        "shutter": [100, 2000, 2000, 8000],
        "gain": [1.0, 1.0, 8.0, 8.0],
    }
    assert len(opened) == 2
