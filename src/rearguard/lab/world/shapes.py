"""How each kind of thing looks: meshes for people, cyclists, posts, hurdles and gates, panels for walls and fences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np

from rearguard.lab.world import low
from rearguard.lab.world.figure import Limbs, body, person
from rearguard.lab.world.mesh import Mesh, bar, join
from rearguard.lab.world.paint import Panel, halvings
from rearguard.lab.world.path import Path
from rearguard.lab.world.things import Kind, Look, Thing
from rearguard.types import Image

PANEL_PER_M = 80.0
_POSES = 48  # different poses in a stride or a turn of the cranks
_CRANK_M = 5.0  # way of a bicycle per turn of the cranks
_STRIDE_M = ((0.0, 1.2), (1.4, 1.5), (3.5, 2.6), (6.0, 3.6))  # speed m/s → length of a stride (two steps)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a thing consists of at one moment, in local axes."""

    meshes: tuple[Mesh, ...] = ()
    panels: tuple[Panel, ...] = ()
    soft: bool = True  # clothes have folds; painted steel has none


def shape(thing: Thing, t_s: float, path: Path, wearer_s_m: float, detail: int = 2) -> Shape:
    """The thing at a time, seen from the frame at `wearer_s_m`. `detail` 0..2 is how finely figures are made."""
    s, n, vs, vn = thing.motion.at(t_s)
    x, z, turn = path.place(s - wearer_s_m, n)
    if thing.kind in (Kind.STEP_DOWN, Kind.PUDDLE):
        return Shape(soft=False)  # only ground: `uneven`
    if thing.kind in (Kind.WALL, Kind.BLANK_WALL, Kind.FENCE):
        return Shape(panels=(_panel(thing, x, z, turn),), soft=False)
    if thing.kind in (Kind.PERSON, Kind.CYCLIST):
        speed = round(math.hypot(vs, vn), 3)  # whole millimetres a second, so that equal poses are made once
        heading = math.atan2(vn, vs) if speed > 0.1 else math.pi - math.radians(thing.facing_deg)
        if thing.kind is Kind.CYCLIST:
            mesh = _cyclist(thing.look, round(speed * t_s / _CRANK_M * _POSES) % _POSES, detail)
        else:
            length = float(np.interp(speed, [a for a, _ in _STRIDE_M], [b for _, b in _STRIDE_M]))
            phase = speed * t_s / (length * thing.look.height_m / 1.75) if speed > 0.1 else 0.25 * t_s
            pose = round((phase + 0.13 * thing.look.seed) * _POSES) % _POSES
            mesh = _walker(thing.look, speed, pose, detail)
        return Shape(meshes=(mesh.turned(heading + turn).moved(x, 0.0, z),))
    return Shape(meshes=(_prop(thing).turned(turn).moved(x, 0.0, z),), soft=thing.kind is Kind.LYING)


@lru_cache(maxsize=64)
def _prop(thing: Thing) -> Mesh:
    return _PROPS[thing.kind](thing)


@lru_cache(maxsize=256)
def _walker(look: Look, speed_m_s: float, pose: int, detail: int) -> Mesh:
    """One of the `_POSES` poses of a stride; making a body costs more than drawing it."""
    return person(look, speed_m_s, pose / _POSES, detail)


def _panel(thing: Thing, x: float, z: float, turn: float) -> Panel:
    c, s = math.cos(turn), math.sin(turn)
    half = thing.width_m / 2
    return Panel(
        (x - half * c, 0.0, z + half * s), (c, 0.0, -s), thing.width_m, thing.height_m,
        _face(thing.kind, thing.width_m, thing.height_m, thing.look.seed), PANEL_PER_M,
    )  # fmt: skip


@cache
def _face(kind: Kind, width_m: float, height_m: float, seed: int) -> tuple[Image, ...]:
    size = round(height_m * PANEL_PER_M), round(width_m * PANEL_PER_M)
    rng = np.random.default_rng([seed, 0xFACE])
    paint = {Kind.WALL: _bricks, Kind.FENCE: _mesh_fence, Kind.BLANK_WALL: _plaster}[kind]
    return halvings(paint(size, rng))


