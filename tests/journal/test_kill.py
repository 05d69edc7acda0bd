"""The process is killed at any moment, again and again: what was reported as committed is there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import select
import signal
import sqlite3
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from journal_kit import a_near_miss, a_start, a_writer

from rearguard.config.journal import Journal as Settings
from rearguard.journal.db.store import Journal
from rearguard.journal.housekeeping import WriterLock, tidy
from rearguard.journal.media.clips import ClipRing
from rearguard.journal.media.jpeg import to_jpeg
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS, DATABASE, read_clip
from rearguard.types import Cue, CueName, Frame

FAST, FULL = 15, 500


def log_for_ever(folder: Path, report: int, key: str) -> None:
    """What a vision process does in bad times; tells every near miss it was told is committed."""
    image = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    ring = ClipRing(Settings())
    writer = a_writer(folder, start=msgspec.structs.replace(a_start(), key=key), ring=ring)
    number = 0
    while True:
        number += 1
        at_s = 10.0 + 3.0 * number
        seen = a_near_miss(at_s)
        ring.add(Frame(number, seen.worst_ns, image))
        future = writer.near_miss(seen, Snapshot(image) if number % 2 else None)
        writer.cue(Cue(at_ns=seen.warned_ns, cue=CueName.CRITICAL))
        future.add_done_callback(lambda f, n=number: os.write(report, b"%d %d\n" % (n, f.result())))
        if number % 4 == 0:
            future.result()


def killed_outing(folder: Path, rng: random.Random) -> dict[int, int]:
    """Fork a writer, kill it at a random moment, and give {number: id} of what it reported as committed."""
    ours, theirs = os.pipe()
    key = f"{rng.getrandbits(64):016x}"
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            log_for_ever(folder, theirs, key)
        finally:
            os._exit(1)
    os.close(theirs)
    if rng.random() < 0.6:  # else it dies while it starts
        select.select([ours], [], [], 10.0)
    time.sleep(rng.uniform(0.0, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(ours) as file:
        lines = [line.split() for line in file if line.endswith("\n")]
    return {int(number): int(near_miss_id) for number, near_miss_id in lines}


def check(folder: Path, committed: dict[int, int]) -> float:
    """Open, repair and examine the journal; the seconds that opening and repairing took."""
    begun = time.monotonic()
    with Journal.open(folder) as journal:
        lock = WriterLock(folder)
        with lock.alone() as alone:
            assert alone
            tidy(journal)
        took_s = time.monotonic() - begun
        lock.release()
        db = journal.db
        there = {n for (n,) in db.execute("SELECT id FROM near_miss")}
        assert set(committed.values()) <= there
        for near_miss_id in committed.values():
            assert len(journal.trace(near_miss_id)) == 21, "a near miss is there wholly"
        assert db.execute("SELECT count(*) FROM outing WHERE ended IS NULL").fetchone() == (0,)
        named = {}
        for near_miss_id in committed.values():
            named |= {m.file: m for m in journal.media(near_miss_id).values()}
        for name, row in named.items():
            data = read_clip(folder, name)
            assert data is not None
            assert hashlib.sha256(data).hexdigest() == row.sha256
        files = {p.name for p in (folder / CLIPS).iterdir()}
        assert files == {f for (f,) in db.execute("SELECT file FROM media")}
    return took_s


def torture(folder: Path, kills: int, seed: int) -> tuple[int, float]:
    """Near misses committed in all, and the longest time that opening took."""
    to_jpeg(np.zeros((8, 8, 3), np.uint8))  # load OpenCV here, once
    rng, total, slowest_s = random.Random(seed), 0, 0.0
    for _ in range(kills):
        committed = killed_outing(folder, rng)
        slowest_s = max(slowest_s, check(folder, committed))
        total += len(committed)
    with Journal.open(folder) as journal:
        assert journal.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert journal.db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert journal.db.execute("SELECT count(*) FROM near_miss").fetchone()[0] >= total
    assert not list(folder.glob("*.damaged-*"))
    return total, slowest_s


@pytest.mark.timing
def test_killed_at_random_moments(tmp_path: Path) -> None:
    total, slowest_s = torture(tmp_path, FAST, seed=random.randrange(10**9))
    assert total > FAST // 3
    assert slowest_s < 1.0


@pytest.mark.timing
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_500_random_moments(tmp_path: Path) -> None:
    total, slowest_s = torture(tmp_path, FULL, seed=20261122)
    print(
        f"\n{FULL} kills, {total} near misses committed, all there; slowest opening {slowest_s * 1000:.0f} ms"
    )
    assert slowest_s < 1.0


@pytest.mark.parametrize("seed", range(8))
def test_a_torn_write_ahead_log_keeps_every_commit(tmp_path: Path, seed: int) -> None:
    """The battery goes while the log grows: after the last commit it ends anywhere, or in rubbish."""
    rng = random.Random(seed)
    writer = a_writer(tmp_path / "a")
    committed = [writer.near_miss(a_near_miss(10.0 + n)).result(5) for n in range(rng.randrange(1, 12))]
    wal = tmp_path / "a" / f"{DATABASE}-wal"
    whole = wal.stat().st_size
    for n in range(5):
        writer.near_miss(a_near_miss(50.0 + n)).result(5)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / DATABASE).write_bytes((tmp_path / "a" / DATABASE).read_bytes())
    kept = wal.read_bytes()[: rng.randrange(whole, wal.stat().st_size)]
    (tmp_path / "b" / f"{DATABASE}-wal").write_bytes(kept + rng.randbytes(rng.randrange(9000)))
    writer.close(5)
    with Journal.open(tmp_path / "b") as journal:
        assert {row.id for row in journal.near_misses(limit=100)} >= set(committed)
        assert journal.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_near_miss_waits_for_the_disk_and_a_cue_does_not(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        for durable, level in ((True, 2), (False, 1)):
            with journal.transaction(durable=durable) as db:
                assert db.execute("PRAGMA synchronous").fetchone() == (level,)
        assert journal.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as db, db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
