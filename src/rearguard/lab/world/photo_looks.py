"""A world that looks like photographs: the same scene, motion and truth, drawn from an `Album`.

People are cut-outs that stand upright and face the lens, as tall as the scene says; who crosses shows a stride from the
side, who runs or the dog moves frame by frame where there are such frames. Cyclists, fences, posts, hurdles and gates
stay drawn: no photographs of them come with masks.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path as Folder

import cv2
import numpy as np

from rearguard.errors import BadInput
from rearguard.lab.world.album import CELL_M, PATTERNS, Album, Cutout, Moving, open_album, quilted
from rearguard.lab.world.backdrop import HORIZON_PX, PANORAMA_PX, PER_RAD, drawn_panorama
from rearguard.lab.world.ground import PERIOD_M, TEXTURES
from rearguard.lab.world.paint import Panel, halvings
from rearguard.lab.world.path import Path
from rearguard.lab.world.recorded_shake import SHAKES, RecordedGait, recorded_shakes
from rearguard.lab.world.scene import Scene
from rearguard.lab.world.shapes import PANEL_PER_M, Shape, shape
from rearguard.lab.world.things import Kind, Thing
from rearguard.lab.world.wearer import State
from rearguard.types import Image

_MOVING_HZ = 24.0  # the usual rate of films
_RUNS_FROM_M_S = 2.2
_SEAM_PX = 24
_BORDER_M = 2.0  # half width of the path
_BESIDE_M = (4.5, 9.0)  # where walls and hedges stand
_BESIDE_LONG_M = (2.0, 8.0)
_BESIDE_HIGH_M = (1.2, 3.4)
_FARTHER = 0.5  # what stood ten metres off in a photograph shall look far away
_BESIDE_SEEN_M = 60.0


@dataclass(frozen=True, slots=True)
class Beside:
    """A flat picture along the path: from `s_m`, `n_m` to its right, with its texture's halvings."""

    s_m: float
    n_m: float
    width_m: float
    height_m: float
    mips: tuple[Image, ...]


