"""Keeping up while the machine gets hot: a smaller picture for the network, and the full one again when it can.

At the start `detect.fit` chooses by trying; on the way, what each frame took is trial enough. A new network is
made in the background and takes over between two frames, so that nothing is missed meanwhile.
"""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.detect.fit import FULL_FPS, HEADROOM, SMALLEST_PX, STEPS
from rearguard.types import Fault
from rearguard.vision.pipeline import FrameResult, Pipeline

_log = logging.getLogger(__name__)

_FRAMES = 15  # the median of so many counts
_SLOW_S = 5.0  # slow or hot for this long counts
_CALM_S = 60.0  # well for this long before a larger input is tried; doubled each time that was too much
_LONGEST_CALM_S = 960.0
_FAULTY = {Fault.HOT, Fault.THROTTLED}


class Pace:
    """Decides; pure, time injected. `configured` is the largest input it will go to, `now` the one in use."""

    def __init__(self, configured: Detect, now: Detect, want_fps: float) -> None:
        self._steps = [
            msgspec.structs.replace(now, input_px=px)
            for px in (round(configured.input_px * share) for share in STEPS)
            if px >= min(SMALLEST_PX, now.input_px)
        ]
        nearest = min(self._steps, key=lambda step: abs(step.input_px - now.input_px))
        self._at = self._steps.index(nearest)
        self._want_s = 1 / want_fps
        self._took: deque[float] = deque(maxlen=_FRAMES)
        self._ill_ns: int | None = None  # since when it has been too slow or too hot
        self._well_ns: int | None = None  # since when there would have been room for more
        self._calm_s = _CALM_S
        self._rose = False  # the last change was to a larger input

    def choose_input(self, at_ns: int, detect_s: float, hot: bool) -> Detect | None:
        """Take in how long one frame's detection took. Returns the settings to change to, if any."""
        self._took.append(detect_s)
        if len(self._took) < _FRAMES:
            return None
        median = sorted(self._took)[_FRAMES // 2]
        ill = hot or median > self._want_s
        well = not hot and self._at > 0 and median * self._dearer() * HEADROOM < self._want_s
        self._ill_ns = (self._ill_ns or at_ns) if ill else None
        self._well_ns = (self._well_ns or at_ns) if well else None
        if self._lasts(self._ill_ns, at_ns, _SLOW_S) and self._at + 1 < len(self._steps):
            if self._rose:
                self._calm_s = min(2 * self._calm_s, _LONGEST_CALM_S)
            return self._change_input(1)
        if self._lasts(self._well_ns, at_ns, self._calm_s):
            return self._change_input(-1)
        return None

    def _dearer(self) -> float:
        """How many times the work the next larger input is."""
        return self._steps[self._at - 1].input_px / self._steps[self._at].input_px

    def _lasts(self, since_ns: int | None, at_ns: int, seconds: float) -> bool:
        return since_ns is not None and at_ns - since_ns >= seconds * NS_PER_S

    def _change_input(self, by: int) -> Detect:
        self._at += by
        self._rose = by < 0
        self._took.clear()
        self._ill_ns = self._well_ns = None
        return self._steps[self._at]


class Adapter:
    """Carries the decisions out for a pipeline of pictures of `size` (width, height)."""

    def __init__(
        self, pipeline: Pipeline, configured: Detect, now: Detect, camera_fps: float, size: tuple[int, int]
    ) -> None:
        self._pipeline = pipeline
        self._pace = Pace(configured, now, min(FULL_FPS, camera_fps))
        self._size = size
        self._maker = ThreadPoolExecutor(1, "adapt")
        self._coming: Future[Detector] | None = None

    def note_frame(self, step: FrameResult) -> None:
        """After each frame: swap the network if a new one is ready, or have one made."""
        if self._coming is not None:
            if self._coming.done():
                self._swap_network(self._coming)
            return
        hot = bool(_FAULTY.intersection(step.verdict.faults))
        change = self._pace.choose_input(step.frame.captured_ns, step.took_s["detect"], hot)
        if change is not None:
            self._coming = self._maker.submit(Detector, change, self._size)

    def _swap_network(self, made: Future[Detector]) -> None:
        self._coming = None
        try:
            detector = made.result()
        except Exception as e:  # the present network goes on
            _log.error("a network of another size could not be made: %s", e)
            return
        self._pipeline.use(detector)
        _log.warning("detect.input_px is now %d, for this machine's pace and heat", detector.config.input_px)
