"""What stands, walks, runs or rides on the track: each thing with its motion as a function of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from rearguard.lab.array import Array


class Kind(StrEnum):
    """What a thing is; `rearguard.lab.world.shapes` draws each."""

    PERSON = "person"
    CYCLIST = "cyclist"
    WALL = "wall"
    FENCE = "fence"
    HURDLE = "hurdle"
    POST = "post"
    GATE = "gate"
    BLANK_WALL = "blank-wall"
    DOG = "dog"
    BALL = "ball"
    BAG = "bag"
    CONE = "cone"
    BRANCH = "branch"
    HURDLE_FOOT = "hurdle-foot"
    ROPE = "rope"
    KERB = "kerb"
    STEP_DOWN = "step-down"
    LYING = "lying"
    PUDDLE = "puddle"


# kind → (COCO name or own name, half depth in m: how far its front is before its middle)
LABELS: dict[Kind, tuple[str, float]] = {
    Kind.PERSON: ("person", 0.15),
    Kind.CYCLIST: ("person", 0.85),
    Kind.WALL: ("wall", 0.0),
    Kind.FENCE: ("fence", 0.0),
    Kind.HURDLE: ("hurdle", 0.0),
    Kind.POST: ("post", 0.06),
    Kind.GATE: ("gate", 0.0),
    Kind.BLANK_WALL: ("wall", 0.0),
    Kind.DOG: ("dog", 0.4),
    Kind.BALL: ("ball", 0.11),
    Kind.BAG: ("bag", 0.125),
    Kind.CONE: ("cone", 0.1),
    Kind.BRANCH: ("branch", 0.04),
    Kind.HURDLE_FOOT: ("hurdle foot", 0.6),
    Kind.ROPE: ("rope", 0.0),
    Kind.KERB: ("kerb", 0.0),
    Kind.STEP_DOWN: ("step down", 0.0),
    Kind.LYING: ("somebody lying", 0.2),
    Kind.PUDDLE: ("puddle", 0.0),
}

HARMLESS = ("board", "puddle")  # labels of what is looked at, not run into

# The ground goes on higher (kind → 1) or lower (-1) beyond these, by the thing's height.
STEPS: dict[Kind, float] = {Kind.KERB: 1.0, Kind.STEP_DOWN: -1.0}


@dataclass(frozen=True, slots=True)
class Motion:
    """Way-points (t, s, n) in seconds and metres, joined by constant speeds; the last speed goes on."""

    t_s: tuple[float, ...]
    s_m: tuple[float, ...]
    n_m: tuple[float, ...]

    @classmethod
    def still(cls, s_m: float, n_m: float) -> Motion:
        return cls((0.0, 1.0), (s_m, s_m), (n_m, n_m))

    @classmethod
    def steady(cls, s_m: float, n_m: float, vs_m_s: float, vn_m_s: float = 0.0, at_s: float = 0.0) -> Motion:
        """At (s, n) at time `at_s`, moving at (vs, vn) before and after."""
        return cls((at_s, at_s + 1.0), (s_m, s_m + vs_m_s), (n_m, n_m + vn_m_s))

    def at(self, t_s: float) -> tuple[float, float, float, float]:
        """(s, n, ds/dt, dn/dt) at a time; before the first way-point the first speed holds."""
        s, n, vs, vn = self.along(np.array([t_s]))
        return float(s[0]), float(n[0]), float(vs[0]), float(vn[0])

    def along(self, t_s: Array) -> tuple[Array, Array, Array, Array]:
        """The same at many times (T,)."""
        times, s, n = np.array(self.t_s), np.array(self.s_m), np.array(self.n_m)
        i = np.clip(np.searchsorted(times, t_s, side="right") - 1, 0, len(times) - 2)
        span = times[i + 1] - times[i]
        vs, vn = (s[i + 1] - s[i]) / span, (n[i + 1] - n[i]) / span
        dt = t_s - times[i]
        return s[i] + vs * dt, n[i] + vn * dt, vs, vn


@dataclass(frozen=True, slots=True)
class Look:
    """How a figure looks: body height, girth (1 is average), and a seed for clothes, hair and skin."""

    height_m: float = 1.75
    girth: float = 1.0
    seed: int = 0
    child: bool = False


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing: its motion, its look, when it is there, and, for props, its size.

    `facing_deg` turns a standing figure: 0 looks at the wearer, 180 away; a moving one faces where it goes.
    `obstacle`: the wearer must not run through it (its gap ends the scene or makes the wearer step aside).
    """

    name: str
    kind: Kind
    motion: Motion
    look: Look = field(default_factory=Look)
    width_m: float = 0.5
    height_m: float = 1.75
    facing_deg: float = 0.0
    obstacle: bool = True
    from_s: float = float("-inf")
    until_s: float = float("inf")
    hidden_until_s: float = float("-inf")  # another thing is in front of it until then

    @property
    def label(self) -> str:
        return LABELS[self.kind][0]

    @property
    def half_depth_m(self) -> float:
        return LABELS[self.kind][1]

    def present(self, t_s: float) -> bool:
        return self.from_s <= t_s < self.until_s
