"""How quickly this machine detects, and which input size and threads it could keep up with."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from rearguard.config import Config
from rearguard.config.detect import Detect

if TYPE_CHECKING:
    from rearguard.detect.detector import Detector

FULL_FPS = 10.0  # from here on every warning is promised; rearguard.doctor.boards says why

# Shares of the configured input size that are tried, largest first: each step costs about a fifth of the reach.
STEPS = (1.0, 0.67, 0.44, 0.3)
SMALLEST_PX = 40_960  # 256x160: a 1.7 m person at 10 m is 33 pixels tall there, behind a 66 degree lens
# Tracking, looming and the picture's checks share the processor, and a run gets warmer than a test.
HEADROOM = 1.3


Measure = Callable[["Detector", int, int, int], list[float]]


@dataclass(frozen=True, slots=True)
class Fit:
    """One way to run the detector, and the pictures per second it gave here."""

    detect: Detect
    fps: float

    def settings(self) -> str:
        """As it would be written into the configuration."""
        return f"detect.input_px = {self.detect.input_px}, detect.threads = {self.detect.threads}"


def times_s(detector: Detector, width_px: int, height_px: int, rounds: int) -> list[float]:
    """Seconds that each of `rounds` pictures of this size takes, warmed up by a third as many; any content will do."""
    import numpy as np

    picture = np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3), np.uint8)
    warm_up = rounds // 3
    times = []
    for _ in range(warm_up + rounds):
        began = time.perf_counter()
        detector.detect(picture)
        times.append(time.perf_counter() - began)
    return times[warm_up:]


def detect_s(detector: Detector, width_px: int, height_px: int, rounds: int = 6) -> float:
    """Median seconds a picture."""
    return statistics.median(times_s(detector, width_px, height_px, rounds))


def keep_up(
    config: Config, detector: Detector, width_px: int, height_px: int, measure: Measure = times_s
) -> tuple[Config, Detector, str]:
    """The largest input that this machine keeps up with, if the configured one is too slow here.

    Returns the configuration and the detector to go on with, and what was changed in one line, empty if nothing
    was. The quickest of a few pictures counts: while a machine starts, it has other things to do as well.
    """
    from rearguard.detect.detector import Detector

    want_fps = min(FULL_FPS, config.camera.fps)
    before = min(measure(detector, width_px, height_px, 3))
    if 1 / before >= want_fps:
        return config, detector, ""
    made: dict[int, Detector] = {}

    def fresh(detect: Detect) -> float:
        made[detect.input_px] = Detector(detect, (width_px, height_px))
        return min(measure(made[detect.input_px], width_px, height_px, 3))

    best = fit(config.detect, want_fps, fresh)
    told = (
        f"this machine judges {1 / before:.1f} pictures a second with {Fit(config.detect, 0).settings()}: "
        f"now {best.fps:.1f} with {best.settings()}, and people are seen from less far"
    )
    return msgspec.structs.replace(config, detect=best.detect), made[best.detect.input_px], told


def spare_threads() -> int:
    """All cores but one, which camera, tracking and warden share."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def candidates(detect: Detect) -> Iterator[Detect]:
    """Ways to run, from the configured one to the quickest worth having."""
    threads = max(detect.threads, spare_threads())
    for share in STEPS:
        input_px = round(detect.input_px * share)
        if share == 1.0 or input_px >= SMALLEST_PX:
            yield msgspec.structs.replace(detect, input_px=input_px, threads=threads)


def fit(detect: Detect, want_fps: float, measure: Callable[[Detect], float]) -> Fit:
    """The first of `candidates` that gives `want_fps` with headroom, else the quickest; `measure` tells seconds
    a picture."""
    tried = []
    for candidate in candidates(detect):
        tried.append(Fit(candidate, 1 / measure(candidate)))
        if tried[-1].fps >= want_fps * HEADROOM:
            return tried[-1]
    return max(tried, key=lambda one: one.fps)
