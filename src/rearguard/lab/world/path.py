"""Where the track leads: places on it are `s` metres along its middle and `n` metres to the right of it.

Pictures are drawn in the *local* frame at the wearer's own s: origin on the track's middle, x right, y down,
z along the track, all in metres, so that a bend needs no global map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rearguard.lab.array import Array

STADIUM_RADIUS_M = 36.5  # inner edge of a World Athletics standard track's bend


@dataclass(frozen=True, slots=True)
class Path:
    """A straight (curvature 0) or an endless bend; positive `curvature_per_m` turns right."""

    curvature_per_m: float = 0.0

    def place(self, ds_m: float, n_m: float) -> tuple[float, float, float]:
        """Local (x, z) of the point `ds_m` ahead and `n_m` right, and the track's heading there (radians, right +)."""
        k = self.curvature_per_m
        if k == 0.0:
            return n_m, ds_m, 0.0
        turn = ds_m * k
        sin, cos = float(np.sin(turn)), float(np.cos(turn))
        return (1 - cos) / k + n_m * cos, sin / k - n_m * sin, turn

    def places(self, ds_m: Array, n_m: Array) -> tuple[Array, Array, Array]:
        """`place` for many points."""
        k = self.curvature_per_m
        if k == 0.0:
            return n_m, ds_m, np.zeros_like(ds_m)
        turn = ds_m * k
        return (1 - np.cos(turn)) / k + n_m * np.cos(turn), np.sin(turn) / k - n_m * np.sin(turn), turn

    def unplace(self, x_m: Array, z_m: Array) -> tuple[Array, Array]:
        """(ds, n) of local points (x, z): the inverse of `place`, for points less than half a turn away."""
        k = self.curvature_per_m
        if k == 0.0:
            return z_m, x_m
        radius = 1.0 / abs(k)
        inward = x_m if k > 0 else -x_m
        across = radius - inward
        n = radius - np.hypot(across, z_m)
        return np.arctan2(z_m, across) * radius, n if k > 0 else -n

    def off_m(self, n_m: float) -> float:
        """How far what stands `n_m` to the right of the track's middle is from it, wherever that is nearest: beyond the
        centre of a bend its other side comes."""
        if self.curvature_per_m == 0.0:
            return abs(n_m)
        radius = 1.0 / self.curvature_per_m
        return abs(abs(radius - n_m) - abs(radius))

    def heading_rad(self, s_m: float) -> float:
        """Compass heading of the track at `s_m`, 0 at its start, right positive."""
        return s_m * self.curvature_per_m
