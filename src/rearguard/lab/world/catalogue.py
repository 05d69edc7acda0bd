"""The named worlds: a table of what can follow `sim:`, each with its parameters, bounds and defaults."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from rearguard.errors import BadInput
from rearguard.lab.world import build, encounters
from rearguard.lab.world.build import Values
from rearguard.lab.world.camera_faults import ONSET_S, Wanted
from rearguard.lab.world.night import Floodlights
from rearguard.lab.world.scene import Scene
from rearguard.lab.world.things import Kind


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number a world can be given, in its unit, with bounds."""

    default: float
    low: float
    high: float
    about: str


# What every world takes. `gait` is on/off on the command line.
COMMON: dict[str, Parameter] = {
    "speed": Parameter(2.5, 0.0, 8.0, "wearer's speed, m/s"),
    "gait": Parameter(1, 0, 1, "on or off: bob, pitch, yaw and roll of a backward runner"),
    "seed": Parameter(0, 0, 1_000_000, "seed of gait, clothes, textures and noise"),
    "fps": Parameter(0, 0, 240, "frames per second, 0: as asked elsewhere"),
    "duration": Parameter(0, 0, 3600, "seconds, 0: the world's own"),
    "readout_ms": Parameter(0, 0, 60, "rolling shutter's readout time, ms"),
    "exposure_ms": Parameter(2, 0, 40, "exposure time, ms"),
    "noise": Parameter(2.0, 0, 30, "sensor noise, grey levels"),
    "drop": Parameter(0.0, 0, 0.9, "share of frames lost on the way from the camera"),
    "light": Parameter(1.0, 0.02, 1.5, "brightness: 1 sun, 0.6 shade, 0.15 dusk"),
    "aside": Parameter(
        0.0, -30, 30, "degrees by which the camera looks to the right of the path: a pod hangs askew"
    ),
    "down": Parameter(
        0.0,
        -20,
        20,
        "degrees by which the camera looks further down than it was set up to: a pod slips, a trunk leans",
    ),
    "rolled": Parameter(0.0, -20, 20, "degrees by which the camera sits clockwise: a pod hangs by one strap"),
    "falls": Parameter(0.0, 0, 600, "s after which the wearer falls on the back; 0: never"),
    "path": Parameter(0, 0, 1, "on: a grey park path instead of a running track"),
}
FAULT_TIMES: dict[str, Parameter] = {
    "fault_at": Parameter(ONSET_S, 0, 3600, "when the camera's fault begins, s"),
    "fault_for": Parameter(1e9, 0, 1e9, "how long it lasts, s"),
}
_LATERAL = Parameter(0.0, -6.0, 6.0, "metres right of the wearer's lane")
_START = Parameter(0.0, 0.0, 100.0, "gap at the start, m; 0: seven seconds' worth, 15 to 75 m")


@dataclass(frozen=True, slots=True)
class World:
    """One row of the table."""

    about: str
    build: Callable[[str, Values], Scene]
    parameters: dict[str, Parameter]

    def all_parameters(self) -> dict[str, Parameter]:
        return {**COMMON, **self.parameters}


def names() -> tuple[str, ...]:
    return tuple(WORLDS)


def scene(name: str, **values: float) -> Scene:
    """The named world with these parameters; all others at their defaults. Raises `BadInput`."""
    world = _world(name)
    known = world.all_parameters()
    for key, value in values.items():
        _check(name, key, value, known)
    return world.build(name, {**{k: p.default for k, p in known.items()}, **values})


def parse(word: str) -> tuple[str, dict[str, float], Wanted]:
    """`sim:NAME?key=value&…` as the world's name, its values and the camera's faults.

    Raises `BadInput` in one line naming what is wrong.
    """
    body = word.removeprefix("sim:")
    name, _, query = body.partition("?")
    known = {**_world(name).all_parameters(), **FAULT_TIMES}
    values: dict[str, float] = {}
    faults = ""
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key == "fault":
            faults = text
            continue
        number = {"on": 1.0, "off": 0.0}.get(text.lower())
        try:
            values[key] = float(text) if number is None else number
        except ValueError:
            raise BadInput(f"sim:{name}: {key}={text} is not a number") from None
        _check(name, key, values[key], known)
    if query and not values and not faults:
        raise BadInput(
            f"sim:{name}: cannot read the parameters {query!r}; write e.g. sim:{name}?speed=3.5&gait=off"
        )
    at_s, for_s = (values.pop(key, FAULT_TIMES[key].default) for key in FAULT_TIMES)
    return name, values, Wanted.of(faults, at_s, for_s) if faults else Wanted()


