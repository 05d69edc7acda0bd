"""Does it come into the corridor? Pure geometry of one track against the path the body will sweep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rearguard.words import Side, Track

# The size prior is off by about this share from person to person, and the offset with it (adult heights
# spread by 4-5 % each sex, the rest is posture and box).
_PRIOR_SD = 0.12
_CENTRE_M = 0.35
# No prediction reaches further than this: people turn.
_LONGEST_LOOK_S = 4.0


@dataclass(frozen=True, slots=True)
class Miss:
    """By how much a thing passes the wearer's middle, metres, positive to picture-right, and how sure that is."""

    offset_m: float
    sd_m: float

    def chance(self, half_width_m: float) -> float:
        """The probability that it comes within `half_width_m` of the wearer's middle (normal distribution)."""
        sd = max(self.sd_m, 1e-3) * math.sqrt(2)
        above = math.erf((half_width_m - self.offset_m) / sd)
        below = math.erf((-half_width_m - self.offset_m) / sd)
        return 0.5 * (above - below)


def miss(track: Track) -> Miss | None:
    """The miss distance when the track's time to collision is up; None where no offset is known."""
    if track.lateral is None:
        return None
    look_s = min(track.ttc_s if track.ttc_s is not None else _LONGEST_LOOK_S, _LONGEST_LOOK_S)
    offset, sd = track.lateral.after(look_s)
    if not (math.isfinite(offset) and math.isfinite(sd)):
        return None
    return Miss(offset, math.hypot(sd, _PRIOR_SD * offset))


def side(offset_m: float, mount: str) -> Side:
    """The wearer's side of a picture-side offset; a back-plate camera looks the other way round."""
    if abs(offset_m) <= _CENTRE_M:
        return Side.CENTRE
    right_in_picture = offset_m > 0
    return Side.RIGHT if right_in_picture == (mount == "front") else Side.LEFT
