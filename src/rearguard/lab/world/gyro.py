"""What a gyroscope and an accelerometer beside the simulated camera tell: its own turns, gravity, and how it is shaken,
wrong as a real part is wrong.

The part is a LSM6DSO (data sheet DS12140 rev 2, table 2) at 208 Hz, 500 dps and 8 g; how it was mounted and its clock
are as `rearguard aim --gyro` leaves them. Before the scene begins the wearer stands for a while, as until READY.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.lab.array import Array
from rearguard.lab.world.camera import Pose, rotations
from rearguard.lab.world.scene import Scene
from rearguard.sense.rates import G_M_S2, Recorded, Window

RATE_HZ = 208.0
_SWAY_RAD_S = math.radians(1.5)  # who stands sways and breathes
_SWAY_HZ = (0.2, 1.5)
_SWAY_TONES = 4
_APART = 2  # samples between places whose differences are accelerations: as even as a wearer's programme is


@dataclass(frozen=True, slots=True)
class Errors:
    """Standard deviations of what is wrong with a part, each drawn once a run, but for the noise.

    `noise_dps_rhz` is the noise's density, `zero_dps` the zero-rate level, `zero_dps_min` its drift as the pod warms up
    (2 K a minute at 0.01 dps/K), `gain` the sensitivity's tolerance, `mounted_deg` the error about each axis of how it
    sits, `late_s` of its clock; `step_dps` is its last digit, `most_dps` all that it can tell. So are `noise_g_rhz`,
    `zero_g`, `step_g` and `most_g` of the accelerations, which know the same tolerance, seat and clock.
    """

    noise_dps_rhz: float = 0.0038
    zero_dps: float = 1.0
    zero_dps_min: float = 0.02
    gain: float = 0.01
    mounted_deg: float = 0.5
    late_s: float = 0.003
    step_dps: float = 0.0175
    most_dps: float = 500.0
    noise_g_rhz: float = 70e-6
    zero_g: float = 0.020
    step_g: float = 0.000244
    most_g: float = 8.0


def rates_of(
    scene: Scene, seed: int, pitch_rad: float, stands_s: float = 0.0, errors: Errors | None = None
) -> Recorded:
    """All that the part tells of a scene, from `stands_s` before it on; times in ns from the scene's beginning.

    `pitch_rad` is the camera's own, positive down.
    """
    errors = errors or Errors()
    rng = np.random.default_rng([seed, 0x6220])
    edges = np.arange(-stands_s, scene.duration_s + 0.2, 1 / RATE_HZ)
    true = true_rates(scene, edges, seed, pitch_rad)
    at = 0.5 * (edges[1:] + edges[:-1])
    told = true @ _mounted(errors, rng).T * (1 + errors.gain * rng.normal(0, 1, 3))
    zero = (
        errors.zero_dps * rng.normal(0, 1, 3) + errors.zero_dps_min / 60 * rng.normal(0, 1, 3) * at[:, None]
    )
    dps = np.degrees(told) + zero
    at_ns, dps, clipped = _in_digits(
        at, dps, errors.noise_dps_rhz, errors.step_dps, errors.most_dps, errors, rng
    )
    return Recorded(at_ns, np.radians(dps), clipped)


def accelerations_of(
    scene: Scene, seed: int, pitch_rad: float, stands_s: float = 0.0, errors: Errors | None = None
) -> Recorded:
    """The same of the accelerations, m/s², of a body at rest 9.81 upwards."""
    errors = errors or Errors()
    mounted = _mounted(errors, np.random.default_rng([seed, 0x6220]))  # as in `rates_of`: it is one part
    rng = np.random.default_rng([seed, 0xACCE1])
    at = np.arange(-stands_s, scene.duration_s + 0.2, 1 / RATE_HZ)
    g = true_accelerations(scene, at, seed, pitch_rad) @ mounted.T / G_M_S2
    g = g * (1 + errors.gain * rng.normal(0, 1, 3)) + errors.zero_g * rng.normal(0, 1, 3)
    at_ns, g, clipped = _in_digits(at, g, errors.noise_g_rhz, errors.step_g, errors.most_g, errors, rng)
    return Recorded(at_ns, G_M_S2 * g, clipped)


def _in_digits(
    at_s: Array,
    told: Array,
    noise_rhz: float,
    step: float,
    most: float,
    errors: Errors,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], Array, NDArray[np.bool_]]:
    """What comes out of a converter whose input is `told` (n, 3) at these times: noise and digits, its end, its clock;
    times in ns, what is told, and where it is at its end."""
    told = told + noise_rhz * math.sqrt(RATE_HZ / 2) * rng.normal(0, 1, told.shape)
    told = np.round(told / step) * step
    clipped: NDArray[np.bool_] = (np.abs(told) >= most).any(axis=1)
    at_ns = np.round((at_s + errors.late_s * rng.normal(0, 1)) * NS_PER_S).astype(np.int64)
    return at_ns, np.clip(told, -most, most), clipped


class Started:
    """What is told of a scene, on the pictures' clock; known from when `start_ns`, the scene's beginning on it, is."""

    def __init__(self, told: Recorded) -> None:
        self._told = told
        self.start_ns: int | None = None

    def window(self, from_ns: int, to_ns: int) -> Window | None:
        """As `sense.rates.Rates.window`."""
        if self.start_ns is None:
            return None
        return self._told.window(from_ns - self.start_ns, to_ns - self.start_ns)


def true_turns(scene: Scene, at_s: Array, seed: int, pitch_rad: float) -> Array:
    """By how much the camera turned up to each of the times (n,) since the one before, about its axes (n, 3), rad."""
    fine = 20
    edges = np.linspace(at_s[0], at_s[-1], fine * (len(at_s) - 1) + 1)
    steps = true_rates(scene, edges, seed, pitch_rad) * np.diff(edges)[:, None]
    return np.concatenate([np.zeros((1, 3)), steps.reshape(-1, fine, 3).sum(axis=1)])


def true_rates(scene: Scene, edges: Array, seed: int, pitch_rad: float) -> Array:
    """The camera's rates (n - 1, 3) about its own axes between times (n,), rad/s; before 0 the wearer sways."""
    poses: list[Pose] = scene.wearer.poses(np.maximum(edges, 0.0), 1.0, pitch_rad)
    heading = scene.wearer.course(np.maximum(edges, 0.0)).s_m * scene.path.curvature_per_m
    turned = rotations(poses, heading)
    step = turned[:-1] @ turned[1:].transpose(0, 2, 1)  # the new axes in the old camera's
    vector = 0.5 * np.stack(
        [step[:, 2, 1] - step[:, 1, 2], step[:, 0, 2] - step[:, 2, 0], step[:, 1, 0] - step[:, 0, 1]], axis=1
    )
    rates: Array = vector / np.diff(edges)[:, None]
    before = edges[1:] <= 0
    if before.any():
        rates[before] = _sway(edges[1:][before], np.random.default_rng([seed, 0x5A1A]))
    return rates


