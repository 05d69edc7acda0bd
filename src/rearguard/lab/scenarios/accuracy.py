"""How far the times and the probabilities that a run told were off, as sums that add up over runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from rearguard.lab.score.mid import BINS_S, bin_of, mid
from rearguard.types import Threat, TrueThing

DECILES = 10
_SOON_S = 6.0  # what is further off passes or does not for reasons nobody can know yet


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over frames. By bin of the true time: `frames` of things on a collision course, those in which no time was
    `untold`, and over the others the sums of MiD and of the relative error. By tenth of the probability told of coming
    into the corridor: how often it was `said`, how often it was so, and the sum of what was said.
    """

    frames: tuple[int, ...] = (0,) * len(BINS_S)
    untold: tuple[int, ...] = (0,) * len(BINS_S)
    mid: tuple[float, ...] = (0.0,) * len(BINS_S)
    error: tuple[float, ...] = (0.0,) * len(BINS_S)
    said: tuple[int, ...] = (0,) * DECILES
    so: tuple[int, ...] = (0,) * DECILES
    sum_said: tuple[float, ...] = (0.0,) * DECILES


class Gathering:
    """The sums of one run, as it goes."""

    def __init__(self, corridor_m: float, late_s: float) -> None:
        """`late_s` is what was taken off a time before it was told: the frame's age and the motor's onset."""
        self._corridor_m, self._late_s = corridor_m, late_s
        sums = Accuracy()
        self._sums: dict[str, list[float]] = {
            name: list(getattr(sums, name)) for name in sums.__struct_fields__
        }

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
        said = None if threat is None else threat.reason.probability
        if said is not None and thing.ttc_s is not None and 0 < thing.ttc_s <= _SOON_S:
            tenth = min(DECILES - 1, max(0, int(said * DECILES)))
            self._sums["said"][tenth] += 1
            self._sums["so"][tenth] += abs(thing.miss_m) < self._corridor_m
            self._sums["sum_said"][tenth] += said

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
