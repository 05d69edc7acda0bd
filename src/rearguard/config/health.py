"""Faults of picture and machine."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When rearguard says that it cannot see or cannot keep up."""

    dark_luma: Annotated[float, within(0, 100, "mean brightness (0..255) below which the picture is dark")] = 15.0
    min_fps: Annotated[float, within(1, 60, "fewer judged frames per second than this is DEGRADED")] = 8.0
    repeat_every_s: Annotated[float, within(1, 60, "a lasting fault is told again after this long")] = 5.0
    min_disk_mb: Annotated[int, within(10, 100000, "less free disk than this stops the clips, not the warnings")] = 200
