"""How the camera turns and how the wearer moves."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rearguard.types.bounds import Angle, Metres, Rate, Share, Spread


class EgoMotion(msgspec.Struct, frozen=True, array_like=True):
    """How the camera turned since the previous frame, from the background's flow and a gyroscope, if there is one.

    Small rotations in radians: `yaw_rad` positive when the camera turned to picture-right, `pitch_rad`
    positive when it turned down, `roll_rad` positive clockwise as seen in the picture's own frame.
    `quality` 0..1 is the share of background points that agree; 0 means that nothing could be fitted, and, without a
    gyroscope, that the rotations are 0. `sd_rad` is the standard deviation of each angle as it adds up from frame to
    frame, where a gyroscope told it; 0: it is that of image flow.
    """

    yaw_rad: Angle = 0.0
    pitch_rad: Angle = 0.0
    roll_rad: Angle = 0.0
    quality: Share = 0.0
    sd_rad: Annotated[float, msgspec.Meta(ge=0, le=3.2)] = 0.0

    @property
    def felt(self) -> bool:
        """Whether a gyroscope told it."""
        return self.sd_rad > 0

    @property
    def known(self) -> bool:
        """Whether the turn is one: of torn, covered and noise pictures up to 0.15 of the points agree on some turn,
        of pictures of the same place seldom less than 0.25."""
        return self.quality >= 0.15 or self.felt

    def rounded(self) -> EgoMotion:
        """The same to the precision that is stored."""
        return EgoMotion(
            round(self.yaw_rad, 8),
            round(self.pitch_rad, 8),
            round(self.roll_rad, 8),
            round(self.quality, 3),
            max(round(self.sd_rad, 8), 1e-8) if self.felt else 0.0,
        )


class Speed(msgspec.Struct, frozen=True, array_like=True):
    """How fast the wearer moves along the path, from the flow of the ground, with its standard deviation."""

    m_s: Annotated[float, msgspec.Meta(ge=0, le=50)]
    sd_m_s: Annotated[float, msgspec.Meta(gt=0, le=50)]

    def rounded(self) -> Speed:
        """The same to the precision that is stored."""
        return Speed(round(self.m_s, 4), max(round(self.sd_m_s, 4), 1e-4))


class Heading(msgspec.Struct, frozen=True, array_like=True):
    """Where the wearer was heading as the camera sees it now: whence the picture expands. `bearing_rad` is level,
    positive to picture-right, `down_rad` below the middle of the picture, positive down; each with its standard
    deviation, rad, in the mean over so many seconds. `down_sd_rad` 0: how far down is not known."""

    bearing_rad: Angle
    sd_rad: Annotated[float, msgspec.Meta(gt=0, le=3.2)]
    over_s: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    down_rad: Angle = 0.0
    down_sd_rad: Spread = 0.0

    def rounded(self) -> Heading:
        """The same to the precision that is stored."""
        return Heading(
            round(self.bearing_rad, 5),
            max(round(self.sd_rad, 5), 1e-5),
            round(self.over_s, 4),
            round(self.down_rad, 5),
            round(self.down_sd_rad, 5),
        )


class Gravity(msgspec.Struct, frozen=True, array_like=True):
    """How the camera points against the horizon, as gravity tells: `pitch_rad` below it, `roll_rad` clockwise, each
    with the standard deviation `sd_rad`, of which most lasts: an accelerometer's zero, and how it sits."""

    pitch_rad: Angle
    roll_rad: Angle
    sd_rad: Annotated[float, msgspec.Meta(gt=0, le=3.2)]

    def rounded(self) -> Gravity:
        """The same to the precision that is stored."""
        return Gravity(round(self.pitch_rad, 5), round(self.roll_rad, 5), max(round(self.sd_rad, 5), 1e-5))


class Lane(msgspec.Struct, frozen=True, array_like=True):
    """What lane lines or the path's edges tell, as the camera sees them: `bearing_rad`, level and positive to
    picture-right, is the lane's direction 5 m ahead, towards its place 10 m ahead; `curvature_per_m` is positive to
    the right; each with its standard deviation. `left_m` (negative) and `right_m` are how far beside the camera the
    next line or edge on each side passes, None where none was seen."""

    bearing_rad: Angle
    sd_rad: Annotated[float, msgspec.Meta(gt=0, le=3.2)]
    curvature_per_m: Annotated[float, msgspec.Meta(ge=-10, le=10)]
    curvature_sd_per_m: Annotated[float, msgspec.Meta(gt=0, le=10)]
    left_m: Metres | None = None
    right_m: Metres | None = None

    def rounded(self) -> Lane:
        """The same to the precision that is stored."""
        return Lane(
            round(self.bearing_rad, 5),
            max(round(self.sd_rad, 5), 1e-5),
            round(self.curvature_per_m, 5),
            max(round(self.curvature_sd_per_m, 5), 1e-5),
            None if self.left_m is None else round(self.left_m, 3),
            None if self.right_m is None else round(self.right_m, 3),
        )


_USUAL_BEND_PER_M = 0.1


class EgoState(msgspec.Struct, frozen=True, array_like=True):
    """How the camera points against the path, how the path turns, and how fast the wearer moves along it.

    `swing_rad` is the camera's yaw off the path, positive to picture-right; `pitch_rad` its pitch below the horizon,
    the mount's own included; `roll_rad` clockwise. `turn_rate_rad_s` is that of the path, positive to
    picture-right. Each with its standard deviation. `bend_per_m` is the path's curvature over the next ten metres where
    its lines tell it, None where they do not. `line_m` is how far beside the wearer the line is that is about to be
    crossed, positive to picture-right, None where there is none.
    """

    swing_rad: Angle = 0.0
    swing_sd_rad: Spread = 0.1
    pitch_rad: Angle = 0.0
    pitch_sd_rad: Spread = 0.05
    roll_rad: Angle = 0.0
    roll_sd_rad: Spread = 0.05
    turn_rate_rad_s: Rate = 0.0
    turn_rate_sd_rad_s: Spread = 0.1
    speed_m_s: Rate = 2.5
    speed_sd_m_s: Spread = 1.0
    path_turned_rad: Angle = 0.0
    bend_per_m: float | None = None
    line_m: float | None = None

    @property
    def curvature_per_m(self) -> float:
        """The path's curvature, positive to picture-right: as its lines tell it, else the most likely one, given the
        rate and that paths bend on radii of 10 m at the least, as a rule. Of who hardly moves a turn says little about
        the path."""
        if self.bend_per_m is not None:
            return min(max(self.bend_per_m, -2 * _USUAL_BEND_PER_M), 2 * _USUAL_BEND_PER_M)
        told = self.speed_m_s**2 + (self.turn_rate_sd_rad_s / _USUAL_BEND_PER_M) ** 2
        likely = self.turn_rate_rad_s * self.speed_m_s / told if told > 0 else 0.0
        return min(max(likely, -2 * _USUAL_BEND_PER_M), 2 * _USUAL_BEND_PER_M)
