"""What is measured of a thing, and the thing over time."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import msgspec

from rearguard.types.bounds import Label, Metres, Nanoseconds, Number, Rate, Share, Spread
from rearguard.types.picture import Box

STILL_PER_S = 0.02  # a thing that expands more slowly than this is 50 s away: it keeps its distance


# The middle of a thigh: over what is higher one does not trip, and its expansion tells it.
HIGHEST_LOW_M = 0.7


class Growth(msgspec.Struct, frozen=True, array_like=True):
    """How much a thing's texture grew since the last frame: ln of the scale, with its standard deviation.

    `detection` is the place of the thing's box among the detections of the last frame.
    """

    detection: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    ln_scale: Annotated[float, msgspec.Meta(ge=-10, le=10)]
    sd: Annotated[float, msgspec.Meta(gt=0, le=10)]


class SizePrior(NamedTuple):
    """What is known of a thing by its label: ln of its height in metres with sd, its own speed's sd in m/s, and how far
    its velocity wanders, m/s per root second: across the line of sight (agility) and along it (pace);
    and whether the detector often names something so that is none."""

    ln_height: float
    ln_height_sd: float
    speed_m_s: float
    agility_m_s_rs: float
    pace_m_s_rs: float
    often_false: bool


class LoomingPatch(msgspec.Struct, frozen=True, array_like=True):
    """Points of one picture that stand up from the ground at one depth.

    `rate_per_s` is the relative expansion rate 1/TTC with standard deviation `sd_per_s`; `left_m` and `right_m`
    are its sides, from the wearer's path, positive to picture-right; `support` how many points count for it.
    `low`: it was told from the ground that it stands on, by a few centimetres.
    """

    rate_per_s: Rate
    sd_per_s: Spread
    left_m: Metres
    right_m: Metres
    range_m: Metres
    box: Box
    support: Spread
    low: bool = False


class Motion(msgspec.Struct, frozen=True, array_like=True):
    """Where a thing is and how it moves against the wearer: the posterior of the tracker's filter.

    In log-polar coordinates about the wearer, axes along the path: `mean` is ln of the range in metres, the
    bearing from the path (rad, positive to picture-right), and their rates per second, (d ln R/dt, dβ/dt);
    `covariance` (4 by 4) goes with it.
    """

    mean: tuple[float, float, float, float]
    covariance: tuple[tuple[float, float, float, float], ...]

    @property
    def range_m(self) -> float:
        return math.exp(min(self.mean[0], 11.0))

    @property
    def closing_per_s(self) -> float:
        """The relative expansion rate r = -d ln R/dt: the inverse of the time to collision."""
        return -self.mean[2]

    @property
    def closing_sd_per_s(self) -> float:
        return math.sqrt(max(self.covariance[2][2], 0.0))


class Track(msgspec.Struct, frozen=True, array_like=True):
    """One thing over time, as of `at_ns` (the capture time of the newest frame).

    `existence` is the probability that there is such a thing now. `truncated`: the box touches the picture's
    edge, so that its height is no measure of scale. `kind` is "detected", "looming" from the class-agnostic
    channel, or "low" from that of what one trips over. `appears`: it is just coming into view over an edge, in parts,
    which seem to grow whatever it does.
    """

    id: Number
    label: Label
    box: Box
    score: Share
    at_ns: Nanoseconds
    first_ns: Nanoseconds
    seen_ns: Nanoseconds
    hits: Number
    existence: Share
    motion: Motion
    truncated: bool = False
    kind: Label = "detected"
    appears: bool = False

    @property
    def range_m(self) -> float:
        return self.motion.range_m

    @property
    def closing_per_s(self) -> float:
        return self.motion.closing_per_s

    @property
    def closing_sd_per_s(self) -> float:
        return self.motion.closing_sd_per_s

    @property
    def ttc_s(self) -> float | None:
        """Time to collision, 1/r; None while it does not come nearer (slower than in 50 s)."""
        return 1.0 / self.closing_per_s if self.closing_per_s > STILL_PER_S else None

    @property
    def ttc_sd_s(self) -> float | None:
        """Standard deviation of `ttc_s`, to first order: sigma_r / r²."""
        return None if self.ttc_s is None else self.closing_sd_per_s * self.ttc_s**2
