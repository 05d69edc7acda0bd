"""What a thing's state says of its box, and what a box says of the state.

The error of a detector's box was measured on rendered and photographed people against their true outlines: the
deviation of ln height falls from 0.08 at 40 pixels to 0.03 above 150, and most of it lasts for about a fifth of a
second, as limbs and postures do.
"""

from __future__ import annotations

import math

from rearguard.ego.level import Direction, axes, depth_share, direction, pixel
from rearguard.ego.pinhole import Pinhole, Rows
from rearguard.track import clipping
from rearguard.track.clipping import Cut
from rearguard.track.filter import (
    BEARING,
    BOX_ERROR,
    LEAST_ADVANCE,
    LN_RANGE,
    LN_SIZE,
    NEWS_SIGMAS,
    RADIAL,
    ThingFilter,
    row,
)
from rearguard.types import Box, Detection, EgoState, SizePrior

BOX_ERROR_LASTS_S = 0.2
_LEAST_BOX_SD, _BOX_SD_PX = 0.03, 3.0
_WHITE_SD, _WHITE_PX = 0.012, 0.8
# The usual score at 100 pixels, and how it grows. Of people in photographs, 80 to 150 pixels tall, the deviation of ln
# height is 0.023 with scores above 0.6, 0.047 to 0.45, 0.045 to 0.3, 0.11 to 0.2; of others in proportion.
_SCORE, _SCORE_PER_LN, _LEAST_SCORE = 0.49, 0.195, 0.1
_PART_WIDTH_SD = 0.3  # of who was never seen whole: head, then shoulders and arms come into view
_WIDTH_SD = 0.2  # arms and legs swing, for longer than a frame
_CENTRE_SHARE = 0.1  # of a box's width: how far its middle is from the body's
_CUT_CENTRE_SHARE = 0.3
_CUT_SIZE_SD = 0.4  # ln: a quarter to a half of a thing that an upper or lower edge cuts is usually hidden
_CUT_HIDES = 0.3
# Who shows less of the width than this beside the picture's edge is told shorter, by about what is lacking: of people
# in photographs, rms of ln height 0.02 at 0.8 of the width, 0.06 at 0.6, 0.15 at 0.45, 0.31 at 0.3, 0.5 at 0.15.
_PART_TELLS = 0.65
_LN_ASPECT = math.log(0.4)
_BEARING_SD_RAD = 0.008
# Of what a turn makes of the growth, as measured: limbs swing and the shutter rolls most while it turns.
_TURNED_SD = 0.8
_SIZE = row(ln_size=1.0, ln_range=-1.0, box_error=1.0)
_TRUE_SIZE = row(ln_size=1.0, ln_range=-1.0)


def box_error_sd(height_px: float) -> float:
    """The deviation of ln height of a detector's box this tall."""
    return math.hypot(_LEAST_BOX_SD, _BOX_SD_PX / max(height_px, 1.0))


def first_box_sd(box: Box, whole: Box) -> float:
    """The same of a box by which a thing's range begins: nothing has averaged its error out yet. `whole` is the box
    without the picture's edge."""
    return math.hypot(2.0 * box_error_sd(box.height), _part_sd(box, whole))


def _part_sd(box: Box, whole: Box) -> float:
    """How much less sure ln height is of a thing of which the picture's edge leaves this box."""
    return max(_PART_TELLS - box.width / whole.width, 0.0)


def _weak_sd(height_px: float, score: float) -> float:
    """How much less sure it is of a box with a score below what is usual at its height: errors go with the inverse."""
    usual = _SCORE + _SCORE_PER_LN * math.log(max(height_px, 1.0) / 100.0)
    share = usual / max(score, _LEAST_SCORE)
    return box_error_sd(height_px) * math.sqrt(max(share * share - 1.0, 0.0))


