"""Solids made of small flat quads, and the sun that shades them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rearguard.lab.array import Array


@dataclass(frozen=True, slots=True)
class Mesh:
    """Quads with corners (N, 4, 3) in metres, clockwise seen from outside, and BGR albedo (N, 3) 0..255."""

    quads: Array
    colours: Array

    def turned(self, yaw_rad: float) -> Mesh:
        """Turned about the vertical axis, positive as a heading to the right."""
        s, c = math.sin(yaw_rad), math.cos(yaw_rad)
        return Mesh(self.quads @ np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]]), self.colours)

    def moved(self, x_m: float, y_m: float, z_m: float) -> Mesh:
        return Mesh(self.quads + np.array([x_m, y_m, z_m]), self.colours)


@dataclass(frozen=True, slots=True)
class Light:
    """Sun and sky: direction *towards* the sun in local axes, and the strengths of sun and of skylight."""

    towards_sun: tuple[float, float, float] = (-0.3, -0.6, -0.74)
    sun: float = 0.75
    sky: float = 0.55

    def shade(self, quads: Array, colours: Array) -> Array:
        """Colours (N, 3) as lit: Lambert's law for the sun, more skylight on what faces up."""
        normal = normals(quads)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        sun = np.maximum(normal @ np.asarray(self.towards_sun), 0.0)
        level = self.sun * sun + self.sky * (0.75 - 0.25 * normal[:, 1])
        lit: Array = np.clip(colours * level[:, None], 0, 255)
        return lit


def normals(quads: Array) -> Array:
    """Normals (N, 3), not of unit length: the cross product of each quad's diagonals, written out for speed."""
    a, b = quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]
    x, y, z = (
        a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
        a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
        a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
    )
    return np.stack([x, y, z], axis=1)


def join(meshes: list[Mesh]) -> Mesh:
    return Mesh(np.concatenate([m.quads for m in meshes]), np.concatenate([m.colours for m in meshes]))


def tube(centres: Array, across: Array, along: Array, radii: Array, colours: Array, sides: int) -> Mesh:
    """A tube through rings.

    `centres` (R, 3); `across`, `along` (R, 3): unit vectors spanning each ring's plane; `radii` (R, 2): extents
    along those two; `colours` (R-1, 3) or (R-1, sides, 3): one per band, or one per quad.
    """
    assert len(colours) == len(centres) - 1, (len(colours), len(centres))
    angle = np.arange(sides) * (2 * math.pi / sides)
    ring = (
        centres[:, None, :]
        + np.cos(angle)[None, :, None] * (radii[:, 0, None] * across)[:, None, :]
        + np.sin(angle)[None, :, None] * (radii[:, 1, None] * along)[:, None, :]
    )
    after = np.roll(ring, -1, axis=1)
    quads = np.stack([ring[:-1], after[:-1], after[1:], ring[1:]], axis=2).reshape(-1, 4, 3)
    if colours.ndim == 2:
        colours = np.repeat(colours[:, None, :], sides, axis=1)
    wound = outward(quads, np.repeat(0.5 * (centres[:-1] + centres[1:]), sides, axis=0))
    return Mesh(wound, colours.reshape(-1, 3).astype(float))


def limb(start: Array, end: Array, radii: list[tuple[float, float]], colours: Array, sides: int) -> Mesh:
    """A round tube from `start` to `end`: `radii` are (place 0..1, radius in m), `colours` one per band."""
    axis = end - start
    length = float(np.linalg.norm(axis))
    axis = axis / max(length, 1e-9)
    helper = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.8 else np.array([0.0, 0.0, 1.0])
    across = np.cross(axis, helper)
    across /= np.linalg.norm(across)
    along = np.cross(axis, across)
    places = np.array([r[0] for r in radii])
    rings = len(radii)
    return tube(
        start + places[:, None] * (end - start),
        np.repeat(across[None], rings, axis=0),
        np.repeat(along[None], rings, axis=0),
        np.array([[r[1], r[1]] for r in radii]),
        np.asarray(colours, float),
        sides,
    )


def bar(
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    radius_m: float,
    colours: Array,
    sides: int = 6,
) -> Mesh:
    """A straight bar of one thickness, its bands coloured in turn."""
    bands = len(colours)
    return limb(
        np.array(start, float),
        np.array(end, float),
        [(i / bands, radius_m) for i in range(bands + 1)],
        colours,
        sides,
    )


def outward(quads: Array, inside: Array) -> Array:
    """Quads wound so that their normal (diagonal x diagonal, as in `Light.shade`) points away from `inside`."""
    normal = normals(quads)
    flip = np.einsum("ij,ij->i", normal, quads.mean(axis=1) - inside) < 0
    quads = quads.copy()
    quads[flip] = quads[flip][:, ::-1]
    return quads
