"""Whether the wearer is about to leave the lane: from where its lines pass beside the camera, sighting by sighting."""

from __future__ import annotations

import math

from rearguard.ego.lane_path import LASTS_S
from rearguard.types import Lane, Metres

_INSIDE_M = 0.4  # from a line: well within a lane of 1.22 m, a step to either side of its middle
_AT_LINE_M = 0.25  # half a trunk: shoulder and elbow are over the line
_SIGHTINGS_INSIDE, _SIGHTINGS_AT_LINE = 3, 2  # one may be off; the latter in a row
_JUMPS_M = 0.2  # from sighting to sighting: another line, for nobody side-steps at two metres per second


class LaneKeeping:
    """Lanes in, the line that is about to be crossed out: `line_m`, positive to picture-right.

    Who comes from well within a lane to its line is leaving it; who runs on a line all the time is not.
    """

    def __init__(self) -> None:
        self.line_m: Metres | None = None
        self._lines = _Line(), _Line()
        self._told_s = math.inf

    def predict(self, dt: float) -> None:
        """`dt` seconds on."""
        for line in self._lines:
            line.unseen_s += dt
        self._told_s += dt
        if self._told_s > LASTS_S:  # so long a crossing is told
            self.line_m = None

    def measure(self, lane: Lane) -> None:
        """A lane that is believed."""
        for line, beside_m in zip(self._lines, (lane.left_m, lane.right_m), strict=True):
            if beside_m is not None and line.crosses(beside_m):
                self.line_m, self._told_s = beside_m, 0.0


class _Line:
    """The next line on one side."""

    def __init__(self) -> None:
        self.unseen_s = math.inf
        self._last_m = math.inf
        self._far = self._near = 0

    def crosses(self, beside_m: Metres) -> bool:
        """Whether this sighting tells that the wearer, who was well inside, has come to it."""
        if self.unseen_s > LASTS_S or abs(beside_m - self._last_m) > _JUMPS_M:
            self._far = self._near = 0
        self._last_m, self.unseen_s = beside_m, 0.0
        self._far += abs(beside_m) >= _INSIDE_M
        self._near = self._near + 1 if abs(beside_m) < _AT_LINE_M else 0
        if self._near < _SIGHTINGS_AT_LINE or self._far < _SIGHTINGS_INSIDE:
            return False
        self._far = 0
        return True
