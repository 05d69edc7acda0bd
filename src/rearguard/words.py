"""The words of rearguard: one frozen type for every arrow in the way of the data.

    camera ─Frame─► detect ─Detection─► track ─Track─► judge ─Verdict─► cue ─Cue─► motor

This module imports nothing heavy, so that the warden can share the vocabulary without loading NumPy.
Units are in the names: `_s` seconds, `_ns` nanoseconds, `_m` metres, `_px` pixels, `_rad` radians.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A string, so that the name can be imported where NumPy is not.
Image: TypeAlias = "NDArray[np.uint8]"


class Level(IntEnum):
    """How urgent a threat is; comparable, higher is more urgent."""

    CLEAR = 0
    NOTICE = 1
    CAUTION = 2
    CRITICAL = 3


class Side(StrEnum):
    """Where a threat is, as the *wearer* feels it (a back-plate camera mirrors the picture)."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"


class CueName(StrEnum):
    """Every vibration pattern there is; `rearguard.cue.table` says what each feels like."""

    CRITICAL = "CRITICAL"
    CAUTION = "CAUTION"
    NOTICE = "NOTICE"
    CLEAR = "CLEAR"
    BLIND = "BLIND"
    FAULT = "FAULT"
    DEGRADED = "DEGRADED"
    LOW_POWER = "LOW_POWER"
    SHUTDOWN = "SHUTDOWN"
    MUTED = "MUTED"
    READY = "READY"
    ALIVE = "ALIVE"


class Trouble(StrEnum):
    """What can keep rearguard from protecting; `rearguard.cue.table` maps each to a fault cue."""

    NO_FRAME = "no_frame"
    FROZEN_FRAME = "frozen_frame"
    REPEATED_PICTURE = "repeated_picture"
    DARK = "dark"
    DIM = "dim"
    COVERED = "covered"
    BLURRED = "blurred"
    GLARE = "glare"
    OUT_OF_AIM = "out_of_aim"
    NO_TEXTURE = "no_texture"
    LOW_FRAME_RATE = "low_frame_rate"
    SLOW_DETECTOR = "slow_detector"
    HOT = "hot"
    THROTTLED = "throttled"
    UNDERVOLTAGE = "undervoltage"
    DISK_FULL = "disk_full"
    JOURNAL_FAILED = "journal_failed"
    CAMERA_LOST = "camera_lost"
    STAGE_FAILED = "stage_failed"
    VISION_SILENT = "vision_silent"
    VISION_DIED = "vision_died"
    GAVE_UP = "gave_up"
    SELF_TEST = "self_test"
    MOTOR_FAILED = "motor_failed"


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in picture pixels: left, top, right, bottom; x grows right, y grows down."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def cx(self) -> float:
        return 0.5 * (self.x0 + self.x1)

    @property
    def cy(self) -> float:
        return 0.5 * (self.y0 + self.y1)

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)


