"""How a picture is spoiled: the deeds behind the table of camera faults."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from rearguard.types import Frame, Image

_SKIN = (70, 90, 150)  # BGR


class Spoiler:
    """Does one thing to the frames of a camera; each source has its own."""

    def note_frame(self, frame: Frame) -> None:
        """Take note of a frame that is left as it is; most remember nothing of it."""

    def spoil(self, frame: Frame, since_s: float) -> Frame | None:
        """The frame as it arrives, `since_s` after the onset; None when it is lost."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture, in shares of its height and width; with `radius` only a disc in its middle."""

    top: float = 0.0
    bottom: float = 1.0
    left: float = 0.0
    right: float = 1.0
    radius: float | None = None  # as a share of the picture's height

    def mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Where it is, (height, width)."""
        h, w = shape[:2]
        inside = np.zeros((h, w), np.bool_)
        inside[round(self.top * h) : round(self.bottom * h), round(self.left * w) : round(self.right * w)] = (
            True
        )
        if self.radius is not None:
            y, x = np.ogrid[:h, :w]
            inside &= np.hypot(x - w / 2, y - h / 2) < self.radius * h
        return inside


WHOLE = Region()


def rows(top: float, bottom: float) -> Region:
    """A band of rows."""
    return Region(top=top, bottom=bottom)


def columns(left: float, right: float) -> Region:
    """A band of columns."""
    return Region(left=left, right=right)


def disc(radius: float) -> Region:
    """A disc in the picture's middle."""
    return Region(radius=radius)


class Grain:
    """Fresh sensor noise: one field of it, laid on at another place each time."""

    _SPARE = 64

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0x6A17])
        self._field: NDArray[np.float32] | None = None

    def over(self, image: Image, deviation: float) -> Image:
        """A copy of the picture with noise of this standard deviation, in grey levels; 0: as it is."""
        if not deviation:
            return image.copy()
        h, w = image.shape[:2]
        if self._field is None or self._field.shape[:2] != (h + self._SPARE, w + self._SPARE):
            self._field = self._rng.normal(0, 1, (h + self._SPARE, w + self._SPARE, 3)).astype(np.float32)
        y, x = self._rng.integers(self._SPARE, size=2)
        noise = self._field[y : y + h, x : x + w]
        return np.clip(image + deviation * noise, 0, 255).astype(np.uint8)


def _changed(frame: Frame, image: Image) -> Frame:
    return msgspec.structs.replace(frame, image=image)


class Paint(Spoiler):
    """A deed on each picture by itself, given the picture, the seconds since the onset and chance."""

    def __init__(self, deed: Callable[[Image, float, np.random.Generator], Image], seed: int) -> None:
        self._deed = deed
        self._rng = np.random.default_rng([seed, 0x5B01])

    def spoil(self, frame: Frame, since_s: float) -> Frame:
        return _changed(frame, self._deed(frame.image, since_s, self._rng))


class Part(Spoiler):
    """Another picture in a part of the picture, with sensor noise of `noise` grey levels on it."""

    def __init__(self, region: Region, seed: int, *, noise: float = 0.0) -> None:
        self._region = region
        self._noise = noise
        self._grain = Grain(seed)
        self._mask: NDArray[np.bool_] | None = None

    def spoil(self, frame: Frame, since_s: float) -> Frame:
        if self._mask is None or self._mask.shape != frame.image.shape[:2]:
            self._mask = self._region.mask(frame.image.shape)
        other = self._grain.over(self.other(frame.image, since_s), self._noise)
        return _changed(frame, np.where(self._mask[:, :, None], other, frame.image))

    def other(self, image: Image, since_s: float) -> Image:
        """The picture that shows in the part."""
        raise NotImplementedError


class Frozen(Part):
    """What was seen at the onset stays."""

    _still: Image | None = None

    def other(self, image: Image, since_s: float) -> Image:  # noqa: ARG002
        if self._still is None:
            self._still = image.copy()
        return self._still


class Filled(Part):
    """One grey level, or the colour of skin in front of it."""

    def __init__(self, region: Region, seed: int, *, level: int, noise: float = 0.0) -> None:
        super().__init__(region, seed, noise=noise)
        self._level = level

    def other(self, image: Image, since_s: float) -> Image:  # noqa: ARG002
        return np.full_like(image, self._level)


