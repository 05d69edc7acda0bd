"""Draws a scene: backdrop, ground, things from far to near, then roll, lens and sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.backdrop import Backdrop, Trees
from rearguard.lab.world.camera import Pose, into_camera, rolled, to_level
from rearguard.lab.world.ground import HAZE_M, Ground
from rearguard.lab.world.mesh import Light
from rearguard.lab.world.paint import Cloth, Panel, blend, mesh_pixels, paint_mesh, paint_panel, panel_pixels
from rearguard.lab.world.photo_looks import PhotoLooks, panel_beside
from rearguard.lab.world.scene import Scene, truth
from rearguard.lab.world.sensor import Sensor
from rearguard.lab.world.shapes import Shape, shape
from rearguard.lab.world.things import STEPS, Kind, Thing
from rearguard.lab.world.uneven import paint_puddle, paint_step
from rearguard.lab.world.wearer import State
from rearguard.types import Box, Image, TrueThing

_RATE_STEP_S = 0.002
_MOST_ROLL_RAD = 0.12
_SEEN_M = 120.0
_SUNNY = Light(sun=0.8, sky=0.55)
_TREES_AT_NIGHT = 0.06
_STANDS_ON_FEET = (Kind.PERSON, Kind.DOG)


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing in sight: its shape and how far away it is."""

    thing: Thing
    shape: Shape
    distance_m: float


