"""The named worlds: a table of what can follow `sim:`, each with its parameters, bounds and defaults."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from rearguard.errors import BadInput
from rearguard.world.gait import Gait
from rearguard.world.mesh import Light
from rearguard.world.path import STADIUM_RADIUS_M, Path
from rearguard.world.scene import Scene
from rearguard.world.sensor import Conditions
from rearguard.world.things import Kind, Look, Motion, Thing
from rearguard.world.wearer import Reaction, Wearer

_CONTACT_M = 0.3
_APPROACH_S = 7.0
_APPROACH_M = (15.0, 75.0)


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
    "path": Parameter(0, 0, 1, "on: a grey park path instead of a running track"),
}
_LATERAL = Parameter(0.0, -6.0, 6.0, "metres right of the wearer's lane")
_START = Parameter(0.0, 0.0, 100.0, "gap at the start, m; 0: seven seconds' worth, 15 to 75 m")

Values = Mapping[str, float]


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


def parse(word: str) -> tuple[str, dict[str, float]]:
    """`sim:NAME?key=value&…` as name and values. Raises `BadInput` in one line naming what is wrong."""
    body = word.removeprefix("sim:")
    name, _, query = body.partition("?")
    known = _world(name).all_parameters()
    values: dict[str, float] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        number = {"on": 1.0, "off": 0.0}.get(text.lower())
        try:
            values[key] = float(text) if number is None else number
        except ValueError:
            raise BadInput(f"sim:{name}: {key}={text} is not a number") from None
        _check(name, key, values[key], known)
    if query and not values:
        raise BadInput(
            f"sim:{name}: cannot read the parameters {query!r}; write e.g. sim:{name}?speed=3.5&gait=off"
        )
    return name, values


def _world(name: str) -> World:
    if name not in WORLDS:
        raise BadInput(f"sim:{name} is no simulated world; there are: {', '.join(names())}")
    return WORLDS[name]


def _check(name: str, key: str, value: float, known: dict[str, Parameter]) -> None:
    if key not in known:
        raise BadInput(f"sim:{name} takes no parameter {key!r}; it takes: {', '.join(known)}")
    bounds = known[key]
    if not (math.isfinite(value) and bounds.low <= value <= bounds.high):
        raise BadInput(
            f"sim:{name}: {key}={value:g} is out of bounds {bounds.low:g} to {bounds.high:g} ({bounds.about})"
        )


# ----------------------------------------------------------------------------------------------- building


def _conditions(v: Values, **over: float) -> Conditions:
    base = {
        "gain": v["light"],
        "noise": v["noise"],
        "exposure_s": v["exposure_ms"] / 1000,
        "readout_s": v["readout_ms"] / 1000,
    }
    return Conditions(**{**base, **over})  # type: ignore[arg-type]


def _light(v: Values) -> Light:
    return Light(sun=0.8, sky=0.55) if v["light"] > 0.7 else Light(sun=0.25, sky=0.85)


def _scene(
    name: str, v: Values, things: list[Thing], duration_s: float, *, path: Path | None = None,
    conditions: Conditions | None = None, wearer: Wearer | None = None,
) -> Scene:  # fmt: skip
    seed = int(v["seed"])
    wearer = wearer or Wearer.steady(
        v["speed"], v["duration"] or duration_s, Gait(seed=seed), shaking=bool(v["gait"])
    )
    return Scene(
        name, wearer, tuple(things), path or Path(), "path" if v["path"] else "track", _light(v),
        conditions or _conditions(v), seed,
    )  # fmt: skip


def _start_gap(v: Values, closing_m_s: float) -> float:
    return v.get("start", 0.0) or min(max(closing_m_s * _APPROACH_S, _APPROACH_M[0]), _APPROACH_M[1])


def _meeting(
    name: str,
    v: Values,
    kind: Kind,
    pace_m_s: float,
    *,
    width: float = 0.5,
    height: float = 1.75,
    **more: object,
) -> Scene:
    """One thing ahead, coming (`pace_m_s` > 0) or still; it ends just before contact, or 1.5 s after it passed."""
    seed, lateral = int(v["seed"]), v.get("lateral", 0.0)
    look = _look(seed, child=bool(v.get("child", 0)))
    thing = Thing(
        kind.value,
        kind,
        Motion.still(0, 0),
        look,
        width,
        look.height_m if kind is Kind.PERSON else height,
        **more,  # type: ignore[arg-type]
    )
    closing = v["speed"] + pace_m_s
    start = _start_gap(v, closing) + thing.half_depth_m
    motion = Motion.steady(start, lateral, -pace_m_s) if pace_m_s else Motion.still(start, lateral)
    thing = Thing(
        kind.value,
        kind,
        motion,
        look,
        thing.width_m,
        thing.height_m,
        **more,  # type: ignore[arg-type]
    )
    beside = abs(lateral) > 0.4 + width / 2
    gap = start - thing.half_depth_m
    if closing <= 0.05:
        return _scene(name, v, [thing], 12.0)
    return _scene(name, v, [thing], gap / closing + 1.5 if beside else (gap - _CONTACT_M) / closing)


def _look(seed: int, *, child: bool = False) -> Look:
    if child:
        return Look(1.15, 1.0, seed, child=True)
    return Look(1.62 + 0.05 * (seed * 7 % 6), 0.92 + 0.06 * (seed * 5 % 4), seed)


def _stand(name: str, v: Values) -> Scene:
    return _meeting(name, v, Kind.PERSON, 0.0, facing_deg=v["facing"])


def _toward(name: str, v: Values) -> Scene:
    return _meeting(name, v, Kind.PERSON, v["pace"])


def _cyclist(name: str, v: Values) -> Scene:
    return _meeting(name, v, Kind.CYCLIST, v["pace"], width=0.6)


def _away(name: str, v: Values) -> Scene:
    """Someone goes the same way ahead of the wearer; with speed = pace the gap stays."""
    start = v["start"] or 8.0
    closing = v["speed"] - v["pace"]
    thing = Thing("person", Kind.PERSON, Motion.steady(start, v["lateral"], v["pace"]), _look(int(v["seed"])))
    most = (start - thing.half_depth_m - _CONTACT_M) / closing if closing > 0.05 else 20.0
    return _scene(name, v, [thing], min(most, 20.0))


def _cross(name: str, v: Values) -> Scene:
    """Someone crosses the lane and is `lateral` metres past its middle when the wearer gets there."""
    seed = int(v["seed"])
    start = _start_gap(v, v["speed"])
    meet = start / max(v["speed"], 0.1)
    side = -1.0 if seed % 2 else 1.0
    pace = v["pace"] * -side
    look = _look(seed, child=bool(v["child"]))
    motion = Motion.steady(start + 0.15, math.copysign(v["lateral"], pace), 0.0, pace, at_s=meet)
    thing = Thing("person", Kind.PERSON, motion, look, height_m=look.height_m)
    return _scene(name, v, [thing], meet - _CONTACT_M / max(v["speed"], 0.1))


def _obstructed(name: str, v: Values) -> Scene:
    """A child steps from behind a board beside the lane, `birth_ttc` seconds before the wearer gets there."""
    seed, speed = int(v["seed"]), max(v["speed"], 0.1)
    start = _start_gap(v, speed)
    meet = start / speed
    look = _look(seed, child=True)
    edge, board, hides = -0.95, 1.9, -1.75
    shown = meet - v["birth_ttc"]
    starts = (
        shown - (1.1 * edge - hides) / v["pace"]
    )  # it comes into view a little before it is past the edge
    into = min(hides + v["pace"] * (meet - starts), 0.0)  # it stops in the middle of the lane
    arrives = starts + (into - hides) / v["pace"]
    motion = Motion(
        (starts - 1.0, starts, arrives, arrives + 1.0), (start + 0.15,) * 4, (hides, hides, into, into)
    )
    child = Thing("child", Kind.PERSON, motion, look, height_m=look.height_m, hidden_until_s=shown)
    screen = Thing(
        "board",
        Kind.BLANK_WALL,
        Motion.still(start - 0.6, edge - board / 2),
        Look(seed=seed),
        board,
        1.6,
        obstacle=False,
    )
    return _scene(name, v, [child, screen], meet - _CONTACT_M / speed)


def _cut_in(name: str, v: Values) -> Scene:
    """Someone slow in the next lane steps into the wearer's lane when the gap is `gap` metres."""
    speed, pace = v["speed"], v["pace"]
    closing = max(speed - pace, 0.3)
    start = _start_gap(v, closing) + v["gap"]
    at = (start - v["gap"]) / closing
    side = 1.0 if int(v["seed"]) % 2 else -1.0
    times = (0.0, at, at + 0.8, at + 1.8)
    places = tuple(start + pace * t for t in times)
    thing = Thing(
        "person",
        Kind.PERSON,
        Motion(times, places, (side * 1.22, side * 1.22, 0.0, 0.0)),
        _look(int(v["seed"])),
    )
    return _scene(name, v, [thing], (start - thing.half_depth_m - _CONTACT_M) / closing)


