"""Tracking and time to collision."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Track(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Association and the log-scale Kalman filter."""

    max_missed_s: Annotated[
        float, within(0.1, 3.0, "how long a track lives unseen; longer bridges gaps, and keeps ghosts")
    ] = 0.6
    min_hits: Annotated[int, within(1, 10, "detections before a track counts; each costs a frame of warning")] = 3
    scale_noise: Annotated[
        float, within(0.002, 0.3, "expected relative noise of a box's height; the filter starts from it")
    ] = 0.03
    rate_noise: Annotated[
        float, within(0.01, 2.0, "how fast the expansion rate may wander, 1/s per root s; more is quicker and jumpier")
    ] = 0.1
    usual_pace_m_s: Annotated[
        float, within(0.5, 8.0, "the wearer's usual speed: what a new track is assumed to close at until it is seen")
    ] = 2.5
