"""What is felt and where."""

from typing import Annotated

import msgspec

from rearguard.config.field import about, within

Pin = Annotated[int, within(2, 27, "BCM number of a GPIO pin; 12, 13, 18, 19 have hardware PWM")]


class Cue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Motors and cue timing."""

    pins: Annotated[
        list[Pin],
        msgspec.Meta(
            min_length=1,
            max_length=3,
            description="one motor, left and right, or left, centre and right, as the wearer feels them",
        ),
    ] = msgspec.field(default_factory=lambda: [18])
    pwm_hz: Annotated[
        int, within(50, 20000, "PWM frequency; software PWM on lgpio is honest up to about 250")
    ] = 200
    duty_cap: Annotated[
        float,
        within(0.1, 1.0, "strongest duty cycle; 0.62 keeps a 3 V motor safe on 5 V, 1.0 is for 5 V motors"),
    ] = 0.62
    alive_every_s: Annotated[
        float,
        within(2.0, 60.0, "gap between alive ticks; their absence tells the wearer that rearguard is gone"),
    ] = 15.0
    overdrive_s: Annotated[
        float,
        within(0.0, 0.05, "full duty at the start of each pulse; makes a motor start faster, and warmer"),
    ] = 0.05
    soft_share: Annotated[
        float,
        within(0.4, 1.0, "strength of the soft cues as a share of duty_cap; weaker is missed while running"),
    ] = 0.75
    notice_gap_s: Annotated[
        float, within(5.0, 60.0, "the same thing is noticed again only after this long; less is a nuisance")
    ] = 5.0
    drift_cue: Annotated[
        bool,
        about("tell when the wearer is about to leave a lane whose lines are seen; not on paths without"),
    ] = False
    clear_cue: Annotated[bool, about("tell when a danger has passed; more to feel, and more to learn")] = (
        False
    )