def _world(name: str) -> World:
    if name not in WORLDS:
        raise BadInput(f"sim:{name} is no simulated world; there are: {', '.join(names())}")
    return WORLDS[name]


def _check(name: str, key: str, value: float, known: dict[str, Parameter]) -> None:
    if key not in known:
        raise BadInput(f"sim:{name} takes no parameter {key!r}; it takes: {', '.join(known)}, fault")
    bounds = known[key]
    if not (math.isfinite(value) and bounds.low <= value <= bounds.high):
        raise BadInput(
            f"sim:{name}: {key}={value:g} is out of bounds {bounds.low:g} to {bounds.high:g} ({bounds.about})"
        )


def _pace(default: float) -> Parameter:
    return Parameter(default, 0.0, 12.0, "the other's speed, m/s")


_ASIDE = {"lateral": _LATERAL, "start": _START}
_PERSON = {**_ASIDE, "child": Parameter(0, 0, 1, "on: a child of 1.15 m")}
_WALKER = {**_PERSON, "pace": _pace(1.4)}
_ACROSS = {"start": _START}
_PROP = {"start": _START, "lateral": _LATERAL}

_LOW = (
    (Kind.KERB, "a kerb across the track: the ground is 0.12 m higher beyond it", 14.0, 0.12),
    (Kind.BALL, "a football in the lane", 0.22, 0.22),
    (Kind.BAG, "a sports bag in the lane", 0.45, 0.25),
    (Kind.CONE, "a training cone in the lane", 0.24, 0.3),
    (Kind.BRANCH, "a branch across the lane", 1.5, 0.08),
    (Kind.HURDLE_FOOT, "the base of a hurdle in the lane", 1.2, 0.12),
    (Kind.LYING, "somebody lies across the lane", 1.75, 0.3),
    (Kind.ROPE, "a rope across the lane, 0.4 m high", 3.6, 0.4),
    (Kind.STEP_DOWN, "a drop of 0.15 m across the track", 14.0, 0.15),
)

