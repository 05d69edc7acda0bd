"""What a V4L2 camera can do, asked of the kernel: formats, sizes and rates, and why it cannot be opened.

Structures and numbers are those of linux/videodev2.h.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_QUERYCAP, _ENUM_FMT, _ENUM_SIZES, _ENUM_INTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
_CAPTURE, _DEVICE_CAPS = 0x1, 0x80000000
_VIDEO_CAPTURE = 1  # v4l2_buf_type
_DISCRETE = 1
_MOST = 200  # of any enumeration
# What OpenCV can read, best first: raw pictures cost no decoding.
READABLE = ("YUYV", "UYVY", "NV12", "YU12", "BGR3", "RGB3", "MJPG", "JPEG", "GREY")
_COMMON_SIZES = ((640, 360), (640, 480), (800, 600), (1280, 720), (1280, 960), (1920, 1080))
BY_ID = Path("/dev/v4l/by-id")


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to read a camera: pixel format by its four letters, size, frames per second."""

    fourcc: str
    width_px: int
    height_px: int
    fps: float


def choose_mode(modes: list[Mode], width_px: int, height_px: int, fps: float) -> Mode | None:
    """The mode that comes nearest to what is asked for: first to the rate, then to shape and size, then the cheapest.

    None where there is nothing that can be read.
    """
    readable = [m for m in modes if m.fourcc in READABLE and min(m.width_px, m.height_px, m.fps) > 0]

    def nearness(mode: Mode) -> tuple[float, float, int, float]:
        rate = min(mode.fps, 0.95 * fps) / fps
        size = abs(math.log(mode.width_px * mode.height_px / (width_px * height_px)))
        shape = abs(math.log(mode.width_px / mode.height_px * height_px / width_px))
        return round(rate, 2), -round(size + 2 * shape, 3), -READABLE.index(mode.fourcc), -mode.fps

    return max(readable, key=nearness, default=None)


def modes_of(device: Path) -> list[Mode]:
    """Every mode of a camera; empty where the driver does not tell. Raises OSError when it cannot be opened."""
    file = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return [
            Mode(fourcc, width, height, fps)
            for fourcc, code in _formats(file)
            for width, height in _sizes(file, code)
            for fps in _rates(file, code, width, height)
        ]
    finally:
        os.close(file)


def can_capture(device: Path) -> bool:
    """Whether it is a camera, and not the second node (metadata) that many cameras have."""
    try:
        file = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = _query_device(file, _QUERYCAP, bytes(104))
        every, own = struct.unpack_from("<II", answer, 84) if answer else (0, 0)
        return bool((own if every & _DEVICE_CAPS else every) & _CAPTURE)
    finally:
        os.close(file)


def cameras() -> list[str]:
    """The words of the cameras there are, by lasting name where they have one."""
    lasting = sorted(BY_ID.iterdir()) if BY_ID.is_dir() else []
    named = {path.resolve() for path in lasting}
    plain = [p for p in sorted(Path("/dev").glob("video*")) if p.resolve() not in named]
    return [f"webcam:{path}" for path in (*lasting, *plain) if can_capture(path)]


def why_not(device: Path) -> str:
    """Why a camera cannot be opened, and what to do, in one line."""
    try:
        file = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            there = ", ".join(cameras())
            return (
                f"there is no such camera; plug it in, or take {there}"
                if there
                else "is a camera plugged in?"
            )
        if e.errno in (errno.EACCES, errno.EPERM):
            return "it may not be opened by you: sudo adduser $USER video, and log in again"
        return _busy(device) if e.errno == errno.EBUSY else f"{e.strerror}"
    os.close(file)
    if not can_capture(device):
        there = ", ".join(cameras())
        return (
            f"it gives no pictures (metadata or an output); take {there}" if there else "it gives no pictures"
        )
    modes = modes_of(device)
    if modes and choose_mode(modes, 1280, 720, 15) is None:
        return f"it gives only {', '.join(sorted({m.fourcc for m in modes}))}, which cannot be read"
    return _busy(device)


def _busy(device: Path) -> str:
    """Who has it open, as far as we may see."""
    users = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.resolve() == device.resolve() and link.parts[2] != str(os.getpid()):
                users.append(f"{(link.parents[1] / 'comm').read_text().strip()} (process {link.parts[2]})")
        except OSError:
            continue
    return f"{users[0]} is using it; end that first" if users else "is another program using it?"


def _query_device(file: int, request: int, question: bytes) -> bytes | None:
    """The kernel's answer, or None where there is none (any more)."""
    answer = bytearray(question)
    try:
        fcntl.ioctl(file, request, answer)
    except OSError:
        return None
    return bytes(answer)


def _formats(file: int) -> Iterator[tuple[str, int]]:
    for index in range(_MOST):
        answer = _query_device(file, _ENUM_FMT, struct.pack("<II56x", index, _VIDEO_CAPTURE))
        if answer is None:
            return
        (code,) = struct.unpack_from("<I", answer, 44)
        yield code.to_bytes(4, "little").decode("latin-1").strip(), code


def _sizes(file: int, code: int) -> Iterator[tuple[int, int]]:
    for index in range(_MOST):
        answer = _query_device(file, _ENUM_SIZES, struct.pack("<II36x", index, code))
        if answer is None:
            return
        kind, *numbers = struct.unpack_from("<7I", answer, 8)
        if kind == _DISCRETE:
            yield numbers[0], numbers[1]
            continue
        least_w, most_w, _, least_h, most_h, _ = numbers
        yield from (s for s in _COMMON_SIZES if least_w <= s[0] <= most_w and least_h <= s[1] <= most_h)
        return


def _rates(file: int, code: int, width: int, height: int) -> Iterator[float]:
    found = False
    for index in range(_MOST):
        answer = _query_device(file, _ENUM_INTERVALS, struct.pack("<IIII36x", index, code, width, height))
        if answer is None:
            break
        kind, seconds, per = struct.unpack_from("<3I", answer, 16)  # of a range the shortest comes first
        if seconds and per:
            found = True
            yield per / seconds
        if kind != _DISCRETE:
            break
    if not found:  # drivers that do not tell run at what they like
        yield 30.0
