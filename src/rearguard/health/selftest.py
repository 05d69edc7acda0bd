"""The self-test of a live outing: READY is felt only if all of it passes.

    test = SelfTest(config)
    test.check_detector(detector.detect, (width, height))          # the golden picture
    problems = test.check_frame(frame, watch.stats, machine.readings)     # each live frame; None until decided

Nothing waits for it: frames are judged and warned of from the first one on. The decision comes with the tenth
live frame, or when `LIMIT_S` have passed without ten good ones. What a hand before the lens, a hot machine or a slow
sensor made fail is tried again until it passes, or the wearer would be told of it for the rest of the outing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.health.golden import golden
from rearguard.health.image_stats import PictureStats, coarse_copy
from rearguard.health.machine import Readings
from rearguard.health.old_pictures import Repeats, Seen
from rearguard.types import Detection, Frame, Image

LIMIT_S = 3.0
_LIVE_FRAMES = 10
_MOST_LOOKS = 100  # for a camera whose time stands still
_LEAST_OVERLAP = 0.5
_COOL_C = 70.0  # a machine that starts warmer than this will be throttled before the outing is over
_UNDERVOLTAGE_OR_SLOWED = 0xF


class SelfTest:
    """Collects what is wrong; `problems` are lines for the journal and `systemctl status`.

    `again`: vision was started anew in the middle of an outing, and the machine may be as warm as it gets.
    """

    def __init__(self, config: Config, *, again: bool = False) -> None:
        self._config = config
        self._limit_c = config.health.hot_c if again else min(_COOL_C, config.health.hot_c)
        self.problems: list[str] = []
        self._told: tuple[str, ...] | None = None
        self._seen = Repeats()
        self._last_ns: int | None = None
        self._begin()

    def _begin(self) -> None:
        """Ten live frames from here on."""
        self._looks = 0
        self._first_ns: int | None = None
        self._live = 0
        self._picture_problem = ""

    def check_detector(self, detect: Callable[[Image], Sequence[Detection]], size: tuple[int, int]) -> None:
        """The person in the golden picture must be found; `size` is the live picture's (width, height)."""
        picture, person = golden(size)
        found = [
            d for d in detect(picture) if d.label == "person" and d.score >= self._config.detect.min_score
        ]
        best = max((d.box.iou(person) for d in found), default=0.0)
        if not found:
            self.problems.append("golden picture: the detector does not find the person")
        elif best < _LEAST_OVERLAP:
            self.problems.append(
                f"golden picture: the person is found in the wrong place (overlap {best:.2f})"
            )

    def check_frame(
        self, frame: Frame, stats: PictureStats, readings: Readings | None, blind: str = ""
    ) -> tuple[str, ...] | None:
        """Feed a live frame; the problems (none: all passed) when they are decided or have changed, else None.

        `blind`: why the picture watch calls this picture no sight; empty while it is one.
        """
        if self._told == ():
            return None
        self._looks += 1
        if self._first_ns is None:
            self._first_ns = frame.captured_ns
        if self._is_live(frame, stats):
            self._live += not blind
            self._picture_problem = blind or self._picture_problem
        late = frame.captured_ns - self._first_ns > LIMIT_S * NS_PER_S or self._looks > _MOST_LOOKS
        if not late and (self._live < _LIVE_FRAMES or readings is None):
            return None
        problems = [*self.problems, *self._machine_problems(readings)]
        if self._live < _LIVE_FRAMES:
            problems.append(f"camera: {self._picture_problem or f'{self._live} pictures in {LIMIT_S:g} s'}")
        told, self._told = self._told, tuple(problems)
        self._begin()
        return self._told if told is None or _kinds(self._told) != _kinds(told) else None

    def _is_live(self, frame: Frame, stats: PictureStats) -> bool:
        """Whether this picture is new, newer and shows something."""
        again = self._seen.classify_picture(coarse_copy(frame.image)) is not Seen.NEW
        last_ns, self._last_ns = self._last_ns, frame.captured_ns
        if last_ns is None:
            return False
        if frame.captured_ns <= last_ns:
            self._picture_problem = "its time stands still"
        elif again:
            self._picture_problem = "the same picture again and again"
        elif stats.luma < self._config.health.dark_luma:
            self._picture_problem = f"too dark (brightness {stats.luma:.0f} of 255)"
        elif stats.flat_share >= self._config.health.covered_share:
            self._picture_problem = "nothing to see: is the lens covered?"
        else:
            return True
        return False

    def _machine_problems(self, readings: Readings | None) -> list[str]:
        if readings is None:
            return ["machine: its sensors do not answer"]
        problems = []
        least_mb = self._config.health.min_disk_mb
        if readings.free_mb is not None and readings.free_mb < least_mb:
            problems.append(f"disk: {readings.free_mb:.0f} MB free, {least_mb} needed")
        if readings.temperature_c is not None and readings.temperature_c >= self._limit_c:
            problems.append(
                f"temperature: {readings.temperature_c:.0f} °C, below {self._limit_c:.0f} needed to start"
            )
        if readings.throttled is not None and readings.throttled & _UNDERVOLTAGE_OR_SLOWED:
            problems.append(f"power: undervoltage or throttling right now (0x{readings.throttled:x})")
        return problems


def _kinds(problems: tuple[str, ...]) -> list[str]:
    """What is wrong, without how much: one degree more is no news."""
    return [problem.partition(":")[0] for problem in problems]
