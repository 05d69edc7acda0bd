"""Faults of picture and machine."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When rearguard says that it cannot see or cannot keep up."""

    dark_luma: Annotated[
        float,
        within(4, 100, "mean brightness (0..255) below which the picture is dark; more says BLIND earlier"),
    ] = 15.0
    covered_std: Annotated[
        float,
        within(
            2, 60, "contrast (0..255) below which a part is featureless; more takes plain walls for a hand"
        ),
    ] = 8.0
    covered_share: Annotated[
        float, within(0.5, 0.98, "share of featureless parts that is a covered lens; less is more suspicious")
    ] = 0.9
    glare_share: Annotated[
        float, within(0.05, 0.95, "share of burnt-out pixels that is glare; less is more suspicious")
    ] = 0.4
    blur_share: Annotated[
        float,
        within(
            0.05, 0.9, "sharpness, as a share of the usual, below which the lens is fogged; more is fussier"
        ),
    ] = 0.3
    aim_deg: Annotated[
        float,
        within(
            3, 45, "pitch or roll away from the usual that is a camera knocked out of aim; less is fussier"
        ),
    ] = 15.0
    min_fps: Annotated[float, within(2, 60, "fewer judged frames per second than this is DEGRADED")] = 8.0
    slow_detect_ms: Annotated[
        float,
        within(20, 2000, "a detector slower than this, by the median, is DEGRADED; more hides late warnings"),
    ] = 200.0
    hot_c: Annotated[
        float, within(40, 95, "processor temperature that is DEGRADED; a Pi slows itself down from 80 on")
    ] = 80.0
    repeat_every_s: Annotated[float, within(1, 60, "a lasting fault is told again after this long")] = 5.0
    min_disk_mb: Annotated[
        int, within(10, 100000, "less free disk than this stops the clips, not the warnings")
    ] = 200