class PhotoLooks:
    """How the scenes of one seed look out of a folder of photographs. Raises `BadInput` when it has none."""

    def __init__(self, folder: str, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._album = open_album(folder)
        self._shakes = recorded_shakes(folder)
        if self._shakes == (None, None):
            raise BadInput(
                f"--photos {folder}: no recorded shake (gyro_log*.txt, or a GoPro's film with telemetry); "
                "see docs/photo-worlds.md"
            )

    def shaken(self, scene: Scene) -> Scene:
        """The scene with the shake of somebody who really ran or walked."""
        return replace(scene, wearer=scene.wearer.shaken_by(RecordedGait(*self._shakes, scene.seed)))

    def ground(self) -> tuple[Image, ...]:
        """The textures of the ground, as `ground.TEXTURES` wants them: a path of one photograph, beside it another."""
        return _ground(self._folder, self._seed % 4)

    def panorama(self) -> Image:
        """What is far away, all around."""
        return _panorama(self._folder, self._seed % 4)

    def beside(self, until_m: float) -> list[Beside]:
        """Walls, hedges and fronts on both sides, with gaps between."""
        found = []
        for side in (-1, 1):
            rng = np.random.default_rng([self._seed, 0xBE51, side + 1])
            s = -15.0 + rng.uniform(0, 8)
            while s < until_m + _BESIDE_SEEN_M:
                mips = _front(self._folder, int(rng.integers(len(self._album.behind))))
                high, wide = mips[0].shape[0] / PANEL_PER_M, mips[0].shape[1] / PANEL_PER_M
                found.append(Beside(s, side * float(rng.uniform(*_BESIDE_M)), wide, high, mips))
                s += wide + float(rng.uniform(1.0, 10.0))
        return found

    def shape(self, thing: Thing, t_s: float, path: Path, state: State, detail: int) -> Shape:
        """As `shapes.shape`, cut out of photographs where there are any."""
        if thing.kind is Kind.WALL:
            drawn = shape(thing, t_s, path, state.s_m, detail).panels[0]
            mips = _wall(self._folder, thing.look.seed, thing.width_m, thing.height_m)
            return Shape(panels=(replace(drawn, mips=mips),), soft=False)
        moving = self._album.moving.get(thing.kind)
        if thing.kind is not Kind.PERSON and (thing.kind is not Kind.DOG or moving is None):
            return shape(thing, t_s, path, state.s_m, detail)
        s, n, vs, vn = thing.motion.at(t_s)
        x, z, _ = path.place(s - state.s_m, n)
        if moving is not None and (thing.kind is Kind.DOG or abs(vs) > _RUNS_FROM_M_S):
            cut, tall = _frame(moving, t_s + 0.37 * thing.look.seed)
        else:
            cut, tall = _someone(self._album, thing, abs(vn) > abs(vs)), 1.0
        return Shape(panels=(_facing(cut, thing.look.height_m * tall, x, z, state.n_m),), soft=False)


def usable(folder: Folder) -> str:
    """The folder as a whole path, once it is known to hold enough. Raises `BadInput` in one line where it does not."""
    found = str(folder.absolute())
    PhotoLooks(found, 0)
    return found


def photos_digest(folder: str) -> str:
    """Which photographs and shakes a folder holds: the same on another machine, another once one is exchanged."""
    root = Folder(folder)
    files = {p for pattern in (*PATTERNS, *SHAKES) for p in root.glob(pattern)}
    told = sorted(f"{p.relative_to(root).as_posix()} {p.stat().st_size}" for p in files)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _frame(moving: Moving, t_s: float) -> tuple[Cutout, float]:
    """The frame of a time, forwards and backwards in turn so that no pose jumps."""
    last = len(moving.frames) - 1
    place = round(t_s * _MOVING_HZ) % (2 * last)
    at = 2 * last - place if place > last else place
    return moving.frames[at], moving.tall[at]


def _someone(album: Album, thing: Thing, crosses: bool) -> Cutout:
    """Who a figure of this look is: of the narrow half, or of the wide half who crosses."""
    half = max(1, len(album.people) // 2)
    at = int(np.random.default_rng([thing.look.seed, 0x9E0]).integers(half))
    return album.people[len(album.people) - 1 - at] if crosses else album.people[at]


def _facing(cut: Cutout, height_m: float, x: float, z: float, from_x: float) -> Panel:
    """A cut-out on its feet at local (x, z), facing who looks from (from_x, 0)."""
    distance = max(math.hypot(x - from_x, z), 1e-6)
    along = (z / distance, 0.0, -(x - from_x) / distance)
    wide = height_m * cut.wide
    foot = (x - 0.5 * wide * along[0], 0.0, z - 0.5 * wide * along[2])
    return Panel(foot, along, wide, height_m, cut.mips, cut.mips[0].shape[0] / height_m)


def panel_beside(beside: Beside, path: Path, s_m: float) -> Panel | None:
    """The panel in the local frame at `s_m`; None out of sight. On a bend it stands on its chord."""
    ahead = beside.s_m - s_m
    if not -beside.width_m < ahead < _BESIDE_SEEN_M:
        return None
    near, far = path.place(ahead, beside.n_m)[:2], path.place(ahead + beside.width_m, beside.n_m)[:2]
    # Seen from the path, its foot runs from left to right: away on the left, back towards the wearer on the right.
    start, end = (near, far) if beside.n_m < 0 else (far, near)
    long = max(math.hypot(end[0] - start[0], end[1] - start[1]), 1e-6)
    along = ((end[0] - start[0]) / long, 0.0, (end[1] - start[1]) / long)
    return Panel(
        (start[0], 0.0, start[1]), along, long, beside.height_m, beside.mips,
        beside.mips[0].shape[1] / long,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _ground(folder: str, seed: int) -> tuple[Image, ...]:
    album = open_album(folder)
    rng = np.random.default_rng([seed, 0x6E0])
    path = album.grounds[int(rng.integers(len(album.grounds)))]
    grass = album.grass[int(rng.integers(len(album.grass)))]
    made: list[Image] = []
    for cell_m, half_m, _ in TEXTURES:
        rows, columns = round(PERIOD_M / cell_m), round(2 * half_m / cell_m)
        scale = CELL_M / cell_m
        texture = quilted(_scaled(grass, scale), rows, columns, rng)
        inner = round(2 * (TEXTURES[len(made) - 1][1] if made else _BORDER_M) / cell_m)
        at = (columns - inner) // 2
        middle = (
            cv2.resize(made[-1], (inner, rows), interpolation=cv2.INTER_AREA)
            if made
            else quilted(_scaled(path, scale), rows, inner, rng)
        )
        texture[:, at : at + inner] = middle
        made.append(texture)
    return tuple(made)


def _scaled(picture: Image, scale: float) -> Image:
    size = tuple(max(8, round(n * scale)) for n in (picture.shape[1], picture.shape[0]))
    result: Image = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return result


@lru_cache(maxsize=4)
def _panorama(folder: str, seed: int) -> Image:
    """Photographs side by side all around before a drawn sky, their horizons level, each melting into the next."""
    album, rng = open_album(folder), np.random.default_rng([seed, 0x9A0])
    canvas = drawn_panorama(seed).astype(np.float32)
    x = 0
    while x < PANORAMA_PX:
        view, horizon, _, focal = album.behind[int(rng.integers(len(album.behind)))]
        scale = _FARTHER * PER_RAD / focal
        part = _scaled(view[:horizon] if horizon > 8 else view, scale)[-HORIZON_PX:]
        part = part[:, : PANORAMA_PX - x].astype(np.float32)
        if part.shape[1] <= 2 * _SEAM_PX or part.shape[0] <= _SEAM_PX:
            x += part.shape[1]
            continue
        high, wide = part.shape[:2]
        shown = np.ones((high, wide), np.float32)
        shown[:_SEAM_PX] *= np.linspace(0, 1, _SEAM_PX, dtype=np.float32)[:, None]
        shown[:, :_SEAM_PX] *= np.linspace(0, 1, _SEAM_PX, dtype=np.float32)
        shown[:, -_SEAM_PX:] *= np.linspace(1, 0, _SEAM_PX, dtype=np.float32)
        place = slice(HORIZON_PX - high, HORIZON_PX), slice(x, x + wide)
        canvas[place] += shown[..., None] * (part - canvas[place])
        x += wide - _SEAM_PX
    canvas[HORIZON_PX:] = canvas[HORIZON_PX - 1]
    return canvas.astype(np.uint8)


def _upright(folder: str, which: int, most_m: float) -> Image:
    """What stood behind somebody, BGR with `PANEL_PER_M`, at most so many metres high."""
    view, _, per_m, _ = open_album(folder).behind[which]
    return _scaled(view[-round(most_m * per_m) :], PANEL_PER_M / per_m)


@lru_cache(maxsize=128)
def _front(folder: str, which: int) -> tuple[Image, ...]:
    rng = np.random.default_rng([which, 0xF0])
    high = rng.uniform(*_BESIDE_HIGH_M)
    return _repeated(_upright(folder, which, float(high)), float(rng.uniform(*_BESIDE_LONG_M)))


def _repeated(part: Image, width_m: float) -> tuple[Image, ...]:
    """One picture and its mirror image in turn, so many metres wide, opaque."""
    wide = round(width_m * PANEL_PER_M)
    parts = [part if k % 2 == 0 else part[:, ::-1] for k in range(-(-wide // part.shape[1]))]
    whole = np.concatenate(parts, axis=1)[:, :wide]
    return halvings(np.dstack([whole, np.full(whole.shape[:2], 255, np.uint8)]))


@lru_cache(maxsize=16)
def _wall(folder: str, seed: int, width_m: float, height_m: float) -> tuple[Image, ...]:
    """A wall of one photograph's front, mirrored until it is wide enough."""
    behind = open_album(folder).behind
    part = _upright(folder, int(np.random.default_rng([seed, 0x3A]).integers(len(behind))), height_m)
    lacking = round(height_m * PANEL_PER_M) - part.shape[0]
    if lacking > 0:
        part = cv2.copyMakeBorder(part, lacking, 0, 0, 0, cv2.BORDER_REFLECT)
    return _repeated(part, width_m)
