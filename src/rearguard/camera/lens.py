"""Lenses that bend lines: a calibration, and pictures straightened by it before anything looks at them.

A pinhole is what boxes' bearings, looming and ego-motion are reckoned with. A picture of an action camera or of a wide
module is drawn anew as a pinhole with the same axis would have seen it; everything behind then needs no lens of its
own. Models: Brown-Conrady with up to three radial terms (OpenCV's usual one), and Kannala-Brandt 2006 (OpenCV's
`fisheye`).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import replace as replace_info
from pathlib import Path
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from rearguard.camera.source import Source, SourceInfo
from rearguard.errors import BadInput
from rearguard.types import Frame, Image

WIDEST_DEG = 105.0  # a pinhole's picture of more is mostly stretched edge
_MAX_BYTES = 64 * 1024
_SAME_SHAPE = 0.02  # of the ratio of the sides
_Side = Annotated[int, Meta(ge=16, le=16384)]
_Focal = Annotated[float, Meta(gt=1, le=1e5)]
_Coefficient = Annotated[float, Meta(ge=-100, le=100)]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A lens, for pictures of `width_px` x `height_px`: focal lengths and axis in pixels, distortion.

    `distortion`: for `pinhole` k1, k2, p1, p2, k3; for `fisheye` k1 to k4. `rms_px`: how far the board's corners
    lay off in the mean; `origin`: where the numbers come from.
    """

    model: Literal["pinhole", "fisheye"]
    width_px: _Side
    height_px: _Side
    fx_px: _Focal
    fy_px: _Focal
    cx_px: float
    cy_px: float
    distortion: Annotated[tuple[_Coefficient, ...], Meta(min_length=4, max_length=5)]
    rms_px: Annotated[float, Meta(ge=0, le=1e4)] = 0.0
    views: Annotated[int, Meta(ge=0, le=100_000)] = 0
    origin: Annotated[str, Meta(max_length=400)] = ""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The camera matrix (3, 3)."""
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]])

    @property
    def coefficients(self) -> NDArray[np.float64]:
        return np.array(self.distortion, np.float64)

    def rays(self, points_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points (n, 2) of the bent picture lie on the plane at distance 1: (n, 2)."""
        points = points_px.reshape(-1, 1, 2).astype(np.float64)
        undistort = cv2.fisheye.undistortPoints if self.model == "fisheye" else cv2.undistortPoints
        return undistort(points, self.matrix, self.coefficients).reshape(-1, 2)  # type: ignore[no-any-return]

    def pixels(self, rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the lens draws points (n, 2) of the plane at distance 1, in pixels: (n, 2)."""
        plane = np.concatenate([rays, np.ones((len(rays), 1))], axis=1).reshape(-1, 1, 3)
        none = np.zeros(3)
        project = cv2.fisheye.projectPoints if self.model == "fisheye" else cv2.projectPoints
        return project(plane, none, none, self.matrix, self.coefficients)[0].reshape(-1, 2)  # type: ignore[no-any-return]

    @property
    def hfov_deg(self) -> float:
        """From the left edge to the right one through the middle row."""
        left, right = self._angles()
        return math.degrees(left + right)

    def _angles(self) -> tuple[float, float]:
        edges = np.array([[0.0, self.cy_px], [float(self.width_px), self.cy_px]])
        if self.model == "fisheye":
            # Beyond 90° there is no point of the plane; the angle itself is what the model is made of.
            return tuple(
                _kannala_angle(abs(x - self.cx_px) / self.fx_px, self.distortion) for x in edges[:, 0]
            )  # type: ignore[return-value]
        rays = self.rays(edges)
        return math.atan(abs(rays[0, 0])), math.atan(abs(rays[1, 0]))

    def for_size(self, width_px: int, height_px: int) -> Calibration:
        """The same lens for pictures of another size, or turned by a quarter. Raises `BadInput` for another shape."""
        if (width_px > height_px) != (self.width_px > self.height_px) and width_px != height_px:
            return self.turned().for_size(width_px, height_px)
        scale = width_px / self.width_px
        if abs(height_px / self.height_px / scale - 1) > _SAME_SHAPE:
            raise BadInput(
                f"the lens was calibrated for pictures of {self.width_px}x{self.height_px}, these are "
                f"{width_px}x{height_px}: another cut of the sensor; calibrate it in this mode"
            )
        scaled = {name: getattr(self, name) * scale for name in ("fx_px", "fy_px", "cx_px", "cy_px")}
        return msgspec.structs.replace(self, width_px=width_px, height_px=height_px, **scaled)

    def turned(self) -> Calibration:
        """The same lens with its pictures turned clockwise by a quarter."""
        distortion = self.distortion
        if self.model == "pinhole":  # x' = -y, y' = x: the tangential terms change places
            k1, k2, p1, p2, *rest = distortion
            distortion = (k1, k2, p2, -p1, *rest)
        return msgspec.structs.replace(
            self,
            width_px=self.height_px,
            height_px=self.width_px,
            fx_px=self.fy_px,
            fy_px=self.fx_px,
            cx_px=self.height_px - self.cy_px,
            cy_px=self.cx_px,
            distortion=distortion,
        )

    def to_toml(self) -> str:
        """The calibration as the file that `read_calibration` reads."""
        lines = [
            "# A lens for rearguard, written by `rearguard calibrate`; camera.lens and --lens take its path."
        ]
        for name in self.__struct_fields__:
            value = getattr(self, name)
            text = str(list(value)) if isinstance(value, tuple) else msgspec.json.encode(value).decode()
            lines.append(f"{name} = {text}")
        return "\n".join(lines) + "\n"


def fisheye_radius(angle_rad: float, k: tuple[float, ...]) -> float:
    """How far from the axis a fisheye draws what lies at an angle off it, in focal lengths (Kannala-Brandt)."""
    square = angle_rad * angle_rad
    return angle_rad * (1 + square * (k[0] + square * (k[1] + square * (k[2] + square * k[3]))))


def _kannala_angle(radius: float, k: tuple[float, ...]) -> float:
    """The angle from the axis whose image lies at `radius` focal lengths from it (Newton's method)."""
    angle = min(radius, 1.5)
    for _ in range(30):
        square = angle * angle
        drawn = fisheye_radius(angle, k)
        slope = 1 + square * (3 * k[0] + square * (5 * k[1] + square * (7 * k[2] + square * 9 * k[3])))
        angle -= (drawn - radius) / (slope if abs(slope) > 1e-3 else 1e-3)
        angle = min(max(angle, 0.0), math.pi)
    return angle


# Lenses whose numbers are published; each is of one sample, yours differs by about a percent.
PRESETS: dict[str, Calibration] = {
    # Measured with 30 pictures of a board, rms 0.27 px; stabilisation must be off, for it crops.
    "gopro-wide": Calibration(
        model="fisheye", width_px=3840, height_px=2160,
        fx_px=1796.32, fy_px=1797.22, cx_px=1919.37, cy_px=1063.17,
        distortion=(0.034214, 0.067673, -0.07409, 0.029944), rms_px=0.267, views=30,
        origin="GoPro HERO11 Black, Wide, 16:9, no stabilisation: Gyroflow lens profiles, 2022-01-21",
    ),
    # Focal length and distortion as fitted to one camera; the axis is taken to be in the middle, from which it lay
    # 2 to 8 px off in the two cameras that were measured. Sees 102.6° across, its maker says 102°; a second camera,
    # with 240 pictures of a board and rms 0.20 px, is drawn within 4 px of this everywhere. For modes that use the
    # whole width of the sensor (2304x1296, 4608x2592).
    "module3-wide": Calibration(
        model="pinhole", width_px=1152, height_px=648,
        fx_px=498.0, fy_px=498.0, cx_px=576.0, cy_px=324.0,
        distortion=(0.01, -0.0365, 0.0, 0.0, 0.0),
        origin="Raspberry Pi Camera Module 3 Wide: FRC Team 100, robot code 2024, camera imx708_wide, 2024-03-23",
    ),
}  # fmt: skip


def read_calibration(word: str) -> Calibration:
    """The lens called `word` in `PRESETS`, or the calibration in the file of that path. Raises `BadInput`."""
    if word in PRESETS:
        return PRESETS[word]
    path = Path(word).expanduser()
    if path.suffix != ".toml":
        raise BadInput(
            f"lens {word!r} is unknown: give a file of `rearguard calibrate`, or {', '.join(PRESETS)}"
        )
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_BYTES >> 10} KiB, no calibration of a lens")
        found = msgspec.convert(tomllib.loads(raw.decode()), Calibration, strict=False)
    except OSError as e:
        raise BadInput(f"{path}: cannot read the lens: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as e:
        raise BadInput(f"{path}: not a calibration of a lens: {e}") from e
    if not found.hfov_deg > 5 or not all(map(math.isfinite, (found.cx_px, found.cy_px))):
        raise BadInput(f"{path}: these numbers are no lens; calibrate it anew")
    return found


class Straightener:
    """Draws pictures of one size as a pinhole would have seen them."""

    def __init__(self, lens: Calibration, width_px: int, height_px: int) -> None:
        """Raises `BadInput` when the lens was calibrated for pictures of another shape."""
        lens = lens.for_size(width_px, height_px)
        widest = math.radians(WIDEST_DEG) / 2
        reach = min(*lens._angles(), widest)  # as far as both sides show something
        self.hfov_deg = math.degrees(2 * reach)
        self.size = (width_px, height_px)
        focal_px = 0.5 * width_px / math.tan(reach)
        wanted = np.array([[focal_px, 0, width_px / 2], [0, focal_px, height_px / 2], [0, 0, 1]])
        make = cv2.fisheye.initUndistortRectifyMap if lens.model == "fisheye" else cv2.initUndistortRectifyMap
        self._maps = make(lens.matrix, lens.coefficients, np.eye(3), wanted, self.size, cv2.CV_16SC2)

    def straighten(self, image: Image) -> Image:
        """One picture of the size, drawn anew; black where the lens saw nothing."""
        return cv2.remap(image, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)  # type: ignore[no-any-return]


class StraightSource:
    """A source seen through a calibrated lens: its frames straightened, its field of view the pinhole's."""

    def __init__(self, source: Source, lens: Calibration) -> None:
        """Raises `BadInput` when the lens was calibrated for pictures of another shape; the source is then closed."""
        self._source = source
        info = source.info
        try:
            self._straight = Straightener(lens, info.width_px, info.height_px)
        except BadInput as e:
            source.close()
            raise BadInput(f"{info.name}: {e}") from e
        told = f"the lens is calibrated ({lens.origin or 'no origin given'}) and sees {self._straight.hfov_deg:.0f}°"
        kept = tuple(line for line in info.assumed if not line.startswith("the lens "))
        self.info: SourceInfo = replace_info(info, hfov_deg=self._straight.hfov_deg, assumed=(told, *kept))

    def frames(self) -> Iterator[Frame]:
        """Every frame of the source, straightened."""
        for frame in self._source.frames():
            if frame.image.shape[1::-1] == self._straight.size:  # another size is the receiver's to refuse
                frame = msgspec.structs.replace(frame, image=self._straight.straighten(frame.image))
            yield frame

    def close(self) -> None:
        """Stop delivering. Never blocks."""
        self._source.close()
