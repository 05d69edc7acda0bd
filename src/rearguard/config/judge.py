"""Levels and the corridor."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Judge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a track is a threat and how urgent it is."""

    notice_ttc_s: Annotated[
        float, within(1.0, 15.0, "NOTICE at this TTC as felt; more is earlier and busier")
    ] = 4.0
    caution_ttc_s: Annotated[float, within(0.8, 10.0, "CAUTION at this TTC as felt")] = 3.0
    critical_ttc_s: Annotated[
        float, within(0.5, 6.0, "CRITICAL at this TTC as felt; 2.0 leaves time to feel, look and step aside")
    ] = 2.0
    lead_s: Annotated[
        float,
        within(
            0.0, 1.5, "added to CAUTION and CRITICAL for what estimating and confirming take; more is earlier"
        ),
    ] = 0.25
    motor_onset_s: Annotated[
        float, within(0.0, 0.5, "time from pin to felt vibration; subtracted from TTC")
    ] = 0.08
    corridor_half_width_m: Annotated[
        float, within(0.3, 3.0, "half the width the body sweeps, with margin; wider warns of passers-by")
    ] = 0.9
    guard_range_m: Annotated[
        float, within(0.0, 5.0, "closing and nearer than this is CRITICAL whatever the TTC says")
    ] = 1.5
    near_range_m: Annotated[
        float,
        within(0.0, 8.0, "closing, however slowly, and nearer than this is CAUTION; wider warns of company"),
    ] = 2.0
    young_s: Annotated[
        float,
        within(0.0, 2.0, "a thing seen for less than this is CAUTION at most; longer startles less, later"),
    ] = 0.45
    young_range_m: Annotated[
        float, within(0.0, 30.0, "nearer than this a new thing may be CRITICAL at once")
    ] = 8.0
    young_critical_ttc_s: Annotated[
        float, within(0.0, 6.0, "with less time left than this a new thing is CRITICAL at any range")
    ] = 1.6
    release_s: Annotated[float, within(0.0, 5.0, "how long a level must be gone before it is let go")] = 0.7