class Noise(Part):
    """Noise without a picture, as a broken link gives."""

    def other(self, image: Image, since_s: float) -> Image:  # noqa: ARG002
        return self._grain.over(np.full_like(image, 128), 60.0)


class Blurred(Part):
    """The picture through grease, water or breath: blurred by `sigma` pixels of a 720-row picture."""

    def __init__(self, region: Region, seed: int, *, sigma: float, noise: float = 1.0) -> None:
        super().__init__(region, seed, noise=noise)
        self._sigma = sigma

    def other(self, image: Image, since_s: float) -> Image:  # noqa: ARG002
        return blurred(image, self._sigma)


class Cloth(Spoiler):
    """A patterned cloth right before the lens: out of focus, and waving."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0xC107])
        self._grain = Grain(seed)
        self._pattern: Image | None = None

    def spoil(self, frame: Frame, since_s: float) -> Frame:
        h, w = frame.image.shape[:2]
        if self._pattern is None:
            coarse = self._rng.integers(60, 190, (18, 32, 3)).astype(np.uint8)
            self._pattern = blurred(
                np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)), 12.0
            )
        waved = np.roll(self._pattern, int(w / 64 * math.sin(6 * since_s)), axis=1)
        return _changed(frame, self._grain.over(waved, 2.0))


class Loop(Spoiler):
    """The last `frames` pictures before the onset come again and again, with new times."""

    def __init__(self, seed: int, frames: float, *, noise: float = 0.0) -> None:
        self._past: deque[Image] = deque(maxlen=max(1, round(frames)))
        self._grain = Grain(seed)
        self._noise = noise
        self._at = 0

    def note_frame(self, frame: Frame) -> None:
        self._past.append(frame.image)

    def spoil(self, frame: Frame, since_s: float) -> Frame:  # noqa: ARG002
        if not self._past:
            self._past.append(frame.image)
        image = self._past[self._at % len(self._past)]
        self._at += 1
        return _changed(frame, self._grain.over(image, self._noise))


class Stale(Spoiler):
    """Every n-th picture is the one of the onset."""

    def __init__(self, every: int) -> None:
        self._every, self._count = every, 0
        self._still: Image | None = None

    def spoil(self, frame: Frame, since_s: float) -> Frame:  # noqa: ARG002
        if self._still is None:
            self._still = frame.image.copy()
        self._count += 1
        if self._count % self._every:
            return frame
        return _changed(frame, self._still.copy())


class Swapped(Spoiler):
    """Frames change places in pairs, each with its own capture time: the second comes before the first."""

    def __init__(self) -> None:
        self._held: Frame | None = None
        self._second = False

    def spoil(self, frame: Frame, since_s: float) -> Frame | None:  # noqa: ARG002
        self._second = not self._second
        if self._second:
            late, self._held = self._held, frame
            return late
        return frame


class StuckClock(Spoiler):
    """Pictures go on, their times do not."""

    def __init__(self) -> None:
        self._at_ns: int | None = None

    def note_frame(self, frame: Frame) -> None:
        self._at_ns = frame.captured_ns

    def spoil(self, frame: Frame, since_s: float) -> Frame:  # noqa: ARG002
        if self._at_ns is None:
            self._at_ns = frame.captured_ns
        return msgspec.structs.replace(frame, captured_ns=self._at_ns)


class Gaps(Spoiler):
    """One frame in `every` arrives."""

    def __init__(self, every: int) -> None:
        self._every, self._count = every, 0

    def spoil(self, frame: Frame, since_s: float) -> Frame | None:  # noqa: ARG002
        self._count += 1
        return None if self._count % self._every else frame


class Pumping(Spoiler):
    """Every other picture too dark, the ones between too bright."""

    def __init__(self) -> None:
        self._count = 0

    def spoil(self, frame: Frame, since_s: float) -> Frame:  # noqa: ARG002
        self._count += 1
        return _changed(frame, cv2.convertScaleAbs(frame.image, alpha=0.45 if self._count % 2 else 1.7))


# ── deeds on single pictures ────────────────────────────────────────────────────────────────────────────


def blurred(image: Image, sigma: float) -> Image:
    """Blurred by `sigma` pixels of a 720-row picture; done on a smaller copy, which the blur hides."""
    h, w = image.shape[:2]
    sigma = sigma * h / 720
    shrink = max(1, int(sigma / 3))
    small = cv2.resize(image, (max(1, w // shrink), max(1, h // shrink)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(0.3, sigma / shrink))
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def finger(image: Image, _since_s: float, rng: np.random.Generator) -> Image:
    """A finger from below over the middle, out of focus."""
    h, w = image.shape[:2]
    mask = np.zeros((h, w), np.float32)
    cv2.ellipse(mask, (w // 2, h), (w // 5, int(0.75 * h)), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, h / 60))[:, :, None]
    skin = np.array(_SKIN, np.float32) + rng.normal(0, 2, (h, w, 1)).astype(np.float32)
    covered: Image = np.clip(image * (1 - mask) + skin * mask, 0, 255).astype(np.uint8)
    return covered


def strap(image: Image, since_s: float, rng: np.random.Generator) -> Image:
    """A black strap over the left quarter, out of focus, that sways by a quarter of a percent with each step."""
    h, w = image.shape[:2]
    x = w * (0.25 + 0.0025 * math.sin(2 * math.pi * 2.8 * since_s))
    mask = np.zeros((h, w), np.float32)
    outline = np.array([(-w, -h), (x - 0.02 * w, -h), (x + 0.02 * w, 2 * h), (-w, 2 * h)])
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_AA, shift=4)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, h / 90))[:, :, None]
    webbing = 3 + np.abs(rng.normal(0, 1, (h, w, 1)))  # black, in its own shade
    covered: Image = np.clip(image * (1 - mask) + webbing * mask, 0, 255).astype(np.uint8)
    return covered


def fog(image: Image, since_s: float, rng: np.random.Generator) -> Image:
    """Breath on the lens, denser from second to second."""
    soft = blurred(image, 0.5 + 3.0 * since_s)
    return np.clip(soft + rng.normal(0, 1.5, image.shape[:2])[:, :, None], 0, 255).astype(np.uint8)


def haze(image: Image, _since_s: float, rng: np.random.Generator) -> Image:
    """White haze over everything."""
    pale = image * 0.12 + 205 + rng.normal(0, 1, image.shape[:2])[:, :, None]
    return np.clip(pale, 0, 255).astype(np.uint8)


def torn(image: Image, _since_s: float, rng: np.random.Generator) -> Image:
    """Shifted sideways from some row on."""
    h, w = image.shape[:2]
    y, by = int(rng.integers(h // 4, 3 * h // 4)), int(rng.integers(-w // 4, w // 4))
    out = image.copy()
    out[y:] = np.roll(image[y:], by, axis=1)
    return out


def rolling(image: Image, since_s: float, _rng: np.random.Generator) -> Image:
    """Rolled upwards by half its height a second."""
    return np.roll(image, -int(since_s * image.shape[0] / 2) % image.shape[0], axis=0)


def flicker(image: Image, since_s: float, _rng: np.random.Generator) -> Image:
    """Bands of a lamp at 100 Hz on a rolling shutter of 20 ms."""
    row_s = since_s + 0.02 * np.arange(image.shape[0]) / image.shape[0]
    gain = 0.7 + 0.3 * np.sin(2 * np.pi * 100 * row_s)
    banded: Image = np.clip(image * gain[:, None, None], 0, 255).astype(np.uint8)
    return banded


def one_channel(image: Image, _since_s: float, _rng: np.random.Generator) -> Image:
    """Green and red are gone."""
    out = np.zeros_like(image)
    out[..., 0] = image[..., 0]
    return out


def posterised(image: Image, _since_s: float, _rng: np.random.Generator) -> Image:
    """Only the upper two bits."""
    return np.bitwise_and(image, np.uint8(0xC0))


def night(image: Image, _since_s: float, rng: np.random.Generator) -> Image:
    """A thirtieth of the light, and noise."""
    return np.clip(image / 30 + rng.normal(0, 2, image.shape[:2])[:, :, None], 0, 255).astype(np.uint8)
