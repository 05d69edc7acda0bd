"""People: an articulated body that stands, walks, runs or sits on a bicycle, as a mesh.

Body axes: x sideways, y down with the ground at 0, z where
it faces. Segment lengths and widths are shares of body height after Drillis and Contini (1966), as given in
Winter, "Biomechanics and Motor Control of Human Movement"; joint angles follow textbook curves of walking and
running closely enough for a picture, not for biomechanics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from rearguard.lab.array import Array
from rearguard.lab.world.mesh import Mesh, join, limb, tube
from rearguard.lab.world.things import Look

# BGR
_SHIRTS = [
    (45, 45, 190),
    (170, 90, 30),
    (60, 130, 60),
    (40, 40, 45),
    (225, 225, 228),
    (40, 150, 230),
    (120, 60, 110),
    (150, 150, 60),
]
_TROUSERS = [(50, 42, 38), (95, 62, 42), (60, 60, 62), (120, 105, 90), (38, 34, 34)]
_SKINS = [(165, 190, 225), (140, 170, 215), (105, 140, 190), (65, 95, 145), (45, 65, 100)]
_HAIR = [(25, 28, 32), (35, 55, 85), (60, 110, 150), (45, 48, 50), (110, 112, 115)]
_SHOES = [(230, 230, 235), (40, 40, 45), (60, 60, 200), (200, 160, 50)]


@dataclass(frozen=True, slots=True)
class Style:
    """Colours (BGR) and cut of one figure's clothes."""

    shirt: tuple[int, int, int]
    trousers: tuple[int, int, int]
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    shoes: tuple[int, int, int]
    shorts: bool
    sleeves: bool
    long_hair: bool


