"""What lies or stands low on the track: balls, bags, cones, branches, ropes, a kerb's face, somebody lying."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from rearguard.lab.array import Array
from rearguard.lab.world.figure import person
from rearguard.lab.world.mesh import Mesh, bar, join, outward, tube
from rearguard.lab.world.things import Kind, Thing

_RINGS = 9
_BAG_DEEP_M = 0.25


def _round(radii_at: list[tuple[float, float]], colours: Array, sides: int) -> Mesh:
    """An upright solid of revolution: (height, radius) from below, both in metres."""
    centres = np.array([(0.0, -h, 0.0) for h, _ in radii_at])
    across, along = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    radii = np.array([(r, r) for _, r in radii_at])
    count = len(radii_at)
    return tube(centres, across.repeat(count, 0), along.repeat(count, 0), radii, colours, sides)


def _ball(thing: Thing) -> Mesh:
    """A football: white with dark patches."""
    radius, sides = thing.height_m / 2, 12
    angle = np.linspace(-0.49 * math.pi, 0.49 * math.pi, _RINGS)
    shape = [(radius + radius * math.sin(a), radius * math.cos(a)) for a in angle]
    rng = np.random.default_rng([thing.look.seed, 0xBA11])
    dark = rng.random((_RINGS - 1, sides)) < 0.3
    colours = np.where(dark[..., None], (40.0, 38.0, 36.0), (226.0, 228.0, 230.0))
    return _round(shape, colours, sides)


def _bag(thing: Thing) -> Mesh:
    """A sports bag with a stripe and a handle."""
    h, half, deep = thing.height_m - 0.04, thing.width_m / 2, _BAG_DEEP_M / 2
    cloths = [(58, 44, 38), (110, 60, 40), (46, 46, 120), (64, 84, 60)]
    cloth = np.array(cloths[thing.look.seed % len(cloths)], float)
    quads, colours = [], []
    for low, high, bright in ((0.0, 0.45, 1.0), (0.45, 0.6, 2.0), (0.6, 1.0, 1.1)):  # from, to, brightness
        corners = [(-half, -deep), (half, -deep), (half, deep), (-half, deep)]
        for (xa, za), (xb, zb) in zip(corners, corners[1:] + corners[:1], strict=True):
            quads.append([[xa, -low * h, za], [xa, -high * h, za], [xb, -high * h, zb], [xb, -low * h, zb]])
            colours.append(np.clip(cloth * bright, 0, 255))
    quads.append([[-half, -h, -deep], [-half, -h, deep], [half, -h, deep], [half, -h, -deep]])
    colours.append(np.clip(cloth * 1.2, 0, 255))
    middle = np.array([[0.0, -h / 2, 0.0]])
    parts = [Mesh(outward(np.array(quads, float), middle), np.array(colours))]
    strap = np.array([(30, 30, 34)] * 2, float)
    parts.append(bar((-0.12, -h, 0.0), (0.0, -h - 0.04, 0.0), 0.012, strap))
    parts.append(bar((0.0, -h - 0.04, 0.0), (0.12, -h, 0.0), 0.012, strap))
    return join(parts)


def _cone(thing: Thing) -> Mesh:
    """A training cone with a white band."""
    h, wide = thing.height_m, thing.width_m / 2
    places = np.linspace(0.0, 1.0, 7)
    shape = [(0.0, wide), *((0.03 + (h - 0.03) * p, 0.72 * wide * (1 - 0.85 * p)) for p in places)]
    orange, white = (30.0, 96.0, 236.0), (232.0, 232.0, 232.0)
    return _round(shape, np.array([orange, orange, orange, white, white, orange, orange]), 12)


def _branch(thing: Thing) -> Mesh:
    """A branch fallen across the lane, a little askew, with twigs."""
    radius, half = thing.height_m / 2, thing.width_m / 2
    rng = np.random.default_rng([thing.look.seed, 0xB4A2])
    skew = float(rng.uniform(-0.25, 0.25))
    bark = np.clip(np.array([50, 66, 84]) * rng.uniform(0.7, 1.3, (8, 1)), 0, 255)
    start, end = (-half, -radius, -skew * half), (half, -radius, skew * half)
    parts = [bar(start, end, radius, bark)]
    for _ in range(4):
        at = float(rng.uniform(-0.8, 0.8)) * half
        tip = (at + float(rng.uniform(-0.25, 0.25)), -0.01, skew * at + float(rng.uniform(-0.4, 0.4)))
        parts.append(bar((at, -radius, skew * at), tip, 0.25 * radius, bark[:2]))
    return join(parts)


def _hurdle_foot(thing: Thing) -> Mesh:
    """The base of a hurdle without its bar: a crosspiece and two feet."""
    half, up = thing.width_m / 2, thing.height_m
    grey = np.array([(150, 150, 152)] * 3, float)
    dark = np.array([(60, 62, 66)] * 3, float)
    parts = [bar((-half, -0.04, 0), (half, -0.04, 0), 0.02, grey)]
    for x in (-half + 0.05, half - 0.05):
        parts += [bar((x, -0.03, 0), (x, -0.03, -0.6), 0.03, dark), bar((x, 0, 0), (x, -up, 0), 0.018, grey)]
    return join(parts)


def _rope(thing: Thing) -> Mesh:
    """A barrier rope, sagging a little, with its end posts beside the lane."""
    half, high = thing.width_m / 2, thing.height_m
    red, white = (40, 40, 190), (225, 225, 228)
    places = np.linspace(-half, half, 9)
    heights = high - 0.05 * (1 - (places / half) ** 2)
    colours = np.array([red, white], float)
    parts = [
        bar((x0, -h0, 0), (x1, -h1, 0), 0.01, colours)
        for x0, h0, x1, h1 in zip(places, heights, places[1:], heights[1:], strict=False)
    ]
    post = np.array([(120, 124, 128)] * 2, float)
    return join([*parts, *(bar((x, 0, 0), (x, -high - 0.5, 0), 0.02, post) for x in (-half, half))])


def _kerb(thing: Thing) -> Mesh:
    """The face of a kerb: concrete stones a metre long. The ground beyond it is drawn apart (`render`)."""
    rng = np.random.default_rng([thing.look.seed, 0xCE4B])
    edges = np.arange(-thing.width_m / 2, thing.width_m / 2 + 0.5, 1.0)
    h = thing.height_m
    pairs = list(itertools.pairwise(edges))
    quads = np.array(
        [[[a, 0, 0], [a, -h, 0], [b - 0.015, -h, 0], [b - 0.015, 0, 0]] for a, b in pairs], float
    )
    stones = np.array([150, 154, 156]) * rng.normal(1.0, 0.06, (len(quads), 1))
    return Mesh(outward(quads, np.array([[0.0, -h / 2, 1.0]])), np.clip(stones, 0, 255))


def _lying(thing: Thing) -> Mesh:
    """Somebody on their back across the lane."""
    body = person(thing.look, 0.0, 0.25, 1)
    flat = body.quads @ np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y' = -z, z' = y
    flat[..., 1] -= flat[..., 1].max()
    flat[..., 2] += thing.look.height_m / 2
    return Mesh(flat, body.colours).turned(math.pi / 2)


SHAPES: dict[Kind, Callable[[Thing], Mesh]] = {
    Kind.BALL: _ball,
    Kind.BAG: _bag,
    Kind.CONE: _cone,
    Kind.BRANCH: _branch,
    Kind.HURDLE_FOOT: _hurdle_foot,
    Kind.ROPE: _rope,
    Kind.KERB: _kerb,
    Kind.LYING: _lying,
}
