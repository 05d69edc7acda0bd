"""A scene: a wearer on a track with things on it, and what is true of it at any time, without a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rearguard.lab.world.mesh import Light
from rearguard.lab.world.night import Floodlights
from rearguard.lab.world.path import Path
from rearguard.lab.world.sensor import Conditions
from rearguard.lab.world.things import Thing
from rearguard.lab.world.wearer import State, Wearer
from rearguard.types import Box, TrueThing

CLOSING_FLOOR_M_S = 0.05


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything there is in one simulated outing."""

    name: str
    wearer: Wearer
    things: tuple[Thing, ...]
    path: Path = field(default_factory=Path)
    surface: str = "track"
    light: Light = field(default_factory=Light)
    conditions: Conditions = field(default_factory=Conditions)
    seed: int = 0
    marks: bool = False  # lines, numbers, shadows and leaves on it
    floodlights: Floodlights | None = None  # at night

    @property
    def duration_s(self) -> float:
        return self.wearer.duration_s


def truth(thing: Thing, scene: Scene, t_s: float, state: State, box: Box | None) -> TrueThing:
    """What is true of a thing at a time.

    `ttc_s` is the gap along the track between the lens (on the wearer's body) and the thing's nearest side, over the
    present mean closing speed, so the gait's ripple is not in it; None when not closing or already passed.
    `miss_m` is how far to the right of the lens's path the thing will be by then, at present lateral speeds.
    """
    s, n, vs, vn = thing.motion.at(t_s)
    ahead, across = s - state.s_m, n - state.n_m
    x, z, _ = scene.path.place(ahead, n)
    gap, closing = ahead - thing.half_depth_m, state.speed_m_s - vs
    ttc = gap / closing if closing > CLOSING_FLOOR_M_S and gap > 0 else None
    miss = across + (vn - state.lateral_m_s) * ttc if ttc is not None else across
    range_m = math.copysign(math.hypot(x - state.n_m, z), ahead)
    return TrueThing(thing.name, thing.label, box, range_m, across, ttc, miss)
