"""Whether the picture can be trusted: one watch for the lens, fed every frame; pure, its time is the frame's.

    watch = PictureWatch(config.health, config.camera)
    faults = watch.check_picture(frame, ego, detect_s=0.04)     # () when all is well

Each fault is a row of `RULES`: it must last before it counts, and be gone for longer before it is let go, so
that one odd frame says nothing and a flickering fault does not flicker on the motor.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.config.health import Health
from rearguard.ego.ignored import Ignored
from rearguard.health.image_stats import PictureStats, coarse_copy, measure, small_grey
from rearguard.health.mount import MountWatch, Wrong
from rearguard.health.old_pictures import Lookalikes, Repeats, Seen
from rearguard.health.own_parts import OwnParts
from rearguard.health.tiles import TileHealth, TileWatch, path_weights
from rearguard.types import EgoMotion, Fault, Frame, Image


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a condition must last to become a fault, and how long be gone to end it, in seconds."""

    fault: Fault
    after_s: float
    clear_s: float


# The deadlines leave the cue 0.1 s or more: 0.5 s for a frozen picture, 1 s for a dark or covered lens and
# glare, 3 s for fog, 2 s more for a rate, which is itself measured over 2 s.
RULES: tuple[Rule, ...] = (
    Rule(Fault.FROZEN_FRAME, 0.15, 1.0),
    Rule(Fault.REPEATED_PICTURE, 0.1, 1.0),
    Rule(Fault.DARK, 0.8, 1.0),
    Rule(Fault.DIM, 0.8, 2.0),
    Rule(Fault.COVERED, 0.8, 0.5),
    Rule(Fault.PATH_HIDDEN, 0.1, 0.5),
    Rule(Fault.PART_HIDDEN, 0.5, 1.0),
    Rule(Fault.GLARE, 0.8, 1.0),
    Rule(Fault.BLURRED, 2.0, 1.0),
    Rule(Fault.OUT_OF_AIM, 0.8, 60.0),
    # Five seconds are looked at, so that it is told after 7.5 s.
    Rule(Fault.WRONG_MOUNT, 2.5, 5.0),
    Rule(Fault.LOW_FRAME_RATE, 0.3, 2.0),
    Rule(Fault.SLOW_DETECTOR, 1.0, 2.0),
)
_REPEATS = 3  # so many pictures alike, and the third repeat is no coincidence
_OFTEN = 0.25  # a fault that comes and goes stands once it held in this share of the last second's pictures
_OFTEN_WITHIN_S = 1.0
_PATH_DEAD, _PART_DEAD = (
    0.4,
    0.14,
)  # shares of path and picture: half of the path, less what cannot be judged of it
_RATE_WINDOW_S = 2.0
_STRIDE_S = 0.7  # the sharpest frame of a stride is compared: steps blur single frames
_USUAL_S = 30.0  # time constant of the usual sharpness
_USUAL_FOGGED_S = 300.0  # while fogged it hardly follows, or fog would become usual
_WARM_UP_S = 3.0
_UNTEXTURED = 2.0  # a sharpness this low says nothing about the lens: sky, plain wall
_AIM_FORGETS_S = 4.0  # travelling looks like a slow pitch of about 2 deg/s, which must not add up
_AIM_USUAL_S = 30.0  # what it adds up to all the same is the usual
_TELLS = 0.3


class Lasting:
    """A condition with patience: true after it held for `after_s`, false after it was gone for `clear_s`."""

    def __init__(self, after_s: float, clear_s: float) -> None:
        self._after_ns = round(after_s * NS_PER_S)
        self._clear_ns = round(clear_s * NS_PER_S)
        self._since_ns: int | None = None
        self.on = False

    def feed(self, now_ns: int, holds: bool) -> bool:
        """Take note of the condition now; the fault it amounts to."""
        if holds == self.on:
            self._since_ns = None
            return self.on
        if self._since_ns is None or now_ns < self._since_ns:
            self._since_ns = now_ns
        if now_ns - self._since_ns >= (self._clear_ns if self.on else self._after_ns):
            self.on, self._since_ns = holds, None
        return self.on


