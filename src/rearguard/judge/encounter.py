"""One thing met, however many tracks it passed through: what is remembered of it, and what is told at its end.

Pure values. Only frames in which the thing was really seen say where it was and how much time was left: what a
track predicts for a frame in which nobody saw it is a guess.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from heapq import merge
from statistics import median

from rearguard.clock import NS_PER_S
from rearguard.judge.sighting import Sighting, as_far, comes_next, elsewhere, one_thing, same_place
from rearguard.types import Level, NearMiss, Passage, Side, TracePoint

# About a minute at 15 fps: the rest of a longer encounter is not where the danger was.
LONGEST_TRACE = 900
_LONGEST_LOST_NS = NS_PER_S
_LONGEST_AWAY_NS = 2 * NS_PER_S  # the wearer looks aside, and the picture with them
# Over so many sightings the moment of contact is smoothed, by its median: a single box may be off by a half.
_SMOOTHED = 7
# What came nearer than this, and was seen in so many frames, has passed.
PASSES_WITHIN_M = 6.0
_LEAST_SEEN = 5
# How fast somebody steps aside who was not seen any more.
_ASIDE_M_S = 0.5
# A sighting whose place is less sure than the surest one's by more than this does not say where it passed.
_SURE_M = 1.0
# By so much more time than smoothed a sighting tells that the countdown has ended.
_MORE_S, _MORE_SHARE = 0.3, 0.3


@dataclass(frozen=True, slots=True)
class Moment:
    """How near a thing was in one frame: seconds left, metres away; None where that is not known."""

    t_ns: int
    seq: int
    left_s: float | None
    range_m: float | None
    seen: bool

    @property
    def goodness(self) -> tuple[bool, float]:
        """Least for the worst moment: one that was seen, with the least time left."""
        return not self.seen, math.inf if self.left_s is None else self.left_s


@dataclass(slots=True)
class Encounter:
    """What is remembered of one thing: its best sighting of each frame, and its tracks."""

    first_ns: int
    tracks: set[int] = field(default_factory=set)
    best: deque[Sighting] = field(default_factory=lambda: deque(maxlen=LONGEST_TRACE))
    levels: deque[Level] = field(default_factory=lambda: deque(maxlen=LONGEST_TRACE))
    votes: dict[tuple[str, str], float] = field(default_factory=dict)  # (kind, label) → support
    hits: dict[int, int] = field(default_factory=dict)  # track → frames it was seen in
    peak: Level = Level.CLEAR
    warned_ns: int | None = None
    lead_time_s: float | None = None
    worst: Moment | None = None
    nearest: Sighting | None = None  # the believed one that was least far away
    last_hot_ns: int = 0  # newest frame above CLEAR
    released_ns: int | None = None  # first frame since then
    _recent: deque[Sighting] = field(default_factory=lambda: deque(maxlen=_SMOOTHED))  # that are believed
    _speeds: deque[float] = field(default_factory=lambda: deque(maxlen=LONGEST_TRACE))

    def add(self, found: list[Sighting]) -> None:
        """Take in the sightings of one frame."""
        level = max(s.threat.level for s in found)
        best = max(found, key=lambda s: s.support)
        self.best.append(best)
        self.levels.append(level)
        self.peak = max(self.peak, level)
        for s in found:
            self.tracks.add(s.threat.track)
            if s.seen:
                self.hits[s.threat.track] = self.hits.get(s.threat.track, 0) + 1
                key = (s.threat.kind, s.threat.label)
                self.votes[key] = self.votes.get(key, 0.0) + s.score
        if level > Level.CLEAR:
            self.last_hot_ns, self.released_ns = best.t_ns, None
        elif self.released_ns is None:
            self.released_ns = best.t_ns
        if level >= Level.CAUTION and self.warned_ns is None:
            self.warned_ns = best.t_ns
            self.lead_time_s = next(s for s in found if s.threat.level == level).threat.ttc_s
        self._measure(best, level)

    def _measure(self, s: Sighting, level: Level) -> None:
        """Take one frame's numbers, if they are to be believed."""
        credible = s.seen and self._believes(s)
        believed = credible and s.threat.ttc_s is not None
        range_m = s.threat.range_m
        if believed:
            self._recent.append(s)
            if range_m is not None and s.threat.ttc_s:
                self._speeds.append(range_m / s.threat.ttc_s)
        nearest_m = math.inf if self.nearest is None else self.nearest.threat.range_m or math.inf
        if credible and s.detected and range_m is not None and range_m < nearest_m:
            self.nearest = s
        if level < Level.CAUTION:
            return
        unseen = Moment(s.t_ns, s.seq, None, None, False)
        moment = (self._moment(s) if believed else None) or unseen
        if self.worst is None or moment.goodness < self.worst.goodness:
            self.worst = moment

    def _believes(self, s: Sighting) -> bool:
        """Whether a sighting agrees with what better known tracks told of the thing before."""
        last = self._recent[-1] if self._recent else None
        if last is None or last.threat.track == s.threat.track or s.hits >= last.hits:
            return True
        return as_far(last, s) is not False

    def _moment(self, s: Sighting) -> Moment | None:
        """A believed sighting, its time left smoothed: the median of when contact was expected lately. None where this
        sighting tells of much more time: whoever stops ends the countdown, whatever was expected before."""
        contacts = [r.t_ns / NS_PER_S + (r.threat.ttc_s or 0.0) for r in self._recent]
        left_s = max(0.0, median(contacts) - s.t_ns / NS_PER_S)
        if (s.threat.ttc_s or 0.0) > (1 + _MORE_SHARE) * left_s + _MORE_S:
            return None
        range_m = s.threat.range_m
        if not s.detected and self._speeds:
            # Of a patch the time is measured, the range only guessed from where the ground should be.
            range_m = left_s * median(self._speeds)
        return Moment(s.t_ns, s.seq, left_s, range_m, True)

    def is_left_for(self, s: Sighting) -> bool:
        """Whether a track of it now follows another thing, far behind: it was lost, and found the next one."""
        if not (s.seen and s.detected):
            return False
        same = (b for b in reversed(self.best) if b.threat.track == s.threat.track and b.seen)
        last = next(same, None)
        if last is None or last.threat.label != s.threat.label:  # another label is another size, and distance
            return False
        return elsewhere(last, s) and (s.threat.range_m or 0.0) > (last.threat.range_m or 0.0)

    def pause(self, at_ns: int) -> None:
        """None of its tracks is there any more as of this frame."""
        if self.released_ns is None:
            self.released_ns = at_ns

    @property
    def newest(self) -> Sighting | None:
        """The last time it was seen with a time to collision."""
        return next((s for s in reversed(self.best) if s.seen and s.threat.ttc_s is not None), None)

    def absorb(self, other: Encounter) -> None:
        """Take over another one that turned out to be the same thing."""
        worst = (self.worst, other.worst)
        both = list(
            merge(
                zip(self.best, self.levels, strict=True),
                zip(other.best, other.levels, strict=True),
                key=_when,
            )
        )
        self.best.clear()
        self.levels.clear()
        for sighting, level in both:
            if self.best and self.best[-1].t_ns == sighting.t_ns:
                self.best[-1] = max(self.best[-1], sighting, key=lambda s: s.support)
                self.levels[-1] = max(self.levels[-1], level)
            else:
                self.best.append(sighting)
                self.levels.append(level)
        self.first_ns = min(self.first_ns, other.first_ns)
        self.tracks |= other.tracks
        for key, vote in other.votes.items():
            self.votes[key] = self.votes.get(key, 0.0) + vote
        for track, hits in other.hits.items():
            self.hits[track] = self.hits.get(track, 0) + hits
        self.peak = max(self.peak, other.peak)
        if other.warned_ns is not None and (self.warned_ns is None or other.warned_ns < self.warned_ns):
            self.warned_ns, self.lead_time_s = other.warned_ns, other.lead_time_s
        self.last_hot_ns = max(self.last_hot_ns, other.last_hot_ns)
        released = [ns for ns in (self.released_ns, other.released_ns) if ns is not None]
        self.released_ns = max(released) if len(released) == 2 else None
        self._recent.clear()
        self._speeds.clear()
        self.nearest = None
        self.worst = None
        for sighting, level in zip(self.best, self.levels, strict=True):
            self._measure(sighting, level)
        known = [m for m in worst if m is not None]
        if self.worst is None or len(self.best) == LONGEST_TRACE:  # it was in a frame that is forgotten
            self.worst = min((*known, *filter(None, (self.worst,))), key=lambda m: m.goodness)

    def tell(self, at_ns: int) -> NearMiss:
        """The near miss that this was; `at_ns` is its end if it has not been released before."""
        assert self.worst is not None
        assert self.warned_ns is not None
        kind, label = self._name()
        released_ns = at_ns if self.released_ns is None else self.released_ns
        worst = self.worst
        side, pass_m, pass_sd_m = self._passed()
        return NearMiss(
            track=max(self.hits, key=lambda t: self.hits[t], default=min(self.tracks)),
            label=label,
            kind=kind,
            side=side,
            level=self.peak,
            min_ttc_s=worst.left_s,
            range_m=worst.range_m,
            lead_time_s=self.lead_time_s,
            first_ns=self.first_ns,
            warned_ns=self.warned_ns,
            worst_ns=worst.t_ns,
            released_ns=released_ns,
            worst_seq=worst.seq,
            pass_m=pass_m,
            pass_sd_m=pass_sd_m,
            tracks=tuple(sorted(self.tracks)),
            trace=tuple(
                TracePoint(
                    t_ns=s.t_ns, seq=s.seq, box=s.threat.box, level=level, reason=s.threat.reason, seen=s.seen
                )
                for s, level in zip(self.best, self.levels, strict=True)
                if self.released_ns is None or s.t_ns < self.released_ns
            ),
        )

    def passage(self) -> Passage | None:
        """How it passed, warned of or not; None for what was never near, or hardly seen."""
        near = self.nearest
        if near is None or near.threat.range_m is None or near.threat.range_m > PASSES_WITHIN_M:
            return None
        if sum(self.hits.values()) < _LEAST_SEEN:
            return None
        kind, label = self._name()
        side, pass_m, _ = self._passed()
        return Passage(
            at_ns=near.t_ns,
            label=label,
            kind=kind,
            side=side,
            level=self.peak,
            range_m=near.threat.range_m,
            pass_m=pass_m,
        )

    def _passed(self) -> tuple[Side, float | None, float | None]:
        """On which side of the wearer it passed, how far from the middle, and how unsure that is.

        From the last sighting that is sure enough, for the wearer steps aside late. How far that goes on is not seen:
        half of what is new in where it is headed is taken for so, and as much again may follow as was seen of the step.
        """
        told = [s for s in self._recent if s.threat.reason.miss_m is not None]
        if not told:
            return self.best[-1].threat.side, None, None
        surest = min(told, key=_doubt_m)
        last = next(s for s in reversed(told) if _doubt_m(s) <= _doubt_m(surest) + _SURE_M)
        before_m, headed_m = (s.threat.reason.miss_m or 0.0 for s in (surest, last))
        new_m = min(headed_m - before_m, headed_m - last.beside_m, key=abs)
        step_m = min(headed_m - before_m, last.beside_m - before_m, key=abs)
        aside_m = math.hypot(_ASIDE_M_S * (last.threat.ttc_s or 0.0), step_m)
        return last.threat.side, abs(headed_m - 0.5 * new_m), math.hypot(_doubt_m(last), aside_m)

    def _name(self) -> tuple[str, str]:
        """Kind and label: the detector's, if it saw the thing at all, for only it knows what things are."""
        detected = {key: vote for key, vote in self.votes.items() if key[0] == "detected"}
        newest = self.best[-1].threat
        votes = detected or self.votes or {(newest.kind, newest.label): 1.0}
        return max(votes, key=lambda key: votes[key])


def _doubt_m(s: Sighting) -> float:
    return s.threat.reason.miss_sd_m or 0.0


def _when(item: tuple[Sighting, Level]) -> int:
    return item[0].t_ns


def follows(a: Encounter, b: Encounter) -> bool:
    """Whether `b` was found where `a` should be, after `a` was lost: what a new track tells at first of the time left
    may be far off, its place in the picture, or its distance and how far beside the path it is, are not."""
    lost, now = a.newest, b.best[-1]
    expected = a.best[-1]
    if lost is None or lost.t_ns >= b.first_ns or not now.seen:
        return False
    if expected.seen and expected.t_ns >= now.t_ns:
        return False
    if now.t_ns - expected.t_ns <= _LONGEST_LOST_NS and one_thing(expected.threat.box, now.threat.box):
        return not comes_next(lost, now)
    soon = b.first_ns - lost.t_ns <= _LONGEST_AWAY_NS
    return soon and as_far(lost, now) is True and same_place(lost.threat.reason, now.threat.reason, math.inf)