@cache
def style(seed: int) -> Style:
    """The clothes of a seed; equal seeds dress alike."""
    rng = np.random.default_rng([seed, 0xF16])

    def one(table: list[tuple[int, int, int]]) -> tuple[int, int, int]:
        return table[int(rng.integers(len(table)))]

    return Style(
        one(_SHIRTS), one(_TROUSERS), one(_SKINS), one(_HAIR), one(_SHOES),
        bool(rng.random() < 0.4), bool(rng.random() < 0.5), bool(rng.random() < 0.35),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limbs:
    """Joint angles in radians for (left, right): positive hip and shoulder swing forward, knee and elbow flex."""

    hip: tuple[float, float]
    knee: tuple[float, float]
    shoulder: tuple[float, float]
    elbow: tuple[float, float]
    lean: float = 0.0
    bounce: float = 0.0


def stride(speed_m_s: float, phase: float) -> Limbs:
    """Joint angles at `phase` (strides, 1 per two steps) of someone moving at a speed; 0 is standing."""
    if speed_m_s < 0.1:
        sway = 0.02 * math.sin(2 * math.pi * phase)
        return Limbs((0.02, -0.03), (0.04, 0.06), (0.06 + sway, 0.02 - sway), (0.22, 0.30), 0.0)
    running = min(max((speed_m_s - 1.9) / 0.6, 0.0), 1.0)
    a = 2 * math.pi * phase
    swing = math.radians(24 * (1 - running) + 36 * running)
    flex = math.radians(58 * (1 - running) + 95 * running)

    def leg(angle: float) -> tuple[float, float]:
        hip = swing * math.sin(angle) + 0.12 * running
        lift = max(0.0, math.cos(angle - 0.35))  # the knee bends while the thigh comes forward
        return hip, math.radians(8 + 8 * running) + flex * lift**2

    left, right = leg(a), leg(a + math.pi)
    arm = math.radians(18 + 14 * running)
    elbow = math.radians(18 + 77 * running)
    return Limbs(
        (left[0], right[0]), (left[1], right[1]),
        (-arm * math.sin(a) - 0.1 * running, arm * math.sin(a) - 0.1 * running),
        (elbow + 0.2 * math.sin(a + 0.5), elbow - 0.2 * math.sin(a + 0.5)),
        math.radians(2 + 5 * running), 0.02 * running * abs(math.sin(a)),
    )  # fmt: skip


def person(look: Look, speed_m_s: float, phase: float, detail: int = 2) -> Mesh:
    """A whole figure, feet on the ground at the origin, facing +z. `detail` 0..2: how finely it is made."""
    return body(look, stride(speed_m_s, phase), detail)


def body(look: Look, pose: Limbs, detail: int = 2, *, seat_m: float | None = None, wide: float = 0.0) -> Mesh:
    """A body in a pose. `seat_m`: height of the hips when seated (else the lower foot stands on the ground)."""
    h = look.height_m
    g = look.girth * (0.94 if look.child else 1.0)
    dress = style(look.seed)
    sides = (6, 8, 12)[detail]
    head = _leant(_head(h, dress, sides, look.child), -0.85 * pose.lean, 0.87 * h)  # one looks where one goes
    parts = [_trunk(h, g, dress, sides, look.child), head]
    for i, side in enumerate((-1.0, 1.0)):
        parts.append(_arm(h, g, side, pose.shoulder[i], pose.elbow[i], dress, max(6, sides - 4), wide))
    upper = join(parts)
    if pose.lean:
        upper = _leant(upper, pose.lean, 0.52 * h)
    hips = zip((-1.0, 1.0), pose.hip, pose.knee, strict=True)
    legs = join([_leg(h, g, side, hip, knee, dress, max(6, sides - 2)) for side, hip, knee in hips])
    whole = join([upper, legs])
    lowest = float(legs.quads[:, :, 1].max())
    drop = -lowest - pose.bounce if seat_m is None else 0.52 * h - seat_m
    return whole.moved(0.0, drop, 0.0)


def _leant(mesh: Mesh, lean: float, about_height_m: float) -> Mesh:
    """Bent forward at the hips."""
    s, c = math.sin(lean), math.cos(lean)
    quads = mesh.quads.copy()
    y, z = quads[..., 1] + about_height_m, quads[..., 2].copy()
    quads[..., 1] = c * y + s * z - about_height_m
    quads[..., 2] = c * z - s * y
    return Mesh(quads, mesh.colours)


def _rings(rows: list[tuple[float, float, float, float]], h: float) -> tuple[Array, Array]:
    """Centres and radii from rows (height, half width, half depth, forward), all as shares of body height."""
    table = np.array(rows) * h
    centres = np.stack([np.zeros(len(rows)), -table[:, 0], table[:, 3]], axis=1)
    return centres, table[:, 1:3]


def _level(rings: int) -> tuple[Array, Array]:
    return np.repeat([[1.0, 0, 0]], rings, axis=0), np.repeat([[0, 0, 1.0]], rings, axis=0)


def _trunk(h: float, g: float, dress: Style, sides: int, child: bool) -> Mesh:
    w = g * (0.93 if child else 1.0)
    rows = [
        (0.465, 0.030 * w, 0.035 * g, 0.0),
        (0.485, 0.088 * w, 0.062 * g, 0.0),
        (0.520, 0.099 * w, 0.072 * g, -0.004),
        (0.555, 0.096 * w, 0.068 * g, 0.0),
        (0.610, 0.086 * w, 0.060 * g, 0.004),
        (0.665, 0.092 * w, 0.064 * g, 0.004),
        (0.725, 0.103 * w, 0.070 * g, 0.003),
        (0.775, 0.112 * w, 0.067 * g, 0.0),
        (0.804, 0.116 * w, 0.056 * g, -0.003),
        (0.824, 0.104 * w, 0.046 * g, -0.004),
        (0.838, 0.072 * w, 0.038 * g, -0.003),
        (0.852, 0.036, 0.037, 0.002),
        (0.885, 0.031, 0.034, 0.008),
    ]
    centres, radii = _rings(rows, h)
    cloths = np.repeat(np.array([dress.trousers, dress.shirt, dress.skin], float), (3, 8, 1), axis=0)
    bright = np.array([1.0, 1.0, 0.9, 0.82, 0.93, 1.0, 1.03, 1.0, 1.0, 0.97, 0.8, 0.85])
    return tube(centres, *_level(len(rows)), radii, cloths * bright[:, None], sides)


def _head(h: float, dress: Style, sides: int, child: bool) -> Mesh:
    big = 1.18 if child else 1.0
    rows = [
        (0.866, 0.022, 0.024, 0.018),
        (0.874, 0.030, 0.037, 0.016),
        (0.889, 0.037, 0.047, 0.010),
        (0.899, 0.040, 0.050, 0.008),
        (0.928, 0.044, 0.056, 0.004),
        (0.938, 0.045, 0.057, 0.002),
        (0.958, 0.045, 0.057, 0.0),
        (0.977, 0.039, 0.050, 0.0),
        (0.992, 0.024, 0.032, 0.0),
        (1.000, 0.005, 0.006, 0.0),
    ]
    sides = max(sides, 16 if sides >= 12 else 8)
    centres, radii = _rings([(r[0], r[1] * big, r[2] * big, r[3]) for r in rows], h)
    skin, hair = np.array(dress.skin, float), np.array(dress.hair, float)
    colours = np.repeat(np.repeat(skin[None, None], len(rows) - 1, axis=0), sides, axis=1)
    angle = (np.arange(sides) + 0.5) * (2 * math.pi / sides)
    front, across = np.sin(angle), np.abs(np.cos(angle))  # front is 1 towards the face
    colours[2, (front > 0.5) & (across < 0.5)] *= (0.72, 0.66, 0.86)  # mouth
    colours[4, (front > 0.4) & (across > 0.3)] *= 0.42  # eyes and their sockets
    colours[3, (front > 0.8)] *= 1.06  # nose and cheeks
    hairline = [2.0, 2.0, -0.15, -0.1, 0.0, 0.3, 0.75, 2.0, 2.0]
    for band, line in enumerate(hairline):
        if band >= 2 or dress.long_hair:
            colours[band, front < (line if band >= 2 else -0.3)] = hair
    return tube(centres, *_level(len(rows)), radii, colours, sides)


def _bend(start: Array, length: float, angle: float, spread: float = 0.0) -> Array:
    """The end of a segment hanging from `start`, swung forward by `angle` and out to the side by `spread`."""
    return start + length * np.array([math.sin(spread), math.cos(angle) * math.cos(spread), math.sin(angle)])


def _leg(h: float, g: float, side: float, hip: float, knee: float, dress: Style, sides: int) -> Mesh:
    top = np.array([side * 0.050 * h * g, -0.525 * h, 0.0])
    mid = _bend(top, 0.245 * h, hip, side * 0.015)
    low = _bend(mid, 0.240 * h, hip - knee)
    cloth, skin = np.array(dress.trousers, float), np.array(dress.skin, float)
    shin = skin if dress.shorts else cloth
    thigh_low = cloth if not dress.shorts else skin
    loose = 1.0 if dress.shorts else 1.12
    r, loose_r = g * h, g * h * loose
    thigh_radii = [
        (-0.04, 0.050 * r),
        (0.2, 0.054 * r),
        (0.55, 0.047 * r),
        (0.72, 0.042 * r),
        (1.03, 0.033 * loose_r),
        (1.10, 0.014 * r),
    ]
    calf_radii = [(-0.12, 0.014), (-0.05, 0.032), (0.15, 0.033), (0.35, 0.035), (0.65, 0.027), (1.0, 0.021)]
    above = np.array([cloth, cloth, cloth * 0.97, thigh_low * 0.95, thigh_low * 0.9])
    below = np.array([shin * 0.9, shin * 0.94, shin, shin, shin * 0.96])
    thigh = limb(top, mid, thigh_radii, above, sides)
    calf = limb(mid, low, [(a, b * loose_r) for a, b in calf_radii], below, sides)
    return join([thigh, calf, _foot(h, low, hip - knee, dress, sides)])


def _foot(h: float, ankle: Array, shin: float, dress: Style, sides: int) -> Mesh:
    pitch = max(-0.45, min(0.35, 0.45 * shin))  # a lifted foot hangs
    forward = np.array([0.0, -math.sin(pitch), math.cos(pitch)])
    up = np.array([0.0, -math.cos(pitch), -math.sin(pitch)])
    shoe = np.array(dress.shoes, float)
    rows = [
        (-0.046, 0.010, 0.012),
        (-0.040, 0.022, 0.030),
        (-0.010, 0.025, 0.034),
        (0.040, 0.027, 0.024),
        (0.078, 0.028, 0.018),
        (0.100, 0.016, 0.010),
    ]
    centres = np.array([ankle + h * (r[0] * forward - (0.036 - r[2]) * up) for r in rows])
    radii = np.array([[r[1], r[2]] for r in rows]) * h
    count = len(rows)
    angle = (np.arange(sides) + 0.5) * (2 * math.pi / sides)
    colours = np.repeat(np.repeat(shoe[None, None], count - 1, axis=0), sides, axis=1)
    colours[:, np.sin(angle) < -0.6] = (205, 205, 208)  # the sole
    return tube(centres, _level(count)[0], np.repeat(up[None], count, axis=0), radii, colours, sides)


def _arm(
    h: float, g: float, side: float, shoulder: float, elbow: float, dress: Style, sides: int, wide: float
) -> Mesh:
    top = np.array([side * 0.116 * h * g, -0.800 * h, -0.002 * h])
    mid = _bend(top, 0.178 * h, shoulder, side * (0.13 + wide))
    low = _bend(mid, 0.145 * h, shoulder + elbow, side * (-0.10 if elbow > 0.8 else 0.02))
    hand = _bend(low, 0.085 * h, shoulder + elbow)
    shirt, skin = np.array(dress.shirt, float), np.array(dress.skin, float)
    lower = shirt * 0.95 if dress.sleeves else skin
    upper_radii = [
        (-0.16, 0.014),
        (-0.09, 0.027),
        (0.05, 0.034),
        (0.3, 0.031),
        (0.62, 0.028),
        (1.03, 0.022),
        (1.09, 0.010),
    ]
    fore_radii = [(-0.12, 0.010 * h), (-0.05, 0.021 * g * h), (0.25, 0.023 * g * h), (1.0, 0.015 * h)]
    fist_radii = [(-0.1, 0.012 * h), (0.3, 0.021 * h), (0.8, 0.020 * h), (1.0, 0.008 * h)]
    sleeve = np.array([shirt, shirt, shirt, shirt, lower, lower])
    upper = limb(top, mid, [(a, b * g * h) for a, b in upper_radii], sleeve, sides)
    fore = limb(mid, low, fore_radii, np.array([lower, lower, lower * 0.97]), sides)
    fist = limb(low, hand, fist_radii, np.array([skin, skin * 0.97, skin * 0.9]), sides)
    return join([upper, fore, fist])