def true_accelerations(scene: Scene, t_s: Array, seed: int, pitch_rad: float) -> Array:
    """What an accelerometer without errors tells at even times (n,), about the camera's axes (n, 3), m/s²; before 0 the
    wearer sways on the spot. A scene begins and ends in motion: how its wearer got there is left out."""
    step_s, moving = float(t_s[1] - t_s[0]), t_s > 0
    before = t_s[~moving]
    at = np.concatenate(
        [t_s[moving] - _APART * step_s, t_s[moving][-1] + step_s * np.arange(1 - _APART, _APART + 1)]
    )
    at = np.maximum(at, 0.0)
    poses, course = scene.wearer.poses(at, 1.0, pitch_rad), scene.wearer.course(at)
    heading = course.s_m * scene.path.curvature_per_m
    ahead = np.stack([np.sin(heading), np.zeros_like(heading), np.cos(heading)], axis=1)
    aside = np.stack([ahead[:, 2], ahead[:, 1], -ahead[:, 0]], axis=1)
    off = np.array([[p.x_m, p.y_m, p.z_m] for p in poses])
    went = 0.5 * (ahead[1:] + ahead[:-1]) * np.diff(course.s_m)[:, None]
    place = np.concatenate([np.zeros((1, 3)), np.cumsum(went, axis=0)])
    place += off[:, :1] * aside + off[:, 1:2] * [0.0, 1.0, 0.0] + off[:, 2:] * ahead
    two = 2 * _APART
    pull = (place[two:] - 2 * place[_APART:-_APART] + place[:-two]) / (_APART * step_s) ** 2
    over = t_s[moving] > scene.duration_s - _APART * step_s
    pull[:_APART], pull[over] = pull[_APART], pull[~over][-1]
    pull[:, 1] -= G_M_S2
    turned = rotations(poses, heading)
    told: Array = np.einsum("tab,tb->ta", turned[_APART:-_APART], pull)
    if not len(before):
        return told
    # Who sways turns by a degree or two: the angles still to come add up.
    to_come = np.cumsum(_sway(before, np.random.default_rng([seed, 0x5A1A]))[::-1], axis=0)[::-1] * step_s
    still = -G_M_S2 * turned[0, :, 1]
    return np.concatenate([still + np.cross(to_come, still), told])


def _sway(t_s: Array, rng: np.random.Generator) -> Array:
    hz, start = rng.uniform(*_SWAY_HZ, (3, _SWAY_TONES)), rng.uniform(0, 2 * math.pi, (3, _SWAY_TONES))
    tones = np.sin(2 * math.pi * hz[:, :, None] * t_s + start[:, :, None]).sum(axis=1)
    result: Array = _SWAY_RAD_S * math.sqrt(2 / _SWAY_TONES) * tones.T
    return result


def _mounted(errors: Errors, rng: np.random.Generator) -> Array:
    x, y, z = np.radians(errors.mounted_deg) * rng.normal(0, 1, 3)
    return np.array([[1, -z, y], [z, 1, -x], [-y, x, 1]])
