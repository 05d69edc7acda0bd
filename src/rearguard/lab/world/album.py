"""What photographs give a world: people cut out by their masks, ground seen from above, what stands behind.

A folder of photographs, as data sets come (docs/photo-worlds.md):

    …/images/NAME.jpg and …/masks/NAME_mask.png   people; the mask numbers them from 1
    …/parkour/img/*.jpg and …/parkour/mask/*.png  somebody who moves, frame by frame; …/dog/ likewise

Nothing is measured in the photographs but the people: the one seen tallest is taken to be 1.7 m tall and the lens to be
1.5 m above the ground, which gives the horizon and metres on the ground.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.errors import BadInput
from rearguard.lab.world.paint import halvings
from rearguard.lab.world.things import Kind
from rearguard.types import Image

PERSON_M, EYE_M = 1.7, 1.5
CELL_M = 0.008  # of a ground patch; what a photographed metre of ground has at the feet
_MOST_PHOTOS, _MOST_BYTES, _MOST_SIDE_PX = 400, 20_000_000, 4000
_LEAST_TALL_PX = 150  # enlarged more than four times, a figure close by would be a smear
_NARROWEST, _WIDEST = 0.2, 0.75  # width by height of somebody who is seen whole
_EVENEST = 24  # grounds that are kept: the others show kerbs, wheels, shadows
PATTERNS = ("**/masks/*.png", "**/images/*", "**/img/*.jpg", "**/mask/*.png")  # what is looked at
_MOVING = {Kind.PERSON: "parkour", Kind.DOG: "dog"}
_WIDEST_MOVING = {Kind.PERSON: 0.56, Kind.DOG: 1.3}  # wider is a leap or a crouch
_LEAST_FRAMES = 8
_FOCAL_BY_HEIGHT = 1.2  # of a photograph nobody knows the lens of
_GAP_PX = 8  # kept from people in what shall show none
_LEAST_RUN_PX = 60


@dataclass(frozen=True, slots=True)
class Cutout:
    """One figure: its picture, premultiplied, with its halvings, cut to its outline; `wide` is width by height."""

    mips: tuple[Image, ...]

    @property
    def wide(self) -> float:
        return self.mips[0].shape[1] / self.mips[0].shape[0]


@dataclass(frozen=True, slots=True)
class Moving:
    """One figure frame by frame; `tall` is each frame's height by the usual one."""

    frames: tuple[Cutout, ...]
    tall: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Album:
    """All that was found in a folder. `people` from the narrowest to the widest stride; `grounds` and `grass` have
    `CELL_M` a pixel; `behind` are (what is seen, its row of the horizon, its pixels a metre where somebody
    stood, its focal length).
    """

    people: tuple[Cutout, ...]
    moving: dict[Kind, Moving]
    grounds: tuple[Image, ...]
    grass: tuple[Image, ...]
    behind: tuple[tuple[Image, int, float, float], ...]


