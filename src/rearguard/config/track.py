"""Tracking and time to collision."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Track(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Association and the filter's prior."""

    max_missed_s: Annotated[
        float, within(0.1, 3.0, "how long a track lives unseen at most; its existence fades before")
    ] = 1.0
    usual_pace_m_s: Annotated[
        float,
        within(0.5, 8.0, "the wearer's usual speed, until the ground tells it"),
    ] = 2.5
