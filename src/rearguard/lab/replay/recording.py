"""What was seen in a recording, as numbers: detections, turns of the camera, growth of textures, looming.

Stored as JSON Lines, so that the slow part, looking at pictures, is done once: a header, one line a frame, and
a last line that counts them. A file is hostile until it has been read to that line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from rearguard.errors import BadInput
from rearguard.output import output
from rearguard.text import clean
from rearguard.types import Observation

FORMAT = 2
_MAX_BYTES = 512 << 20
_MAX_LINE = 1 << 20


Line = Annotated[str, msgspec.Meta(max_length=8192)]


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the recording is of and how it was looked at; `looked` is a digest of the settings for that.

    `assumed`: what was taken for granted of the source, a line each; `cut`: how it ended before its end, else empty.
    """

    rearguard_detections: int = FORMAT
    source: Annotated[str, msgspec.Meta(max_length=4096)]
    width_px: Annotated[int, msgspec.Meta(ge=16, le=8192)]
    height_px: Annotated[int, msgspec.Meta(ge=16, le=8192)]
    hfov_deg: Annotated[float, msgspec.Meta(ge=5, le=175)]
    looked: Annotated[str, msgspec.Meta(max_length=64)]
    assumed: Annotated[tuple[Line, ...], msgspec.Meta(max_length=20)] = ()
    cut: Line = ""


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: a file without it was cut short."""

    frames: int


class Recording(msgspec.Struct, frozen=True):
    """A header and the frames in order of time."""

    header: Header
    seen: list[Observation]

    @property
    def duration_s(self) -> float:
        return (self.seen[-1].captured_ns - self.seen[0].captured_ns) / 1e9 if self.seen else 0.0


def write(path: Path, recording: Recording) -> None:
    """Write a recording; the file appears whole or not at all. Raises `BadInput` when it cannot be written."""
    with output(path) as file:
        for line in (recording.header, *recording.seen, End(len(recording.seen))):
            file.write(msgspec.json.encode(line) + b"\n")


def read(path: Path) -> Recording:
    """A recording as `write` left it. Raises `BadInput` naming file and line for anything else."""
    try:
        if not path.is_file():
            raise BadInput(f"{path}: not a file of detections")
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_BYTES >> 20} MiB, not a file of detections")
        with path.open("rb") as file:
            return _read(path, iter(lambda: file.readline(_MAX_LINE + 1), b""))
    except OSError as e:
        raise BadInput(f"{path}: cannot read the detections: {e.strerror}") from e


def read_header(path: Path) -> Header:
    """Only what a recording is of. Raises `BadInput`."""
    try:
        with path.open("rb") as file:
            return _decode(path, 1, file.readline(_MAX_LINE + 1), Header)
    except OSError as e:
        raise BadInput(f"{path}: cannot read the detections: {e.strerror}") from e


T = TypeVar("T")


def _read(path: Path, lines: Iterator[bytes]) -> Recording:
    header = _decode(path, 1, next(lines, b""), Header)
    if header.rearguard_detections != FORMAT:
        raise BadInput(f"{path}: written by another version of rearguard; delete it to have it made anew")
    seen: list[Observation] = []
    for number, line in enumerate(lines, start=2):
        if line.startswith(b"{"):
            end = _decode(path, number, line, End)
            if end.frames != len(seen) or next(lines, b""):
                raise BadInput(f"{path}: line {number} ends {end.frames} frames, there are others")
            return Recording(header, seen)
        frame = _decode(path, number, line, Observation)
        if seen and (frame.captured_ns <= seen[-1].captured_ns or frame.seq <= seen[-1].seq):
            raise BadInput(f"{path}: line {number}: time does not go on")
        seen.append(frame)
    raise BadInput(f"{path}: cut short after {len(seen)} frames; delete it to have it made anew")


def _decode(path: Path, number: int, line: bytes, kind: type[T]) -> T:
    if len(line) > _MAX_LINE:
        raise BadInput(f"{path}: line {number} is too long for a file of detections")
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BadInput(f"{path}: line {number}: not a file of detections: {clean(str(e), 200)}") from e
