"""What the judge says of a frame, and why."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from rearguard.types.bounds import Label
from rearguard.types.picture import Box
from rearguard.types.words import Fault, Level, Side


class ReasonCode(StrEnum):
    """Why a thing has the level it has; `rearguard.text.explain` says each in words.

    "Stored only": journals hold it, the judge gives it no more.
    """

    NOT_CLOSING = "not_closing"  # it surely does not come nearer
    NOT_CLOSING_YET = "not_closing_yet"  # stored only: it does not come nearer so far
    NOT_SOON = "not_soon"  # more time is left than any level allows
    SOON = "soon"  # no more than `limit_s` is left
    VERY_NEAR = "very_near"  # stored only: it closes in, nearer than `limit_m`
    CLOSING_IN = "closing_in"  # stored only: slowly, but surely, nearer than `limit_m`
    PASSES = "passes"  # soon, but it surely misses the corridor
    MAY_PASS = "may_pass"  # stored only: soon, but it probably misses the corridor: NOTICE at most
    OLDER = "older"  # stored by an older version, in the words of `told`


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What decided a level, as numbers.

    `ttc_s` is the time left as felt: capture age and motor onset are already subtracted. `miss_m` is the
    distance at which the thing passes the wearer's middle, positive to picture-right; None while no offset is
    known, and then it counts as in the path. `probability` is that of coming into the corridor. `held_s`: the
    level is an earlier one, kept for so long before it is let go; `lost`: the thing was not seen in this frame.
    """

    code: ReasonCode
    ttc_s: float | None = None
    ttc_sd_s: float | None = None
    limit_s: float | None = None
    range_m: float | None = None
    limit_m: float | None = None
    miss_m: float | None = None
    miss_sd_m: float | None = None
    probability: float | None = None
    held_s: float | None = None
    lost: bool = False
    told: str = ""


class Threat(msgspec.Struct, frozen=True):
    """A track that may hit the wearer, or one that was judged harmless, with the reason for either."""

    track: int
    label: Label
    kind: Label
    level: Level
    side: Side
    box: Box
    reason: Reason

    @property
    def low(self) -> bool:
        """Whether it is something to trip over: what helps is to look down, not to look round."""
        return self.kind == "low"

    @property
    def ttc_s(self) -> float | None:
        """The time left as felt."""
        return self.reason.ttc_s

    @property
    def range_m(self) -> float | None:
        """How far away it is."""
        return self.reason.range_m


class Verdict(msgspec.Struct, frozen=True):
    """What the judge says of one frame: the most urgent level, whom it concerns, and why."""

    seq: int
    captured_ns: int
    level: Level
    side: Side
    threats: tuple[Threat, ...] = ()  # most urgent first, harmless ones included with their reasons
    faults: tuple[Fault, ...] = ()
    drift: Side | None = None  # on which side the wearer is about to leave the lane

    @property
    def worst(self) -> Threat | None:
        """The threat the level comes from, or None when all is clear."""
        return self.threats[0] if self.threats and self.level > Level.CLEAR else None
