"""Pulls the plug of an emulated SD card while near misses are logged, again and again.

    sudo python tests/rig/power_cuts.py [CUTS] [RIG]

The journal lies on a real ext4 file system; a cut is an atomic copy of the card's blocks at a random moment, so that
whatever the kernel had not written yet is gone. Each copy is mounted (ext4 replays its own journal) and opened by
rearguard: the database must be whole, every near miss that was reported as committed must be there with its trace,
and every picture the database names must be as it was written. Needs root, mkfs.xfs and loop devices.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
RIG = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE.parents[3] / "shared" / "rig"
sys.path[:0] = [str(HERE.parents[1] / "helpers"), str(HERE.parents[1] / "journal")]

from test_kill import check, log_for_ever  # noqa: E402

from rearguard.journal.db.store import Journal  # noqa: E402

# The rig's script has no importable half: its disk is all that comes before its own writer.
rig: dict[str, Any] = {}
exec((RIG / "power" / "powercut.py").read_text().partition("\nWRITER = ")[0], rig)


def start(folder: Path, acknowledged: Path) -> int:
    """A process that logs near misses for ever and tells, on another disk, which were committed."""
    child = os.fork()
    if child == 0:
        fd = os.open(acknowledged, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            log_for_ever(folder, fd, f"{random.getrandbits(64):016x}")
        finally:
            os._exit(1)
    return child


def committed(acknowledged: Path) -> dict[int, int]:
    """{number: id} of what was reported so far."""
    lines = acknowledged.read_text().splitlines(keepends=True) if acknowledged.exists() else []
    return {int(n): int(i) for n, i in (line.split() for line in lines if line.endswith("\n"))}


def main() -> int:
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    work = tempfile.mkdtemp(prefix="rearguard-powercut.")
    # A quarter of a gigabyte: the journal leaves room on a fuller card and would keep no pictures.
    disk = rig["Disk"](work, size="1G", store="6000M")
    folder, acknowledged = Path(disk.mnt) / "rearguard", Path(work) / "acknowledged"
    child = start(folder, acknowledged)
    rng, bad, most, slowest_s, began = random.Random(1), 0, 0, 0.0, time.monotonic()
    try:
        time.sleep(2)
        for cut in range(cuts):
            time.sleep(rng.uniform(0, 0.3))
            known = committed(acknowledged)
            image = disk.cut(cut)

            def examine(mounted: str, known: dict[int, int] = known) -> float:
                copy = Path(mounted) / "rearguard"
                took_s = check(copy, known)
                with Journal.open(copy) as journal:
                    assert journal.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                return took_s

            try:
                slowest_s = max(slowest_s, disk.check(image, examine))
                most = max(most, len(known))
            except Exception as e:
                bad += 1
                print(f"cut {cut}: {type(e).__name__}: {e}", flush=True)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        disk.close()
        shutil.rmtree(work, ignore_errors=True)
    print(
        f"{cuts} cuts in {time.monotonic() - began:.0f} s, {bad} bad; up to {most} near misses acknowledged, "
        f"none missing; opening took {slowest_s:.2f} s at most"
    )
    return 1 if bad or not most else 0


if __name__ == "__main__":
    sys.exit(main())