def _prop(kind: Kind, width: float, height: float) -> Callable[[str, Values], Scene]:
    def build(name: str, v: Values) -> Scene:
        return _meeting(name, v, kind, 0.0, width=width, height=height)

    return build


def _empty(name: str, v: Values) -> Scene:
    return _scene(name, v, [], 180.0)


def _curve(name: str, v: Values) -> Scene:
    """A bend of a stadium track with a runner coming in the next lane but one, who never enters the wearer's."""
    pace, lane = v["pace"], v["lateral"]
    things = [
        Thing(
            f"person{i}", Kind.PERSON, Motion.steady(18.0 + 30.0 * i, lane, -pace), _look(int(v["seed"]) + i)
        )
        for i in range(3)
    ]
    return _scene(name, v, things, 15.0, path=Path(-1.0 / STADIUM_RADIUS_M))


def _crowd(name: str, v: Values) -> Scene:
    """Ten people on the track, all beside the wearer's lane, walking either way or standing."""
    seed = int(v["seed"])
    things = []
    for i in range(int(v["count"])):
        side = -1.0 if i % 2 else 1.0
        lane = side * (1.7 + 0.75 * ((i * 5 + seed) % 4))
        pace = (-1.4, 0.0, 1.2, -1.1)[(i + seed) % 4]
        look = _look(seed + i)
        motion = Motion.steady(9.0 + 4.2 * i, lane, pace) if pace else Motion.still(9.0 + 4.2 * i, lane)
        things.append(
            Thing(f"person{i}", Kind.PERSON, motion, look, height_m=look.height_m, facing_deg=(i * 50) % 360)
        )
    if v["blocker"]:
        look = _look(seed + 99)
        things.append(Thing("blocker", Kind.PERSON, Motion.still(30.0, 0.0), look, height_m=look.height_m))
        return _scene(name, v, things, (30.0 - 0.45) / max(v["speed"], 0.1))
    return _scene(name, v, things, 15.0)


