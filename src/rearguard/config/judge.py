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
    ] = 0.4
    critical_probability: Annotated[
        float,
        within(0.1, 0.99, "probability of contact within that time that makes it CRITICAL; less is earlier"),
    ] = 0.5
    caution_probability: Annotated[
        float, within(0.1, 0.99, "probability of contact within that time that makes it CAUTION")
    ] = 0.5
    notice_probability: Annotated[
        float, within(0.1, 0.99, "probability of contact within that time that makes it NOTICE")
    ] = 0.5
    hold_share: Annotated[
        float, within(0.2, 1.0, "share of these probabilities that keeps a level once it is given; 1: flaps")
    ] = 0.7
    motor_onset_s: Annotated[
        float, within(0.0, 0.5, "time from pin to felt vibration; subtracted from TTC")
    ] = 0.08
    corridor_half_width_m: Annotated[
        float, within(0.3, 3.0, "half the width the body sweeps, with margin; wider warns of passers-by")
    ] = 0.9
    release_s: Annotated[float, within(0.0, 5.0, "how long a level must be gone before it is let go")] = 0.7
