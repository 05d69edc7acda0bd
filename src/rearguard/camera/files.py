"""Recorded sources: a video file or a folder of pictures. Every file is hostile until it has been read."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from itertools import count
from operator import sub
from pathlib import Path

import cv2
import numpy as np

from rearguard.camera.exif import FILM_MM, ORIENTATION, exif, taken_s
from rearguard.camera.lens_of_file import View, field_of_view
from rearguard.camera.pacing import Pacer
from rearguard.camera.source import SourceInfo
from rearguard.camera.truncation import declared_size, picture_cut_short
from rearguard.camera.turns import TURNS, bgr, upright
from rearguard.camera.video import FASTEST_HZ, MAX_SIDE_PX, SLOWEST_S, VideoFile
from rearguard.clock import NS_PER_S
from rearguard.errors import BadInput, CutShort
from rearguard.types import Frame, Image

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp"})
_HEAD_BYTES = 128 * 1024  # EXIF lies at the beginning, in one segment of 64 KiB at most
_MAX_PICTURE_BYTES = 64 * 1024 * 1024
# EXIF orientation → (mirror first, then turn clockwise by so many degrees); EXIF 2.32, tag 0x0112.
_ORIENTATIONS = {2: (True, 0), 3: (False, 180), 4: (True, 180), 5: (True, 270), 6: (False, 90), 7: (True, 90),
                 8: (False, 270)}  # fmt: skip


def open_recorded(
    path: Path,
    *,
    fps: float | None,
    hfov_deg: float,
    realtime: bool,
    hfov_asked: bool = False,
    rotation_deg: int = 0,
) -> VideoFile | PictureFolder:
    """The video or the folder of pictures at `path`.

    `hfov_deg` is the lens's angle along the picture's long side, taken where the file does not say, or in any case if
    `hfov_asked`. Pictures are turned upright as the file says, then by `rotation_deg`.

    Raises `BadInput` in one line: missing, empty, not a video, no pictures in it, no times in it and no `fps`.
    """
    view = View(hfov_deg, hfov_asked, rotation_deg)
    try:
        if path.is_dir():
            return PictureFolder(path, view, fps=fps, realtime=realtime)
        if not path.exists():
            raise BadInput(f"{path}: there is no such file or folder")
        if not path.is_file():
            raise BadInput(f"{path}: not a video file or a folder of pictures; for a camera say webcam:0")
        if path.stat().st_size == 0:
            raise BadInput(f"{path}: the file is empty (0 bytes); give a video or a folder of pictures")
        if path.suffix.lower() in PICTURES:
            return PictureFolder(path, view, fps=fps, realtime=realtime)
        return VideoFile(path, view, fps=fps, realtime=realtime)
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror or e}") from e


class PictureFolder:
    """The pictures of a folder in natural order (frame_2 before frame_10), or one single picture.

    Their times are those that the camera wrote into them, or at `fps`. When the folder itself holds none, its only
    subfolder with pictures is taken. Raises `BadInput` for an empty folder, for one whose pictures have no times of
    their own and no `fps` and, after the pictures before it, for one of another size; `CutShort` for spoiled ones.
    """

    def __init__(self, path: Path, view: View, *, fps: float | None, realtime: bool) -> None:
        self._pictures = [path] if path.is_file() else _pictures_of(path)
        self._turn = TURNS.get(view.rotation_deg)
        first, tags = self._read(0)
        self._shape = first.shape
        self._closed = False
        several = len(self._pictures)
        self._times_s = _times_of(path, self._pictures) if fps is None else None
        taken = self._times_s
        rate = fps or (1 / statistics.median(map(sub, taken[1:], taken)) if taken else 1.0)
        self._pacer = Pacer(rate, several, self._times_s) if realtime else None
        height, width = first.shape[:2]
        hfov_deg, assumed = field_of_view(path, (width, height), view, tags)
        if fps and several > 1:
            assumed += (f"{rate:g} pictures per second, as --fps says",)
        self.info = SourceInfo(str(path), width, height, rate, hfov_deg, realtime, several, assumed)

    def frames(self) -> Iterator[Frame]:
        """Every picture in order; in real time the late ones are skipped unread.

        One that cannot be read leaves its place empty; `CutShort` tells of it after the last.
        """
        spoiled: list[BadInput] = []
        for index, captured_ns in self._pacer or _own_time(self.info.fps, self._times_s):
            if self._closed or index >= len(self._pictures):
                break
            try:
                image, _ = self._read(index)
            except BadInput as e:
                spoiled.append(e)
                continue
            if image.shape != self._shape:
                raise BadInput(
                    f"{self._pictures[index]}: {image.shape[1]}x{image.shape[0]} pixels, the pictures before have "
                    f"{self._shape[1]}x{self._shape[0]}; a recording has one size"
                )
            yield Frame(index, captured_ns, image)
        if spoiled and not self._closed:
            more = f", and {len(spoiled) - 1} more are so" if len(spoiled) > 1 else ""
            raise CutShort(f"{spoiled[0]}{more}; what else there is was judged")

    def close(self) -> None:
        """Stop delivering. Never blocks."""
        self._closed = True
        if self._pacer:
            self._pacer.close()

    def _read(self, index: int) -> tuple[Image, dict[str, str]]:
        image, tags = read_picture(self._pictures[index])
        return (image if self._turn is None else cv2.rotate(image, self._turn)), tags


def read_picture(path: Path) -> tuple[Image, dict[str, str]]:
    """One picture file as BGR uint8, grey ones too, upright, and what it says of its lens.

    Raises `BadInput`: missing, cut short or corrupt.
    """
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
    if max(declared_size(data) or (0, 0)) > MAX_SIDE_PX:
        raise BadInput(f"{path}: larger than {MAX_SIDE_PX} pixels; shrink it")
    cv2.setLogLevel(0)
    try:
        how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # releases differ in which flags they heed
        image = None if picture_cut_short(data) else cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        image = None
    if image is None or max(image.shape[:2]) > MAX_SIDE_PX:
        raise BadInput(f"{path}: the picture is corrupt or cut short; remove it or copy it again")
    found = exif(data)
    tags = {"FocalLengthIn35mmFilm": str(found[FILM_MM])} if FILM_MM in found else {}
    return upright(bgr(image), *_ORIENTATIONS.get(found.get(ORIENTATION, 1), (False, 0))), tags


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
    shown = (p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith("."))
    return sorted(filter(Path.is_file, shown), key=_natural)


def _natural(path: Path) -> tuple[object, ...]:
    """Key that sorts the numbers in a name by value: text and numbers alternate, so they never meet."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name))


def _times_of(path: Path, pictures: list[Path]) -> list[float] | None:
    """When each was taken, in seconds since the first, as the camera wrote it; None of a single picture.

    Raises `BadInput` asking for --fps where they do not say, or not finely enough to tell one from the next.
    """
    if len(pictures) < 2:
        return None
    times: list[float] = []
    for picture in pictures:
        with picture.open("rb") as file:
            taken = taken_s(file.read(_HEAD_BYTES))
        if taken is None or (times and taken <= times[-1]):
            raise BadInput(
                f"{path}: its pictures do not say when they were taken; say --fps with the rate they were taken at"
            )
        times.append(taken)
    step_s = statistics.median(map(sub, times[1:], times))
    if not 1 / FASTEST_HZ <= step_s <= SLOWEST_S:
        raise BadInput(
            f"{path}: its pictures say one was taken every {step_s:.3g} s; say --fps with their rate"
        )
    return [taken - times[0] for taken in times]


def _own_time(fps: float, times_s: list[float] | None) -> Iterator[tuple[int, int]]:
    for index in count() if times_s is None else range(len(times_s)):
        yield index, round((index / fps if times_s is None else times_s[index]) * NS_PER_S)
