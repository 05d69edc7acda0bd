"""A real file system that is full, or read-only, and a disk that fails: told, survived, caught up with."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from journal_kit import Told, a_near_miss, a_writer

import rearguard.journal.writer as writer_module
from rearguard.journal.db.store import Journal
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS
from rearguard.types import Fault


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_RETRY_S", 0.05)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no right to mount a small file system here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    path = folder / "somebody-else's"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return path


def pictures_of(folder: Path, near_miss: int) -> int:
    with Journal.open(folder, readonly=True) as journal:
        return len(journal.media(near_miss))


def test_a_full_disk(disk: Path) -> None:
    told = Told()
    folder = disk / "journal"
    writer = a_writer(folder, told)
    picture = Snapshot(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))
    writer.near_miss(a_near_miss(1.0), picture).result(5)
    until(lambda: pictures_of(folder, 1) == 2)  # the files are there before the rows that name them
    filler = fill(disk)
    waiting = [writer.near_miss(a_near_miss(2.0 + n), picture) for n in range(30)]
    until(lambda: Fault.DISK_FULL in told.faults)
    assert not waiting[-1].done()
    filler.unlink()
    numbers = [future.result(20) for future in waiting]
    assert numbers == list(range(2, 32))
    until(lambda: told.faults[-1] is None)
    assert writer.close(10)
    with Journal.open(folder) as journal:
        assert len(journal.near_misses(limit=100)) == 31
        assert journal.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        named = {m.file for row in journal.near_misses(limit=100) for m in journal.media(row.id).values()}
    assert {p.name for p in (folder / CLIPS).iterdir()} == named, "nothing half written is left"


def test_a_read_only_disk(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    told = Told()
    writer = a_writer(disk / "journal", told)
    future = writer.near_miss(a_near_miss())
    until(lambda: told.faults)
    assert told.faults == [Fault.JOURNAL_FAILED]
    assert "Read-only" in told.lines[0][1]
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert future.result(10) == 1
    assert writer.close(5)


def test_an_io_error(tmp_path: Path) -> None:
    """What SQLite says when the card fails; the next attempt opens the file anew."""
    told = Told()
    writer = a_writer(tmp_path, told)
    writer.near_miss(a_near_miss(1.0)).result(5)
    failing = 3
    insert = writer_module.insert.near_miss

    def fail(*args: object) -> int:
        nonlocal failing
        failing -= 1
        if failing >= 0:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return insert(*args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module.insert, "near_miss", fail)
        assert writer.near_miss(a_near_miss(2.0)).result(10) == 2
    until(lambda: told.faults[-1] is None)
    assert writer.close(5)
    assert told.faults == [Fault.JOURNAL_FAILED, None], "told once, not at every attempt"
