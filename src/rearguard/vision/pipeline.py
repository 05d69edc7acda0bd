"""The way of the data, once per frame: detect, ego-motion, track, looming, judge."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
from msgspec.structs import replace

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.detect.foveate import Hints
from rearguard.ego.flow import FlowEgo
from rearguard.ego.ignored import Ignored
from rearguard.ego.lane import LaneDetector
from rearguard.ego.level import Direction, axes, pixel
from rearguard.ego.pinhole import Pinhole, moved
from rearguard.errors import BadInput
from rearguard.looming.detector import LoomingDetector, Sight
from rearguard.looming.low import LowDetector
from rearguard.sense.fusion import GyroFusion
from rearguard.track.texture_scale import measure_growth
from rearguard.types import (
    EgoMotion,
    EgoState,
    Fault,
    Frame,
    Gravity,
    Growth,
    Image,
    Lane,
    Observation,
    Track,
    Verdict,
)
from rearguard.vision.rules import Rules

_LEAST_PX = 32
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All that one frame led to, with the time each stage took in seconds."""

    frame: Frame
    seen: Observation
    tracks: tuple[Track, ...]
    verdict: Verdict
    took_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Look:
    """What is seen without the network: the turn since the last frame, as far as it is known, and as fitted to the
    picture, known or not; the ego state after it; how textures grew; what gravity says of the camera; the picture in
    grey."""

    turned: EgoMotion
    fitted: EgoMotion
    ego: EgoState
    growth: tuple[Growth, ...]
    gravity: Gravity | None
    grey: Image


class Pipeline:
    """Holds the state of every stage. One frame at a time, in order. Refuses pictures too small (`BadInput`).

    `age_s(frame)` tells how old a frame is when it is judged; for a file that is judged on its own time it
    is 0. `gyro` tells the camera's turns better than the picture, and which way is down, where there is one.
    """

    def __init__(
        self,
        config: Config,
        lens: Pinhole,
        detector: Detector,
        age_s: Callable[[Frame], float],
        gyro: GyroFusion | None = None,
    ) -> None:
        short, long = sorted((lens.width_px, lens.height_px))
        if short < _LEAST_PX or long > _LONGEST * short:
            raise BadInput(
                f"pictures of {lens.width_px}x{lens.height_px}: cannot be judged; {_LEAST_PX} pixels each way at "
                f"least, and one way at most {_LONGEST} times the other"
            )
        self._config = config
        self._lens = lens
        self._detector = detector
        self._age_s = age_s
        self._own = Ignored(config.camera.ignore, (lens.width_px, lens.height_px))
        self._seen = self._own.seen((lens.width_px, lens.height_px))
        self._flow = FlowEgo(lens, self._own)
        self._lane = LaneDetector(lens, config.camera.height_m, self._own)
        self._gyro = gyro
        self._rules = Rules(config, lens)
        self._looming = (
            LoomingDetector(config.looming, lens, config.camera, config.track.usual_pace_m_s)
            if config.looming.enabled
            else None
        )
        self._low = (
            LowDetector(config.looming, lens, config.camera)
            if config.looming.enabled and config.looming.low
            else None
        )
        self._grey: Image | None = None
        self._aside = ThreadPoolExecutor(1, "aside")

    def use(self, detector: Detector) -> None:
        """Go on with another detector from the next frame."""
        self._detector = detector

    @property
    def untextured(self) -> bool:
        """Whether the path ahead shows too little texture for the class-agnostic channel to judge by."""
        return self._looming is not None and self._looming.blind

    def process_frame(self, frame: Frame, faults: tuple[Fault, ...] = ()) -> FrameResult:
        """See, follow and judge one frame."""
        clock = time.perf_counter
        t0 = clock()
        aside = self._aside.submit(
            self._look_aside, frame
        )  # what needs no detections, while the network runs
        ahead = self._aside.submit(self._look_ahead, frame, aside)
        detections = tuple(self._detector.detect(frame.image, lambda: self._hints(aside.result())))
        t1 = clock()
        look = aside.result()
        t2 = clock()
        sight, lane = ahead.result()
        observed = Observation(
            frame.seq,
            frame.captured_ns,
            detections,
            look.turned,
            look.growth,
            sight.patches,
            sight.speed,
            faults,
            sight.heading,
            look.gravity,
            lane,
        ).rounded()
        t3 = clock()
        tracks, verdict = self._rules.judge_frame(observed, self._age_s(frame))
        t4 = clock()
        took = {"detect": t1 - t0, "ego": t2 - t1, "looming": t3 - t2, "rules": t4 - t3}
        return FrameResult(frame, observed, tracks, verdict, took)

    def _look_aside(self, frame: Frame) -> _Look:
        """How the camera turned and what the texture says, both since the last frame."""
        moving = tuple(t.box for t in self._rules.tracks)
        fitted = self._flow.estimate_turn(frame.image, moving, self._rules.pitch_rad).rounded()
        turned = fitted if fitted.known else EgoMotion()
        if self._gyro is not None:
            turned = self._gyro.fuse(turned, frame.captured_ns).rounded()
        gravity = self._gyro.level(turned, frame.captured_ns) if self._gyro is not None else None
        ego = self._rules.turn(turned, frame.captured_ns)
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        return _Look(turned, fitted, ego, self._growth(grey, turned), gravity, grey)

    def _look_ahead(self, frame: Frame, aside: Future[_Look]) -> tuple[Sight, Lane | None]:
        """What else is in the way, and the lane; the worker that looked aside does this next: nothing is waited for."""
        look = aside.result()
        known = [replace(t, box=moved(t.box, look.turned, self._lens)) for t in self._rules.tracks]
        lane = self._lane.detect(look.grey, frame.captured_ns, look.ego, [t.box for t in known])
        return self._loom(frame, look, known), lane

    def _loom(self, frame: Frame, look: _Look, known: list[Track]) -> Sight:
        if self._looming is None:
            return Sight()
        sight = self._looming.detect(
            look.grey, frame.captured_ns, look.fitted, look.ego, known, holds=self._rules.holds_patches
        )
        if self._low is None:
            return sight
        low = self._low.detect(look.grey, frame.captured_ns, look.fitted, look.ego)
        return sight if low is None else dataclasses.replace(sight, patches=(*(sight.patches or ()), *low))

    def _hints(self, look: _Look) -> Hints:
        """Where the tracks should be in this frame, most urgent first, and where the path leads, for the detector's
        closer look."""
        urgent = sorted(self._rules.tracks, key=lambda t: math.inf if t.ttc_s is None else t.ttc_s)
        ahead_px = pixel(Direction(0.0, 0.0), axes(look.ego), self._lens)
        return Hints(
            tuple((t.id, moved(t.box, look.turned, self._lens)) for t in urgent), ahead_px, self._own
        )

    def _growth(self, grey: Image, ego: EgoMotion) -> tuple[Growth, ...]:
        """What the texture says of each track's growth since the last frame."""
        before, self._grey = self._grey, grey
        if before is None:
            return ()
        return measure_growth(before, grey, *self._rules.expect(ego), self._seen)


def age_of_live(frame: Frame) -> float:
    """Seconds since a live frame was captured."""
    return max(0.0, (time.monotonic_ns() - frame.captured_ns) / NS_PER_S)


def age_of_file(frame: Frame) -> float:  # noqa: ARG001
    """A file is judged on its own time: its frames are never old."""
    return 0.0
