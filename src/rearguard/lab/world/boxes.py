"""A world's truth as a noisy detector would tell it, without drawing anything: thousands of runs a minute.

Figures are boxes of their body height and stride; what a picture's edge cuts is cut, what another thing hides is
missing, and each box side is off by noise relative to the box's height.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world import gyro
from rearguard.lab.world.camera import NEAR_M, Pose, rotations
from rearguard.lab.world.scene import CLOSING_FLOOR_M_S, Scene
from rearguard.lab.world.things import Kind, Thing
from rearguard.lab.world.wearer import Course
from rearguard.sense.fusion import GyroFusion
from rearguard.types import Box, Detection, EgoMotion, Gravity, Heading, Observation, Speed, TrueThing

_SEEN_KINDS = frozenset({Kind.PERSON, Kind.CYCLIST, Kind.DOG})  # what a COCO detector has a class for
_SCORES = (
    (22.0, 38.0, 60.0, 110.0, 300.0),
    (0.20, 0.30, 0.37, 0.50, 0.70),
)  # px tall → mean score, as measured
_SCORE_SD = 0.08
_OF_USUAL = 0.6, 3.0
_TURN_QUALITY = 0.9
_STANDS_S = 10.0  # before an outing with a gyroscope: that long the self-test takes, and people to set off
# By how much image flow, summed up, is off after a second of standing, on rendered pictures.
_STILL_RAD_RS = 0.0004
_SPEED_LASTS_S = 0.33  # the looming channel compares pictures this far apart
_SPEED_SD = 0.12  # as it says itself
_HEADING_SD_RAD, _HEADING_DOWN_SD_RAD = 0.025, 0.045  # as it says itself
_HEADING_LASTS_S = 0.1  # on rendered pictures its errors add up like those of 0.05 to 0.15 s
_LEAST_HEADING_M_S = 1.0  # who is slower tells none
# Height in pixels → deviation of ln height of the detector's boxes, its closer look included: measured on rendered
# and photographed people against their outlines.
_BOX_SD = ((35.0, 55.0, 80.0, 115.0, 165.0, 230.0), (0.085, 0.065, 0.045, 0.040, 0.035, 0.030))
_LEAST_HEIGHT_PX = 22.0  # nothing smaller is told; measured down to 36 px, where nine in ten were found


@dataclass(frozen=True, slots=True)
class Noise:
    """How wrong the boxes and the ego-motion are.

    `box` is the standard deviation of each box's height relative to that height (each side carries its part), None
    for the detector's own, which grows as things get smaller; `lasts_s` how long such an error lasts; `missed` the
    share of detections lost at random; `dropout_s` the length of a gap with none at all, once per run at a random
    time; `ghosts` false detections per frame; `turn_rad_rs` by how much each ego-motion angle, summed up, is off
    after a second (it wanders: rad per root second), `turn_lost` the share of frames in which no turn can be fitted.
    `speed` is by which share the wearer's speed is off.
    """

    box: float | None = None
    lasts_s: float = 0.2
    missed: float = 0.1
    dropout_s: float = 0.0
    ghosts: float = 0.0
    # On rendered pictures the yaw so measured is off by 0.0043 after a second at 10 fps, by 0.0052 at 30.
    turn_rad_rs: float = 0.0063
    turn_lost: float = 0.0  # of rendered pictures none, but a fifth of those that a wall fills
    speed: float = 0.08  # share of the wearer's speed that the ground's flow is off by; it lasts as long
    speed_known: bool = True
    heading_rad: float = 0.012  # on rendered pictures 0.008, in the rhythm of the strides
    heading_down_rad: float = 0.02
    gyro: gyro.Errors | None = None  # of a gyroscope beside the camera; None: there is none
    accel: bool = True  # whether its part has an accelerometer


class Simulated(NamedTuple):
    """One frame as numbers, and the truth behind it."""

    seen: Observation
    truth: tuple[TrueThing, ...]


def observe(
    scene: Scene,
    camera: Camera | None = None,
    *,
    fps: float = 10.0,
    noise: Noise | None = None,
    seed: int = 0,
) -> Iterator[Simulated]:
    """The scene frame by frame; the same scene and seed give the same noise.

    The truth lists the things present in the scene's order, hidden ones too; so are the detections, ghosts last.
    """
    camera, noise = camera or Camera(), noise or Noise()
    lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    rng = np.random.default_rng([seed, 0xB0C5])
    times = np.arange(max(1, math.floor(scene.duration_s * fps) + 1)) / fps
    gap_at = rng.uniform(0.2, 0.8) * scene.duration_s if noise.dropout_s else math.inf
    in_gap = (times >= gap_at) & (times < gap_at + noise.dropout_s)
    poses = scene.wearer.poses(times, camera.height_m, math.radians(camera.pitch_deg))
    course = scene.wearer.course(times)
    turn_sd = noise.turn_rad_rs / math.sqrt(fps)
    egos = _egos(poses, course.s_m * scene.path.curvature_per_m, noise, turn_sd, rng)
    gravities: list[Gravity | None] = [None] * len(times)
    if noise.gyro is not None:
        pitch_rad = math.radians(camera.pitch_deg)
        fusion = known_gyro(scene, 1 / fps, noise.gyro, seed, pitch_rad, accel=noise.accel)
        for i, t in enumerate(times.tolist()):
            felt = fusion.fuse(egos[i], round(t * NS_PER_S))
            egos[i] = felt if i else egos[i]
            gravities[i] = fusion.level(felt, round(t * NS_PER_S))
    headings = _headings(
        poses, course, scene.path.curvature_per_m, fps, noise, np.random.default_rng([seed, 0xEAD])
    )
    speeds = _speeds(course.speed_m_s, fps, noise, np.random.default_rng([seed, 0x5BEED]))
    told = [
        _observe_thing(thing, scene, times, course, poses, lens, noise, in_gap, rng) for thing in scene.things
    ]
    for seq, (t, ego) in enumerate(zip(times.tolist(), egos, strict=True)):
        facts = tuple(fact for facts, _ in told if (fact := facts[seq]) is not None)
        found = [one for _, founds in told if (one := founds[seq]) is not None]
        detections = (*found, *_ghosts(noise, lens, rng))
        at_ns = round(t * NS_PER_S)
        seen = Observation(
            seq, at_ns, detections, ego, speed=speeds[seq], heading=headings[seq], gravity=gravities[seq]
        )
        yield Simulated(seen.rounded(), facts)


def _observe_thing(
    thing: Thing, scene: Scene, times: Array, course: Course, poses: list[Pose], lens: Pinhole, noise: Noise,
    in_gap: NDArray[np.bool_], rng: np.random.Generator,
) -> tuple[list[TrueThing | None], list[Detection | None]]:  # fmt: skip
    """(truth, detection) of one thing at each time, None where it is not there or not seen."""
    count = len(times)
    draws = rng.normal(0, 1, (count, 4))
    kept = np.asarray(rng.random(count) >= noise.missed)
    memory = math.exp(-(times[1] - times[0]) / noise.lasts_s) if count > 1 and noise.lasts_s else 0.0
    wave = _lasting(draws, memory)
    whole = whole_boxes(thing, scene, times, course, poses, lens)
    high = whole[:, 3] - whole[:, 1]
    inside = clip(whole, lens)
    usual = np.interp(high, *_SCORES)
    scores = np.clip(usual + _SCORE_SD * draws[:, 0], 0.05, 0.98)
    # Boxes of low scores are worse, as measured on photographed people.
    own = np.interp(high, *_BOX_SD) * np.clip(usual / scores, *_OF_USUAL)
    sd = own if noise.box is None else np.full(count, noise.box)
    shaken = clip(whole + wave * (high * sd / math.sqrt(2))[:, None] * np.array([0.5, 1.0, 0.5, 1.0]), lens)
    in_picture: NDArray[np.bool_] = _area(inside) > 1
    seen: NDArray[np.bool_] = (
        kept & in_picture & ~in_gap & (times >= thing.hidden_until_s) & (high >= _LEAST_HEIGHT_PX)
    )
    seen &= (_area(inside) >= 0.15 * _area(whole)) & (_area(shaken) > 1) & (thing.kind in _SEEN_KINDS)
    facts, found = _facts(thing, scene, times, course), []
    truths: list[TrueThing | None] = []
    boxes, sharp = shaken.tolist(), inside.tolist()
    for i in range(count):
        box = Box(*sharp[i]) if in_picture[i] else None
        there = thing.from_s <= times[i] < thing.until_s
        truths.append(TrueThing(thing.name, thing.label, box, *facts[i]) if there else None)
        found.append(Detection(Box(*boxes[i]), thing.label, float(scores[i])) if there and seen[i] else None)
    return truths, found


def _facts(
    thing: Thing, scene: Scene, times: Array, course: Course
) -> list[tuple[float, float, float | None, float]]:
    """(range, lateral, ttc, miss) at each time: `scene.truth` for a whole run at once."""
    s, n, vs, vn = thing.motion.along(times)
    ahead, across = s - course.s_m, n - course.n_m
    x, z, _ = scene.path.places(ahead, n)
    gap, closing = ahead - thing.half_depth_m, course.speed_m_s - vs
    closes = (closing > CLOSING_FLOOR_M_S) & (gap > 0)
    ttc = np.where(closes, gap / np.where(closes, closing, 1.0), 0.0)
    miss = across + (vn - course.lateral_m_s) * ttc
    distance = np.copysign(np.hypot(x - course.n_m, z), ahead)
    rows = zip(distance.tolist(), across.tolist(), ttc.tolist(), miss.tolist(), closes.tolist(), strict=True)
    return [(r, a, t if c else None, m) for r, a, t, m, c in rows]


def whole_boxes(
    thing: Thing, scene: Scene, times: Array, course: Course, poses: list[Pose], lens: Pinhole
) -> Array:
    """The thing's boxes (T, 4), picture's edge ignored: its outline as a cuboid; of no size when behind the lens."""
    s, n, _, _ = thing.motion.along(times)
    x, z, turn = scene.path.places(s - course.s_m, n)
    half_wide, deep = _extent(thing)
    i, j, k = np.array([(i, j, k) for i in (-1, 1) for j in (0, 1) for k in (-1, 1)], float).T
    c, w = np.cos(turn)[:, None], np.sin(turn)[:, None]
    corners = np.stack(
        [
            x[:, None] + i * half_wide * c + k * deep * w,
            np.broadcast_to(-j * thing.height_m, (len(times), 8)),
            z[:, None] - i * half_wide * w + k * deep * c,
        ],
        axis=2,
    )
    lenses = np.array([[p.x_m, p.y_m, p.z_m] for p in poses])
    seen = np.einsum("tab,tkb->tka", rotations(poses), corners - lenses[:, None, :])
    before = seen[:, :, 2].min(axis=1) >= NEAR_M
    scale = lens.focal_px / np.maximum(seen[:, :, 2], NEAR_M)
    u, v = lens.cx + seen[:, :, 0] * scale, lens.cy + seen[:, :, 1] * scale
    boxes = np.stack([u.min(axis=1), v.min(axis=1), u.max(axis=1), v.max(axis=1)], axis=1)
    return np.where(before[:, None], boxes, -1e4)


def clip(boxes: Array, lens: Pinhole) -> Array:
    """Boxes (T, 4) cut at the picture's edges; those outside have no size."""
    result: Array = np.clip(boxes, 0.0, np.array([lens.width_px, lens.height_px] * 2, float))
    return result


