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
from rearguard.review.text import clean
from rearguard.words import Box, Detection, EgoMotion, Lateral, Track, Trouble

FORMAT = 1
_MAX_BYTES = 512 << 20
_MAX_LINE = 1 << 20

Px = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(ge=-100, le=100)]
Angle = Annotated[float, msgspec.Meta(ge=-3.2, le=3.2)]
Variance = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Metres = Annotated[float, msgspec.Meta(ge=-1e5, le=1e5)]
Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Label = Annotated[str, msgspec.Meta(max_length=64)]


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the recording is of and how it was looked at; `looked` is a digest of the settings for that."""

    rearguard_detections: int = FORMAT
    source: Annotated[str, msgspec.Meta(max_length=4096)]
    width_px: Annotated[int, msgspec.Meta(ge=16, le=8192)]
    height_px: Annotated[int, msgspec.Meta(ge=16, le=8192)]
    hfov_deg: Annotated[float, msgspec.Meta(ge=5, le=175)]
    looked: Annotated[str, msgspec.Meta(max_length=64)]


class Found(msgspec.Struct, frozen=True, array_like=True):
    """One detection, box in picture pixels."""

    x0: Px
    y0: Px
    x1: Px
    y1: Px
    label: Label
    score: Share

    @classmethod
    def of(cls, d: Detection) -> Found:
        b = d.box
        x0, y0, x1, y1 = round(b.x0, 4), round(b.y0, 4), round(b.x1, 4), round(b.y1, 4)
        return cls(x0, y0, x1, y1, d.label, round(d.score, 5))

    @property
    def detection(self) -> Detection:
        return Detection(Box(self.x0, self.y0, self.x1, self.y1), self.label, self.score)


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """How the camera turned since the frame before, see `words.EgoMotion`."""

    yaw_rad: Angle
    pitch_rad: Angle
    roll_rad: Angle
    quality: Share

    @classmethod
    def of(cls, ego: EgoMotion) -> Turn:
        return cls(
            round(ego.yaw_rad, 8), round(ego.pitch_rad, 8), round(ego.roll_rad, 8), round(ego.quality, 3)
        )

    @property
    def ego(self) -> EgoMotion:
        return EgoMotion(self.yaw_rad, self.pitch_rad, self.roll_rad, self.quality)


class Grown(msgspec.Struct, frozen=True, array_like=True):
    """ln of the growth since the frame before of that frame's detection `index`, and its deviation."""

    index: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    ln_scale: Annotated[float, msgspec.Meta(ge=-10, le=10)]
    sd: Annotated[float, msgspec.Meta(gt=0, le=10)]


class Loom(msgspec.Struct, frozen=True, array_like=True):
    """A track of the class-agnostic channel as it was told, see `words.Track`."""

    id: Annotated[int, msgspec.Meta(lt=0, ge=-(2**31))]
    box: tuple[Px, Px, Px, Px]
    score: Share
    first_ns: Nanoseconds
    seen_ns: Nanoseconds
    hits: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    closing_per_s: Rate
    closing_sd_per_s: Annotated[float, msgspec.Meta(ge=0, le=1e4)]
    range_m: Metres | None
    lateral: tuple[Metres, Rate, Variance, Rate, Variance] | None

    @classmethod
    def of(cls, track: Track) -> Loom:
        b, side = track.box, track.lateral
        return cls(
            track.id,
            (round(b.x0, 1), round(b.y0, 1), round(b.x1, 1), round(b.y1, 1)),
            round(track.score, 3),
            track.first_ns,
            track.seen_ns,
            track.hits,
            round(track.closing_per_s, 5),
            round(track.closing_sd_per_s, 5),
            None if track.range_m is None else round(track.range_m, 3),
            None
            if side is None
            else (
                round(side.offset_m, 4),
                round(side.drift_m_s, 4),
                round(side.var_offset, 6),
                round(side.cov, 6),
                round(side.var_drift, 6),
            ),
        )

    def track(self, at_ns: int) -> Track:
        """The track as of a frame."""
        rate = self.closing_per_s
        return Track(
            id=self.id,
            label="obstacle",
            box=Box(*self.box),
            score=self.score,
            at_ns=at_ns,
            first_ns=self.first_ns,
            seen_ns=self.seen_ns,
            hits=self.hits,
            closing_per_s=rate,
            closing_sd_per_s=self.closing_sd_per_s,
            ttc_s=1.0 / rate if rate > 1e-3 else None,
            range_m=self.range_m,
            lateral=None if self.lateral is None else Lateral(*self.lateral),
            kind="looming",
        )


class Look(msgspec.Struct, frozen=True, array_like=True):
    """One frame: capture time on the source's clock, and all that was seen in it."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    captured_ns: Nanoseconds
    found: Annotated[list[Found], msgspec.Meta(max_length=1000)]
    turn: Turn
    grown: Annotated[list[Grown], msgspec.Meta(max_length=1000)]
    loomed: Annotated[list[Loom], msgspec.Meta(max_length=1000)]
    troubles: tuple[Trouble, ...]


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: a file without it was cut short."""

    frames: int


class Recording(msgspec.Struct, frozen=True):
    """A header and the frames in order of time."""

    header: Header
    looks: list[Look]

    @property
    def duration_s(self) -> float:
        return (self.looks[-1].captured_ns - self.looks[0].captured_ns) / 1e9 if self.looks else 0.0


def write(path: Path, recording: Recording) -> None:
    """Write a recording; the file appears whole or not at all. Raises `BadInput` when it cannot be written."""
    with output(path) as file:
        for line in (recording.header, *recording.looks, End(len(recording.looks))):
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


T = TypeVar("T")


def _read(path: Path, lines: Iterator[bytes]) -> Recording:
    header = _decode(path, 1, next(lines, b""), Header)
    if header.rearguard_detections != FORMAT:
        raise BadInput(f"{path}: written by another version of rearguard; delete it to have it made anew")
    looks: list[Look] = []
    for number, line in enumerate(lines, start=2):
        if line.startswith(b"{"):
            end = _decode(path, number, line, End)
            if end.frames != len(looks) or next(lines, b""):
                raise BadInput(f"{path}: line {number} ends {end.frames} frames, there are others")
            return Recording(header, looks)
        look = _decode(path, number, line, Look)
        if looks and (look.captured_ns <= looks[-1].captured_ns or look.seq <= looks[-1].seq):
            raise BadInput(f"{path}: line {number}: time does not go on")
        looks.append(look)
    raise BadInput(f"{path}: cut short after {len(looks)} frames; delete it to have it made anew")


def _decode(path: Path, number: int, line: bytes, kind: type[T]) -> T:
    if len(line) > _MAX_LINE:
        raise BadInput(f"{path}: line {number} is too long for a file of detections")
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BadInput(f"{path}: line {number}: not a file of detections: {clean(str(e), 200)}") from e
