"""`rearguard aim`: mount the camera straight, over SSH."""

from __future__ import annotations

import json
import math
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.aim_gyro import aim_gyro
from rearguard.cli.options import config_option, fps_option, hfov_option, json_option, lens_option
from rearguard.config import Config, found, load, search_path
from rearguard.errors import EXIT_NO, BadInput, RearguardError
from rearguard.output import check_output

if TYPE_CHECKING:
    from rearguard.camera.latest import Feed
    from rearguard.detect.detector import Detector
    from rearguard.doctor.aim import Estimate
    from rearguard.ego.pinhole import Pinhole
    from rearguard.types import Detection, Frame, Image

_STEP_DEG = 0.5
_LEAVE_S = 5.0
_KEYS = {"\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left"}


@click.command(
    epilog="""\b
Examples:
  rearguard aim                                  at the Pi, or over SSH
  rearguard aim --person-height 1.82             your spotter's height makes it exact
  rearguard aim --seconds 20 --save              without a terminal: measure and store
  rearguard aim --seconds 60 --save --ignore     also what of yours stays in the picture
  rearguard aim --gyro --save                    how the gyroscope sits, once it is mounted
  rearguard aim --source "sim:stand" --seconds 5 --json

\b
1. Put the harness on and stand as you run, leaning a little forward.
2. Let the spotter walk from 3 m to 10 m behind you, upright, on flat ground.
3. When the estimate has settled: a takes it, s stores it, q leaves.
4. Walk about for half a minute. What stays in the picture, a strap or dirt, is framed. Move it away; or i ignores it,
   and s stores that: nothing is seen there any more. What hides the path cannot be ignored.
Keys: up/down and left/right move the drawn horizon by hand, onto a real one.

\b
Stop the service first (`sudo systemctl stop rearguard`): one camera, one user.
Exit code 1: nobody was seen long enough to measure (with --seconds), or too little turned (with --gyro)."""
)
@click.option("--source", default="picamera2", show_default=True, metavar="WORD", help="As for `run`.")
@click.option(
    "--person-height",
    type=click.FloatRange(0.8, 2.3),
    default=1.72,
    show_default=True,
    metavar="M",
    help="Height of whoever stands in the picture, shoes included, metres.",
)
@click.option(
    "--seconds", type=click.FloatRange(1, 600), metavar="S", help="Measure for so long, then leave."
)
@click.option("--save", is_flag=True, help="Store what was measured at the end (with --seconds or --gyro).")
@click.option(
    "--ignore",
    is_flag=True,
    help="Take the proposed camera.ignore, too: parts of the picture that are yours.",
)
@click.option(
    "--gyro", is_flag=True, help="Measure how the gyroscope sits instead: wave the pod for ten seconds."
)
@fps_option
@hfov_option
@lens_option
@config_option
@json_option
def aim(
    source: str,
    person_height: float,
    seconds: float | None,
    save: bool,
    ignore: bool,
    gyro: bool,
    fps: float | None,
    hfov_deg: float | None,
    lens: str,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Help to mount the camera: live picture with horizon, corridor and what is detected."""
    target = config_file or found() or search_path()[0]
    if seconds is None and not gyro and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("this is no terminal: say how long to measure, with --seconds")
    if source.startswith("sim:") and save:
        raise BadInput(
            f"{source}: a simulated camera says nothing of how yours sits; --save is for a real one"
        )
    if save:
        check_output(target, make_folder=True)
    from rearguard.camera.catalogue import open_source
    from rearguard.camera.latest import feed
    from rearguard.detect.detector import Detector

    config = load(config_file)
    pictures = open_source(source, config.camera, fps=fps, hfov_deg=hfov_deg, lens=lens, realtime=True)
    own = getattr(pictures, "motion", (None,))[0] if gyro else None
    frames = feed(pictures)
    try:
        if gyro:
            aim_gyro(frames, own, config, seconds, target, save=save, as_json=as_json)
            return
        detector = Detector(config.detect)
        session = _Session(config, frames, detector, person_height, target)
        if seconds is None:
            with _raw_keys():
                session.interactive()
            return
        session.measure(seconds, show=not as_json and sys.stdout.isatty())
    finally:
        frames.stop()
        frames.join(_LEAVE_S)
    session.finish(as_json, save=save, ignore=ignore)
    if session.estimate.pitch_deg is None:
        sys.exit(EXIT_NO)


class _Session:
    """One mounting: what is drawn, what was measured, what was stored."""

    def __init__(
        self, config: Config, frames: Feed, detector: Detector, person_m: float, target: Path
    ) -> None:
        from rearguard.doctor.aim import Estimate
        from rearguard.ego.pinhole import Pinhole
        from rearguard.health.own_parts import OwnParts

        info = frames.info
        self._camera, self._config = config.camera, config
        self._frames, self._detector = frames, detector
        self._person_m, self._target = person_m, target
        self.lens: Pinhole = Pinhole.from_fov(info.width_px, info.height_px, info.hfov_deg)
        self.estimate: Estimate = Estimate()
        self.pitch_deg, self.roll_deg = config.camera.pitch_deg, config.camera.roll_deg
        self._own_parts = OwnParts(config.camera)
        self.ignore = config.camera.ignore
        self.stored = False
        self._said = ""

    def measure(self, seconds: float, *, show: bool) -> None:
        """Measure for a while, drawing if `show`."""
        until = time.monotonic() + seconds
        with self._screen(show) as draw:
            while time.monotonic() < until and not self._frames.ended:
                self._measure_frame(draw)

    def interactive(self) -> None:
        """Measure and obey keys until q."""
        with self._screen(True) as draw:
            while not self._frames.ended:
                self._measure_frame(draw)
                for key in _pressed():
                    if key in ("q", "\x03"):
                        return
                    self._obey(key)

    def take_estimate(self) -> None:
        """Make the measured pitch the drawn one."""
        if self.estimate.pitch_deg is not None:
            self.pitch_deg = round(self.estimate.pitch_deg, 1)

    def take_proposal(self) -> None:
        """Ignore what stays in the picture."""
        self.ignore = (*self._camera.ignore, *self._own_parts.regions)

    def store(self) -> None:
        """Write pitch, roll and what is newly ignored into the configuration."""
        from rearguard.doctor.aim import store

        values: dict[str, float | str] = {"pitch_deg": self.pitch_deg, "roll_deg": self.roll_deg}
        if self.ignore != self._camera.ignore:
            values["ignore"] = str([list(region) for region in self.ignore])
        store(self._target, values)
        self.stored = True
        self._said = f"stored in {self._target}"

    def finish(self, as_json: bool, *, save: bool, ignore: bool) -> None:
        """Tell what was measured, stored if `save`; it is told also when it cannot be stored. `ignore`: what stays in
        the picture, too."""
        failed: RearguardError | None = None
        if ignore:
            self.take_proposal()
        if save and (self.estimate.pitch_deg is not None or self.ignore != self._camera.ignore):
            self.take_estimate()
            try:
                self.store()
            except RearguardError as e:
                failed = e
        self.report(as_json)
        if failed is not None:
            raise failed

    def report(self, as_json: bool) -> None:
        """What was measured, in one object or one line."""
        pitch = self.estimate.pitch_deg
        if as_json:
            found = {
                "pitch_deg": None if pitch is None else round(pitch, 2),
                "spread_deg": round(self.estimate.spread_deg, 2),
                "sightings": len(self.estimate),
                "configured_pitch_deg": self._camera.pitch_deg,
                "ignore": self.ignore,
                "proposed_ignore": self._own_parts.regions,
                "stored": str(self._target) if self.stored else None,
                "advice": self._advice(),
            }
            click.echo(json.dumps(found))
        elif pitch is None:
            click.echo("nobody was seen whole for long enough: let someone stand 3 to 10 m away", err=True)
        else:
            stored = f", stored in {self._target}" if self.stored else "; --save stores it"
            click.echo(
                f"pitch {pitch:+.1f}° (configured {self._camera.pitch_deg:+.1f}°){stored}  {self._advice()}"
            )
        if self._own_parts.regions and not as_json:
            regions = [list(region) for region in self._own_parts.regions]
            click.echo(f"stays in the picture while you move: {regions}; --ignore --save leaves it out")

    def _measure_frame(self, draw: _Draw) -> None:
        from rearguard.doctor.aim import pitch_of_people
        from rearguard.health.image_stats import coarse_copy, small_grey

        frame = self._frames.get(0.25)
        if frame is None:
            return
        found = self._detector.detect(frame.image)
        good = [d for d in found if d.score >= self._config.detect.min_score]
        self._own_parts.look(small_grey(coarse_copy(frame.image)), frame.captured_ns)
        self.estimate.add(pitch_of_people(self.lens, good, self._camera.height_m, self._person_m))
        draw(self._picture(frame, good), self._lines())

    def _obey(self, key: str) -> None:
        self._said = ""
        match key:
            case "up":  # the horizon goes up in the picture when the lens looks further down
                self.pitch_deg += _STEP_DEG
            case "down":
                self.pitch_deg -= _STEP_DEG
            case "left":
                self.roll_deg -= _STEP_DEG
            case "right":
                self.roll_deg += _STEP_DEG
            case "a":
                self.take_estimate()
            case "i":
                self.take_proposal()
            case "s":
                try:
                    self.store()
                except RearguardError as e:
                    self._said = str(e)

    def _advice(self) -> str:
        from rearguard.doctor.aim import advice

        return advice(self.pitch_deg, self.roll_deg, self.lens)

    def _lines(self) -> list[str]:
        measured = self.estimate.pitch_deg
        told = "–" if measured is None else f"{measured:+.1f}° ± {self.estimate.spread_deg:.1f}°"
        return [
            f"pitch {self.pitch_deg:+.1f}°  roll {self.roll_deg:+.1f}°   measured from people: {told} "
            f"({len(self.estimate)} sightings)",
            self._said or self._advice() or "sits well",
            self._ignored(),
            "arrows move the horizon · a takes the measured pitch · i ignores what is framed · s stores · q leaves",
        ]

    def _ignored(self) -> str:
        """What is left out of the picture, and what could be, in one line."""
        regions, more = len(self.ignore), len(set(self._own_parts.regions) - set(self.ignore))
        left_out = f"{regions} of its parts ignored" if regions else "nothing of it ignored"
        return f"{left_out}; {more} more stay as they are while you move" if more else left_out

    def _picture(self, frame: Frame, found: list[Detection]) -> Image:
        import cv2

        from rearguard.doctor.aim import MARKS_M, ground_point, horizon

        image: Image = frame.image.copy()
        thick = max(1, round(image.shape[1] / 320))
        left, right = horizon(self.lens, self.pitch_deg, self.roll_deg)
        cv2.line(image, _whole(left), _whole(right), (255, 255, 0), thick)
        half = self._config.judge.corridor_half_width_m
        where = (self.lens, self._camera.height_m, self.pitch_deg)
        for side in (-half, half):
            points = [ground_point(*where, ahead, side) for ahead in (1.5, 3.0, *MARKS_M, 30.0)]
            for a, b in pairwise(points):
                cv2.line(image, _whole(a), _whole(b), (0, 255, 255), thick)
        for ahead in MARKS_M:
            cv2.line(
                image, _whole(ground_point(*where, ahead, -half)), _whole(ground_point(*where, ahead, half)),
                (0, 255, 255), thick,
            )  # fmt: skip
        width, height = image.shape[1], image.shape[0]
        for region in {*self._own_parts.regions, *self.ignore}:
            x0, y0, x1, y1 = (round(v * n) for v, n in zip(region, (width, height) * 2, strict=True))
            if region in self.ignore:
                image[y0:y1, x0:x1] //= 3
            cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), (60, 120, 255), thick)
        for d in found:
            cv2.rectangle(
                image, _whole((d.box.x0, d.box.y0)), _whole((d.box.x1, d.box.y1)), (90, 190, 90), thick
            )
        return image

    @contextmanager
    def _screen(self, show: bool) -> Iterator[_Draw]:
        if not show:
            yield lambda _image, _lines: None
            return
        from rich.console import Console, Group
        from rich.live import Live
        from rich.text import Text

        from rearguard.vision.live_view import HalfBlocks

        console = Console()
        with Live(console=console, refresh_per_second=10, transient=True) as live:

            def draw(image: Image, lines: list[str]) -> None:
                width, height = console.size
                blocks = HalfBlocks(image, width - 1, max(6, height - 6))
                live.update(Group(blocks, *(Text(line, no_wrap=True) for line in lines)))

            yield draw


if TYPE_CHECKING:
    from collections.abc import Callable

    _Draw = Callable[[Image, list[str]], None]


def _whole(point: tuple[float, float]) -> tuple[int, int]:
    """Pixels OpenCV can take, far outside ones held near the picture."""
    x, y = (min(max(v, -10_000.0), 10_000.0) if math.isfinite(v) else 0.0 for v in point)
    return round(x), round(y)


@contextmanager
def _raw_keys() -> Iterator[None]:
    """Keys arrive at once and unseen; the terminal is as before afterwards, whatever happens."""
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _pressed() -> list[str]:
    """The keys pressed since the last call."""
    import os

    keys = []
    while select.select([sys.stdin], [], [], 0)[0]:
        text = os.read(sys.stdin.fileno(), 64).decode(errors="ignore")
        if not text:
            return ["q"]  # the terminal is gone
        while text:
            arrow = next((code for code in _KEYS if text.startswith(code)), None)
            keys.append(_KEYS[arrow] if arrow else text[0])
            text = text[len(arrow) if arrow else 1 :]
    return keys
