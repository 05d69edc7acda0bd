"""Worlds in which somebody, or the wearer, does what is not foreseen: overtakes, brakes, sets off, turns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from rearguard.lab.world.build import CONTACT_M, Values, look_of, make_scene, person
from rearguard.lab.world.gait import Gait
from rearguard.lab.world.path import Path
from rearguard.lab.world.scene import Scene
from rearguard.lab.world.things import Kind, Look, Motion, Thing
from rearguard.lab.world.wearer import Wearer

_MEET_M = 0.15 + CONTACT_M
_LEAST_GAP_M = 3.0


def _side(v: Values) -> float:
    return 1.0 if int(v["seed"]) % 2 else -1.0


def overtaker(name: str, v: Values) -> Scene:
    """A runner comes past from behind the lens, `lateral` beside, into view at the picture's edge, and runs away."""
    seed, side = int(v["seed"]), _side(v)
    passes = 5.0
    motion = Motion.steady(v["speed"] * passes, side * v["lateral"], v["speed"] + v["pace"], at_s=passes)
    return make_scene(name, v, [person("runner", motion, look_of(seed))], 12.0)


def cross_behind_still(name: str, v: Values) -> Scene:
    """The wearer stands; somebody walks across `gap` metres behind."""
    seed, side = int(v["seed"]), _side(v)
    motion = Motion.steady(v["gap"], 0.0, 0.0, side * v["pace"], at_s=5.0)
    wearer = Wearer.steady(0.0, 10.0, Gait(seed=seed), shaking=bool(v["gait"]))
    return make_scene(name, v, [person("walker", motion, look_of(seed))], 10.0, wearer=wearer)


def leader_brakes(name: str, v: Values) -> Scene:
    """Somebody runs ahead at the wearer's speed, `gap` metres on, and slows to a stop within three seconds."""
    speed, at, slows = v["speed"], 5.0, 3.0
    times = np.arange(0.0, slows + 0.01, 0.2)
    speeds = np.clip(speed * (1 - times / slows), 0.0, None)
    way = np.concatenate([[0.0], np.cumsum(0.5 * (speeds[1:] + speeds[:-1]) * 0.2)])
    places = v["gap"] + speed * at + way
    motion = Motion(
        (0.0, *(at + times).tolist(), at + slows + 1.0), (v["gap"], *places.tolist(), float(places[-1])),
        (0.0,) * (len(times) + 2),
    )  # fmt: skip
    meets = (float(places[-1]) - _MEET_M) / max(speed, 0.1)
    return make_scene(name, v, [person("leader", motion, look_of(int(v["seed"])))], meets)


def sets_off(name: str, v: Values) -> Scene:
    """The wearer has stood for six seconds, `gap` metres before somebody, and sets off."""
    seed = int(v["seed"])
    programme = ((0.0, 0.0), (6.0, 0.0), (6.7, v["speed"]))
    meets = 6.35 + (v["gap"] - CONTACT_M) / max(v["speed"], 0.1)
    wearer = Wearer.programme(programme, meets, Gait(seed=seed), shaking=bool(v["gait"]))
    standing = person("person", Motion.still(v["gap"] + 0.15, 0.0), look_of(seed))
    return make_scene(name, v, [standing], meets, wearer=wearer)


def stop_and_go(name: str, v: Values) -> Scene:
    """The wearer runs, stops, and runs again towards somebody who stands."""
    seed, speed = int(v["seed"]), max(v["speed"], 0.1)
    programme = ((0.0, speed), (3.0, speed), (4.0, 0.0), (6.0, 0.0), (7.0, speed))
    meets = 7.0 + 6.0
    way = speed * (3.0 + 0.5 + 0.5 + 6.0)
    wearer = Wearer.programme(programme, meets - CONTACT_M / speed, Gait(seed=seed), shaking=bool(v["gait"]))
    standing = person("person", Motion.still(way + 0.15, 0.0), look_of(seed))
    return make_scene(name, v, [standing], meets, wearer=wearer)


def bend(name: str, v: Values) -> Scene:
    """Somebody stands on a path that bends on a radius of `radius` metres, left or right by the seed."""
    seed, side = int(v["seed"]), _side(v)
    gap = max(min(v["speed"] * 7.0, 1.5 * v["radius"]), _LEAST_GAP_M)
    standing = person("person", Motion.still(gap + 0.15, 0.0), look_of(seed))
    meets = (gap - CONTACT_M) / max(v["speed"], 0.1)
    # Long on the bend already: it goes on from where the scene begins.
    return make_scene(name, v, [standing], meets, path=Path(side / v["radius"]))