def _weather(**over: float) -> Callable[[str, Values], Scene]:
    def build(name: str, v: Values) -> Scene:
        base = _meeting(name, v, Kind.PERSON, v["pace"])
        amount = v["strength"]
        settings = {
            key: (int(value * amount) if key == "drops" else value * amount) for key, value in over.items()
        }
        if name == "dusk":
            settings = {"gain": 0.26 / max(amount, 0.3), "noise": 7.0 * amount, "exposure_s": 0.004}
        conditions = _conditions(v, **settings)
        light = Light(sun=0.0, sky=1.0) if name in ("dusk", "rain") else base.light
        return Scene(
            base.name, base.wearer, base.things, base.path, base.surface, light, conditions, base.seed
        )

    return build


def _demo(name: str, v: Values) -> Scene:
    """Someone passes by, someone stands in the lane, someone comes towards the wearer, and a wall ends it."""
    seed, speed = int(v["seed"]), max(v["speed"], 0.5)
    walk = 1.4

    def someone(who: str, motion: Motion, look: Look) -> Thing:
        return Thing(who, Kind.PERSON, motion, look, height_m=look.height_m)

    passes, stands, meets, wall = 5.5, 13.0, 22.0, 31.2
    waits = meets - 15.0
    home = speed * meets + walk * (meets - waits)
    wall_at = max(speed * wall, home + 2.0)
    things = (
        someone(
            "passer-by", Motion.steady(speed * passes, -2.0, -walk, at_s=passes), Look(1.68, 0.95, seed + 5)
        ),
        someone("standing", Motion.still(speed * stands + 0.15, 0.0), Look(1.80, 1.05, seed + 9)),
        someone(
            "oncoming",
            Motion((0.0, waits, meets), (home, home, speed * meets), (0.0,) * 3),
            Look(1.74, 1.0, seed + 3),
        ),
        Thing("wall", Kind.WALL, Motion.still(wall_at, 0.0), Look(seed=seed), 14.0, 3.2),
    )
    duration = v["duration"] or 32.0
    wearer = Wearer.reacting(
        speed, duration, Gait(seed=seed), things, shaking=bool(v["gait"]), reaction=Reaction()
    )
    return _scene(name, v, list(things), duration, wearer=wearer)


