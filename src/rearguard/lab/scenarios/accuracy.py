"""How far the times and the probabilities that a run told were off, as sums that add up over runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from rearguard.lab.score.mid import BINS_S, bin_of, mid
from rearguard.types import Threat, TrueThing

DECILES = 10


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over frames. By bin of the true time: `frames` of things on a collision course, those in which no time was
    `untold`, and over the others the sums of MiD and of the relative error. By tenth of the probability of contact that
    was told: how often it was `said`, in how many `runs` at least once, how often it was `so` (at the speeds of that
    moment the thing is within the corridor when its gap closes, within the time that the probability is of), and the
    sum of what was said.
    """

    frames: tuple[int, ...] = (0,) * len(BINS_S)
    untold: tuple[int, ...] = (0,) * len(BINS_S)
    mid: tuple[float, ...] = (0.0,) * len(BINS_S)
    error: tuple[float, ...] = (0.0,) * len(BINS_S)
    said: tuple[int, ...] = (0,) * DECILES
    so: tuple[int, ...] = (0,) * DECILES
    sum_said: tuple[float, ...] = (0.0,) * DECILES
    runs: tuple[int, ...] = (0,) * DECILES


class Gathering:
    """The sums of one run, as it goes."""

    def __init__(self, corridor_m: float, late_s: float, longest_s: float) -> None:
        """`late_s` is what was taken off a time before it was told: the frame's age and the motor's onset.

        `corridor_m` is half the corridor's width; `longest_s` the time, as felt, that a probability is of where no
        level was called for: that of the lowest one.
        """
        self._corridor_m, self._late_s, self._longest_s = corridor_m, late_s, longest_s
        sums = Accuracy()
        self._sums = {name: list[float](getattr(sums, name)) for name in sums.__struct_fields__}

    def add(self, thing: TrueThing, threat: Threat | None, endangers: bool) -> None:
        """What was told of a thing in a frame, None for nothing; `endangers`: it is on a collision course."""
        place = None if thing.ttc_s is None or not endangers else bin_of(thing.ttc_s)
        if place is not None:
            assert thing.ttc_s is not None
            self._sums["frames"][place] += 1
            told_s = None if threat is None or threat.ttc_s is None else threat.ttc_s + self._late_s
            if told_s is None or told_s <= 0:
                self._sums["untold"][place] += 1
            else:
                self._sums["mid"][place] += mid(told_s, thing.ttc_s)
                self._sums["error"][place] += (told_s - thing.ttc_s) / thing.ttc_s
        # What is told of a thing that is out of sight is of the frame it was last seen in.
        if threat is not None and threat.reason.probability is not None and not threat.reason.lost:
            self._add_probability(thing, threat.reason.probability, threat.reason.limit_s)

    def _add_probability(self, thing: TrueThing, said: float, limit_s: float | None) -> None:
        """Contact was told to come with the probability `said` within `limit_s` as felt: did it?"""
        within_s = (self._longest_s if limit_s is None else limit_s) + self._late_s
        contact = thing.ttc_s is not None and thing.ttc_s <= within_s and abs(thing.miss_m) < self._corridor_m
        tenth = min(DECILES - 1, max(0, int(said * DECILES)))
        self._sums["said"][tenth] += 1
        self._sums["so"][tenth] += contact
        self._sums["sum_said"][tenth] += said
        self._sums["runs"][tenth] = 1

    def done(self) -> Accuracy:
        """The sums."""
        return msgspec.convert(self._sums, Accuracy)


def add_up(parts: Iterable[Accuracy]) -> Accuracy:
    """The sums over many runs."""
    found = list(parts)
    if not found:
        return Accuracy()
    sums = {name: _columns([getattr(p, name) for p in found]) for name in Accuracy.__struct_fields__}
    return msgspec.convert(sums, Accuracy)


def _columns(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(sum(values) for values in zip(*rows, strict=True))


def mean_mid(of: Accuracy, place: int) -> float | None:
    """The mean MiD of a bin."""
    told = of.frames[place] - of.untold[place]
    return round(of.mid[place] / told, 1) if told else None


def mean_error(of: Accuracy, place: int) -> float | None:
    """The mean relative error of a bin, positive where more time was told than there was."""
    told = of.frames[place] - of.untold[place]
    return round(of.error[place] / told, 4) if told else None


class Tenth(NamedTuple):
    """One tenth of the probabilities that can be told: `tenth` counts from 0; the mean of what was `told`, the share in
    which contact was `observed`, over so many `frames` of so many `runs`."""

    tenth: int
    told: float
    observed: float
    frames: int
    runs: int


def by_tenth(of: Accuracy) -> list[Tenth]:
    """Calibration: each tenth in which something was told, lowest first."""
    return [
        Tenth(n, of.sum_said[n] / of.said[n], of.so[n] / of.said[n], of.said[n], of.runs[n])
        for n in range(DECILES)
        if of.said[n]
    ]
