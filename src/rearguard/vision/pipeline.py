"""The way of the data, once per frame: detect, ego-motion, track, looming, judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.detect.classes import heights
from rearguard.detect.detector import Detector
from rearguard.detect.foveate import Hints
from rearguard.ego.flow import FlowEgo
from rearguard.ego.geometry import Pinhole, moved
from rearguard.errors import BadInput
from rearguard.judge.judge import Memory, judge
from rearguard.looming.channel import Looming
from rearguard.track.growth import Growth, measure
from rearguard.track.tracker import Tracker
from rearguard.words import Detection, EgoMotion, Frame, Image, Track, Trouble, Verdict

_LEAST_PX = 32
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class Step:
    """All that one frame led to, with the time each stage took in seconds."""

    frame: Frame
    detections: tuple[Detection, ...]
    ego: EgoMotion
    tracks: tuple[Track, ...]
    verdict: Verdict
    took_s: dict[str, float]


class Pipeline:
    """Holds the state of every stage. One frame at a time, in order. Refuses pictures too small (`BadInput`).

    `age_s(frame)` tells how old a frame is when it is judged; for a file that is judged on its own time it
    is 0.
    """

    def __init__(
        self, config: Config, lens: Pinhole, detector: Detector, age_s: Callable[[Frame], float]
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
        self._ego = FlowEgo(lens)
        known = heights(config.detect.ignore, config.detect.heights_m)
        self._tracker = Tracker(config.track, lens, known, min_score=config.detect.min_score)
        self._looming = (
            Looming(config.looming, lens, config.camera, config.track.usual_pace_m_s)
            if config.looming.enabled
            else None
        )
        self._memory = Memory()
        self._tracks: tuple[Track, ...] = ()
        self._grey: Image | None = None
        self._aside = ThreadPoolExecutor(1, "aside")
        rise = math.tan(math.radians(config.camera.pitch_deg)) * lens.focal_px
        self._ahead_px = (0.5 * lens.width_px, 0.5 * lens.height_px - rise)

    def use(self, detector: Detector) -> None:
        """Go on with another detector from the next frame."""
        self._detector = detector

    @property
    def untextured(self) -> bool:
        """Whether the path ahead shows too little texture for the class-agnostic channel to judge by."""
        return self._looming is not None and self._looming.blind

    def step(self, frame: Frame, troubles: tuple[Trouble, ...] = ()) -> Step:
        """See, follow and judge one frame."""
        clock = time.perf_counter
        t0 = clock()
        aside = self._aside.submit(
            self._look_aside, frame
        )  # what needs no detections, while the network runs
        looming = self._aside.submit(self._loom, frame, aside)
        detections = tuple(self._detector.detect(frame.image, lambda: self._hints(aside.result()[0])))
        t1 = clock()
        ego, growth, _ = aside.result()
        t2 = clock()
        self._tracks = tuple(self._tracker.step(frame.captured_ns, detections, ego, growth))
        tracks = (*self._tracks, *looming.result())
        t3 = clock()
        self._memory, verdict = judge(
            self._memory,
            tracks,
            self._config.judge,
            seq=frame.seq,
            captured_ns=frame.captured_ns,
            latency_s=self._age_s(frame),
            mount=self._config.camera.mount,
            troubles=troubles,
        )
        t4 = clock()
        took = {"detect": t1 - t0, "ego": t2 - t1, "track": t3 - t2, "judge": t4 - t3}
        return Step(frame, detections, ego, tracks, verdict, took)

    def _look_aside(self, frame: Frame) -> tuple[EgoMotion, dict[int, Growth], EgoMotion]:
        """How the camera turned and what the texture says, both since the last frame; last what was fitted of the
        turn, known or not."""
        fitted = self._ego.look(frame.image, tuple(t.box for t in self._tracks))
        ego = fitted if fitted.known else EgoMotion()
        return ego, self._growth(frame, ego), fitted

    def _loom(
        self, frame: Frame, aside: Future[tuple[EgoMotion, dict[int, Growth], EgoMotion]]
    ) -> list[Track]:
        """What else is in the way; the worker that looked aside does this next, so nothing is waited for."""
        ego, _, fitted = aside.result()
        if self._looming is None or self._ego.grey is None:
            return []
        known = [replace(t, box=moved(t.box, ego, self._lens)) for t in self._tracks]
        return self._looming.look(self._ego.grey, frame.captured_ns, fitted, known)

    def _hints(self, ego: EgoMotion) -> Hints:
        """Where the tracks should be in this frame, most urgent first, for the detector's closer look."""
        urgent = sorted(self._tracks, key=lambda t: math.inf if t.ttc_s is None else t.ttc_s)
        return Hints(tuple((t.id, moved(t.box, ego, self._lens)) for t in urgent), self._ahead_px)

    def _growth(self, frame: Frame, ego: EgoMotion) -> dict[int, Growth]:
        """What the texture says of each track's growth since the last frame."""
        before, self._grey = self._grey, cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        if before is None:
            return {}
        return measure(before, self._grey, *self._tracker.expect(ego))


def age_of_live(frame: Frame) -> float:
    """Seconds since a live frame was captured."""
    return max(0.0, (time.monotonic_ns() - frame.captured_ns) / NS_PER_S)


def age_of_file(frame: Frame) -> float:  # noqa: ARG001
    """A file is judged on its own time: its frames are never old."""
    return 0.0