def _bricks(size: tuple[int, int], rng: np.random.Generator) -> Image:
    high, wide = round(0.075 * PANEL_PER_M), round(0.24 * PANEL_PER_M)
    image = np.full((*size, 4), (150, 158, 162, 255), np.uint8)
    for row, y in enumerate(range(0, size[0], high)):
        for x in range(-(row % 2) * wide // 2, size[1], wide):
            tone = rng.normal(1.0, 0.13)
            colour = np.clip(np.array([62, 78, 138]) * tone + rng.normal(0, 6, 3), 0, 255)
            cv2.rectangle(image, (max(x, 0), y), (x + wide - 2, y + high - 2), (*colour.tolist(), 255), -1)
    stains = cv2.resize(
        rng.normal(0, 9, (size[0] // 40 + 2, size[1] // 40 + 2)).astype(np.float32), size[::-1]
    )
    image[:, :, :3] = np.clip(image[:, :, :3] + stains[..., None] + rng.normal(0, 5, (*size, 1)), 0, 255)
    return image


def _plaster(size: tuple[int, int], rng: np.random.Generator) -> Image:
    image = np.full((*size, 4), (206, 210, 212, 255), np.uint8)
    stains = cv2.resize(
        rng.normal(0, 1.5, (size[0] // 60 + 2, size[1] // 60 + 2)).astype(np.float32), size[::-1]
    )
    image[:, :, :3] = np.clip(image[:, :, :3] + stains[..., None], 0, 255)
    return image


def _mesh_fence(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Chain link of 6 cm with posts every 2.5 m and a rail on top."""
    image = np.zeros((*size, 4), np.uint8)
    step = round(0.085 * PANEL_PER_M)
    for start in range(-size[0], size[1], step):
        cv2.line(image, (start, 0), (start + size[0], size[0]), (112, 122, 116, 255), 1, cv2.LINE_AA)
        cv2.line(image, (start + size[0], 0), (start, size[0]), (132, 140, 134, 255), 1, cv2.LINE_AA)
    thick = round(0.07 * PANEL_PER_M)
    for x in range(0, size[1], round(2.5 * PANEL_PER_M)):
        cv2.rectangle(image, (x, 0), (x + thick, size[0]), (78, 92, 84, 255), -1)
    cv2.rectangle(image, (0, 0), (size[1], thick), (78, 92, 84, 255), -1)
    cv2.rectangle(image, (0, size[0] - thick), (size[1], size[0]), (78, 92, 84, 255), -1)
    for _ in range(max(2, size[1] // 260)):  # what the wind left in it
        at = int(rng.integers(size[1])), int(rng.integers(size[0]))
        wide, high = int(rng.integers(4, 12)), int(rng.integers(3, 8))
        cv2.ellipse(image, at, (wide, high), rng.uniform(0, 180), 0, 360, (150, 170, 190, 255), -1)
    return image


def _post(thing: Thing) -> Mesh:
    red, white = (40, 40, 190), (225, 225, 228)
    colours = np.array([red, white] * 4 + [red], float)
    return bar((0, 0, 0), (0, -thing.height_m, 0), 0.06, colours, 10)


def _hurdle(thing: Thing) -> Mesh:
    """An athletics hurdle: a striped top bar on two uprights with feet."""
    h, half = thing.height_m, thing.width_m / 2
    white, black = (232, 232, 232), (38, 38, 40)
    ends = [-half + i * thing.width_m / 9 for i in range(10)]
    parts = [_board(ends[i], ends[i + 1], h - 0.09, h, white if i % 2 else black) for i in range(9)]
    grey = np.array([(150, 150, 152)] * 3, float)
    for x in (-half + 0.05, half - 0.05):
        parts.append(bar((x, 0, 0), (x, -h + 0.05, 0), 0.018, grey))
        parts.append(bar((x, -0.02, 0), (x, -0.02, -0.6), 0.02, grey))
    return join(parts)


def _board(x0: float, x1: float, low: float, high: float, colour: tuple[int, int, int]) -> Mesh:
    front = [[x0, -low, -0.012], [x0, -high, -0.012], [x1, -high, -0.012], [x1, -low, -0.012]]
    back = [[x, y, -z] for x, y, z in reversed(front)]
    return Mesh(np.array([front, back], float), np.array([colour, colour], float))


def _gate(thing: Thing) -> Mesh:
    """A closed tubular gate between two posts: five rails, a brace and uprights."""
    h, half = thing.height_m, thing.width_m / 2
    steel = np.array([(165, 170, 172), (140, 146, 150)] * 4, float)
    wood = np.array([(70, 92, 112), (60, 80, 100)] * 3, float)
    parts = [bar((x, 0, 0), (x, -h - 0.15, 0), 0.07, wood, 8) for x in (-half, half)]
    parts += [bar((-half, -y, 0), (half, -y, 0), 0.022, steel) for y in np.linspace(0.2, h, 5)]
    parts += [bar((x, -0.2, 0), (x, -h, 0), 0.022, steel) for x in (-half / 2, 0.0, half / 2)]
    parts.append(bar((-half, -0.2, 0), (half, -h, 0), 0.018, steel))
    return join(parts)


def _dog(thing: Thing) -> Mesh:
    """A dog seen from the front or behind, of bars: trunk, head and legs. A sketch: no detector was tried on it."""
    h, half = thing.height_m, thing.width_m / 2
    fur = np.array([(60, 80, 110), (50, 66, 92)] * 4, float)
    long = 0.4
    parts = [bar((0, -0.62 * h, -long), (0, -0.62 * h, long), 0.55 * half, fur, 8)]
    parts.append(bar((0, -0.72 * h, -long), (0, -0.98 * h, -long - 0.18), 0.4 * half, fur, 8))
    legs = [(x, z) for x in (-0.4 * half, 0.4 * half) for z in (-long, long)]
    parts += [bar((x, 0, z), (x, -0.6 * h, z), 0.16 * half, fur) for x, z in legs]
    return join(parts)


_PROPS = {Kind.POST: _post, Kind.HURDLE: _hurdle, Kind.GATE: _gate, Kind.DOG: _dog, **low.SHAPES}


@lru_cache(maxsize=256)
def _cyclist(look: Look, pose: int, detail: int) -> Mesh:
    """A rider leaning on the handlebar of a city bicycle, feet on turning cranks."""
    turn = pose / _POSES * 2 * math.pi
    left, right = math.sin(turn), math.sin(turn + math.pi)
    hips, knees = (1.05 + 0.35 * left, 1.05 + 0.35 * right), (1.35 + 0.45 * left, 1.35 + 0.45 * right)
    limbs = Limbs(hips, knees, (1.42, 1.42), (0.12, 0.12), 0.42)
    rider = body(look, limbs, detail, seat_m=0.98, wide=0.1).moved(0.0, 0.0, -0.12)
    return join([_bicycle(look.seed), rider])


@cache
def _bicycle(seed: int) -> Mesh:
    colours = [(40, 40, 42), (150, 60, 30), (40, 40, 170), (160, 160, 165)]
    paint = np.array([colours[seed % len(colours)]] * 2, float)
    tyre = (34, 34, 36)
    parts = [_wheel(0.56, tyre), _wheel(-0.50, tyre)]
    crank, saddle, head, grip = (0, -0.29, -0.06), (0, -0.95, -0.22), (0, -0.80, 0.36), (0, -1.06, 0.30)
    rear, front = (0, -0.34, -0.50), (0, -0.34, 0.56)
    tubes = (
        (crank, saddle),
        (crank, head),
        (saddle, head),
        (crank, rear),
        (saddle, rear),
        (head, front),
        (head, grip),
    )
    parts += [bar(a, b, 0.018, paint, 5) for a, b in tubes]
    handlebar, lamp = np.array([(45, 45, 48)] * 4, float), np.array([(240, 248, 250)], float)
    parts.append(bar((-0.29, -1.06, 0.26), (0.29, -1.06, 0.26), 0.014, handlebar, 5))
    parts.append(bar((0, -0.93, 0.40), (0, -0.86, 0.46), 0.05, lamp, 8))
    return join(parts)


def _wheel(z_m: float, colour: tuple[int, int, int]) -> Mesh:
    """A tyre as a square ring, and thin spokes."""
    radius, parts = 0.34, 20
    angle = np.linspace(0, 2 * math.pi, parts + 1)

    def at(share: float) -> list[list[float]]:
        """(y, z) of the places around the hub, at this share of the radius."""
        y, z = -radius + share * radius * np.cos(angle), z_m + share * radius * np.sin(angle)
        return np.stack([y, z], axis=1).tolist()  # type: ignore[no-any-return]

    def sided(*outline: list[float], half_width: float) -> list[list[list[float]]]:
        """A quad of (y, z) on either side of the wheel's middle, each facing outwards."""
        left, right = ([[x, *place] for place in outline] for x in (-half_width, half_width))
        return [left[::-1], right]

    rim, inner, tips = at(1.0), at(0.88), at(0.9)
    quads = []
    for i in range(parts):
        j = i + 1
        quads += sided(rim[i], rim[j], inner[j], inner[i], half_width=0.02)
        quads.append([[-0.02, *rim[i]], [-0.02, *rim[j]], [0.02, *rim[j]], [0.02, *rim[i]]])
    for y, z in tips[:parts:2]:
        hub = [-radius, z_m - 0.004], [-radius, z_m + 0.004]
        quads += sided(*hub, [y, z + 0.004], [y, z - 0.004], half_width=0.004)
    return Mesh(np.array(quads), np.repeat(np.array([colour], float), len(quads), axis=0))
