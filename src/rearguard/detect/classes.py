"""What the detector can name, what of it can stand in a runner's way, and how tall such things are.

`PRIORS` gives range from a box's height: range = focal_px · height_m / box height in pixels. It is a
table of typical true heights with their spread; `detect.ignore` and `detect.heights_m` of the
configuration change it without touching code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rearguard.types import SizePrior

# The 80 labels of COCO (Lin et al. 2014, Microsoft COCO: Common Objects in Context), in its order.
COCO: tuple[str, ...] = tuple(
    """
    person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,
    parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,
    handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,
    surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,
    broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,
    mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,
    teddy bear,hair drier,toothbrush
    """.replace("\n    ", "")
    .strip()
    .split(",")
)


@dataclass(frozen=True, slots=True)
class Prior:
    """How tall a class truly is, in metres, with one standard deviation, and where the figures come from."""

    label: str
    height_m: float
    sd_m: float
    source: str

    @property
    def speed_m_s(self) -> float:
        """How fast such a thing moves by itself, one standard deviation each way; 0 for what stands."""
        return _SPEEDS_M_S.get(self.label, 0.0)

    @property
    def agility_m_s_rs(self) -> float:
        """How far its velocity wanders within a second, the wearer's own with it; m/s per root second."""
        return _DARTS if self.label in _DARTING else _STEADY if self.speed_m_s else _INERT

    @property
    def pace_m_s_rs(self) -> float:
        """The same along the line of sight: who moves sets off and slows down more than they turn aside."""
        if self.label in _DRIVEN:
            return _DRIVES
        return _PACE if self.speed_m_s and self.label not in _DARTING else self.agility_m_s_rs

    @property
    def often_false(self) -> bool:
        """Whether footage shows such things where none are: plants and balls, and people that are posts or shadows."""
        return not self.speed_m_s or self.label == "person"


_NCD = "NCD-RisC 2016, eLife 5:e13410: adult means about 1.71 m and 1.59 m; children widen the spread"
_MAKERS = "typical makers' dimensions"
_GUESS = "estimate"

_ROWS = (
    Prior("person", 1.70, 0.12, _NCD),
    # The box of a ridden bicycle is the bicycle's own; its rider is boxed as a person.
    Prior("bicycle", 1.05, 0.12, f"{_MAKERS}: handlebar height of adult bicycles"),
    Prior("car", 1.52, 0.15, f"{_MAKERS}: saloon 1.45 m to SUV 1.70 m"),
    Prior("motorcycle", 1.15, 0.12, f"{_MAKERS}: to the mirrors' base"),
    Prior("bus", 3.0, 0.4, f"{_MAKERS}: low-floor city bus 2.9–3.1 m"),
    Prior("truck", 2.8, 0.7, f"{_MAKERS}: pickup 1.8 m to lorry 4.0 m"),
    Prior("train", 3.8, 0.4, f"{_MAKERS}: tram 3.4 m to carriage 4.2 m"),
    Prior("fire hydrant", 0.80, 0.15, _GUESS),
    Prior("stop sign", 0.75, 0.08, "US MUTCD R1-1: 30 in face; the pole is not in the box"),
    Prior("parking meter", 1.40, 0.20, _GUESS),
    Prior("bench", 0.80, 0.12, f"{_MAKERS}: park bench with back"),
    Prior("cat", 0.28, 0.05, "FCI-type breed standards: to the head, standing"),
    Prior("dog", 0.55, 0.20, "FCI breed standards: 0.25–0.80 m at the withers, head above"),
    Prior("horse", 2.0, 0.25, "withers 1.5–1.7 m, head above"),
    Prior("sheep", 0.85, 0.12, _GUESS),
    Prior("cow", 1.45, 0.15, "withers of dairy breeds"),
    Prior("backpack", 0.50, 0.10, f"{_MAKERS}; carried by people"),
    Prior("umbrella", 0.60, 0.25, f"{_GUESS}; carried by people"),
    Prior("handbag", 0.30, 0.10, f"{_GUESS}; carried by people"),
    Prior("suitcase", 0.62, 0.12, f"{_MAKERS}: cabin 0.55 m to large 0.75 m"),
    Prior("sports ball", 0.22, 0.03, "Laws of the Game, law 2: a football is 0.68–0.70 m round"),
    Prior("skateboard", 0.15, 0.05, _GUESS),
    Prior("chair", 0.85, 0.12, f"{_MAKERS}: back height"),
    Prior("potted plant", 0.80, 0.40, _GUESS),
    Prior("dining table", 0.75, 0.05, f"{_MAKERS}: table height"),
)