def _area(boxes: Array) -> Array:
    result: Array = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return result


def _lasting(draws: Array, memory: float) -> Array:
    """Noise of unit deviation of which the share `memory` lasts from one frame to the next."""
    if memory == 0.0:
        return draws
    wave = draws.copy()
    fresh = math.sqrt(1 - memory**2)
    for i in range(1, len(wave)):
        wave[i] = memory * wave[i - 1] + fresh * draws[i]
    return wave


def _wave(count: int, lasts_s: float, fps: float, rng: np.random.Generator) -> Array:
    """(count,) of one error of unit deviation that lasts so long."""
    wave: Array = _lasting(rng.normal(0, 1, (count, 1)), math.exp(-1 / (fps * lasts_s)))[:, 0]
    return wave


def without_noise(noise: Noise | None = None) -> Noise:
    """The same with every error set to nothing."""
    return replace(
        noise or Noise(),
        box=0.0,
        missed=0.0,
        dropout_s=0.0,
        ghosts=0.0,
        turn_rad_rs=0.0,
        speed=0.0,
        heading_rad=0.0,
        heading_down_rad=0.0,
    )


def _extent(thing: Thing) -> tuple[float, float]:
    """Half width across the track and half depth along it, m, of what makes the box."""
    if thing.kind is Kind.PERSON:
        return 0.15 * thing.height_m * thing.look.girth, 0.05
    if thing.kind is Kind.CYCLIST:
        return 0.30, 0.05
    return thing.width_m / 2, 0.0


