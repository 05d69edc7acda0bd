"""How well pitch and roll of the camera are known, with an accelerometer beside its gyroscope and without: a table.

python tests/bench/pod_angle.py [--seeds 20]

Degrees, median and 95th percentile, in the first three seconds and in the nine after them. Image flow, expansion and
both sensors err as in the scenarios by boxes; before a run the sensors alone have seen ten seconds of standing.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.ego.state import EgoEstimator
from rearguard.lab.world import boxes, catalogue
from rearguard.lab.world.boxes import Noise
from rearguard.lab.world.gyro import Errors

FIRST_S, LASTS_S = 3.0, 12.0
PODS = {"as set up": {}, "6° down": {"down": 6.0}, "6° up": {"down": -6.0}, "rolled by 8°": {"rolled": 8.0}}


def errors(world: dict[str, float], seed: int, *, accel: bool) -> NDArray[np.float64]:
    """(seconds, error of pitch, of roll in degrees) of each frame."""
    scene = catalogue.scene("stand", seed=float(seed), duration=LASTS_S, start=80.0, **world)
    mount_rad = math.radians(Camera().pitch_deg)
    ego, out = EgoEstimator(mount_rad), []
    for frame in boxes.observe(scene, fps=10.0, noise=Noise(gyro=Errors(), accel=accel), seed=seed):
        at_s = frame.seen.captured_ns / NS_PER_S
        state = ego.add_turn(frame.seen.ego, frame.seen.captured_ns)
        pose = scene.wearer.pose(at_s, 1.0, mount_rad)
        off = state.pitch_rad - pose.pitch_rad, state.roll_rad - pose.roll_rad
        out.append((at_s, *np.degrees(off)))
        ego.add_speed(frame.seen.speed)
        ego.add_heading(frame.seen.heading)
        ego.add_gravity(frame.seen.gravity)
    return np.array(out)


def rows(seeds: int) -> Iterator[str]:
    """The table, line by line."""
    yield "| wearer | pod | | pitch, first 3 s | after | roll, first 3 s | after |\n|---|---|---|---|---|---|---|"
    for doing, speed in (("stands", 0.0), ("runs", 2.5)):
        for pod, world in PODS.items():
            for accel in (False, True):
                runs = [errors({"speed": speed, **world}, seed, accel=accel) for seed in range(1, seeds + 1)]
                told, cells = np.concatenate(runs), []
                for column in (1, 2):
                    first = told[:, 0] < FIRST_S
                    for part in (first, ~first):
                        off = np.abs(told[part, column])
                        cells.append(f"{np.median(off):.1f}, {np.percentile(off, 95):.1f}")
                yield f"| {doing} | {pod} | {'with' if accel else 'without'} | {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    for line in rows(parser.parse_args().seeds):
        print(line, flush=True)
