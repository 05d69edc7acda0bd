"""What every picture source offers; `open_source` in `rearguard.camera.catalogue` makes one from a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from rearguard.types import Frame


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its first frame. `live`: frames carry CLOCK_MONOTONIC and wait for nobody.

    `fps`: frames per second, of a recording whose rate varies the usual one. `hfov_deg`: horizontal field of view of
    the picture as delivered. `assumed`: what was taken for granted of a recording and where from, a line each.
    """

    name: str
    width_px: int
    height_px: int
    fps: float
    hfov_deg: float
    live: bool
    frames: int | None = None  # how many there will be, where known
    assumed: tuple[str, ...] = ()


class Source(Protocol):
    """Frames in order. A live source blocks until the next frame and raises `PartFailed` when it is lost;
    a file raises `BadInput` when it cannot be read, also in the middle, after the frames before, and `CutShort`
    when its end is missing."""

    @property
    def info(self) -> SourceInfo: ...

    def frames(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...