def _pace(default: float) -> Parameter:
    return Parameter(default, 0.0, 12.0, "the other's speed, m/s")


_PERSON = {"lateral": _LATERAL, "start": _START, "child": Parameter(0, 0, 1, "on: a child of 1.15 m")}

WORLDS: dict[str, World] = {
    "demo": World("half a minute: a passer-by, a standing figure, an oncoming one, a wall", _demo, {}),
    "stand": World(
        "someone stands ahead",
        _stand,
        {**_PERSON, "facing": Parameter(0, -180, 360, "degrees; 0 looks at the wearer, 180 away")},
    ),
    "walk-toward": World("someone walks towards the wearer", _toward, {**_PERSON, "pace": _pace(1.4)}),
    "run-toward": World("someone runs towards the wearer", _toward, {**_PERSON, "pace": _pace(3.5)}),
    "cyclist": World(
        "someone cycles towards the wearer",
        _cyclist,
        {"lateral": _LATERAL, "start": _START, "pace": _pace(6.1)},
    ),
    "walk-away": World(
        "someone walks away, slower than the wearer",
        _away,
        {"lateral": _LATERAL, "start": _START, "pace": _pace(1.4)},
    ),
    "same-speed": World(
        "someone jogs ahead at the wearer's speed",
        _away,
        {"lateral": _LATERAL, "start": _START, "pace": _pace(2.5)},
    ),
    "pass-by": World(
        "someone walks past on the side",
        _toward,
        {
            **_PERSON,
            "lateral": Parameter(2.0, -6.0, 6.0, "metres right of the wearer's lane"),
            "pace": _pace(1.4),
        },
    ),
    "cross": World(
        "someone crosses the lane just as the wearer arrives", _cross, {**_PERSON, "pace": _pace(1.4)}
    ),
    "child-obstructed": World(
        "a child steps out from behind a board",
        _obstructed,
        {
            "start": _START,
            "pace": Parameter(1.4, 0.3, 12.0, "the child's speed, m/s"),
            "birth_ttc": Parameter(2.6, 0.3, 6.0, "true TTC when it comes into view, s"),
        },
    ),
    "cut-in": World(
        "someone in the next lane steps in front",
        _cut_in,
        {"start": _START, "pace": _pace(0.0), "gap": Parameter(8.0, 1.0, 30.0, "gap when stepping in, m")},
    ),
    "wall": World("a brick wall across the track", _prop(Kind.WALL, 14.0, 3.2), {"start": _START}),
    "blank-wall": World(
        "a plastered wall without texture", _prop(Kind.BLANK_WALL, 14.0, 3.2), {"start": _START}
    ),
    "fence": World("a chain-link fence across the track", _prop(Kind.FENCE, 14.0, 1.8), {"start": _START}),
    "hurdle": World(
        "a hurdle in the lane", _prop(Kind.HURDLE, 1.2, 0.91), {"start": _START, "lateral": _LATERAL}
    ),
    "post": World(
        "a striped post in the lane", _prop(Kind.POST, 0.12, 1.3), {"start": _START, "lateral": _LATERAL}
    ),
    "gate": World("a closed tubular gate across the lane", _prop(Kind.GATE, 3.6, 1.2), {"start": _START}),
    "empty": World("three minutes of clear track", _empty, {}),
    "curve": World(
        "a stadium bend with people coming two lanes out",
        _curve,
        {"pace": _pace(1.4), "lateral": Parameter(2.44, -8, 8, "their place right of the wearer's lane, m")},
    ),
    "crowd": World(
        "people all around, none in the lane",
        _crowd,
        {
            "count": Parameter(10, 1, 30, "how many"),
            "blocker": Parameter(0, 0, 1, "on: one more stands in the lane"),
        },
    ),
    "dusk": World(
        "someone walks up at dusk",
        _weather(),
        {**_PERSON, "pace": _pace(1.4), "strength": Parameter(1, 0, 3, "how dark")},
    ),
    "glare": World(
        "someone walks up against a low sun",
        _weather(glare=0.8),
        {**_PERSON, "pace": _pace(1.4), "strength": Parameter(1, 0, 3, "how strong")},
    ),
    "rain": World(
        "someone walks up in rain, with drops on the lens",
        _weather(drops=34, haze=0.28),
        {**_PERSON, "pace": _pace(1.4), "strength": Parameter(1, 0, 3, "how heavy")},
    ),
}
