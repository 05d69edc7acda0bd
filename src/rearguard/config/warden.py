"""The small parent process."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Warden(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Heartbeat and restarts of the vision process."""

    heartbeat_s: Annotated[
        float, within(0.1, 2.0, "no fresh judged frame for this long is BLIND; must exceed the slowest frame")
    ] = 0.4
    starting_s: Annotated[float, within(1.0, 120.0, "how long vision may take to judge its first frame")] = 20.0
    restart_backoff_s: Annotated[float, within(0.0, 30.0, "wait before a restart, doubled each time in a row")] = 0.5
    max_restarts: Annotated[int, within(0, 1000, "restarts in a row before rearguard gives up, loudly")] = 10