@dataclass(frozen=True, slots=True)
class TrueThing:
    """Ground truth of one thing in a simulated world at the moment of a frame.

    `ttc_s` is the time until the gap along the path closes at the present speeds (None: not closing),
    `miss_m` the lateral distance from the wearer's path at that moment, positive to picture-right.
    """

    name: str
    label: str
    box: Box | None
    range_m: float
    lateral_m: float
    ttc_s: float | None
    miss_m: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: BGR uint8 (height, width, 3), its capture time and its sequence number.

    `captured_ns` is CLOCK_MONOTONIC for a live source and the source's own time, from 0, for a file or
    a simulation that is not run in real time. `dim`: the camera's exposure and gain are at their ends.
    """

    seq: int
    captured_ns: int
    image: Image
    truth: tuple[TrueThing, ...] = ()
    dim: bool = False


@dataclass(frozen=True, slots=True)
class Detection:
    """Something the detector saw: box in frame pixels, label (COCO name), score 0..1."""

    box: Box
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class EgoMotion:
    """How the camera turned since the previous frame, from the background's flow.

    Small rotations in radians: `yaw_rad` positive when the camera turned to picture-right, `pitch_rad`
    positive when it turned down, `roll_rad` positive clockwise as seen in the picture's own frame.
    `quality` 0..1 is the share of background points that agree; 0 means that nothing could be fitted (rotations
    are 0).
    """

    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    quality: float = 0.0

    @property
    def known(self) -> bool:
        """Whether the turn is one: of torn, covered and noise pictures at most 0.05 of the points agree on any,
        of pictures of the same place 0.09 and more, unless a near thing fills them."""
        return self.quality >= 0.08


@dataclass(frozen=True, slots=True)
class Lateral:
    """Where a thing is beside the wearer's path and how it drifts, positive to picture-right.

    Offset in metres and drift in metres per second, with their variances and covariance.
    """

    offset_m: float
    drift_m_s: float
    var_offset: float
    cov: float
    var_drift: float

    def after(self, seconds: float) -> tuple[float, float]:
        """Offset and its standard deviation, in metres, `seconds` from now if the drift goes on."""
        variance = self.var_offset + 2 * seconds * self.cov + seconds * seconds * self.var_drift
        return self.offset_m + seconds * self.drift_m_s, max(0.0, variance) ** 0.5


@dataclass(frozen=True, slots=True)
class Track:
    """One thing over time, as of `at_ns` (the capture time of the newest frame).

    `closing_per_s` is the relative expansion rate r = d ln s/dt with standard deviation `closing_sd_per_s`;
    `ttc_s` = 1/r, None while it is not closing. `range_m` comes from a size prior and is secondary; it and
    `lateral` are None where the label has no known size. `truncated`: the box touches the picture's edge,
    so that its height is no measure of scale. `kind` is "detected", or "looming" from the class-agnostic
    channel.
    """

    id: int
    label: str
    box: Box
    score: float
    at_ns: int
    first_ns: int
    seen_ns: int
    hits: int
    closing_per_s: float
    closing_sd_per_s: float
    ttc_s: float | None
    range_m: float | None
    lateral: Lateral | None
    truncated: bool = False
    kind: str = "detected"

    @property
    def ttc_sd_s(self) -> float | None:
        """Standard deviation of `ttc_s`, to first order: sigma_r / r²."""
        return None if self.ttc_s is None else self.closing_sd_per_s * self.ttc_s**2


@dataclass(frozen=True, slots=True)
class Threat:
    """A track that may hit the wearer, or one that was judged harmless, with the reasons for either.

    `ttc_s` is the time left as felt: capture age and motor onset already subtracted.
    """

    track: int
    label: str
    kind: str
    level: Level
    side: Side
    ttc_s: float | None
    ttc_sd_s: float | None
    range_m: float | None
    miss_m: float | None
    box: Box
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one frame: the most urgent level, whom it concerns, and why."""

    seq: int
    captured_ns: int
    level: Level
    side: Side
    threats: tuple[Threat, ...] = ()  # most urgent first, harmless ones included with their reasons
    troubles: tuple[Trouble, ...] = ()

    @property
    def worst(self) -> Threat | None:
        """The threat the level comes from, or None when all is clear."""
        return self.threats[0] if self.threats and self.level > Level.CLEAR else None


@dataclass(frozen=True, slots=True)
class TracePoint:
    """One frame of a near miss."""

    t_ns: int
    seq: int
    box: Box
    ttc_s: float | None
    ttc_sd_s: float | None
    range_m: float | None
    miss_m: float | None
    level: Level
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An episode whose threat reached CAUTION or more, from first sight to release.

    Times are the capture times of frames (`Frame.captured_ns`). `lead_time_s` is the TTC as felt when the
    first CAUTION-or-more cue was due: how much warning the wearer had.
    """

    track: int
    label: str
    kind: str
    side: Side
    level: Level
    min_ttc_s: float | None
    range_m: float | None
    lead_time_s: float | None
    first_ns: int
    warned_ns: int
    worst_ns: int
    released_ns: int
    worst_seq: int
    trace: tuple[TracePoint, ...] = field(default=())
