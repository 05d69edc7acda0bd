"""The rules, wired once: frame numbers in, tracks and verdict out.

The live pipeline, replay and the scenarios all judge through this; nothing else calls the tracker or the judge.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.detect.classes import size_priors
from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole, moved
from rearguard.ego.state import EgoEstimator
from rearguard.judge.judge import Memory, judge
from rearguard.track.patches import Patches
from rearguard.track.tracker import Tracker
from rearguard.types import Box, EgoMotion, EgoState, Observation, Track, Verdict

_FELT_FOR_S = 2.0  # until left and right are known (`ego.swing`)
_UNFELT_FOR_S = 0.5  # a few frames without the gyroscope turn no path


class Rules:
    """Ego estimator, tracker and judge with their memory. One observation at a time, in order."""

    def __init__(self, config: Config, lens: Pinhole) -> None:
        self._config = config
        self._lens = lens
        known = size_priors(config.detect.ignore, config.detect.heights_m)
        self._ego = EgoEstimator(math.radians(config.camera.pitch_deg), config.track.usual_pace_m_s)
        own = Ignored(config.camera.ignore, (lens.width_px, lens.height_px))
        self._tracker = Tracker(config.track, lens, known, min_score=config.detect.min_score, own=own)
        self._patches = Patches(config.looming, lens.focal_px)
        self._memory = Memory()
        earlier_s = config.judge.lead_s + config.gyro.earlier_s
        self._levels = config.judge, replace(config.judge, lead_s=earlier_s)
        self._felt_ns: tuple[int, int] | None = None  # from when to when a gyroscope told the turns
        self.tracks: tuple[Track, ...] = ()

    @property
    def holds_patches(self) -> bool:
        """Whether something looming is followed, believed in or not yet."""
        return self._patches.holds

    @property
    def pitch_rad(self) -> float:
        """How far down the camera pointed in the last frame."""
        return self._ego.state.pitch_rad

    def turn(self, ego: EgoMotion, at_ns: int) -> EgoState:
        """The ego state of the frame captured at `at_ns`, which is judged next; asked twice, the same."""
        return self._ego.add_turn(ego, at_ns)

    def expect(self, ego: EgoMotion) -> tuple[dict[int, Box], dict[int, Box]]:
        """The boxes of the last frame whose growth is wanted, by place among its detections, and where the camera's
        turn takes them in the next one."""
        then = self._tracker.continued
        return then, {i: moved(box, ego, self._lens) for i, box in then.items()}

    def judge_frame(self, seen: Observation, age_s: float = 0.0) -> tuple[tuple[Track, ...], Verdict]:
        """The tracks as of this frame, looming ones last, and the verdict; `age_s` is how old the frame is now."""
        ego = self.turn(seen.ego, seen.captured_ns)
        self.tracks = tuple(self._tracker.update(seen, ego))
        tracks = (*self.tracks, *self._patches.update(seen, ego, self.tracks))
        self._ego.add_speed(seen.speed)
        self._ego.add_heading(seen.heading)
        self._ego.add_gravity(seen.gravity)
        self._ego.add_lane(seen.lane)
        self._memory, verdict = judge(
            self._memory,
            tracks,
            self._levels[self._knows_sides(seen)],
            ego,
            seq=seen.seq,
            captured_ns=seen.captured_ns,
            latency_s=age_s,
            mount=self._config.camera.mount,
            faults=seen.faults,
        )
        return tracks, verdict

    def _knows_sides(self, seen: Observation) -> bool:
        """Whether a gyroscope has told the turns for long enough to warn earlier by it."""
        at_ns = seen.captured_ns
        if self._felt_ns is not None and at_ns - self._felt_ns[1] > _UNFELT_FOR_S * NS_PER_S:
            self._felt_ns = None
        if seen.ego.felt:
            self._felt_ns = (at_ns if self._felt_ns is None else self._felt_ns[0], at_ns)
        return self._felt_ns is not None and at_ns - self._felt_ns[0] >= _FELT_FOR_S * NS_PER_S
