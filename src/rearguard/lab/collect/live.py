"""Recording at the tape: the camera runs, and a press of the button, or Enter, tells that a mark is passed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rearguard.camera.source import Source
from rearguard.clock import NS_PER_S
from rearguard.errors import BadInput, PartFailed
from rearguard.lab.collect.film import film_writer
from rearguard.lab.collect.tape import Mark
from rearguard.warden.pins import open_device

_BOUNCE_S = 0.05


def record(
    source: Source,
    film: Path,
    tape_m: Sequence[float],
    presses: Callable[[], int],
    *,
    seconds: float,
    tell: Callable[[str], None],
) -> list[Mark]:
    """Film until the last mark of the tape is pressed, at most `seconds`; the marks, by the film's own time.

    `presses` tells how many there were since it was asked before; each is the next mark of `tape_m`. Raises `BadInput`
    when the time is over before.
    """
    marks: list[Mark] = []
    first_s = before_s = None
    tell(f"recording; press at {tape_m[0]:g} m")
    with film_writer(film) as writer:
        for frame in source.frames():
            now_s = frame.captured_ns / NS_PER_S
            if first_s is None:
                first_s = now_s
                presses()  # before there was a picture
            writer.add(frame.image, now_s - first_s)
            # Pressed at some moment since the picture before.
            at_s = (now_s + (now_s if before_s is None else before_s)) / 2 - first_s
            for _ in range(0 if before_s is None else min(presses(), len(tape_m) - len(marks))):
                marks.append(Mark(at_s, tape_m[len(marks)]))
                tell(f"{marks[-1].range_m:g} m at {at_s:.1f} s")
            before_s = now_s
            if len(marks) == len(tape_m):
                return marks
            if now_s - first_s > seconds:
                break
    raise BadInput(
        f"{len(marks)} of the {len(tape_m)} marks of the tape were pressed before the recording ended"
        f" (--seconds {seconds:g})"
    )


@contextmanager
def pressing(pin: int, tell: Callable[[str], None]) -> Iterator[Callable[[], int]]:
    """How many presses there were since it was asked before: Enter in the terminal, and the button on `pin`."""
    count, lock = [0], threading.Lock()

    def press() -> None:
        with lock:
            count[0] += 1

    def taken() -> int:
        with lock:
            found, count[0] = count[0], 0
        return found

    def read_enters() -> None:
        for _ in sys.stdin:
            press()

    with ExitStack() as stack:
        try:
            button = stack.enter_context(open_device(pin, lambda: _button(pin), "cannot be read as a button"))
            if button is not None:
                button.when_pressed = press
        except PartFailed as e:
            tell(f"{e}; press Enter instead")
        threading.Thread(target=read_enters, daemon=True, name="enter").start()
        yield taken


def _button(pin: int) -> Any:
    from gpiozero import Button

    return Button(pin, pull_up=True, bounce_time=_BOUNCE_S)
