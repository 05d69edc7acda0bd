"""`rearguard aim --gyro`: how the gyroscope sits beside the camera, from ten seconds of waving both."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.config import Config
from rearguard.errors import EXIT_NO

if TYPE_CHECKING:
    from rearguard.camera.latest import Feed
    from rearguard.sense.align import Alignment
    from rearguard.sense.rates import Rates
    from rearguard.types import EgoMotion

_WAVE_S = 10.0
_KEPT = 500_000  # samples: as long as anybody waves


def aim_gyro(
    frames: Feed,
    own: Rates | None,
    config: Config,
    seconds: float | None,
    target: Path,
    *,
    save: bool,
    as_json: bool,
) -> None:
    """Watch the waving, tell how the gyroscope sits, store it if `save`. Exit code 1 when that is not known."""
    from rearguard.doctor.aim import store
    from rearguard.sense.align import align
    from rearguard.sense.reader import GyroReader

    reader = GyroReader(config.gyro.device or "auto", kept=_KEPT) if own is None else None
    rates = own or reader
    assert rates is not None
    if not as_json:
        click.echo(
            "wave the pod now: up and down, to the sides, and roll it, before something to see", err=True
        )
    try:
        found = align(_turns(frames, seconds or _WAVE_S), rates)
    finally:
        if reader is not None:
            reader.close()
    stored = save and not found.why
    if stored:
        x, y, z = (round(a, 1) for a in found.turned_deg)
        values = {"turned_deg": f"[{x}, {y}, {z}]", "offset_ms": f"{1000 * found.offset_s:.1f}"}
        if not config.gyro.device:
            values["device"] = '"auto"'
        store(target, values, table="gyro")
    accel = reader is None or reader.accel_there  # a simulated part has one
    _report(found, reader.why if reader else "", str(target) if stored else None, as_json, accel=accel)
    if found.why:
        sys.exit(EXIT_NO)


def _turns(frames: Feed, seconds: float) -> list[tuple[int, int, EgoMotion]]:
    """The turns that image flow sees, each with when it began and ended."""
    from rearguard.ego.flow import FlowEgo
    from rearguard.ego.pinhole import Pinhole

    info = frames.info
    flow = FlowEgo(Pinhole.from_fov(info.width_px, info.height_px, info.hfov_deg))
    turns: list[tuple[int, int, EgoMotion]] = []
    last_ns: int | None = None
    until = time.monotonic() + seconds
    while time.monotonic() < until and not frames.ended:
        frame = frames.get(0.25)
        if frame is None:
            continue
        ego = flow.estimate_turn(frame.image)
        if last_ns is not None:
            turns.append((last_ns, frame.captured_ns, ego))
        last_ns = frame.captured_ns
    return turns


def _report(found: Alignment, silent: str, stored: str | None, as_json: bool, *, accel: bool) -> None:
    if as_json:
        told = {
            "turned_deg": [round(a, 2) for a in found.turned_deg],
            "offset_ms": round(1000 * found.offset_s, 2),
            "zero_deg_s": [round(a, 3) for a in found.zero_deg_s],
            "left": round(found.left, 3),
            "turns": found.turns,
            "accelerometer": accel,
            "why": found.why,
            "sensor": silent,
            "stored": stored,
        }
        click.echo(json.dumps(told))
    elif found.why:
        click.echo(found.why + (f" ({silent})" if silent else ""), err=True)
    else:
        x, y, z = found.turned_deg
        kept = f", stored in {stored}" if stored else "; --save stores it"
        click.echo(
            f"turned by {x:+.1f}°, {y:+.1f}°, {z:+.1f}° about right, down, ahead; pictures show "
            f"{1000 * found.offset_s:+.1f} ms after their time stamp; {found.left:.0%} of the turns unexplained{kept}"
        )
        tells = "its accelerometer tells how the camera hangs, and when you fall"
        click.echo(tells if accel else "no accelerometer beside it")
