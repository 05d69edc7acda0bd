"""How each named world is made from its parameters: who is where, when, and how the wearer runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from rearguard.lab.world.gait import Gait
from rearguard.lab.world.mesh import Light
from rearguard.lab.world.night import Floodlights
from rearguard.lab.world.path import STADIUM_RADIUS_M, Path
from rearguard.lab.world.scene import Scene
from rearguard.lab.world.sensor import Conditions
from rearguard.lab.world.things import LABELS, Kind, Look, Motion, Thing
from rearguard.lab.world.wearer import Wearer

Values = Mapping[str, float]
CONTACT_M = 0.3
_APPROACH_S = 7.0
_APPROACH_M = (15.0, 75.0)


def person(name: str, motion: Motion, look: Look) -> Thing:
    """Somebody, as tall as they look."""
    return Thing(name, Kind.PERSON, motion, look, height_m=look.height_m)


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


def make_scene(
    name: str, v: Values, things: list[Thing], duration_s: float, *, path: Path | None = None,
    wearer: Wearer | None = None,
) -> Scene:  # fmt: skip
    """A scene with what every world's values say of it; `duration_s` unless they ask for another."""
    seed = int(v["seed"])
    wearer = wearer or Wearer.steady(
        v["speed"], v["duration"] or duration_s, Gait(seed=seed), shaking=bool(v["gait"])
    )
    wearer = wearer.turned_by(*(math.radians(v[way]) for way in ("aside", "down", "rolled")))
    wearer = wearer.falling(v["falls"]) if v["falls"] else wearer
    return Scene(
        name, wearer, tuple(things), path or Path(), "path" if v["path"] else "track", _light(v),
        _conditions(v), seed,
    )  # fmt: skip


def _start_gap(v: Values, closing_m_s: float) -> float:
    return v.get("start", 0.0) or min(max(closing_m_s * _APPROACH_S, _APPROACH_M[0]), _APPROACH_M[1])


def _meeting(
    name: str, v: Values, kind: Kind, pace_m_s: float, *, width: float = 0.5, height: float = 1.75, facing: float = 0.0
) -> Scene:  # fmt: skip
    """One thing ahead, coming (`pace_m_s` > 0) or still; it ends just before contact, or 1.5 s after it passed."""
    seed, lateral = int(v["seed"]), v.get("lateral", 0.0)
    look = look_of(seed, child=bool(v.get("child", 0)))
    closing = v["speed"] + pace_m_s
    half_depth = LABELS[kind][1]
    start = _start_gap(v, closing) + half_depth
    motion = Motion.steady(start, lateral, -pace_m_s) if pace_m_s else Motion.still(start, lateral)
    tall = look.height_m if kind is Kind.PERSON else height
    thing = Thing(kind.value, kind, motion, look, width, tall, facing)
    beside = abs(lateral) > 0.4 + width / 2
    gap = start - half_depth
    if closing <= 0.05:
        return make_scene(name, v, [thing], 12.0)
    return make_scene(name, v, [thing], gap / closing + 1.5 if beside else (gap - CONTACT_M) / closing)


def look_of(seed: int, *, child: bool = False) -> Look:
    """How tall and stout the figure of this seed is."""
    if child:
        return Look(1.15, 1.0, seed, child=True)
    return Look(1.62 + 0.05 * (seed * 7 % 6), 0.92 + 0.06 * (seed * 5 % 4), seed)


def stand(name: str, v: Values) -> Scene:
    return _meeting(name, v, Kind.PERSON, 0.0, facing=v["facing"])


def toward(name: str, v: Values) -> Scene:
    return _meeting(name, v, Kind.PERSON, v["pace"])


def cyclist(name: str, v: Values) -> Scene:
    return _meeting(name, v, Kind.CYCLIST, v["pace"], width=0.6)


def away(name: str, v: Values) -> Scene:
    """Someone goes the same way ahead of the wearer; with speed = pace the gap stays."""
    start = v["start"] or 8.0
    closing = v["speed"] - v["pace"]
    thing = Thing(
        "person", Kind.PERSON, Motion.steady(start, v["lateral"], v["pace"]), look_of(int(v["seed"]))
    )
    most = (start - thing.half_depth_m - CONTACT_M) / closing if closing > 0.05 else 20.0
    return make_scene(name, v, [thing], min(most, 20.0))


def cross(name: str, v: Values) -> Scene:
    """Someone crosses the lane and is `lateral` metres past its middle when the wearer gets there."""
    seed = int(v["seed"])
    start = _start_gap(v, v["speed"])
    meet = start / max(v["speed"], 0.1)
    side = -1.0 if seed % 2 else 1.0
    pace = v["pace"] * -side
    look = look_of(seed, child=bool(v["child"]))
    motion = Motion.steady(start + 0.15, math.copysign(v["lateral"], pace), 0.0, pace, at_s=meet)
    return make_scene(name, v, [person("person", motion, look)], meet - CONTACT_M / max(v["speed"], 0.1))


