"""What is kept, and for how long."""

from typing import Annotated, Literal

import msgspec

from rearguard.config.field import about, within


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The near-miss log."""

    folder: Annotated[
        str,
        about(
            "where the journal lives; empty: $STATE_DIRECTORY under systemd, else the user's data folder. The "
            "service may write elsewhere only with ReadWritePaths= (systemctl edit rearguard)"
        ),
    ] = ""
    clips: Annotated[
        Literal["redacted", "off", "full"],
        about(
            "pictures kept of a near miss: heads pixelated, none, or as seen (only with everyone's consent)"
        ),
    ] = "redacted"
    pictures_keep_h: Annotated[float, within(0, 8760, "pictures expire after this many hours")] = 72.0
    numbers_keep_days: Annotated[float, within(1, 3650, "near-miss numbers expire after this many days")] = (
        90.0
    )
    pictures_max_mb: Annotated[
        int, within(0, 1_000_000, "pictures and clips beyond this go, oldest first, flagged ones last")
    ] = 2000
    clip_before_s: Annotated[float, within(0.0, 10.0, "a clip begins this long before the worst moment")] = (
        3.0
    )
    clip_after_s: Annotated[float, within(0.0, 10.0, "and ends this long after it")] = 2.0
    clip_memory_mb: Annotated[
        int,
        within(
            4, 512, "memory for the last seconds of pictures; 24 MB hold about 40 s at 15 frames per second"
        ),
    ] = 24
    trace: Annotated[
        bool,
        about("every frame as numbers, silence included, so that an outing can be judged again; no pictures"),
    ] = True
    trace_keep_days: Annotated[float, within(0, 3650, "traces expire after this many days")] = 90.0
    trace_max_mb: Annotated[
        int,
        within(
            1,
            1_000_000,
            "traces beyond this go, oldest outing first; an hour takes 2 to 10 MB, 18 in a crowd",
        ),
    ] = 2000