class Renderer:
    """Draws the frames of one scene as one lens sees them; same scene, lens and seed give the same pixels."""

    def __init__(
        self, scene: Scene, lens: Pinhole, camera_height_m: float, pitch_rad: float, looks: PhotoLooks | None = None
    ) -> None:  # fmt: skip
        """`looks`: out of photographs instead of drawn, shaken as somebody really was."""
        scene = looks.shaken(scene) if looks else scene
        self._scene, self._lens, self._looks = scene, lens, looks
        self._height_m, self._pitch_rad = camera_height_m, pitch_rad
        ground, panorama = (looks.ground(), looks.panorama()) if looks else (None, None)
        self._ground = Ground(scene.surface, lens, camera_height_m, scene.seed % 4, ground, marks=scene.marks)
        self._beyond = (
            Ground("path", lens, camera_height_m, scene.seed % 4, ground)
            if any(thing.kind in STEPS for thing in scene.things)
            else self._ground
        )
        self._backdrop = Backdrop(lens, scene.seed % 4, panorama)
        farthest = scene.wearer.state(scene.duration_s).s_m
        self._beside = looks.beside(farthest) if looks else None
        by_day = 0.75 + 0.25 * min(scene.light.sun, 1.0)
        self._trees = Trees(lens, scene.seed, farthest, _TREES_AT_NIGHT if scene.floodlights else by_day)
        self._sensor = Sensor(scene.conditions, lens, scene.seed)
        self._cloth = Cloth.of(scene.seed)

    def pose(self, t_s: float) -> Pose:
        """Where the camera is at a time, gait and all, in the local frame at the wearer's mean place."""
        return self._scene.wearer.pose(t_s, self._height_m, self._pitch_rad)

    def truth(self, t_s: float) -> tuple[TrueThing, ...]:
        """What is true of every thing present, boxes included, without drawing."""
        state, pose = self._scene.wearer.state(t_s), self.pose(t_s)
        return tuple(
            truth(p.thing, self._scene, t_s, state, self._box(p.shape, pose))
            for p in self._placed(t_s, state)
        )

    def frame(self, t_s: float, seq: int) -> tuple[Image, tuple[TrueThing, ...]]:
        """The picture at a time (BGR uint8) and what is true in it."""
        scene = self._scene
        state, pose, rates = scene.wearer.state(t_s), self.pose(t_s), self._rates(t_s)
        level, offset = self._blank(pose)
        rows = self._ground.paint(level, pose, scene.path, state.s_m, offset)
        self._backdrop.paint(level, pose, scene.path.heading_rad(state.s_m), rows, offset)
        placed = self._placed(t_s, state)
        self._uneven(level, placed, pose, state, offset)
        night = scene.floodlights
        if night is not None:
            night.darken(level, pose, self._lens, state.s_m, offset[1])
        layers: list[tuple[float, Any]] = [(p.distance_m, p) for p in placed]
        layers += self._standing_beside(state)
        for _, item in sorted(layers, key=lambda layer: -layer[0]):
            if isinstance(item, Placed):
                self._paint(level, item, pose, offset, self._light_on(item, t_s))
            elif isinstance(item, Panel):
                beside = _TREES_AT_NIGHT if night else self._brightness(scene.light)
                paint_panel(level, item, pose, self._lens, beside, offset, 0.0)
            else:
                self._trees.paint(level, item, pose, scene.path, state.s_m, offset)
        if night is not None:
            night.paint_lamps(level, pose, self._lens, scene.path, state.s_m, offset)
        picture = self._roll(level, pose, offset)
        picture = self._sensor.expose(picture, pose, rates, seq)
        return picture, tuple(truth(p.thing, scene, t_s, state, self._box(p.shape, pose)) for p in placed)

    def _uneven(
        self, level: Image, placed: list[Placed], pose: Pose, state: State, offset: tuple[int, int]
    ) -> None:
        """The ground beyond steps, and puddles."""
        for item in placed:
            thing, path = item.thing, self._scene.path
            s, n = thing.motion.s_m[0], thing.motion.n_m[0]
            x, z, _ = path.place(s - state.s_m, n)
            if thing.kind in STEPS:
                paint_step(level, thing, self._beyond, pose, path, state.s_m, (z, self._lens), offset)
            elif thing.kind is Kind.PUDDLE:
                paint_puddle(level, thing, pose, self._lens, (x, z), offset)

    def _placed(self, t_s: float, state: State) -> list[Placed]:
        found = []
        for thing in self._scene.things:
            if not thing.present(t_s):
                continue
            s, n, _, _ = thing.motion.at(t_s)
            x, z, _ = self._scene.path.place(s - state.s_m, n)
            distance = math.hypot(x - state.n_m, z)
            if distance > _SEEN_M or z < -3.0:
                continue
            pixels = self._lens.focal_px * thing.height_m / max(distance, 0.3)
            detail = 2 if pixels > 220 else 1 if pixels > 60 else 0
            made = (
                self._looks.shape(thing, t_s, self._scene.path, state, detail)
                if self._looks
                else shape(thing, t_s, self._scene.path, state.s_m, detail)
            )
            found.append(Placed(thing, made, distance))
        return found

    def _standing_beside(self, state: State) -> list[tuple[float, Any]]:
        """(distance, tree or panel) of what stands beside the path, in no order."""
        if self._beside is None:
            return list(self._trees.near(state.s_m, self._scene.path))
        panels = (panel_beside(b, self._scene.path, state.s_m) for b in self._beside)
        middles = ((p.corners()[:2].mean(axis=0), p) for p in panels if p is not None)
        return [(math.hypot(at[0], at[2]), p) for at, p in middles]

    def _light_on(self, placed: Placed, t_s: float) -> Light:
        night = self._scene.floodlights
        return night.light(placed.thing.motion.at(t_s)[0]) if night else self._scene.light

    @staticmethod
    def _brightness(light: Light) -> float:
        """Of what carries its own light, against a sunny day's."""
        return min(1.0, (light.sky * 0.8 + light.sun * 0.4) / (_SUNNY.sky * 0.8 + _SUNNY.sun * 0.4))

    def _blank(self, pose: Pose) -> tuple[Image, tuple[int, int]]:
        """An empty level picture, larger than the lens's by what roll will turn in; and that margin."""
        w, h = self._lens.width_px, self._lens.height_px
        sine = math.sin(min(abs(pose.roll_rad), _MOST_ROLL_RAD))
        margin = (math.ceil(sine * h / 2) + 2, math.ceil(sine * w / 2) + 2) if sine else (0, 0)
        return np.empty((h + 2 * margin[1], w + 2 * margin[0], 3), np.uint8), margin

    def _roll(self, level: Image, pose: Pose, offset: tuple[int, int]) -> Image:
        if pose.roll_rad == 0.0:
            return level
        lens = self._lens
        s, c = math.sin(pose.roll_rad), math.cos(pose.roll_rad)
        # picture pixel → level pixel (the inverse of camera.rolled), both with OpenCV's whole-numbered centres
        cx, cy = lens.cx - 0.5, lens.cy - 0.5
        back = np.array([[c, -s, cx - c * cx + s * cy + offset[0]], [s, c, cy - s * cx - c * cy + offset[1]]])
        size, flags = (lens.width_px, lens.height_px), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        turned: Image = cv2.warpAffine(level, back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return turned

    def _rates(self, t_s: float) -> Pose:
        """Angular speeds (rad/s) of the camera, in the angle fields of a pose."""
        a, b = self.pose(t_s - _RATE_STEP_S), self.pose(t_s + _RATE_STEP_S)
        span = 2 * _RATE_STEP_S
        return Pose(
            0.0,
            0.0,
            0.0,
            (b.yaw_rad - a.yaw_rad) / span,
            (b.pitch_rad - a.pitch_rad) / span,
            (b.roll_rad - a.roll_rad) / span,
        )

    def _paint(self, level: Image, placed: Placed, pose: Pose, offset: tuple[int, int], light: Light) -> None:
        fog = 1 - math.exp(-placed.distance_m / HAZE_M)
        for mesh in placed.shape.meshes:
            if placed.thing.kind not in STEPS:
                self._shadow(level, placed, pose, offset)
            cloth = self._cloth if placed.shape.soft else None
            paint_mesh(level, mesh, pose, self._lens, light, offset, cloth, fog)
        for panel in placed.shape.panels:
            if self._looks and placed.thing.kind in _STANDS_ON_FEET:
                self._shadow_of(level, panel.corners()[None], pose, offset)
            brightness = self._brightness(light) if self._looks else light.sky * 0.8 + light.sun * 0.4
            paint_panel(level, panel, pose, self._lens, brightness, offset, fog)

    def _shadow(self, level: Image, placed: Placed, pose: Pose, offset: tuple[int, int]) -> None:
        """The soft dark on the ground below a thing, and the long one the sun casts: every quad laid flat."""
        for mesh in placed.shape.meshes:
            quads = mesh.quads[:: 2 if placed.thing.kind is Kind.PERSON else 1]
            self._shadow_of(level, quads, pose, offset)
            low = quads[quads[..., 1].mean(axis=1) > -0.25]
            if len(low):
                foot = low.copy()
                foot[..., 1] = 0.0
                self._darken(level, foot, pose, offset, 0.45)

    def _shadow_of(self, level: Image, quads: Array, pose: Pose, offset: tuple[int, int]) -> None:
        """The shadow that the sun casts of upright quads (N, 4, 3)."""
        light = self._scene.light
        toward = light.towards_sun
        flat = quads.copy()
        flat[..., 0] -= toward[0] / toward[1] * quads[..., 1]
        flat[..., 2] -= toward[2] / toward[1] * quads[..., 1]
        flat[..., 1] = 0.0
        self._darken(level, flat, pose, offset, 0.5 * min(light.sun, 1.0))

    def _darken(
        self, level: Image, flat: Array, pose: Pose, offset: tuple[int, int], strength: float
    ) -> None:
        seen = into_camera(flat.reshape(-1, 3), pose)
        if (seen[:, 2] < 0.3).any():
            return
        px = to_level(seen, self._lens).reshape(-1, 4, 2) + np.array(offset, float)
        x0, y0 = (math.floor(v) - 6 for v in px.reshape(-1, 2).min(axis=0))
        x1, y1 = (math.ceil(v) + 6 for v in px.reshape(-1, 2).max(axis=0))
        x0, x1 = max(x0, -200), min(x1, level.shape[1] + 200)
        y0, y1 = max(y0, -50), min(y1, level.shape[0] + 50)
        if x1 - x0 < 3 or y1 - y0 < 3:
            return
        sprite = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
        mask = np.zeros(sprite.shape[:2], np.uint8)
        for quad in np.round((px - (x0, y0)) * 16).astype(np.int32):
            cv2.fillConvexPoly(mask, quad, round(255 * strength), cv2.LINE_8, 4)
        sprite[:, :, 3] = cv2.GaussianBlur(mask, (0, 0), max(1.0, (y1 - y0) / 25))
        blend(level, sprite, x0, y0)

    def _box(self, item: Shape, pose: Pose) -> Box | None:
        """The tight box of everything the thing shows, clipped to the picture; None when nothing is in it."""
        parts = [p for m in item.meshes if (p := mesh_pixels(m, pose, self._lens)) is not None]
        points = [p[:, :, :2].reshape(-1, 2) for p in parts]
        points += [p for panel in item.panels if len(p := panel_pixels(panel, pose, self._lens))]
        if not points:
            return None
        px = rolled(np.concatenate(points), self._lens, pose.roll_rad)
        w, h = self._lens.width_px, self._lens.height_px
        x0, y0 = np.maximum(px.min(axis=0), 0.0)
        x1, y1 = np.minimum(px.max(axis=0), (w, h))
        return Box(float(x0), float(y0), float(x1), float(y1)) if x1 - x0 > 0.5 and y1 - y0 > 0.5 else None
