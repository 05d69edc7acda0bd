"""Runs in the emulated Raspberry Pi of `pi_cuts.sh`, at every boot until the plug is pulled.

It opens the journal as the service does, tells on the serial console what is there, then logs near misses for ever
and tells each one that was acknowledged. `pi_cuts.sh` says what the lines mean.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
import traceback
from pathlib import Path

sys.path[:0] = ["/root/rearguard/src", "/root/rearguard/tests"]

import msgspec  # noqa: E402
from journal_kit import a_near_miss, a_start, a_writer  # noqa: E402

from rearguard.journal.db.store import Journal  # noqa: E402
from rearguard.journal.housekeeping import WriterLock, tidy  # noqa: E402
from rearguard.types import Cue, CueName  # noqa: E402

FOLDER = Path("/var/lib/rearguard")
CONTROL = Path("/var/lib/control")  # a line per near miss, written without fsync: what a cut takes
CONSOLE = os.open("/dev/console", os.O_WRONLY | os.O_NOCTTY)


def tell(text: str) -> None:
    """One line on the serial console; a line the cut tore lacks its end."""
    os.write(CONSOLE, f"<{text}>\n".encode())


def ranges(numbers: list[int]) -> str:
    """`1-7,9-9` for 1 to 7 and 9."""
    found: list[list[int]] = []
    for n in numbers:
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return ",".join(f"{a}-{b}" for a, b in found)


def examine() -> None:
    """Open and repair the journal, and tell what is in it."""
    began = time.monotonic()
    with Journal.open(FOLDER) as journal:
        lock = WriterLock(FOLDER)
        with lock.alone() as alone:
            assert alone
            tidy(journal)
        lock.release()
        took_s = time.monotonic() - began
        db = journal.db
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM outing WHERE ended IS NULL").fetchone() == (0,)
        torn = "SELECT id FROM near_miss WHERE (SELECT count(*) FROM trace WHERE near_miss = id) != 21"
        assert db.execute(torn).fetchall() == [], "a near miss is there wholly"
        aside = [p.name for p in FOLDER.glob("*.damaged-*")]
        assert not aside, f"moved aside as damaged: {aside}"
        there = [n for (n,) in db.execute("SELECT id FROM near_miss ORDER BY id")]
        last = "SELECT count(*) FROM near_miss WHERE outing = (SELECT max(outing) FROM near_miss)"
        logged = db.execute(last).fetchone()[0]
    kept = CONTROL.read_bytes().count(b"\n") if CONTROL.exists() else 0
    tell(f"control {kept} of {logged}")
    tell(f"opened in {took_s:.2f} s")
    tell(f"there {ranges(there)}")


def log_for_ever() -> None:
    """What a vision process does in bad times."""
    CONTROL.unlink(missing_ok=True)
    writer = a_writer(FOLDER, start=msgspec.structs.replace(a_start(), key=secrets.token_hex(8)))
    number = 0
    while True:
        number += 1
        seen = a_near_miss(10.0 + 3.0 * number)
        future = writer.near_miss(seen)
        writer.cue(Cue(at_ns=seen.warned_ns, cue=CueName.CRITICAL))
        with CONTROL.open("a") as file:
            file.write(f"{number}\n")
        future.add_done_callback(lambda f: tell(f"ack {f.result()}"))
        if number % 4 == 0:
            future.result()


def main() -> None:
    tell(f"booted in {time.monotonic():.0f} s")
    try:
        examine()
        log_for_ever()
    except BaseException as e:
        traceback.print_exc()
        tell(f"broken: {type(e).__name__}: {e}")
        raise


if __name__ == "__main__":
    main()
