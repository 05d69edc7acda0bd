"""Whether a thing is there at all: the log-odds of it, earned by being seen and lost by not being seen.

One bad frame is no thing, and a thing that is no longer seen fades: what judges by it never has to ask how often
or how long ago. Evidence counts by time, not by frames: neighbouring frames err alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_FRAME_S = 0.1  # of evidence: frames closer together than this tell less that is new
_MOST_FRAMES = 1.5
_FIRST = -3.0
_MOST = 4.0
_LEAST = _FIRST  # what was known and is lost need not prove more than what is new
_SMOOTH = 0.25
_SHARE_GAIN, _LEAST_SHARE, _ALMOST = 0.15, 0.35, 0.95
# Bushes are seen as plants, lamps as balls, posts and shadows as people, for as long as they stay in the picture: of
# such things the usual score bounds how sure they can become, until they are seen to move by themselves.
_MOST_BY_SCORE, _BY_SCORE = -2.5, 8.0
# What a detection's score is worth (log-odds), and which share of that its lack costs a thing usually seen so.
_SCORES = (0.10, 0.15, 0.30, 0.50, 0.70, 1.0)
_WORTH = (0.1, 0.4, 1.0, 1.5, 1.6, 1.7)
_LACK = 0.7


@dataclass(slots=True)
class Existence:
    """The log-odds of one thing, and the score it usually has."""

    usual_score: float
    log_odds: float = _FIRST
    bound: float = _MOST
    seen_share: float = 0.5  # of the last second or so; of what was just found nobody knows how often it is

    @classmethod
    def begin(cls, score: float) -> Existence:
        """After a first sight."""
        return cls(score, _FIRST + _worth(score))

    @property
    def believed(self) -> float:
        """The log-odds, as far as its score allows."""
        return min(self.log_odds, self.bound)

    @property
    def probability(self) -> float:
        return 1.0 / (1.0 + math.exp(-self.believed))

    def see(self, score: float, dt: float, *, bounded: bool = False) -> None:
        """It was seen with this score, `dt` seconds after the last frame; `bounded` by it, see above."""
        self.usual_score += _SMOOTH * (score - self.usual_score)
        self.seen_share += _SHARE_GAIN * _frames(dt) * (1.0 - self.seen_share)
        self.bound = _MOST_BY_SCORE + _BY_SCORE * self.usual_score if bounded else _MOST
        self.log_odds = min(self.log_odds + _worth(score) * _frames(dt), _MOST)

    def miss(self, dt: float) -> None:
        """It was not seen in a frame, `dt` seconds after the last."""
        self.seen_share -= _SHARE_GAIN * _frames(dt) * self.seen_share
        # Who is found in one frame of three is not gone after two without.
        usual = -math.log(1.0 - max(self.seen_share, _LEAST_SHARE) * _ALMOST)
        loss = min(_LACK * _worth(self.usual_score), usual) * _frames(dt)
        self.log_odds = max(self.log_odds - loss, _LEAST)


def _worth(score: float) -> float:
    return float(np.interp(score, _SCORES, _WORTH))


def _frames(dt: float) -> float:
    return min(dt / _FRAME_S, _MOST_FRAMES)