def trunk_turned(name: str, v: Values) -> Scene:
    """The wearer's trunk turns by 35 degrees to one side and back while somebody stands in the lane."""
    turn = _side(v) * math.radians(35.0)
    return _turning(name, v, 0.0, (-4.0, 0.0), (-3.2, turn), (-2.4, 0.0))


def trunk_stays(name: str, v: Values) -> Scene:
    """The wearer's trunk turns by 20 degrees, as if to look over the shoulder, and stays so; somebody stands in the
    lane or `lateral` metres beside it, on the side that the camera then looks to."""
    side = _side(v)
    return _turning(name, v, side * v["lateral"], (-5.0, 0.0), (-4.2, side * math.radians(20.0)))


def _turning(name: str, v: Values, lateral_m: float, *trunk: tuple[float, float]) -> Scene:
    """Somebody stands ahead while the trunk turns by (seconds from the meeting, rad)."""
    seed, gap = int(v["seed"]), max(v["speed"] * 7.0, _LEAST_GAP_M)
    meets = (gap - CONTACT_M) / max(v["speed"], 0.1)
    turns = [(0.0, 0.0), *((meets + at_s, turn) for at_s, turn in trunk)]
    wearer = Wearer.programme(
        ((0.0, v["speed"]),), meets, Gait(seed=seed), shaking=bool(v["gait"]), trunk=turns
    )
    standing = person("person", Motion.still(gap + 0.15, lateral_m), look_of(seed))
    return make_scene(name, v, [standing], meets, wearer=wearer)


def drifts(name: str, v: Values) -> Scene:
    """A clear track; from the fourth second on the wearer drifts out of the lane, left or right by the seed."""
    seed, begins, duration = int(v["seed"]), 4.0, v["duration"] or 8.0
    beside = ((begins, 0.0), (begins + duration, _side(v) * v["pace"] * duration))
    wearer = Wearer.programme(
        ((0.0, v["speed"]),), duration, Gait(seed=seed), shaking=bool(v["gait"]), beside=beside
    )
    return make_scene(name, v, [], duration, wearer=wearer)


def dog_runs(name: str, v: Values) -> Scene:
    """A dog runs towards the wearer."""
    seed = int(v["seed"])
    closing = v["speed"] + v["pace"]
    gap = max(min(7.0 * closing, 40.0), _LEAST_GAP_M)
    dog = Thing("dog", Kind.DOG, Motion.steady(gap + 0.4, 0.0, -v["pace"]), Look(0.55, 1.0, seed), 0.3, 0.55)
    return make_scene(name, v, [dog], (gap - CONTACT_M) / closing)


def marked_track(name: str, v: Values) -> Scene:
    """A clear track with all that lies flat on one: lines, numbers, shadows, leaves, and a puddle every few metres."""
    seed = int(v["seed"])
    duration = v["duration"] or 60.0
    rng = np.random.default_rng([seed, 0x3A9C])
    things: list[Thing] = []
    at = 6.0
    while at < v["speed"] * duration + 10.0:
        place = Motion.still(at, float(rng.uniform(-1.2, 1.2)))
        wide, long = float(rng.uniform(0.5, 1.6)), float(rng.uniform(0.3, 1.2))
        things.append(
            Thing("puddle", Kind.PUDDLE, place, Look(seed=seed + len(things)), wide, long, obstacle=False)
        )
        at += float(rng.uniform(5.0, 14.0))
    return replace(make_scene(name, v, things, duration), marks=True)


def edge_entry(name: str, v: Values) -> Scene:
    """Somebody walks into the picture over its edge, close by, on a collision course."""
    seed, side = int(v["seed"]), _side(v)
    gap = 5.0 * max(v["speed"], 0.1)
    meets = gap / max(v["speed"], 0.1)
    enters = meets - v["birth_ttc"]
    far = side * v["speed"] * v["birth_ttc"] * math.tan(math.radians(34.0))  # just outside the 66 degrees
    motion = Motion((0.0, enters, meets, meets + 1.0), (gap + 0.15,) * 4, (far * 1.6, far, 0.0, 0.0))
    return make_scene(
        name, v, [person("person", motion, look_of(seed))], meets - CONTACT_M / max(v["speed"], 0.1)
    )
