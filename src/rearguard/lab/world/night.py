"""A track at night under floodlights: pools of light along it, dark between them, and the lamps themselves in view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.camera import Pose, into_camera, to_level
from rearguard.lab.world.mesh import Light
from rearguard.lab.world.path import Path
from rearguard.types import Image

_SEEN_M = 150.0
_LEAST_DOWN = 0.008  # tangent: rows nearer the horizon show what is far
_SKY = 0.03  # what the sky and what stands far beside the track send, against a cloudy day's
_HALO = 7.0  # of a lamp's size: what scatters in the lens
_HALO_LEVEL = 90.0


@dataclass(frozen=True, slots=True)
class Floodlights:
    """Masts every `spacing_m` along the path, alternately left and right of it.

    Below a mast it is as bright as on a cloudy day (the sensor's gain says how bright that is); the light falls off as
    a bell curve of `reach_m`, and never below `least`, which the whole stadium sends.
    """

    spacing_m: float = 28.0
    height_m: float = 9.0
    beside_m: float = 5.0
    reach_m: float = 8.0
    least: float = 0.12
    lamp_m: float = 0.5

    def brightness(self, s_m: Array | float) -> Array:
        """Of what stands at these places along the path, 0..1."""
        off = np.abs((np.asarray(s_m, float) + self.spacing_m / 2) % self.spacing_m - self.spacing_m / 2)
        pool: Array = self.least + (1 - self.least) * np.exp(-0.5 * (off / self.reach_m) ** 2)
        return pool

    def light(self, s_m: float) -> Light:
        """On a thing there; it comes from above."""
        b = float(self.brightness(s_m))
        return Light(towards_sun=(0.0, -0.95, -0.31), sun=0.45 * b, sky=0.6 * b)

    def darken(self, level: Image, pose: Pose, lens: Pinhole, s_m: float, offset_px: int) -> None:
        """Lay night on the painted ground and what lies beyond it, for a wearer at `s_m`. Changes `level`."""
        rows = np.arange(level.shape[0]) - offset_px - lens.cy + 0.5
        down = np.tan(np.arctan(rows / lens.focal_px) + pose.pitch_rad)
        depth = np.where(down > _LEAST_DOWN, -pose.y_m / np.maximum(down, _LEAST_DOWN), _SEEN_M)
        share = np.where(down > _LEAST_DOWN, self.brightness(s_m + depth), _SKY)
        table = np.repeat(share[:, None], level.shape[1], axis=1).astype(np.float32)
        level[:] = cv2.multiply(level, cv2.merge([table] * 3), dtype=cv2.CV_8U)

    def paint_lamps(
        self, level: Image, pose: Pose, lens: Pinhole, path: Path, s_m: float, offset: tuple[int, int]
    ) -> None:
        """The lamps ahead with the halo that the lens makes of each. Changes `level`."""
        first = math.ceil((s_m + 1) / self.spacing_m)
        for k in range(first, first + int(_SEEN_M / self.spacing_m)):
            x, z, _ = path.place(k * self.spacing_m - s_m, self.beside_m * (1 if k % 2 else -1))
            seen = into_camera(np.array([[x, -self.height_m, z]]), pose)
            if seen[0, 2] < 1.0:
                continue
            u, v = to_level(seen, lens)[0] + np.array(offset, float)
            radius = max(1.0, 0.5 * self.lamp_m * lens.focal_px / float(seen[0, 2]))
            self._halo(level, u, v, radius)
            cv2.circle(level, (round(u), round(v)), math.ceil(radius), (235, 248, 255), -1, cv2.LINE_AA)

    @staticmethod
    def _halo(level: Image, u: float, v: float, radius: float) -> None:
        reach = math.ceil(_HALO * radius)
        x0, x1 = max(0, round(u) - reach), min(level.shape[1], round(u) + reach)
        y0, y1 = max(0, round(v) - reach), min(level.shape[0], round(v) + reach)
        if x1 <= x0 or y1 <= y0:
            return
        gy, gx = np.mgrid[y0:y1, x0:x1]
        glow = _HALO_LEVEL * np.exp(-((gx - u) ** 2 + (gy - v) ** 2) / (2 * (reach / 2.5) ** 2))
        part = level[y0:y1, x0:x1]
        level[y0:y1, x0:x1] = np.clip(part + glow[..., None], 0, 255).astype(np.uint8)