class BoxModel:
    """The camera as it points in one frame: boxes of things, and things of boxes."""

    def __init__(self, lens: Pinhole, ego: EgoState) -> None:
        self._lens = lens
        self.ego = ego
        self._rows: Rows = axes(ego)

    def direction(self, box: Box) -> Direction:
        """Where the middle of a box is."""
        return direction(box.cx, box.cy, self._rows, self._lens)

    def ln_height(self, thing: ThingFilter, *, with_error: bool = True) -> float:
        """ln of the height, in pixels, its box should have."""
        m = thing.mean
        share = depth_share(m[BEARING], self._rows)
        error = m[BOX_ERROR] if with_error else 0.0
        return float(math.log(self._lens.focal_px / share) + m[LN_SIZE] - m[LN_RANGE] + error)

    def ln_facing(self, bearing_rad: float) -> float:
        """By how much (ln) a thing in this direction looks larger than in the middle of the picture."""
        return -math.log(depth_share(bearing_rad, self._rows))

    def box_of(self, thing: ThingFilter, down: float, ln_aspect: float) -> Box:
        """The box a thing should have, the picture's edges left out; `down` as in `Direction`."""
        height = math.exp(min(self.ln_height(thing), 9.0))
        width = height * math.exp(ln_aspect)
        cx, cy = pixel(Direction(float(thing.mean[BEARING]), down), self._rows, self._lens)
        cx, cy = min(max(cx, -1e5), 1e5), min(max(cy, -1e5), 1e5)
        return Box(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)

    def ln_range(self, height_px: float, ln_size: float, bearing_rad: float) -> float:
        """ln of how far away a thing of this size is whose box is so high."""
        return ln_size + math.log(self._lens.focal_px / max(height_px, 1.0)) + self.ln_facing(bearing_rad)

    def first_sight(
        self, seen: Detection, cut: Cut, prior: SizePrior
    ) -> tuple[ThingFilter, Direction, float]:
        """What a detection that continues nothing tells: the thing, where its middle is, and ln of its aspect.

        Of what an edge cuts the height is a lower bound: it is probably nearer than it looks. Its width, where that is
        whole, tells better; of who is cut beside, that of a person tells where the middle is.
        """
        person = seen.label == "person"
        box, height, size_sd = seen.box, seen.box.height, prior.ln_height_sd
        if cut.upright:
            wide = 0.0 if cut.beside else box.width * math.exp(-_LN_ASPECT)
            height, size_sd = max(height * math.exp(_CUT_HIDES), wide), _CUT_SIZE_SD
        aspect = _LN_ASPECT if cut.beside and person else math.log(box.width / height)
        whole = clipping.whole(box, cut, height * math.exp(aspect))
        where = self.direction(whole)
        thing = ThingFilter.begin(
            ln_range=self.ln_range(height, prior.ln_height, where.bearing_rad),
            bearing_rad=where.bearing_rad,
            bearing_sd_rad=math.sqrt(self.bearing_variance(whole, cut)),
            ln_size=prior.ln_height,
            ln_size_sd=size_sd,
            ln_box_sd=first_box_sd(box, whole),
            thing_speed_sd_m_s=prior.speed_m_s,
            ego=self.ego,
        )
        return thing, where, aspect

    def bearing_variance(self, box: Box, cut: Cut) -> float:
        """How unsure the bearing of a box's middle is, rad²."""
        share = _CUT_CENTRE_SHARE if cut.beside else _CENTRE_SHARE
        return (share * box.width / self._lens.focal_px) ** 2 + _BEARING_SD_RAD**2

    def size_variance(self, thing: ThingFilter, height_px: float) -> float:
        """How unsure the ln height of the next box is."""
        white = math.hypot(_WHITE_SD, _WHITE_PX / height_px)
        return thing.expected_variance(_SIZE) + white**2

    def measure(
        self, thing: ThingFilter, seen: Detection, whole: Box, cut: Cut, ln_aspect: float, noise: float, dt: float, *,
        known_whole: bool = True,
    ) -> float:  # fmt: skip
        """Take a detection's box into a thing's state; `whole` is the box guessed back from what the edge leaves of it.

        `noise` is by how much its errors are larger than usual; not `known_whole`: it was never seen from head to
        foot. Returns the squared error of its height, in units of its expected variance; 1 where the height told
        nothing.
        """
        box = seen.box
        off = math.remainder(self.direction(whole).bearing_rad - thing.mean[BEARING], 2 * math.pi)
        thing.update_bearing(off, self.bearing_variance(box, cut), dt, noise)
        expected = self.ln_height(thing)
        error = math.log(box.height) - expected
        white = noise * math.hypot(_WHITE_SD, _WHITE_PX / box.height)
        if not cut.upright:
            extra = math.hypot(_part_sd(box, whole), _weak_sd(box.height, seen.score))
            return thing.update(_SIZE, error, white**2 + extra**2)
        # A box that the edge cuts is a lower bound: it tells something only if it is taller than expected, for who was
        # seen whole by more than boxes err, and nothing of growth: who comes into view over the edge gets taller
        # without coming nearer.
        sd = noise * box_error_sd(box.height)
        more = error - (NEWS_SIGMAS * sd if known_whole else 0.0)
        if more > 0:
            thing.update(_SIZE, more, sd * sd, keep_rates=True)
        if not cut.beside:
            wide = math.log(box.width) - ln_aspect - self.ln_height(thing, with_error=False)
            thing.update(_TRUE_SIZE, wide, (_WIDTH_SD if known_whole else _PART_WIDTH_SD) ** 2)
        return 1.0

    def measure_growth(self, thing: ThingFilter, ln_scale: float, sd: float, dt: float, bearing_was: float,
                       before: BoxModel, ln_aspect: float) -> None:  # fmt: skip
        """Take in by how much (ln) the texture of a thing of this aspect grew within the last `dt` seconds.

        A turn of the camera stretches a thing as well, heights once and widths twice. The scale of a similarity is
        the mean of both, each weighted by the square of the extent that it is seen over.
        """
        stretched = 1.0 + 1.0 / (1.0 + math.exp(-2.0 * ln_aspect))
        turned = stretched * (self.ln_facing(float(thing.mean[BEARING])) - before.ln_facing(bearing_was))
        share = max(1.0 - float(thing.mean[RADIAL]) * dt, LEAST_ADVANCE)
        expected = math.log(share)  # ln of the range then over the range now
        slope = row(radial=-dt / share)
        sd = math.hypot(sd, _TURNED_SD * turned)
        thing.update(slope, ln_scale - turned - expected, sd * sd)
