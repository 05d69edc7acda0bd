"""What lens and sensor make of the light: exposure, motion blur, rolling shutter, glare, rain on the lens, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.camera import Pose
from rearguard.types import Image


@dataclass(frozen=True, slots=True)
class Conditions:
    """Light and optics of an outing.

    `gain` scales brightness; `noise` is the standard deviation in grey levels; `exposure_s` smears moving pictures;
    `readout_s` is the rolling shutter's time from first row to last (0: global shutter); `glare` 0..1 a low sun in
    the picture; `drops` how many raindrops sit on the lens; `haze` 0..1 lowers contrast (rain, fog).
    """

    gain: float = 1.0
    noise: float = 2.0
    exposure_s: float = 0.002
    readout_s: float = 0.0
    glare: float = 0.0
    drops: int = 0
    haze: float = 0.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Sensor:
    """Applies `Conditions`; noise depends on seed and frame number only, so that a frame can be drawn again."""

    def __init__(self, conditions: Conditions, lens: Pinhole, seed: int) -> None:
        self._c = conditions
        self._lens = lens
        self._seed = seed
        rng = np.random.default_rng([seed, 0x5E50])
        h, w = lens.height_px, lens.width_px
        grain = rng.normal(0, conditions.noise, (h + 61, w + 83, 1)) + rng.normal(
            0, 0.35 * conditions.noise, (h + 61, w + 83, 3)
        )
        self._lighter = np.clip(np.round(grain), 0, 127).astype(np.uint8)
        self._darker = np.clip(np.round(-grain), 0, 127).astype(np.uint8)
        self._curve = (
            self._tone()
            if conditions.gain != 1.0 or conditions.tint != (1.0, 1.0, 1.0) or conditions.haze
            else None
        )
        self._rain = _drops(conditions.drops, lens, rng) if conditions.drops else None

    def expose(self, picture: Image, pose: Pose, rates: Pose, seq: int) -> Image:
        """The picture as read out; `rates` holds the camera's angular speeds (rad/s) in its angle fields."""
        if self._c.readout_s > 0:
            picture = self._rolling(picture, rates)
        if self._c.exposure_s > 0:
            picture = self._smear(picture, rates)
        if self._rain is not None:
            picture = self._rain.over(picture)
        if self._curve is not None:
            picture = cv2.LUT(picture, self._curve)
        if self._c.glare > 0:
            picture = self._dazzle(picture, pose)
        if self._c.noise > 0:
            rng = np.random.default_rng([self._seed, seq])
            y, x = int(rng.integers(61)), int(rng.integers(83))
            h, w = picture.shape[:2]
            picture = cv2.subtract(
                cv2.add(picture, self._lighter[y : y + h, x : x + w]), self._darker[y : y + h, x : x + w]
            )
        return picture

    def _tone(self) -> Image:
        level = np.arange(256, dtype=np.float32)[:, None]
        curve = level * self._c.gain * np.array(self._c.tint)
        curve = curve * (1 - self._c.haze) + self._c.haze * 200 * min(self._c.gain, 1.0)
        table: Image = np.clip(curve, 0, 255).astype(np.uint8)[:, None, :]
        return table

    def _smear(self, picture: Image, rates: Pose) -> Image:
        """Motion blur: the mean of what is seen over the exposure, for the camera's turn in the picture's middle."""
        dx = -rates.yaw_rad * self._lens.focal_px * self._c.exposure_s
        dy = -rates.pitch_rad * self._lens.focal_px * self._c.exposure_s
        length = math.hypot(dx, dy)
        if length < 0.7:
            return picture
        half = math.ceil(length / 2)
        kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
        for k in np.linspace(-0.5, 0.5, 4 * half + 1):
            x, y = half + k * dx, half + k * dy
            x0, y0 = min(int(x), 2 * half - 1), min(int(y), 2 * half - 1)
            fx, fy = x - x0, y - y0
            kernel[y0 : y0 + 2, x0 : x0 + 2] += np.array(
                [[(1 - fx) * (1 - fy), fx * (1 - fy)], [(1 - fx) * fy, fx * fy]]
            )
        smeared: Image = cv2.filter2D(picture, -1, kernel / kernel.sum())
        return smeared

    def _rolling(self, picture: Image, rates: Pose) -> Image:
        """Row by row as the camera turns on: the middle row is the frame's own moment."""
        h, w = picture.shape[:2]
        f, lens = self._lens.focal_px, self._lens
        late = ((np.arange(h, dtype=np.float32) + 0.5) / h - 0.5) * self._c.readout_s
        x = np.arange(w, dtype=np.float32)
        y = np.arange(h, dtype=np.float32)
        # Having turned by (yaw, pitch, roll) it sees at (x, y) what was at (x + f yaw, y + f pitch), turned by roll.
        roll = rates.roll_rad * late
        map_x = x[None, :] + (f * rates.yaw_rad * late - roll * (y - lens.cy))[:, None]
        map_y = (y + f * rates.pitch_rad * late)[:, None] + roll[:, None] * (x - lens.cx)[None, :]
        x_px, y_px = map_x.astype(np.float32), map_y.astype(np.float32)
        read: Image = cv2.remap(picture, x_px, y_px, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return read

    def _dazzle(self, picture: Image, pose: Pose) -> Image:
        """A low sun ahead: bloom around it and a veil over everything."""
        h, w = picture.shape[:2]
        f = self._lens.focal_px
        x = self._lens.cx + f * math.tan(0.12 - pose.yaw_rad)
        y = self._lens.cy + f * math.tan(-0.16 - pose.pitch_rad)
        small = (w // 8, h // 8)
        gx = (np.arange(small[0]) * 8 - x) / f
        gy = (np.arange(small[1]) * 8 - y) / f
        r2 = gx[None, :] ** 2 + gy[:, None] ** 2
        bloom = self._c.glare * (
            420 * np.exp(-r2 / 0.004) + 190 * np.exp(-r2 / 0.05) + 95 * np.exp(-r2 / 0.6)
        )
        veil = cv2.resize(np.clip(bloom, 0, 255).astype(np.uint8), (w, h), interpolation=cv2.INTER_LINEAR)
        warm = cv2.merge([cv2.multiply(veil, 1.0, scale=0.86), cv2.multiply(veil, 1.0, scale=0.95), veil])
        dazzled: Image = cv2.add(picture, warm)
        return dazzled


@dataclass(frozen=True, slots=True)
class _Rain:
    """Drops on the lens: what lies behind each is blurred, shrunk and upside down, as a small lens shows it."""

    map_x: Array
    map_y: Array
    alpha: Image

    def over(self, picture: Image) -> Image:
        soft = cv2.GaussianBlur(
            cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), (0, 0), 2.0
        )
        bent = cv2.remap(soft, self.map_x, self.map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        a = cv2.merge([self.alpha] * 3)
        kept = cv2.multiply(picture, cv2.bitwise_not(a), scale=1 / 255)
        wet: Image = cv2.add(kept, cv2.multiply(bent, a, scale=1 / 255))
        return wet


def _drops(count: int, lens: Pinhole, rng: np.random.Generator) -> _Rain:
    h, w = lens.height_px, lens.width_px
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    map_x, map_y = x / 4, y / 4
    alpha = np.zeros((h, w), np.float32)
    for _ in range(count):
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), w * rng.uniform(0.006, 0.034)
        x0, x1 = max(0, int(cx - r) - 2), min(w, int(cx + r) + 3)
        y0, y1 = max(0, int(cy - 1.2 * r) - 2), min(h, int(cy + 1.2 * r) + 3)
        gx, gy = x[y0:y1, x0:x1] - cx, y[y0:y1, x0:x1] - cy
        inside = np.sqrt(gx**2 + (gy / 1.2) ** 2) / r
        a = np.clip((1.0 - inside) * r / 3, 0, 0.92)
        patch = alpha[y0:y1, x0:x1]
        map_x[y0:y1, x0:x1] = np.where(a > patch, (cx - 3.0 * gx) / 4, map_x[y0:y1, x0:x1])
        map_y[y0:y1, x0:x1] = np.where(a > patch, (cy - 3.0 * gy) / 4, map_y[y0:y1, x0:x1])
        alpha[y0:y1, x0:x1] = np.maximum(patch, a)
    return _Rain(map_x, map_y, (alpha * 255).astype(np.uint8))
