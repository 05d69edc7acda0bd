"""Tracking and time to collision."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Track(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Association and the log-scale Kalman filter."""

    max_missed_s: Annotated[
        float, within(0.1, 3.0, "how long a track lives unseen; longer bridges gaps, and keeps ghosts")
    ] = 0.6
    min_hits: Annotated[
        int, within(1, 10, "good detections before a track counts; each costs a frame of warning")
    ] = 3
    min_score_things: Annotated[
        float,
        within(0.05, 0.95, "best score a thing other than a person must have reached; lower warns of ghosts"),
    ] = 0.5
    scale_noise: Annotated[
        float, within(0.002, 0.3, "expected relative noise of a box's height; the filter starts from it")
    ] = 0.03
    edge_noise: Annotated[
        float,
        within(0.0, 0.05, "expected noise of a box's edge as a share of picture height; far things feel it"),
    ] = 0.003
    speed_noise_m_s: Annotated[
        float,
        within(0.05, 5.0, "how fast a closing speed may wander, m/s per root s; more is quicker and jumpier"),
    ] = 0.6
    rate_noise: Annotated[
        float, within(0.01, 2.0, "the same as an expansion rate, 1/s per root s, where size tells no range")
    ] = 0.1
    fastest_closing_m_s: Annotated[
        float, within(3.0, 40.0, "nothing closes faster; a fast cyclist met by a fast runner is 15")
    ] = 15.0
    usual_pace_m_s: Annotated[
        float,
        within(
            0.5, 8.0, "the wearer's usual speed: what a new track is assumed to close at until it is seen"
        ),
    ] = 2.5
