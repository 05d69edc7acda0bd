"""What is felt and what is stored: cues, faults, near misses, passages."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rearguard.types.bounds import UNSTORED, Label, Metres, Nanoseconds, Number, Spread
from rearguard.types.picture import Box
from rearguard.types.verdict import Reason
from rearguard.types.words import CueName, Fault, Level, Side


class Cue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A vibration pattern as it begins to play, and what it answers.

    `at_ns` is on the frames' clock, `seq` the frame it answers (None for what the warden plays by itself). A
    threat cue has a `reason` and the `track` it is about, a fault cue its `faults`. `repeat`: the same cue for the
    same reason goes on.
    """

    at_ns: Nanoseconds
    cue: CueName
    side: Side = Side.CENTRE
    seq: Number | None = None
    track: Number | None = None
    reason: Reason | None = None
    faults: tuple[Fault, ...] = ()
    repeat: Annotated[bool, UNSTORED] = False


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that came near and was seen at its nearest, warned of or not: `level` is the highest it had.

    `at_ns` is the capture time of the frame in which it was nearest, `range_m` how near that was, `pass_m` how far from
    the wearer's middle it passed, or would have.
    """

    at_ns: Nanoseconds
    label: Label
    kind: Label
    side: Side
    level: Level
    range_m: Metres
    pass_m: Annotated[float, msgspec.Meta(ge=0, le=1e5)] | None = None


class FaultSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which a fault stood; `ended_ns` is None while it lasts."""

    fault: Fault
    began_ns: Nanoseconds
    ended_ns: Nanoseconds | None = None


class TracePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a near miss; where it was not `seen`, box and reason are what was expected of it."""

    t_ns: Nanoseconds
    seq: Number
    box: Box
    level: Level
    reason: Reason
    seen: bool = True


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """A thing met whose threat reached CAUTION or more, from first sight to release, however many tracks it was.

    Times are the capture times of frames (`Frame.captured_ns`). `track` and `label` are those seen most often,
    `tracks` all that it was.
    `lead_time_s` is the TTC as felt when the first CAUTION-or-more cue was due: how much warning the wearer had.
    `min_ttc_s`, smoothed over some frames, and `range_m` are of the worst moment in which it was seen. `side` and
    `pass_m` are where it passed, or would have: how far from the wearer's middle, metres, with its standard deviation.
    """

    track: Number
    label: Label
    kind: Label
    side: Side
    level: Level
    min_ttc_s: float | None
    range_m: float | None
    lead_time_s: float | None
    first_ns: Nanoseconds
    warned_ns: Nanoseconds
    worst_ns: Nanoseconds
    released_ns: Nanoseconds
    worst_seq: Number
    pass_m: Annotated[float, msgspec.Meta(ge=0, le=1e5)] | None = None
    pass_sd_m: Spread | None = None
    tracks: tuple[Number, ...] = ()
    trace: tuple[TracePoint, ...] = ()