def _egos(
    poses: list[Pose], headings: Array, noise: Noise, turn_sd: float, rng: np.random.Generator
) -> list[EgoMotion]:
    """How the camera turned since the frame before, each angle off by `turn_sd`; unknown at the first."""
    error = rng.normal(0, 1, (len(poses), 3)) * turn_sd
    was, now = rotations(poses)[:-1], rotations(poses, np.diff(headings, prepend=headings[0]))[1:]
    step = was @ now.transpose(0, 2, 1)  # columns: the new right, down and forward in the old camera's axes
    yaw = np.arctan2(step[:, 0, 2], step[:, 2, 2])
    pitch = np.arctan2(step[:, 1, 2], np.hypot(step[:, 0, 2], step[:, 2, 2]))
    roll = np.arctan2(step[:, 1, 0], step[:, 1, 1])
    turns = np.stack([yaw, pitch, roll], axis=1) + error[1:]
    lost = rng.random(len(turns)) < noise.turn_lost if noise.turn_lost else np.zeros(len(turns), bool)
    seen = (EgoMotion(y, p, r, _TURN_QUALITY) for y, p, r in turns.tolist())
    return [EgoMotion(), *(EgoMotion() if gone else turn for turn, gone in zip(seen, lost, strict=True))]


def known_gyro(
    scene: Scene, step_s: float, errors: gyro.Errors, seed: int, pitch_rad: float, *, accel: bool = True
) -> GyroFusion:
    """A gyroscope at the scene's beginning, compared with image flow for `_STANDS_S` of standing before; `accel`: its
    part has an accelerometer."""
    of = scene, seed, pitch_rad, _STANDS_S, errors
    fusion = GyroFusion(gyro.rates_of(*of), np.eye(3), accel=gyro.accelerations_of(*of) if accel else None)
    rng = np.random.default_rng([seed, 0x57A2D])
    times = np.arange(-_STANDS_S, 0.0, step_s)
    wrong = rng.normal(0, _STILL_RAD_RS * math.sqrt(step_s), (len(times), 3))
    seen = gyro.true_turns(scene, times, seed, pitch_rad) + wrong
    for at_s, (x, y, z) in zip(times.tolist(), seen.tolist(), strict=True):
        at_ns = round(at_s * NS_PER_S)
        fusion.level(fusion.fuse(EgoMotion(y, -x, z, _TURN_QUALITY), at_ns), at_ns)
    return fusion


