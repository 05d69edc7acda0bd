"""Every fault of the simulated camera before the picture watch, as a table: what is told, and after how long; and some
before somebody in the way, through the whole program: what is felt, and how much time is left then.

python tests/faults/camera_report.py [--write docs/camera-faults.md] [NAME…]

Exit code 1 when one is told too late or not at all. About four minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rearguard.camera.catalogue import open_source
from rearguard.config.camera import Camera
from rearguard.config.health import Health
from rearguard.cue.table import CUES, FAULTS
from rearguard.health.picture import PictureWatch
from rearguard.lab.world.camera_faults import CAMERA_FAULTS, CameraFault, Striking, Told, Wanted
from rearguard.types import Fault, Frame

SMALL = Camera(width_px=320, height_px=180)
LATE_S = 0.2
WORLD, FPS, AT_S = "sim:empty?readout_ms=15", 10.0, 4.0


def told(row: CameraFault, clean: list[Frame]) -> dict[Fault, float]:
    """Each fault told, with the seconds since the onset."""
    at_s = 0.0 if row.view else AT_S
    frames = clean
    if row.view:
        frames = list(
            open_source(f"{WORLD}&duration=11&fault={row.name}&fault_at=0", SMALL, fps=FPS).frames()
        )
    watch, striking = PictureWatch(Health(), SMALL), Striking(Wanted.of(row.name, at_s), 0, FPS)
    found: dict[Fault, float] = {}
    for frame in frames:
        arriving = frame if row.view else striking.strike(frame, frame.seq / FPS)
        for fault in watch.check_picture(arriving) if arriving is not None else ():
            found.setdefault(fault, frame.seq / FPS - at_s)
    return found


def first(found: dict[Fault, float], row: CameraFault) -> tuple[Fault, float] | None:
    """What is felt: the most urgent cue of those that come soon enough, else whatever comes first."""
    soon = {f: s for f, s in found.items() if s <= (row.within_s or 1e9)} or found
    if not soon:
        return None
    fault = max(soon, key=lambda f: (CUES[FAULTS[f].cue].priority, -soon[f]))
    return fault, soon[fault]


class Encounter(NamedTuple):
    """A camera that fails while somebody or something comes: a world, a fault, and when it strikes."""

    name: str
    world: str
    fault: str
    at_s: float = 4.0


ENCOUNTERS = (
    Encounter("FAULT-FROZEN", "stand", "frozen"),
    Encounter("FAULT-FROZEN-LOWER", "stand", "frozen-lower"),
    Encounter("FAULT-FROZEN-RIGHT", "wall", "frozen-right"),
    Encounter("FAULT-BLACK-MIDDLE", "stand", "black-middle"),
    Encounter("FAULT-COVERED", "walk-toward", "covered"),
    Encounter("FAULT-STALE", "run-toward", "stale-alternate"),
    Encounter("FAULT-SMEARED", "cyclist", "smeared-middle"),
    Encounter("FAULT-GROUND", "stand?start=35", "ground", 0.0),
)


def felt_before(row: Encounter, folder: Path) -> tuple[list[tuple[float, str]], float]:
    """What is felt in the whole program, as (seconds, cue), and when the wearer is hit."""
    source = f"sim:{row.world}{'&' if '?' in row.world else '?'}readout_ms=15"
    contact_s = next(thing.ttc_s for thing in next(iter(open_source(source, SMALL, fps=FPS).frames())).truth)
    assert contact_s is not None
    settings = folder / f"{row.name}.toml"
    settings.write_text("[camera]\nwidth_px = 640\nheight_px = 360\n")
    command = [
        sys.executable, "-m", "rearguard", "run", "--source", f"{source}&fault={row.fault}&fault_at={row.at_s:g}",
        "--fps", f"{FPS:g}", "--json", "--config", str(settings), "--journal", str(folder / row.name),
    ]  # fmt: skip
    env = os.environ | {"GPIOZERO_PIN_FACTORY": "mock", "HOME": str(folder)}
    summary = json.loads(subprocess.run(command, env=env, capture_output=True, check=True).stdout)
    return sorted((cue["t_s"], cue["cue"]) for cue in [*summary["cues"], *summary["faults"]]), contact_s


def encounter_line(row: Encounter, folder: Path) -> tuple[str, bool]:
    """Its line in the table, and whether it was told of while it helped."""
    felt, contact_s = felt_before(row, folder)
    before = [cue for at_s, cue in felt if at_s < row.at_s]
    after = [(at_s, cue) for at_s, cue in felt if row.at_s <= at_s < contact_s]
    told = next(((at_s, cue) for at_s, cue in after if cue in ("BLIND", "FAULT")), None)
    about = next(fault.about for fault in CAMERA_FAULTS if fault.name == row.fault)
    head = f"| {row.name} | `sim:{row.world}` | {about} | {contact_s - row.at_s:.1f} "
    head += f"| {', '.join(before) or 'nothing'} "
    if told is None:
        return f"{head}| {', '.join(cue for _, cue in after) or 'nothing'} | | |", False
    left_s = contact_s - told[0] - LATE_S
    return f"{head}| {told[1]} | {told[0] - row.at_s:.1f} | {left_s:.1f} |", left_s > 0


def encounters(names: Sequence[str]) -> tuple[list[str], int]:
    """The lines of the second table, and how many were told too late."""
    lines, late = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for row in ENCOUNTERS:
            if not names or row.name in names:
                line, told = encounter_line(row, Path(folder))
                lines.append(line)
                late += not told
                print(line, "" if told else "LATE", flush=True)
    return lines, late


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these faults")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    clean = list(open_source(f"{WORLD}&duration=15", SMALL, fps=FPS).frames())
    lines, wrong = [], 0
    for row in CAMERA_FAULTS:
        if args.names and row.name not in args.names:
            continue
        felt = first(told(row, clean), row)
        late = row.told in (Told.BLIND, Told.DEGRADED) and (felt is None or felt[1] > row.within_s)
        wrong += late
        cue = f"{FAULTS[felt[0]].cue} | `{felt[0]}` | {felt[1]:.1f}" if felt else "nothing | | "
        due = f"{row.told} in {row.within_s:g} s" if row.within_s else str(row.told)
        lines.append(f"| `{row.name}` | {row.about} | {due} | {cue} |")
        print(lines[-1], "LATE" if late else "", flush=True)
    met, late = encounters(args.names)
    if args.write:
        args.write.write_text(_HEAD + "\n".join(lines) + _ENCOUNTERS_HEAD + "\n".join(met) + "\n")
    return int(wrong + late > 0)


_HEAD = """# What is felt when a camera fails

Written by `python tests/faults/camera_report.py --write docs/camera-faults.md`: every fault that
`sim:NAME?fault=…` can bring about, before the watch over the picture, on a clear track at 2.5 m/s with gait, ten
pictures a second. "After" is counted from the onset of the fault in capture time; the motor starts about 0.2 s later on
a Raspberry Pi. Faults of the mount stand from the first picture on. "Nothing" means that the picture gives it away too
little; [SAFETY.md](../SAFETY.md) says what that leaves to the wearer.

| fault | what happens | due | felt | told as | after, s |
|---|---|---|---|---|---|
"""

_ENCOUNTERS_HEAD = f"""

## With somebody in the way

The same faults while the wearer runs at 2.5 m/s into somebody or something, through the real program with its detector
and both processes, 640×360. "Left" is the true time to contact: at the onset, and when the motor has started
({LATE_S:g} s after the cue is due, as on a Raspberry Pi).

| scenario | world | what happens | left at onset, s | felt before | felt | after, s | left when felt, s |
|---|---|---|---|---|---|---|---|
"""


if __name__ == "__main__":
    sys.exit(main())