WORLDS: dict[str, World] = {
    "demo": World("half a minute: a passer-by, a standing figure, an oncoming one, a wall", build.demo, {}),
    "stand": World(
        "someone stands ahead",
        build.stand,
        {**_PERSON, "facing": Parameter(0, -180, 360, "degrees; 0 looks at the wearer, 180 away")},
    ),
    "walk-toward": World("someone walks towards the wearer", build.toward, _WALKER),
    "run-toward": World("someone runs towards the wearer", build.toward, {**_PERSON, "pace": _pace(3.5)}),
    "cyclist": World("someone cycles towards the wearer", build.cyclist, {**_ASIDE, "pace": _pace(6.1)}),
    "walk-away": World(
        "someone walks away, slower than the wearer", build.away, {**_ASIDE, "pace": _pace(1.4)}
    ),
    "same-speed": World(
        "someone jogs ahead at the wearer's speed", build.away, {**_ASIDE, "pace": _pace(2.5)}
    ),
    "pass-by": World(
        "someone walks past on the side", build.toward, {**_WALKER, "lateral": replace(_LATERAL, default=2.0)}
    ),
    "cross": World("someone crosses the lane just as the wearer arrives", build.cross, _WALKER),
    "child-obstructed": World(
        "a child steps out from behind a board",
        build.obstructed,
        {
            "start": _START,
            "pace": Parameter(1.4, 0.3, 12.0, "the child's speed, m/s"),
            "birth_ttc": Parameter(2.6, 0.3, 6.0, "true TTC when it comes into view, s"),
        },
    ),
    "cut-in": World(
        "someone in the next lane steps in front",
        build.cut_in,
        {"start": _START, "pace": _pace(0.0), "gap": Parameter(8.0, 1.0, 30.0, "gap when stepping in, m")},
    ),
    "wall": World("a brick wall across the track", build.prop(Kind.WALL, 14.0, 3.2), _ACROSS),
    "blank-wall": World("a plastered wall without texture", build.prop(Kind.BLANK_WALL, 14.0, 3.2), _ACROSS),
    "fence": World("a chain-link fence across the track", build.prop(Kind.FENCE, 14.0, 1.8), _ACROSS),
    "hurdle": World("a hurdle in the lane", build.prop(Kind.HURDLE, 1.2, 0.91), _PROP),
    "post": World("a striped post in the lane", build.prop(Kind.POST, 0.12, 1.3), _PROP),
    "gate": World("a closed tubular gate across the lane", build.prop(Kind.GATE, 3.6, 1.2), _ACROSS),
    "overtaker": World(
        "a runner comes past from behind the lens and runs away",
        encounters.overtaker,
        {"lateral": Parameter(1.2, -6, 6, "metres beside"), "pace": Parameter(1.0, 0.2, 8, "faster by, m/s")},
    ),
    "cross-behind-still": World(
        "the wearer stands, somebody walks across behind",
        encounters.cross_behind_still,
        {"gap": Parameter(2.2, 0.5, 20, "metres behind"), "pace": _pace(1.4)},
    ),
    "leader-brakes": World(
        "somebody ahead, as fast, slows to a stop",
        encounters.leader_brakes,
        {"gap": Parameter(6.0, 1, 30, "gap, m")},
    ),
    "sets-off": World(
        "the wearer stands before somebody and sets off",
        encounters.sets_off,
        {"gap": Parameter(3.0, 1, 30, "gap, m")},
    ),
    "stop-and-go": World("the wearer runs, stops and runs again at somebody", encounters.stop_and_go, {}),
    "bend": World(
        "somebody stands on a bending path",
        encounters.bend,
        {"radius": Parameter(20.0, 4, 200, "its radius, m")},
    ),
    "trunk-stays": World(
        "the wearer's trunk turns aside by 20 degrees and stays so",
        encounters.trunk_stays,
        {"lateral": _LATERAL},
    ),
    "trunk-turned": World(
        "the wearer's trunk turns aside and back before somebody", encounters.trunk_turned, {}
    ),
    "drifts": World(
        "a clear track; the wearer drifts out of the lane",
        encounters.drifts,
        {"pace": Parameter(0.25, 0, 1, "how fast, m/s")},
    ),
    "dog-runs": World("a dog runs towards the wearer", encounters.dog_runs, {"pace": _pace(3.0)}),
    "edge-entry": World(
        "somebody walks in over the picture's edge",
        encounters.edge_entry,
        {"birth_ttc": Parameter(3.0, 0.5, 6, "true TTC when it comes into view, s")},
    ),
    **{
        kind.value: World(about, build.prop(kind, width, height), _PROP)
        for kind, about, width, height in _LOW
    },
    "marked-track": World(
        "a minute of clear track with lines, numbers, shadows, leaves and puddles",
        encounters.marked_track,
        {},
    ),
    "empty": World("three minutes of clear track", build.empty, {}),
    "curve": World(
        "a stadium bend with people coming two lanes out",
        build.curve,
        {"pace": _pace(1.4), "lateral": Parameter(2.44, -8, 8, "their place right of the wearer's lane, m")},
    ),
    "crowd": World(
        "people all around, none in the lane",
        build.crowd,
        {
            "count": Parameter(10, 1, 30, "how many"),
            "blocker": Parameter(0, 0, 1, "on: one more stands in the lane"),
        },
    ),
    "dusk": World(
        "someone walks up at dusk",
        build.weather(lambda x: {"gain": 0.26 / max(x, 0.3), "noise": 7.0 * x, "exposure_s": 0.004}),
        {**_WALKER, "strength": Parameter(1, 0, 3, "how dark")},
    ),
    "night-lit": World(
        "someone walks up at night, on a track under floodlights",
        # 100 lux below a mast: 8 ms at f/1.8 and a gain of 8 all but do for that.
        build.weather(
            lambda x: {"gain": 0.8 / max(x, 0.3), "noise": 9.0 * x, "exposure_s": 0.008},
            floodlights=Floodlights(),
        ),
        {**_WALKER, "strength": Parameter(1, 0, 3, "how dark")},
    ),
    "glare": World(
        "someone walks up against a low sun",
        build.weather(lambda x: {"glare": 0.8 * x}, overcast=False),
        {**_WALKER, "strength": Parameter(1, 0, 3, "how strong")},
    ),
    "rain": World(
        "someone walks up in rain, with drops on the lens",
        build.weather(lambda x: {"drops": int(34 * x), "haze": 0.28 * x}),
        {**_WALKER, "strength": Parameter(1, 0, 3, "how heavy")},
    ),
}
