"""How well the judge knows beside which side, and how far, things pass, with a gyroscope and without: a table.

python tests/bench/miss_distance.py [--seeds 60] [SCENARIO…]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.scenarios.run import Cell, _Who, scene_values
from rearguard.lab.scenarios.table import BY_NAME, LATENCY_S
from rearguard.lab.world import boxes, catalogue
from rearguard.lab.world.gyro import Errors
from rearguard.vision.rules import Rules

AT_M, SETTLED_S = 10.0, 2.0
NAMES = ("STAND-0", "STAND-50", "WALK-TOWARD", "RUN-TOWARD", "CYC-TOWARD-4.7", "CROSS-NEAR-50", "PASS-BY-1.2",
         "PASS-BY-1.5")  # fmt: skip


def one(name: str, seed: int, *, gyro: bool) -> tuple[float | None, list[float]]:
    """The error of the miss distance when the first thing is 10 m away (m), and those of the swing later on (rad)."""
    config = Config()
    camera = config.camera
    scene = catalogue.scene(BY_NAME[name].world, **scene_values(Cell(name, 2.5, 10.0, 0.0, True), seed))
    rules = Rules(config, Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg))
    noise = boxes.Noise(missed=0.1 + BY_NAME[name].missed, gyro=Errors() if gyro else None)
    who, error, swings = _Who(), None, []
    for seen, truth in boxes.observe(scene, camera, fps=10.0, noise=noise, seed=seed):
        state = rules.turn(seen.ego, seen.captured_ns)
        _, verdict = rules.judge_frame(seen, LATENCY_S)
        who.of(verdict, truth)
        at_s = seen.captured_ns / NS_PER_S
        if at_s > SETTLED_S:
            swings.append(state.swing_rad - scene.wearer.pose(at_s, camera.height_m, 0.0).yaw_rad)
        threat = who.threat_of(truth[0], verdict) if truth and 0 < truth[0].range_m <= AT_M else None
        if error is None and threat is not None and threat.reason.miss_m is not None:
            error = threat.reason.miss_m - truth[0].miss_m
    return error, swings


def rows(names: tuple[str, ...], seeds: int) -> Iterator[str]:
    """The table, line by line."""
    yield "| deviation of the miss distance at 10 m | without, m | with, m |\n|---|---|---|"
    swings: tuple[list[float], list[float]] = ([], [])
    for name in names:
        told = []
        for gyro in (False, True):
            runs = [one(name, seed, gyro=gyro) for seed in range(seeds)]
            told.append(float(np.std([e for e, _ in runs if e is not None])))
            swings[gyro].extend(s for _, more in runs for s in more)
        yield f"| {name} | {told[0]:.3f} | {told[1]:.3f} |"
    without, with_ = (math.degrees(math.sqrt(float(np.mean(np.square(s))))) for s in swings)
    yield f"| error of the swing, root mean square after {SETTLED_S:g} s | {without:.2f}° | {with_:.2f}° |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="SCENARIO")
    parser.add_argument("--seeds", type=int, default=60)
    args = parser.parse_args()
    for line in rows(tuple(args.names), args.seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