class Often:
    """A condition that counts by share of time, not in a row: true while it held in a quarter of the last second's
    pictures, and in three of them at least."""

    def __init__(self) -> None:
        self._past: deque[tuple[int, bool]] = deque()

    def feed(self, now_ns: int, holds: bool) -> bool:
        """Take note of the condition now; whether it holds often."""
        self._past.append((now_ns, holds))
        while len(self._past) > _REPEATS and now_ns - self._past[0][0] > _OFTEN_WITHIN_S * NS_PER_S:
            self._past.popleft()
        count = sum(held for _, held in self._past)
        return count >= max(_REPEATS, _OFTEN * len(self._past))


class PictureWatch:
    """Looks at each frame and tells what is wrong with the picture; one per source.

    Never raises on any uint8 picture of one shape or another.
    """

    def __init__(self, config: Health, camera: Camera | None = None) -> None:
        self._config = config
        self._lasting = {rule.fault: Lasting(rule.after_s, rule.clear_s) for rule in RULES}
        self._seen = Repeats()
        camera = camera or Camera()
        self._own = Ignored(camera.ignore)
        self._lookalikes = Lookalikes(self._own)
        self._old, self._late = Often(), Often()
        self._tile_watch = TileWatch(path_weights(camera), self._own)
        self.tiles: TileHealth | None = None
        self._mount_watch = MountWatch(self._own)
        self.own_parts = OwnParts(camera)
        self.mount = Wrong.NOTHING
        self._last_ns: int | None = None
        self._alike = 0
        self._stuck = 0
        self._times: deque[int] = deque()
        self._first_ns: int | None = None
        self._detect_s: deque[float] = deque(maxlen=15)
        self._sharp = UsualSharpness()
        self._aim = Aim()
        self.stats: PictureStats | None = None

    def check_picture(
        self, frame: Frame, ego: EgoMotion | None = None, detect_s: float | None = None
    ) -> tuple[Fault, ...]:
        """Judge one frame. `ego`: how the camera turned since the last; `detect_s`: what detection took."""
        now_ns = self._time(frame.captured_ns)
        coarse = coarse_copy(frame.image)
        small = small_grey(coarse)
        stats = self.stats = measure(small, self._config.covered_std, self._own)
        tiles = self.tiles = self._tile_watch.check_tiles(small, now_ns)
        self.mount = self._mount_watch.check_mount(small, now_ns)
        self.own_parts.look(small, now_ns)
        if detect_s is not None:
            self._detect_s.append(detect_s)
        holds = {
            Fault.FROZEN_FRAME: self._late.feed(now_ns, self._stuck > 0) or self._stuck >= 2,
            Fault.REPEATED_PICTURE: self._is_old(coarse, small, now_ns) or tiles.stood_still,
            Fault.DARK: stats.luma < self._config.dark_luma,
            Fault.DIM: frame.dim,
            Fault.COVERED: stats.flat_share >= self._config.covered_share,
            Fault.PATH_HIDDEN: tiles.path_dead >= _PATH_DEAD,
            Fault.PART_HIDDEN: tiles.dead >= _PART_DEAD,
            Fault.GLARE: stats.burnt_share > self._config.glare_share,
            Fault.BLURRED: self._is_blurred(now_ns, stats),
            Fault.OUT_OF_AIM: self._aim.turn(now_ns, ego) > math.radians(self._config.aim_deg),
            Fault.WRONG_MOUNT: self.mount is not Wrong.NOTHING,
            Fault.LOW_FRAME_RATE: self._is_slow(now_ns),
            Fault.SLOW_DETECTOR: self._median_detect_s() > self._config.slow_detect_ms / 1000,
        }
        return tuple(t for t, lasting in self._lasting.items() if lasting.feed(now_ns, holds[t]))

    def _time(self, captured_ns: int) -> int:
        """The frame's time; one that does not advance counts as stuck, and time is then taken to go on."""
        if self._last_ns is None:
            self._first_ns = self._last_ns = captured_ns
            return captured_ns
        if captured_ns > self._last_ns:
            self._stuck = 0
            self._last_ns = captured_ns
        else:
            self._stuck += 1
        return self._last_ns + self._stuck * NS_PER_S // 15  # stuck frames: at least 15 a second is assumed

    def _is_old(self, coarse: Image, small: Image, now_ns: int) -> bool:
        """Whether the last one comes again and again, or old ones come too often."""
        seen = self._seen.classify_picture(coarse)
        self._alike = 0 if seen is Seen.NEW else self._alike + 1
        often = self._old.feed(now_ns, seen is Seen.OLD or self._lookalikes.shows_old_picture(small, now_ns))
        return often or self._alike >= _REPEATS - 1

    def _is_blurred(self, now_ns: int, stats: PictureStats) -> bool:
        # Dark, covered and burnt-out pictures have no sharpness to speak of; they have names of their own.
        if stats.flat_share >= self._config.covered_share or stats.luma < self._config.dark_luma:
            return self._lasting[Fault.BLURRED].on
        share = self._sharp.share(now_ns, stats.sharpness, frozen=self._lasting[Fault.BLURRED].on)
        return share < self._config.blur_share

    def _is_slow(self, now_ns: int) -> bool:
        self._times.append(now_ns)
        while now_ns - self._times[0] > _RATE_WINDOW_S * NS_PER_S:
            self._times.popleft()
        if self._first_ns is None or now_ns - self._first_ns < _RATE_WINDOW_S * NS_PER_S:
            return False
        return len(self._times) / _RATE_WINDOW_S < self._config.min_fps

    def _median_detect_s(self) -> float:
        return sorted(self._detect_s)[len(self._detect_s) // 2] if len(self._detect_s) >= 5 else 0.0


class UsualSharpness:
    """Sharpness as a share of what it usually is here: 1 is as always, near 0 is fog, sweat or a fingerprint."""

    def __init__(self) -> None:
        self._stride: deque[tuple[int, float]] = deque()
        self._usual: float | None = None
        self._first_ns = 0
        self._last_ns = 0

    def share(self, now_ns: int, sharpness: float, *, frozen: bool) -> float:
        """Feed one frame. `frozen`: the fault stands, and the usual follows only very slowly."""
        self._stride.append((now_ns, sharpness))
        while now_ns - self._stride[0][0] > _STRIDE_S * NS_PER_S:
            self._stride.popleft()
        best = max(value for _, value in self._stride)
        if self._usual is None:
            self._usual, self._first_ns, self._last_ns = best, now_ns, now_ns
            return 1.0
        dt_s = max(0.0, (now_ns - self._last_ns) / NS_PER_S)
        self._last_ns = now_ns
        warm = (now_ns - self._first_ns) / NS_PER_S > _WARM_UP_S
        time_s = _USUAL_FOGGED_S if frozen else _USUAL_S if warm else 1.0
        share = best / self._usual if warm and self._usual > _UNTEXTURED else 1.0
        self._usual += (1 - math.exp(-dt_s / time_s)) * (best - self._usual)
        return share


class Aim:
    """How far pitch and roll have moved within the last seconds, summed from frame to frame, in radians.

    Steps swing the camera and it swings back within a third of a second; a knock does not. How the camera
    then points is unknown in the long run, so a knock is told of for a minute and then taken for the new aim.
    """

    def __init__(self) -> None:
        self._sums = (0.0, 0.0)  # pitch, roll
        self._usual = (0.0, 0.0)
        self._first_ns: int | None = None
        self._last_ns = 0

    def turn(self, now_ns: int, ego: EgoMotion | None) -> float:
        """Add one frame's rotation; the larger of the two deviations from the usual."""
        if self._first_ns is None:
            self._first_ns = self._last_ns = now_ns
            return 0.0
        dt_s = max(0, now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        # A frame left out is a turn left out, and steps are left out by one side of their swing rather than the
        # other: only those that tell nothing are.
        if ego is not None and ego.quality > _TELLS:
            keep = math.exp(-dt_s / _AIM_FORGETS_S)
            self._sums = self._sums[0] * keep + ego.pitch_rad, self._sums[1] * keep + ego.roll_rad
        age_s = min((now_ns - self._first_ns) / NS_PER_S, _AIM_USUAL_S)
        follow = min(1.0, dt_s / max(dt_s, age_s, 1e-6))
        pitch, roll = (now - was for now, was in zip(self._sums, self._usual, strict=True))
        self._usual = self._usual[0] + follow * pitch, self._usual[1] + follow * roll
        return max(abs(pitch), abs(roll))