# Estimates, tried on footage and worlds: people keep a pace, dogs and cats dart, and of what stands only the wearer's
# own pace wanders.
_STEADY, _DARTS, _INERT, _PACE = 0.35, 1.7, 0.3, 0.55
_DARTING = frozenset({"cat", "dog"})
# An estimate: drivers slow down at 1.5 m/s² or so, for about a second at a time; by Singer (1970) that is a velocity
# that wanders by 1.5 · sqrt(2 · 1 s).
_DRIVES = 2.0
_DRIVEN = frozenset({"car", "motorcycle", "bus", "truck"})
# Who rides a bicycle is boxed as a person, so that people are as fast as these; a skateboard without its rider stands.
_SPEEDS_M_S = {"person": 3.0, "bicycle": 3.0, "car": 6.0, "motorcycle": 6.0, "bus": 5.0, "truck": 5.0, "train": 6.0,
               "cat": 2.0, "dog": 2.5, "horse": 2.5, "sheep": 1.5, "cow": 1.5, "sports ball": 4.0}  # fmt: skip

PRIORS: Mapping[str, Prior] = MappingProxyType({row.label: row for row in _ROWS})

# What the committed models score, in this order: the classes of PRIORS.
KEPT: tuple[str, ...] = tuple(PRIORS)


# A person may sit on these or carry them: two things in one place.
_WITH_PEOPLE = frozenset({"bicycle", "motorcycle", "horse", "bench", "chair", "dog", "cat"})
_VEHICLES = frozenset({"car", "truck", "bus", "train"})


def hides(better: str, worse: str) -> bool:
    """Whether two boxes in one place are one thing: of one class, both vehicles, or a person taken for a prop.

    Nothing hides a person but a person.
    """
    if better == worse:
        return True
    if better == "person":
        return worse not in _WITH_PEOPLE
    return better in _VEHICLES and worse in _VEHICLES


def priors(ignore: Iterable[str] = (), heights_m: Mapping[str, float] | None = None) -> dict[str, Prior]:
    """`PRIORS` as the configuration changes it: without the labels to ignore, with other true heights.

    A changed height keeps its relative spread; a label the table does not know gets a spread of 20 %.
    """
    table = dict(PRIORS)
    for label, height_m in (heights_m or {}).items():
        spread = PRIORS[label].sd_m / PRIORS[label].height_m if label in PRIORS else 0.2
        table[label] = Prior(label, height_m, spread * height_m, "configuration")
    return {label: row for label, row in table.items() if label not in set(ignore)}


_UNKNOWN_SIZE = SizePrior(math.log(0.8), 0.6, 1.0, _STEADY, _PACE, often_false=False)


def size_priors(
    ignore: Iterable[str] = (), heights_m: Mapping[str, float] | None = None
) -> Callable[[str], SizePrior]:
    """What tells a label's size prior, as the configuration has it; a wide one for what the table does not know."""
    table = {
        label: SizePrior(
            math.log(p.height_m),
            p.sd_m / p.height_m,
            p.speed_m_s,
            p.agility_m_s_rs,
            p.pace_m_s_rs,
            p.often_false,
        )
        for label, p in priors(ignore, heights_m).items()
    }
    return lambda label: table.get(label, _UNKNOWN_SIZE)
