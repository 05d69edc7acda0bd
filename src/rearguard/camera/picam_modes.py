"""What to ask of a Raspberry Pi camera: sensor mode, exposure limits, field of view. Only maths."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

# A cropped mode narrower than this share of the sensor sees too little of the corridor's sides.
NARROWEST_CROP = 0.6
# Modes this close to the widest one count as the whole field (drivers trim a few columns).
_WHOLE_FIELD = 0.97
SHORTEST_EXPOSURE_US = 100

# Horizontal field of view over the whole sensor, degrees, for camera modules with a lens of their own.
# Source: Raspberry Pi documentation, "Camera hardware specification".
FIELD_OF_VIEW_DEG: Mapping[str, float] = {
    "imx219": 62.2,
    "imx500": 66.0,
    "imx708": 66.0,
    "imx708_noir": 66.0,
    "imx708_wide": 102.0,
    "imx708_wide_noir": 102.0,
    "ov5647": 53.5,
}


@dataclass(frozen=True, slots=True)
class SensorMode:
    """One way to read the sensor out. `crop` is left, top, width, height in pixels of the whole sensor.

    A rolling shutter needs up to 1/`max_fps` from the first row to the last, so that a fast mode bends the
    picture less while the wearer's trunk pitches and yaws.
    """

    width_px: int
    height_px: int
    bit_depth: int
    max_fps: float
    crop: tuple[int, int, int, int]

    @property
    def readout_ms(self) -> float:
        """Longest time from the first row to the last, milliseconds."""
        return 1000.0 / self.max_fps


def parse_modes(modes: Sequence[Mapping[str, Any]]) -> list[SensorMode]:
    """picamera2's `sensor_modes` as `SensorMode`s; what is no raw mode (USB cameras) is left out."""
    return [
        SensorMode(
            width_px=int(mode["size"][0]),
            height_px=int(mode["size"][1]),
            bit_depth=int(mode["bit_depth"]),
            max_fps=float(mode["fps"]),
            crop=(int(crop[0]), int(crop[1]), int(crop[2]), int(crop[3])),
        )
        for mode in modes
        if "crop_limits" in mode and "size" in mode and float(mode.get("fps", 0)) > 0
        for crop in [mode["crop_limits"]]
    ]


def choose_mode(
    modes: Sequence[SensorMode], want: Literal["field", "fast"], width_px: int, fps: float
) -> SensorMode | None:
    """The mode that suits, or None when there is no choice.

    `field`: of the modes that use the sensor's whole width, the fastest read-out. `fast`: the fastest
    read-out of all that keep at least 60 % of the width. Modes that can't reach `fps` or would have to be
    enlarged to `width_px` are taken only when nothing else is there.
    """
    if not modes:
        return None
    widest = max(mode.crop[2] for mode in modes)
    share = _WHOLE_FIELD if want == "field" else NARROWEST_CROP
    wide = [mode for mode in modes if mode.crop[2] >= share * widest]
    fitting = [mode for mode in wide if mode.max_fps >= fps and mode.width_px >= width_px]
    return max(fitting or wide, key=lambda mode: (mode.max_fps, -mode.bit_depth, mode.width_px))


def field_of_view_deg(
    lens_hfov_deg: float, array: tuple[int, int], crop: tuple[int, int, int, int], rotation_deg: int
) -> float:
    """Horizontal field of view of the delivered picture, degrees.

    `lens_hfov_deg`: of the lens over the whole sensor `array` (width, height); `crop`: the part of it the
    picture shows; `rotation_deg`: 90 and 270 make the sensor's height the picture's width. Pinhole model.
    """
    focal_px = array[0] / 2 / math.tan(math.radians(lens_hfov_deg) / 2)
    across = crop[3] if rotation_deg in (90, 270) else crop[2]
    return math.degrees(2 * math.atan(across / 2 / focal_px))


def visible_crop(mode: tuple[int, int, int, int], width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """What a picture of this shape shows of a mode's `crop`: the largest centred part of its aspect."""
    left, top, width, height = mode
    want = width_px / height_px
    new_width, new_height = width, round(width / want)
    if width / height > want:
        new_width, new_height = round(height * want), height
    return left + (width - new_width) // 2, top + (height - new_height) // 2, new_width, new_height


def cap_exposure(
    tuning: Mapping[str, Any], max_us: int, dusk_us: int, gain_max: float
) -> dict[str, Any] | None:
    """A camera tuning whose automatic exposure lengthens in the order that keeps a runner's picture sharp.

    First the exposure rises to `max_us` at gain 1, then the gain to `gain_max`, and only then the exposure
    on to `dusk_us`. `tuning` is the content of libcamera's tuning file (version 1 or 2, one or several AGC
    channels) and stays as it is; None when it holds no AGC to change.
    """
    changed = copy.deepcopy(dict(tuning))
    agc = _agc(changed)
    if agc is None:
        return None
    stages = {
        "shutter": [SHORTEST_EXPOSURE_US, max_us, max_us, max(max_us, dusk_us)],
        "gain": [1.0, 1.0, gain_max, gain_max],
    }
    channels = agc.get("channels") or [agc]
    for channel in channels:
        modes = channel.get("exposure_modes")
        if not isinstance(modes, dict) or not modes:
            return None
        for name in modes:
            modes[name] = copy.deepcopy(stages)
    return changed


def _agc(tuning: Mapping[str, Any]) -> dict[str, Any] | None:
    parts = [tuning] if float(tuning.get("version", 1)) < 2 else tuning.get("algorithms", ())
    found = next((part["rpi.agc"] for part in parts if "rpi.agc" in part), None)
    return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the camera lit the newest frame. `spent`: exposure and gain are at their ends, so it is too dim."""

    exposure_us: int
    gain: float
    lux: float | None
    spent: bool


def exposure_of(metadata: Mapping[str, Any], dusk_us: int, gain_max: float) -> Exposure:
    """The exposure that libcamera's metadata of a frame tell; 5 % below the ends counts as there."""
    exposure_us = int(metadata.get("ExposureTime", 0))
    gain = float(metadata.get("AnalogueGain", 0.0))
    lux = metadata.get("Lux")
    spent = exposure_us >= 0.95 * dusk_us and gain >= 0.95 * gain_max
    return Exposure(exposure_us, gain, None if lux is None else float(lux), spent)
