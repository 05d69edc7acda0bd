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


# People stop and people go on: the chance that a sideways drift just ends.
_STOPS = 0.45
_UNSTEADY = 0.35


@dataclass(frozen=True, slots=True)
class Miss:
    """By how much a thing passes the wearer's middle, metres, positive to picture-right, and how sure that is.

    `offset_m` if its drift goes on; `now_m` where it is, and would stay if it stopped drifting.
    """

    offset_m: float
    sd_m: float
    now_m: float
    now_sd_m: float

    def plausible(self, half_width_m: float) -> float:
        """How plausible it is, 0..1, that it comes within `half_width_m` of the wearer's middle.

        The probability of that, relative to what it would be were the thing headed straight at the wearer and
        known as badly: so that not knowing is 1, and only evidence of passing outside brings it down. It may
        drift on, or stop.
        """
        drifting = _relative(self.offset_m, self.sd_m, half_width_m)
        stopping = _relative(self.now_m, self.now_sd_m, half_width_m)
        return (1 - _STOPS) * drifting + _STOPS * stopping


def _relative(mean: float, sd: float, half_width: float) -> float:
    """P(|x| < half_width) of a normal distribution, over the same with mean 0."""
    scale = max(sd, 1e-3) * math.sqrt(2)
    inside = 0.5 * (math.erf((half_width - mean) / scale) - math.erf((-half_width - mean) / scale))
    return inside / math.erf(half_width / scale)


def miss(track: Track) -> Miss | None:
    """The miss distance when the track's time to collision is up; None where no offset is known."""
    if track.lateral is None:
        return None
    look_s = min(track.ttc_s if track.ttc_s is not None else _LONGEST_LOOK_S, _LONGEST_LOOK_S)
    then, then_sd = track.lateral.after(look_s)
    now, now_sd = track.lateral.after(0.0)
    if not all(math.isfinite(v) for v in (then, then_sd, now, now_sd)):
        return None
    # People speed up and slow down: a drift is only so steady.
    then_sd = math.hypot(then_sd, _PRIOR_SD * then, _UNSTEADY * track.lateral.drift_m_s * look_s)
    return Miss(then, then_sd, now, math.hypot(now_sd, _PRIOR_SD * now))


def side(offset_m: float, mount: str) -> Side:
    """The wearer's side of a picture-side offset; a back-plate camera looks the other way round."""
    if abs(offset_m) <= _CENTRE_M:
        return Side.CENTRE
    right_in_picture = offset_m > 0
    return Side.RIGHT if right_in_picture == (mount == "front") else Side.LEFT
