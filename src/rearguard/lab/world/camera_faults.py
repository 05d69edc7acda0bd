"""What can be wrong with a simulated camera: a table of faults that `sim:NAME?fault=…` brings about.

    sim:stand?fault=frozen-lower                          from the third second on
    sim:stand?fault=black-middle&fault_at=4&fault_for=2   from the fourth to the sixth
    sim:stand?fault=finger,flicker                        both at once

Each row says what the wearer must be told, and how soon; the tests walk every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from rearguard.errors import BadInput
from rearguard.lab.world import spoil
from rearguard.lab.world.spoil import Spoiler
from rearguard.types import Frame, Image, TrueThing

ONSET_S = 3.0


class Told(StrEnum):
    """What the wearer must feel of a fault."""

    BLIND = "BLIND"
    DEGRADED = "DEGRADED"
    NOTHING = "nothing need be told"  # some pictures stay good enough to warn by, or it is not told yet
    UNKNOWABLE = "cannot be known"  # nothing in the pictures gives it away


@dataclass(frozen=True, slots=True)
class View:
    """How the camera sits instead of upright and in the direction of travel.

    `pitch_deg` is added to its tilt, down is positive; `quarters` are clockwise quarter turns of the picture;
    `mirrored`: left and right are swapped; `backwards`: it looks where the wearer comes from, the world recedes.
    """

    pitch_deg: float = 0.0
    quarters: int = 0
    mirrored: bool = False
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class CameraFault:
    """One row: what happens to the pictures, what must be told of it and within how many seconds."""

    name: str
    about: str
    told: Told
    within_s: float
    make: Callable[[int, float], Spoiler] | None = None  # from seed and frames per second
    view: View | None = None


def _paint(deed: Callable[[Image, float, np.random.Generator], Image]) -> Callable[[int, float], Spoiler]:
    return lambda seed, _fps: spoil.Paint(deed, seed)


def _part(kind: type[spoil.Part], region: spoil.Region, **options: Any) -> Callable[[int, float], Spoiler]:
    return lambda seed, _fps: kind(region, seed, **options)


_B, _D, _N, _U = Told.BLIND, Told.DEGRADED, Told.NOTHING, Told.UNKNOWABLE
_LOWER = spoil.rows(1 / 8, 1)
_LEFT, _RIGHT, _MIDDLE = spoil.columns(0, 1 / 2), spoil.columns(1 / 2, 1), spoil.columns(1 / 3, 2 / 3)
_SIDE, _EDGE = spoil.columns(0, 1 / 4), spoil.columns(3 / 4, 1)

CAMERA_FAULTS: tuple[CameraFault, ...] = (
    # parts of the picture that stand still
    CameraFault("frozen", "the whole picture stands still, byte for byte", _B, 1.0,
                _part(spoil.Frozen, spoil.WHOLE)),
    CameraFault("frozen-noisy", "the whole picture stands still under fresh sensor noise", _B, 1.5,
                _part(spoil.Frozen, spoil.WHOLE, noise=2.0)),
    CameraFault("frozen-lower", "all but the top eighth stands still", _B, 1.0, _part(spoil.Frozen, _LOWER)),
    CameraFault("frozen-lower-noisy", "the same under fresh sensor noise", _B, 1.0,
                _part(spoil.Frozen, _LOWER, noise=2.0)),
    CameraFault("frozen-left", "the left half stands still", _B, 1.0, _part(spoil.Frozen, _LEFT)),
    CameraFault("frozen-right", "the right half stands still", _B, 1.0, _part(spoil.Frozen, _RIGHT)),
    CameraFault("frozen-right-noisy", "the same under fresh sensor noise", _B, 1.0,
                _part(spoil.Frozen, _RIGHT, noise=2.0)),
    CameraFault("frozen-middle", "the middle third of the columns stands still", _B, 1.0,
                _part(spoil.Frozen, _MIDDLE)),
    CameraFault("frozen-side", "the left quarter stands still", _D, 2.0, _part(spoil.Frozen, _SIDE)),
    # parts that show nothing
    CameraFault("black", "no light reaches the sensor", _B, 1.0, _part(spoil.Filled, spoil.WHOLE, level=2)),
    CameraFault("black-lower", "the lower four fifths are black", _B, 1.0,
                _part(spoil.Filled, spoil.rows(1 / 5, 1), level=0)),
    CameraFault("black-middle", "the middle third of the columns is black", _B, 1.0,
                _part(spoil.Filled, _MIDDLE, level=0)),
    CameraFault("black-right", "the right half is black", _B, 1.0, _part(spoil.Filled, _RIGHT, level=0)),
    CameraFault("black-side", "the right quarter is black", _D, 2.0, _part(spoil.Filled, _EDGE, level=0)),
    CameraFault("white-middle", "the middle third of the columns is saturated", _B, 1.0,
                _part(spoil.Filled, _MIDDLE, level=255)),
    CameraFault("white-lower", "the lower half is saturated", _B, 1.0,
                _part(spoil.Filled, spoil.rows(1 / 2, 1), level=255)),
    CameraFault("noise", "nothing but noise", _B, 1.0, _part(spoil.Noise, spoil.WHOLE)),
    CameraFault("noise-middle", "nothing but noise in the middle third", _B, 1.0, _part(spoil.Noise, _MIDDLE)),
    CameraFault("noise-right", "nothing but noise in the right half", _B, 1.0, _part(spoil.Noise, _RIGHT)),
    # parts that are covered or smeared
    CameraFault("covered", "a hand covers the lens", _B, 1.0,
                _part(spoil.Filled, spoil.WHOLE, level=100, noise=2.0)),
    CameraFault("covered-lower", "a hand covers all but the top eighth", _B, 1.0,
                _part(spoil.Filled, spoil.rows(0.12, 1), level=100, noise=2.0)),
    CameraFault("finger", "a finger stands in the middle of the lens", _B, 1.0, _paint(spoil.finger)),
    CameraFault("strap", "a black strap slips over the left quarter of the picture", _D, 2.0, _paint(spoil.strap)),
    CameraFault("cloth", "a jacket waves right before the lens", _B, 1.0,
                lambda seed, _fps: spoil.Cloth(seed)),
    CameraFault("smeared", "grease over the whole lens", _D, 3.0, _part(spoil.Blurred, spoil.WHOLE, sigma=14.0)),
    CameraFault("smeared-middle", "a drop of sweat on the middle of the lens", _B, 1.0,
                _part(spoil.Blurred, spoil.disc(1 / 3), sigma=22.0)),
    CameraFault("fog", "the lens fogs up within ten seconds", _D, 10.0, _paint(spoil.fog)),
    CameraFault("haze", "white haze leaves an eighth of the contrast", _B, 1.5, _paint(spoil.haze)),
    # old pictures, in turn or between new ones
    CameraFault("loop-1s", "the last second comes again and again", _B, 2.0,
                lambda seed, fps: spoil.Loop(seed, fps)),
    CameraFault("loop-2s", "the last two seconds come again and again", _B, 3.0,
                lambda seed, fps: spoil.Loop(seed, 2 * fps)),
    CameraFault("loop-1s-noisy", "the last second comes again and again, under fresh noise", _B, 2.0,
                lambda seed, fps: spoil.Loop(seed, fps, noise=2.0)),
    CameraFault("stale-alternate", "every other buffer is an old one", _B, 1.0,
                lambda _seed, _fps: spoil.Stale(2)),
    CameraFault("stale-third", "every third buffer is an old one", _B, 1.5,
                lambda _seed, _fps: spoil.Stale(3)),
    CameraFault("stale-ring", "nine old buffers come in turn", _B, 1.5, lambda seed, _fps: spoil.Loop(seed, 9)),
    CameraFault("swapped", "buffers come in the wrong order, with their own times", _B, 1.0,
                lambda _seed, _fps: spoil.Swapped()),
    CameraFault("stuck-clock", "the camera's clock stands still", _B, 1.0, lambda _seed, _fps: spoil.StuckClock()),
    CameraFault("gaps", "four pictures of five are lost", _D, 2.5, lambda _seed, _fps: spoil.Gaps(5)),
    # signal and exposure
    CameraFault("torn", "each picture is torn at some row and shifted", _N, 0.0, _paint(spoil.torn)),
    CameraFault("rolling", "the picture rolls upwards", _N, 0.0, _paint(spoil.rolling)),
    CameraFault("pumping", "the exposure swings between dark and bright", _N, 0.0,
                lambda _seed, _fps: spoil.Pumping()),
    CameraFault("flicker", "lamps of 100 Hz draw bands", _N, 0.0, _paint(spoil.flicker)),
    CameraFault("one-channel", "only the blue channel is left", _N, 0.0, _paint(spoil.one_channel)),
    CameraFault("posterised", "only two bits of each channel are left", _N, 0.0, _paint(spoil.posterised)),
    CameraFault("dark", "it is as dark as at night", _B, 1.0, _paint(spoil.night)),
    # the mount
    CameraFault("upside-down", "the camera hangs upside down", _B, 10.0, view=View(quarters=2)),
    CameraFault("quarter-left", "the camera lies on its left side", _B, 10.0, view=View(quarters=3)),
    CameraFault("quarter-right", "the camera lies on its right side", _B, 10.0, view=View(quarters=1)),
    CameraFault("sky", "the camera looks at the sky", _N, 0.0, view=View(pitch_deg=-55.0)),
    CameraFault("ground", "the camera looks at the ground", _B, 10.0, view=View(pitch_deg=60.0)),
    CameraFault("backwards", "the camera looks away from where the wearer goes", _B, 10.0,
                view=View(backwards=True)),
    CameraFault("mirrored", "left and right are swapped", _U, 0.0, view=View(mirrored=True)),
)  # fmt: skip

BY_NAME = {row.name: row for row in CAMERA_FAULTS}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a source's word asks for: which faults, from when on, and for how long, in seconds."""

    rows: tuple[CameraFault, ...] = ()
    at_s: float = ONSET_S
    for_s: float = 1e9

    @classmethod
    def of(cls, names: str, at_s: float = ONSET_S, for_s: float = 1e9) -> Wanted:
        """The rows that a comma-separated list names. Raises `BadInput` for one that there is not."""
        for name in names.split(","):
            if name not in BY_NAME:
                raise BadInput(
                    f"fault={name} is no fault of a simulated camera; there are: {', '.join(BY_NAME)}"
                )
        return cls(tuple(BY_NAME[name] for name in names.split(",")), at_s, for_s)

    def strikes(self, t_s: float) -> bool:
        """Whether the faults stand at this time."""
        return bool(self.rows) and 0 <= t_s - self.at_s < self.for_s

    @property
    def view(self) -> View | None:
        """How the camera sits while they stand: the last row that says so."""
        return next((row.view for row in reversed(self.rows) if row.view is not None), None)


class Striking:
    """The faults of one source at work. Frames in order, those before the onset too: some faults repeat them."""

    def __init__(self, wanted: Wanted, seed: int, fps: float) -> None:
        self._wanted = wanted
        self._spoilers = [row.make(seed, fps) for row in wanted.rows if row.make is not None]

    def strike(self, frame: Frame, t_s: float) -> Frame | None:
        """The frame as it arrives; None when it is lost. `t_s` is the world's time."""
        arriving: Frame | None = frame
        for spoiler in self._spoilers:
            if arriving is None:
                break
            if self._wanted.strikes(t_s):
                arriving = spoiler.spoil(arriving, t_s - self._wanted.at_s)
            else:
                spoiler.note_frame(arriving)
        return arriving


def turned(image: Image, view: View) -> Image:
    """The picture as a camera that sits like this gives it, in the same size; the tilt is the renderer's part."""
    if view.mirrored:
        image = image[:, ::-1]
    return np.ascontiguousarray(np.rot90(image, -view.quarters))


def unboxed(truth: tuple[TrueThing, ...]) -> tuple[TrueThing, ...]:
    """What is true, without where it is in an upright picture."""
    return tuple(msgspec.structs.replace(thing, box=None) for thing in truth)