def obstructed(name: str, v: Values) -> Scene:
    """A child steps from behind a board beside the lane, `birth_ttc` seconds before the wearer gets there."""
    seed, speed = int(v["seed"]), max(v["speed"], 0.1)
    start = _start_gap(v, speed)
    meet = start / speed
    look = look_of(seed, child=True)
    edge, board, hides = -0.95, 1.9, -1.75
    shown = meet - v["birth_ttc"]
    # It comes into view a little before it is past the edge.
    starts = shown - (1.1 * edge - hides) / v["pace"]
    into = min(hides + v["pace"] * (meet - starts), 0.0)  # it stops in the middle of the lane
    arrives = starts + (into - hides) / v["pace"]
    motion = Motion(
        (starts - 1.0, starts, arrives, arrives + 1.0), (start + 0.15,) * 4, (hides, hides, into, into)
    )
    child = replace(person("child", motion, look), hidden_until_s=shown)
    place = Motion.still(start - 0.6, edge - board / 2)
    screen = Thing("board", Kind.BLANK_WALL, place, Look(seed=seed), board, 1.6, obstacle=False)
    return make_scene(name, v, [child, screen], meet - CONTACT_M / speed)


def cut_in(name: str, v: Values) -> Scene:
    """Someone slow in the next lane steps into the wearer's lane when the gap is `gap` metres."""
    speed, pace = v["speed"], v["pace"]
    closing = max(speed - pace, 0.3)
    start = _start_gap(v, closing) + v["gap"]
    at = (start - v["gap"]) / closing
    side = 1.0 if int(v["seed"]) % 2 else -1.0
    times = (0.0, at, at + 0.8, at + 1.8)
    places = tuple(start + pace * t for t in times)
    motion = Motion(times, places, (side * 1.22, side * 1.22, 0.0, 0.0))
    thing = Thing("person", Kind.PERSON, motion, look_of(int(v["seed"])))
    return make_scene(name, v, [thing], (start - thing.half_depth_m - CONTACT_M) / closing)


def prop(kind: Kind, width: float, height: float) -> Callable[[str, Values], Scene]:
    def build(name: str, v: Values) -> Scene:
        return _meeting(name, v, kind, 0.0, width=width, height=height)

    return build


def empty(name: str, v: Values) -> Scene:
    return make_scene(name, v, [], 180.0)


def curve(name: str, v: Values) -> Scene:
    """A bend of a stadium track with a runner coming in the next lane but one, who never enters the wearer's."""
    motions = (Motion.steady(33.0 + 30.0 * i, v["lateral"], -v["pace"]) for i in range(3))
    things = [
        Thing(f"person{i}", Kind.PERSON, motion, look_of(int(v["seed"]) + i))
        for i, motion in enumerate(motions)
    ]
    return make_scene(name, v, things, 15.0, path=Path(-1.0 / STADIUM_RADIUS_M))


def crowd(name: str, v: Values) -> Scene:
    """Ten people on the track, all beside the wearer's lane, walking either way or standing."""
    seed = int(v["seed"])
    things = []
    for i in range(int(v["count"])):
        side = -1.0 if i % 2 else 1.0
        lane = side * (1.7 + 0.75 * ((i * 5 + seed) % 4))
        pace = (-1.4, 0.0, 1.2, -1.1)[(i + seed) % 4]
        motion = Motion.steady(9.0 + 4.2 * i, lane, pace) if pace else Motion.still(9.0 + 4.2 * i, lane)
        things.append(replace(person(f"person{i}", motion, look_of(seed + i)), facing_deg=(i * 50) % 360))
    if v["blocker"]:
        things.append(person("blocker", Motion.still(30.0, 0.0), look_of(seed + 99)))
        return make_scene(name, v, things, (30.0 - 0.45) / max(v["speed"], 0.1))
    return make_scene(name, v, things, 15.0)


def weather(
    conditions: Callable[[float], Mapping[str, float]],
    *,
    overcast: bool = True,
    floodlights: Floodlights | None = None,
) -> Callable[[str, Values], Scene]:
    """Someone walks up in bad light or weather: `conditions` by its strength, on an overcast sky unless said."""

    def build(name: str, v: Values) -> Scene:
        base = _meeting(name, v, Kind.PERSON, v["pace"])
        return replace(
            base,
            conditions=_conditions(v, **conditions(v["strength"])),
            light=Light(sun=0.0, sky=1.0) if overcast else base.light,
            floodlights=floodlights,
        )

    return build


def demo(name: str, v: Values) -> Scene:
    """Someone passes by, someone stands in the lane, someone comes towards the wearer, and a wall ends it."""
    seed, speed = int(v["seed"]), max(v["speed"], 0.5)
    walk = 1.4
    passes, stands, meets, wall = 5.5, 13.0, 22.0, 31.2
    waits = meets - 15.0
    home = speed * meets + walk * (meets - waits)
    wall_at = max(speed * wall, home + 2.0)
    passing = Motion.steady(speed * passes, -2.0, -walk, at_s=passes)
    coming = Motion((0.0, waits, meets), (home, home, speed * meets), (0.0,) * 3)
    things = (
        person("passer-by", passing, Look(1.68, 0.95, seed + 5)),
        person("standing", Motion.still(speed * stands + 0.15, 0.0), Look(1.80, 1.05, seed + 9)),
        person("oncoming", coming, Look(1.74, 1.0, seed + 3)),
        Thing("wall", Kind.WALL, Motion.still(wall_at, 0.0), Look(seed=seed), 14.0, 3.2),
    )
    duration = v["duration"] or 32.0
    wearer = Wearer.reacting(speed, duration, Gait(seed=seed), things, shaking=bool(v["gait"]))
    return make_scene(name, v, list(things), duration, wearer=wearer)
