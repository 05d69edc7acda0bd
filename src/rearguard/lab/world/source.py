"""A simulated world as a picture source: frames with exact ground truth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from rearguard.camera.pacing import Pacer
from rearguard.camera.source import SourceInfo
from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput
from rearguard.lab.world import catalogue
from rearguard.lab.world.camera_faults import Striking, View, turned, unboxed
from rearguard.lab.world.gyro import Started, accelerations_of, rates_of
from rearguard.lab.world.render import Renderer
from rearguard.types import Frame, Image, TrueThing

_DEFAULT_FPS = 15.0
_LEAST_FPS = 0.5


class SimulatedSource:
    """The frames of `sim:NAME?key=value&…`, drawn as they are asked for.

    On its own time every frame is drawn; in real time the one due now. The same word, camera and seed give the
    same pixels, upright whatever the camera's `rotation_deg`. Raises `BadInput` for an unknown world or parameter.
    """

    def __init__(
        self, word: str, camera: Camera, *, fps: float | None = None, realtime: bool = False, seed: int = 0
    ) -> None:
        name, values, self.faults = catalogue.parse(word)
        values.setdefault("seed", float(seed))
        rate = values.pop("fps", 0.0) or fps or _DEFAULT_FPS
        if rate < _LEAST_FPS:
            raise BadInput(f"{word}: fps={rate:g} is below {_LEAST_FPS:g}")
        self._drop = values.pop("drop", 0.0)
        self._seed = int(values["seed"])
        self._pitch_rad = math.radians(camera.pitch_deg)
        self.scene = catalogue.scene(name, **values)
        lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
        self.renderer = Renderer(self.scene, lens, camera.height_m, math.radians(camera.pitch_deg))
        self._misplaced = _Misplaced(self, lens, camera, view) if (view := self.faults.view) else None
        count = max(1, math.floor(self.scene.duration_s * rate) + 1)
        self.info = SourceInfo(word, lens.width_px, lens.height_px, rate, camera.hfov_deg, realtime, count)
        self._pacer = Pacer(rate, count) if realtime else None
        self._count = count
        self._closed = False

    @cached_property
    def motion(self) -> tuple[Started, Started]:
        """What a gyroscope beside the camera tells, and the accelerometer of the same part."""
        of = self.scene, self._seed, self._pitch_rad
        return Started(rates_of(*of)), Started(accelerations_of(*of))

    def frames(self) -> Iterator[Frame]:
        """Every frame in order, or, in real time, the newest that is due; without those `drop` loses."""
        striking = Striking(self.faults, self._seed, self.info.fps)
        due = self._pacer or ((i, round(i / self.info.fps * NS_PER_S)) for i in range(self._count))
        for index, captured_ns in due:
            if self._closed:
                return
            if self._drop and np.random.default_rng([self._seed, index, 0xD209]).random() < self._drop:
                continue
            t_s = index / self.info.fps
            for told in self.__dict__.get("motion", ()):
                if told.start_ns is None:
                    told.start_ns = captured_ns - round(t_s * NS_PER_S)
            seen_by = self._misplaced if self._misplaced and self.faults.strikes(t_s) else self.renderer
            image, truth = seen_by.frame(t_s, index)
            frame = striking.strike(Frame(index, captured_ns, image, truth), t_s)
            if frame is not None:
                yield frame

    def close(self) -> None:
        """Stop delivering. Never blocks."""
        self._closed = True
        if self._pacer:
            self._pacer.close()


class _Misplaced:
    """The camera as it sits while a fault of its mount stands."""

    def __init__(self, source: SimulatedSource, lens: Pinhole, camera: Camera, view: View) -> None:
        self._view = view
        self._upright = source.renderer
        self._end_s = source.scene.duration_s
        on_side = Pinhole(lens.height_px, lens.width_px, lens.focal_px) if view.quarters % 2 else lens
        pitch_rad = math.radians(camera.pitch_deg + view.pitch_deg)
        self._renderer = Renderer(source.scene, on_side, camera.height_m, pitch_rad)

    def frame(self, t_s: float, seq: int) -> tuple[Image, tuple[TrueThing, ...]]:
        """The picture at a time, and what is true then. The world recedes where time is drawn running back."""
        drawn_s = max(0.0, self._end_s - t_s) if self._view.backwards else t_s
        image, _ = self._renderer.frame(drawn_s, seq)
        return turned(image, self._view), unboxed(self._upright.truth(t_s))