def _speeds(speed_m_s: Array, fps: float, noise: Noise, rng: np.random.Generator) -> list[Speed | None]:
    """The wearer's speed as the ground's flow would tell it."""
    if not noise.speed_known:
        return [None] * len(speed_m_s)
    wave = _wave(len(speed_m_s), _SPEED_LASTS_S, fps, rng)
    told = np.maximum(speed_m_s * (1 + noise.speed * wave), 0.0)
    return [Speed(v, max(_SPEED_SD * v, 0.15)) for v in told.tolist()]


def _headings(
    poses: list[Pose],
    course: Course,
    curvature_per_m: float,
    fps: float,
    noise: Noise,
    rng: np.random.Generator,
) -> list[Heading | None]:
    """Where the wearer heads as the camera sees it, as the picture's expansion would tell it."""
    if not noise.speed_known:
        return [None] * len(poses)
    wave = _wave(len(poses), _HEADING_LASTS_S, fps, rng)
    yaws = np.array([pose.yaw_rad for pose in poses])
    told = np.arctan2(course.lateral_m_s, np.maximum(course.speed_m_s, 1e-3)) - yaws
    told += noise.heading_rad * wave - 0.5 * _SPEED_LASTS_S * (course.speed_m_s * curvature_per_m)
    down = noise.heading_down_rad * _wave(len(poses), _HEADING_LASTS_S, fps, rng)
    down -= np.array([pose.pitch_rad for pose in poses])
    moves = course.speed_m_s >= _LEAST_HEADING_M_S
    return [
        Heading(h, _HEADING_SD_RAD, _SPEED_LASTS_S, d, _HEADING_DOWN_SD_RAD) if m else None
        for h, d, m in zip(told.tolist(), down.tolist(), moves, strict=True)
    ]


def _ghosts(noise: Noise, lens: Pinhole, rng: np.random.Generator) -> list[Detection]:
    found = []
    for _ in range(int(rng.poisson(noise.ghosts)) if noise.ghosts else 0):
        high = rng.uniform(25, 0.4 * lens.height_px)
        x, y = rng.uniform(0, lens.width_px - 0.4 * high), rng.uniform(0, lens.height_px - high)
        found.append(Detection(Box(x, y, x + 0.4 * high, y + high), "person", rng.uniform(0.15, 0.45)))
    return found