@lru_cache(maxsize=2)
def open_album(folder: str) -> Album:
    """Everything usable in a folder. Raises `BadInput` when it has no people to cut out."""
    root = Path(folder)
    if not root.is_dir():
        raise BadInput(f"--photos {folder}: no such folder; docs/photo-worlds.md says what must be in it")
    people: list[Cutout] = []
    grounds: list[Image] = []
    behind: list[tuple[Image, int, float, float]] = []
    for photo, mask in _photos(root):
        people += _people(photo, mask)
        ys = _tallest(mask)
        if ys is None:
            continue
        tall, feet = ys[1] - ys[0], ys[1]
        horizon = round(feet - tall * EYE_M / PERSON_M)
        focal = _FOCAL_BY_HEIGHT * photo.shape[0]
        ground = _ground(photo, mask, horizon, focal)
        grounds += [] if ground is None else [ground]
        scene = _behind(photo, mask, feet)
        behind += [] if scene is None else [(scene, horizon, tall / PERSON_M, focal)]
    if not (people and grounds and behind):
        raise BadInput(
            f"--photos {folder}: no photographs with people to cut out, as images/NAME.jpg with masks/NAME_mask.png; "
            "see docs/photo-worlds.md"
        )
    moving = {kind: found for kind in _MOVING if (found := _moving(root, kind)) is not None}
    even = sorted(grounds, key=_unevenness)
    grass = [g for g in even if _is_green(g)][: _EVENEST // 4] or even[:1]
    hard = [g for g in even if not _is_green(g)][:_EVENEST] or even[:1]
    return Album(
        tuple(sorted(people, key=lambda c: c.wide)), moving, tuple(hard), tuple(grass), tuple(behind)
    )


def _unevenness(ground: Image) -> float:
    """How much one part of it differs from another, grey levels."""
    small = cv2.resize(ground, (6, 6), interpolation=cv2.INTER_AREA)
    return float(small.reshape(-1, 3).std(axis=0).max())


def _is_green(ground: Image) -> bool:
    blue, green, red = ground.reshape(-1, 3).mean(axis=0)
    return bool(green > 1.1 * max(blue, red))


def _photos(root: Path) -> Iterator[tuple[Image, Image]]:
    """Photographs with the masks that lie beside them, by name."""
    masks = sorted(p for p in root.glob("**/masks/*.png"))[:_MOST_PHOTOS]
    for path in masks:
        stem = path.stem.removesuffix("_mask")
        photo = next(
            (p for end in (".jpg", ".png") if (p := path.parent.parent / "images" / (stem + end)).is_file()),
            None,
        )
        pair = None if photo is None else _pair(photo, path)
        if pair is not None:
            yield pair


def _pair(photo: Path, mask: Path) -> tuple[Image, Image] | None:
    """Both pictures (BGR; uint8 of the figures' numbers), or None when they cannot be read or do not fit."""
    if max(photo.stat().st_size, mask.stat().st_size) > _MOST_BYTES:
        return None
    try:
        picture = cv2.imread(str(photo), cv2.IMREAD_COLOR)
        numbers = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if picture is None or numbers is None or max(picture.shape) > _MOST_SIDE_PX:
        return None
    numbers = numbers if numbers.ndim == 2 else numbers.max(axis=2)
    if numbers.shape != picture.shape[:2] or numbers.dtype != np.uint8:
        return None
    return np.asarray(picture, np.uint8), numbers


def _people(photo: Image, mask: Image) -> Iterator[Cutout]:
    """Those who are whole: not cut by the border, nobody before them, upright, tall enough."""
    for number in range(1, int(mask.max()) + 1):
        own = (mask == number).astype(np.uint8)
        others = cv2.dilate(((mask != 0) & (mask != number)).astype(np.uint8), np.ones((5, 5), np.uint8))
        if (own & others).any():
            continue
        cut = cut_out(photo, own)
        if cut is not None and cut.mips[0].shape[0] >= _LEAST_TALL_PX and _NARROWEST <= cut.wide <= _WIDEST:
            yield cut


def cut_out(photo: Image, own: Image) -> Cutout | None:
    """The figure where `own` is not 0, its edge drawn in by a pixel and softened; None when the border cuts it."""
    ys, xs = np.nonzero(own)
    if (
        not len(ys)
        or ys.min() < 2
        or xs.min() < 2
        or ys.max() > own.shape[0] - 3
        or xs.max() > own.shape[1] - 3
    ):
        return None
    inner = cv2.erode((own != 0).astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
    alpha = cv2.GaussianBlur(inner, (0, 0), 0.8)
    ys, xs = np.nonzero(alpha > 127)
    if not len(ys):
        return None
    crop = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    return Cutout(halvings(np.dstack([photo[crop], alpha[crop]])))


def _moving(root: Path, kind: Kind) -> Moving | None:
    """The longest stretch of frames in which the figure of a kind is whole and upright."""
    best: list[Cutout] = []
    for folder in sorted(root.glob(f"**/{_MOVING[kind]}/mask"))[:1]:
        run: list[Cutout] = []
        for path in sorted(folder.glob("*.png"))[:_MOST_PHOTOS]:
            photo = folder.parent / "img" / (path.stem + ".jpg")
            pair = _pair(photo, path) if photo.is_file() else None
            cut = None if pair is None else cut_out(pair[0], pair[1])
            run = [*run, cut] if cut is not None and cut.wide <= _WIDEST_MOVING[kind] else []
            best = run if len(run) > len(best) else best
    if len(best) < _LEAST_FRAMES:
        return None
    heights = np.array([c.mips[0].shape[0] for c in best], float)
    usual = np.convolve(np.pad(heights, 12, mode="edge"), np.ones(25) / 25, mode="valid")
    return Moving(tuple(best), tuple((heights / usual).tolist()))


def _tallest(mask: Image) -> tuple[int, int] | None:
    """First and last row of who is seen tallest, head and feet in the picture."""
    found = []
    for number in range(1, int(mask.max()) + 1):
        ys = np.nonzero((mask == number).any(axis=1))[0]
        if len(ys) and ys[0] > 1 and ys[-1] < mask.shape[0] - 2:
            found.append((int(ys[0]), int(ys[-1])))
    best = max(found, key=lambda y: y[1] - y[0], default=None)
    return best if best is not None and best[1] - best[0] >= _LEAST_TALL_PX else None


def _longest(free: NDArray[np.bool_]) -> tuple[int, int]:
    """First and one after the last of the longest stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], free.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    at = int(np.argmax(ends - starts))
    return int(starts[at]), int(ends[at])


def _ground(photo: Image, mask: Image, horizon: int, focal: float) -> Image | None:
    """The widest piece of ground free of people before the lens, as seen from above; None when there is hardly any."""
    rows, width = photo.shape[:2]
    near = focal * EYE_M / max(rows - horizon, 1)
    far, half = 2.0 * near, 0.5 * width * near / focal
    size = (round(2 * half / CELL_M), round((far - near) / CELL_M))
    if horizon >= rows - 40 or min(size) < 80 or max(size) > _MOST_SIDE_PX:
        return None
    corners = np.array([[-half, near], [half, near], [half, far], [-half, far]])
    seen = np.stack(
        [width / 2 + focal * corners[:, 0] / corners[:, 1], horizon + focal * EYE_M / corners[:, 1]], axis=1
    )
    there = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]])
    matrix = cv2.getPerspectiveTransform(seen.astype(np.float32), there.astype(np.float32))
    above = cv2.warpPerspective(photo, matrix, size, flags=cv2.INTER_LINEAR)
    people = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_NEAREST)
    begin, end = _longest(~people.any(axis=0))
    return above[:, begin:end].copy() if end - begin >= 80 else None


def _behind(photo: Image, mask: Image, feet: int) -> Image | None:
    """The widest columns free of people, down to the feet's row."""
    kept = cv2.dilate(mask[:feet], np.ones((1, 2 * _GAP_PX + 1), np.uint8)).any(axis=0)
    begin, end = _longest(~kept)
    return photo[:feet, begin:end].copy() if end - begin >= _LEAST_RUN_PX else None


def quilted(patch: Image, rows: int, columns: int, rng: np.random.Generator) -> Image:
    """As much ground as is wanted out of one patch: random pieces laid over each other with soft edges, their contrast
    kept, so that the rows meet again at the end.
    """
    side = min(96, *patch.shape[:2])
    ramp = np.minimum(np.arange(side) + 1, np.arange(side, 0, -1)).astype(np.float32) / (side / 2)
    window = (ramp[:, None] * ramp[None, :])[..., None]
    mean = patch.reshape(-1, 3).mean(axis=0).astype(np.float32)
    sums = np.zeros((rows, columns + side, 3), np.float32)
    weight = np.zeros((rows, columns + side, 1), np.float32)
    step = side // 2
    for y in range(0, rows, step):
        lines = np.arange(y, y + side) % rows
        for x in range(0, columns, step):
            v, u = (int(rng.integers(n - side + 1)) for n in patch.shape[:2])
            sums[lines, x : x + side] += window * (patch[v : v + side, u : u + side] - mean)
            weight[lines, x : x + side] += window**2
    ground = mean + sums[:, :columns] / np.sqrt(np.maximum(weight[:, :columns], 1e-6))
    made: Image = np.clip(ground, 0, 255).astype(np.uint8)
    return made
