"""One frame as numbers."""

from __future__ import annotations

import msgspec

from rearguard.types.bounds import Nanoseconds, Number
from rearguard.types.ego import EgoMotion, Gravity, Heading, Lane, Speed
from rearguard.types.picture import Box, Detection
from rearguard.types.track import Growth, LoomingPatch
from rearguard.types.words import Fault


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """One frame as numbers: all that the rules are told of it.

    `looming` is what expands, of no known class: None where nothing could be looked at in this frame. `speed` is
    the wearer's, where the ground told it, `heading` where the picture did, and `gravity` where an accelerometer did.
    """

    seq: Number
    captured_ns: Nanoseconds
    detections: tuple[Detection, ...]
    ego: EgoMotion
    growth: tuple[Growth, ...] = ()
    looming: tuple[LoomingPatch, ...] | None = None
    speed: Speed | None = None
    faults: tuple[Fault, ...] = ()
    heading: Heading | None = None
    gravity: Gravity | None = None
    lane: Lane | None = None

    def rounded(self) -> Observation:
        """The same to the precision that is stored: what is judged live and what is replayed are the same numbers."""
        boxes = (Box(*(round(v, 3) for v in msgspec.structs.astuple(d.box))) for d in self.detections)
        return Observation(
            self.seq,
            self.captured_ns,
            tuple(
                Detection(box, d.label, round(d.score, 4))
                for box, d in zip(boxes, self.detections, strict=True)
            ),
            self.ego.rounded(),
            tuple(Growth(g.detection, round(g.ln_scale, 7), max(round(g.sd, 7), 1e-6)) for g in self.growth),
            None if self.looming is None else tuple(_rounded(p) for p in self.looming),
            self.speed and self.speed.rounded(),
            self.faults,
            self.heading and self.heading.rounded(),
            self.gravity and self.gravity.rounded(),
            self.lane and self.lane.rounded(),
        )


def _rounded(patch: LoomingPatch) -> LoomingPatch:
    b = patch.box
    return LoomingPatch(
        rate_per_s=round(patch.rate_per_s, 5),
        sd_per_s=round(patch.sd_per_s, 5),
        left_m=round(patch.left_m, 4),
        right_m=round(patch.right_m, 4),
        range_m=round(patch.range_m, 4),
        box=Box(round(b.x0, 2), round(b.y0, 2), round(b.x1, 2), round(b.y1, 2)),
        support=round(patch.support, 3),
        low=patch.low,
    )
