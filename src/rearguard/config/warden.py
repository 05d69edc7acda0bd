"""The small parent process."""

from typing import Annotated

import msgspec

from rearguard.config.field import within


class Warden(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Heartbeat and restarts of the vision process."""

    heartbeat_s: Annotated[
        float, within(0.1, 2.0, "no fresh judged frame for this long is BLIND; must exceed the slowest frame")
    ] = 0.4
    starting_s: Annotated[float, within(1.0, 120.0, "how long vision may take to judge its first frame")] = (
        20.0
    )
    restart_backoff_s: Annotated[
        float, within(0.0, 30.0, "wait before a restart, doubled each time in a row up to 8 s")
    ] = 0.5
    max_restarts: Annotated[int, within(0, 1000, "restarts in a row before rearguard gives up, loudly")] = 20
    max_age_s: Annotated[
        float,
        within(
            0.1, 5.0, "a judged frame older than this is no sign of sight; less is stricter on slow detectors"
        ),
    ] = 0.5
    hung_s: Annotated[
        float, within(0.5, 30.0, "a vision process silent for this long is killed and started anew")
    ] = 3.0
    stop_s: Annotated[
        float, within(0.1, 30.0, "time vision has to finish its journal before it is killed")
    ] = 2.0
    tell_giving_up_s: Annotated[
        float, within(5.0, 3600.0, "how long FAULT is told after giving up, before leaving to the supervisor")
    ] = 60.0
    mute_s: Annotated[float, within(5.0, 600.0, "how long a short press mutes everything below CRITICAL")] = (
        60.0
    )
    button_pin: Annotated[
        int, within(0, 27, "BCM pin of a push button to ground: mute, mark, shut down; 0 is none")
    ] = 0
    deadman_pin: Annotated[
        int, within(0, 27, "BCM pin that beats for an external dead-man buzzer, see hardware.md; 0 is none")
    ] = 0
