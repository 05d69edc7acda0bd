"""The class-agnostic channel."""

from typing import Annotated

import msgspec

from rearguard.config.field import about, within


class Looming(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Expansion of the picture itself: walls, fences, hurdles, posts."""

    enabled: Annotated[bool, about("watch for expanding patches of no known class")] = True
    low: Annotated[
        bool,
        about(
            "on trial: watch the path's ground for what one trips over, told by LOW; costs time, warns of nothing too"
        ),
    ] = False
    baseline_s: Annotated[
        float,
        within(
            0.15, 0.8, "how far apart the compared pictures are; near one step (1/3 s) the gait cancels out"
        ),
    ] = 0.33
    agree_s: Annotated[
        float,
        within(
            0.2, 3.0, "how long a patch must keep growing before it counts; more is later, less sees ghosts"
        ),
    ] = 0.4
    min_points: Annotated[
        float, within(2.0, 50.0, "points that must agree on one depth; fewer sees thinner things and ghosts")
    ] = 4.0
    half_width_m: Annotated[
        float,
        within(
            0.2,
            3.0,
            "half the width watched: what the body and its arms sweep; kerbs and hedges lie beside it",
        ),
    ] = 0.5
    reach_s: Annotated[
        float, within(2.0, 10.0, "nothing further away than this time to collision is looked for")
    ] = 5.0
    blind_s: Annotated[
        float,
        within(
            0.3, 10.0, "no texture in the path for this long is told as a fault: blank walls are not seen"
        ),
    ] = 0.7
