"""Recorded sources: a video file and a folder of pictures. Every file is hostile until it has been read."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from rearguard.camera.pacing import Pacer
from rearguard.camera.source import SourceInfo
from rearguard.camera.whole import picture_cut_short, video_cut_short
from rearguard.clock import NS_PER_S
from rearguard.errors import BadInput
from rearguard.words import Frame, Image

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp"})
DEFAULT_FPS = 15.0
_FPS_BOUNDS = (0.5, 240.0)
_MAX_PICTURE_BYTES = 64 * 1024 * 1024
_MAX_SIDE_PX = 8192
_COUNT_SLACK = 2  # frames a container's own count may be off by

# A file must not make the decoder fetch anything else, and its complaints are ours to tell in one line.
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def open_recorded(
    path: Path, *, fps: float | None, hfov_deg: float, realtime: bool
) -> VideoFile | PictureFolder:
    """The video or the folder of pictures at `path`.

    Raises `BadInput` in one line: missing, empty, not a video, no pictures in it.
    """
    try:
        if path.is_dir():
            return PictureFolder(path, fps=fps, hfov_deg=hfov_deg, realtime=realtime)
        if not path.exists():
            raise BadInput(f"{path}: there is no such file or folder")
        if not path.is_file():
            raise BadInput(f"{path}: not a video file or a folder of pictures; for a camera say webcam:0")
        if path.stat().st_size == 0:
            raise BadInput(f"{path}: the file is empty (0 bytes); give a video or a folder of pictures")
        if path.suffix.lower() in PICTURES:
            return PictureFolder(path, fps=fps, hfov_deg=hfov_deg, realtime=realtime)
        return VideoFile(path, fps=fps, hfov_deg=hfov_deg, realtime=realtime)
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror or e}") from e


class VideoFile:
    """The frames of a video file.

    Raises `BadInput` when it cannot be opened or read, or when the file ends before its frames do.
    """

    def __init__(self, path: Path, *, fps: float | None, hfov_deg: float, realtime: bool) -> None:
        self._path = path
        cv2.setLogLevel(0)
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        width, height, rate, count = (
            self._capture.get(prop)
            for prop in (
                cv2.CAP_PROP_FRAME_WIDTH,
                cv2.CAP_PROP_FRAME_HEIGHT,
                cv2.CAP_PROP_FPS,
                cv2.CAP_PROP_FRAME_COUNT,
            )
        )
        if not self._capture.isOpened() or not (0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX):
            self._capture.release()
            raise BadInput(
                f"{path}: not a video that can be read (corrupt, cut short or no video); re-encode or re-copy it"
            )
        self._count = int(count) if math.isfinite(count) and 0 < count < 1e8 else None
        self._closed = False
        self._pacer = Pacer(_rate(fps, rate)) if realtime else None
        self.info = SourceInfo(
            str(path), int(width), int(height), _rate(fps, rate), hfov_deg, realtime, self._count
        )

    def frames(self) -> Iterator[Frame]:
        """Every frame in order; in real time the late ones are skipped without being decoded to a picture."""
        at = 0
        try:
            for index, captured_ns in self._pacer or _own_time(self.info.fps):
                while at < index and not self._closed:
                    if not self._capture.grab():
                        self._check_end(at)
                        return
                    at += 1
                if self._closed:
                    return
                ok, image = self._capture.read()
                if not ok or image is None:
                    self._check_end(at)
                    return
                at += 1
                yield Frame(index, captured_ns, _bgr(image))
        finally:
            self._capture.release()

    def close(self) -> None:
        """Stop delivering. Never blocks."""
        self._closed = True
        if self._pacer:
            self._pacer.close()

    def _check_end(self, delivered: int) -> None:
        if self._closed:
            return
        if delivered == 0:
            raise BadInput(f"{self._path}: no frame in it can be decoded; re-encode or re-copy the video")
        missing = self._count is not None and delivered < self._count - _COUNT_SLACK
        if missing or video_cut_short(self._path):
            promised = f" of {self._count}" if self._count else ""
            raise BadInput(
                f"{self._path}: ends mid-way after frame {delivered}{promised}: the file is cut short or corrupt"
            )


class PictureFolder:
    """The pictures of a folder in natural order (frame_2 before frame_10), or one single picture.

    When the folder itself holds none, its only subfolder with pictures is taken. Raises `BadInput` for an
    empty folder and, after the pictures before it, for one that is corrupt or of another size.
    """

    def __init__(self, path: Path, *, fps: float | None, hfov_deg: float, realtime: bool) -> None:
        self._pictures = [path] if path.is_file() else _pictures_of(path)
        first = read_picture(self._pictures[0])
        self._shape = first.shape
        self._closed = False
        rate = _rate(fps, DEFAULT_FPS)
        self._pacer = Pacer(rate, len(self._pictures)) if realtime else None
        height, width = first.shape[:2]
        self.info = SourceInfo(str(path), width, height, rate, hfov_deg, realtime, len(self._pictures))

    def frames(self) -> Iterator[Frame]:
        """Every picture in order; in real time the late ones are skipped unread."""
        for index, captured_ns in self._pacer or _own_time(self.info.fps):
            if self._closed or index >= len(self._pictures):
                return
            image = read_picture(self._pictures[index])
            if image.shape != self._shape:
                raise BadInput(
                    f"{self._pictures[index]}: {image.shape[1]}x{image.shape[0]} pixels, the pictures before have "
                    f"{self._shape[1]}x{self._shape[0]}; a recording has one size"
                )
            yield Frame(index, captured_ns, image)

    def close(self) -> None:
        """Stop delivering. Never blocks."""
        self._closed = True
        if self._pacer:
            self._pacer.close()


def read_picture(path: Path) -> Image:
    """One picture file as BGR uint8, grey ones too. Raises `BadInput` when it is missing, cut short or corrupt."""
    try:
        if not path.is_file():
            raise BadInput(f"{path}: not a picture file")
        if path.stat().st_size > _MAX_PICTURE_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_PICTURE_BYTES >> 20} MiB, not a camera picture")
        data = path.read_bytes()
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror or e}") from e
    if not data:
        raise BadInput(f"{path}: the picture is empty (0 bytes); remove it or copy it again")
    cv2.setLogLevel(0)
    try:
        image = (
            None if picture_cut_short(data) else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        )
    except cv2.error:
        image = None
    if image is None or max(image.shape[:2]) > _MAX_SIDE_PX:
        raise BadInput(f"{path}: the picture is corrupt or cut short; remove it or copy it again")
    return _bgr(image)


def _pictures_of(folder: Path) -> list[Path]:
    found = _listed(folder)
    if not found:
        below = sorted((p for p in folder.iterdir() if p.is_dir()), key=_natural)
        with_pictures = [listed for listed in map(_listed, below) if listed]
        if len(with_pictures) > 1:
            names = ", ".join(listed[0].parent.name for listed in with_pictures[:6])
            raise BadInput(f"{folder}: pictures only in its subfolders; name one of them: {names}")
        found = with_pictures[0] if with_pictures else []
    if not found:
        raise BadInput(f"{folder}: no pictures in this folder ({', '.join(sorted(PICTURES))})")
    return found


def _listed(folder: Path) -> list[Path]:
    return sorted(
        (
            p
            for p in folder.iterdir()
            if p.suffix.lower() in PICTURES and not p.name.startswith(".") and p.is_file()
        ),
        key=_natural,
    )


def _natural(path: Path) -> tuple[object, ...]:
    """Key that sorts the numbers in a name by value: text and numbers alternate, so they never meet."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name))


def _rate(asked: float | None, said: float) -> float:
    """Frames per second: the one asked for, else the container's own if sane, else the default."""
    low, high = _FPS_BOUNDS
    if asked is not None:
        return asked
    return said if math.isfinite(said) and low <= said <= high else DEFAULT_FPS


def _own_time(fps: float) -> Iterator[tuple[int, int]]:
    index = 0
    while True:
        yield index, round(index / fps * NS_PER_S)
        index += 1


def _bgr(image: Image) -> Image:
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)  # type: ignore[no-any-return]
    return image
