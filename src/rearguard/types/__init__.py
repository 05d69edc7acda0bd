"""The types of rearguard: one frozen type for every arrow in the way of the data.

    camera ─Frame─► detect ─Detection─► track ─Track─► judge ─Verdict─► cue ─Cue─► motor

No module of it imports anything heavy, so that the warden can share the types without loading NumPy.
Units are in the names: `_s` seconds, `_ns` nanoseconds, `_m` metres, `_px` pixels, `_rad` radians.
The types are msgspec structs: what crosses a process, a file or the network is checked against them.
"""

from rearguard.types.bounds import (
    UNSTORED,
    Angle,
    Label,
    Metres,
    Nanoseconds,
    Number,
    Pixels,
    Rate,
    Share,
    Spread,
)
from rearguard.types.ego import EgoMotion, EgoState, Gravity, Heading, Lane, Speed
from rearguard.types.observation import Observation
from rearguard.types.picture import Box, Detection, Frame, Image, Region, TrueThing, hidden_share
from rearguard.types.record import Cue, FaultSpan, NearMiss, Passage, TracePoint
from rearguard.types.track import HIGHEST_LOW_M, STILL_PER_S, Growth, LoomingPatch, Motion, SizePrior, Track
from rearguard.types.verdict import Reason, ReasonCode, Threat, Verdict
from rearguard.types.words import CueName, Fault, Level, MarkKind, Side

__all__ = [
    "HIGHEST_LOW_M",
    "STILL_PER_S",
    "UNSTORED",
    "Angle",
    "Box",
    "Cue",
    "CueName",
    "Detection",
    "EgoMotion",
    "EgoState",
    "Fault",
    "FaultSpan",
    "Frame",
    "Gravity",
    "Growth",
    "Heading",
    "Image",
    "Label",
    "Lane",
    "Level",
    "LoomingPatch",
    "MarkKind",
    "Metres",
    "Motion",
    "Nanoseconds",
    "NearMiss",
    "Number",
    "Observation",
    "Passage",
    "Pixels",
    "Rate",
    "Reason",
    "ReasonCode",
    "Region",
    "Share",
    "Side",
    "SizePrior",
    "Speed",
    "Spread",
    "Threat",
    "TracePoint",
    "Track",
    "TrueThing",
    "Verdict",
    "hidden_share",
]
