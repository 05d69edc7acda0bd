"""A journal that cannot be written is told of, never waits, and loses nothing that fits into memory."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from journal_kit import MONO_NS, Told, a_near_miss, a_start, a_writer

import rearguard.journal.writer as writer_module
from rearguard.errors import PartFailed
from rearguard.journal.db.store import Journal
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS, DATABASE
from rearguard.types import Box, Cue, CueName, Fault, Level, Reason, ReasonCode, TracePoint


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon, so that tests need not wait."""
    monkeypatch.setattr(writer_module, "_RETRY_S", 0.05)
    monkeypatch.setattr("rearguard.journal.db.store._BUSY_S", 0.1)


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def count(folder: Path, table: str = "near_miss") -> int:
    with Journal.open(folder, readonly=True) as journal:
        return int(journal.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.timing
def test_a_locked_journal_is_told_once_and_caught_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rearguard.journal.db.store._BUSY_S", 0.5)
    told = Told()
    writer = a_writer(tmp_path, told)
    writer.near_miss(a_near_miss(1.0)).result(5)
    blocker = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    waiting = [writer.near_miss(a_near_miss(2.0 + n)) for n in range(5)]
    for n in range(50):
        writer.cue(Cue(at_ns=MONO_NS + n, cue=CueName.ALIVE))
    put_s = time.monotonic() - begun
    until(lambda: told.faults)
    locked_s = time.monotonic() - begun
    assert not any(w.done() for w in waiting)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert [w.result(5) for w in waiting] == [2, 3, 4, 5, 6]
    until(lambda: len(told.lines) == 2)
    assert told.faults == [Fault.JOURNAL_FAILED, None]
    assert "locked" in told.lines[0][1]
    assert writer.close(5)
    assert (count(tmp_path), count(tmp_path, "cue")) == (6, 50)
    assert put_s < 0.5 * locked_s, "55 puts while the journal was locked: nothing may wait for it"


def test_a_full_disk_is_told_and_what_fits_is_kept(tmp_path: Path) -> None:
    """SQLite's own limit on pages stands for the disk: the same error from the same place."""
    told = Told()
    writer = a_writer(tmp_path, told)
    writer.near_miss(a_near_miss(1.0)).result(5)
    journal = writer._journal
    assert journal is not None
    pages = journal.db.execute("PRAGMA page_count").fetchone()[0]
    opened = writer_module.Journal.open

    def open_full(folder: Path, **options: bool) -> Journal:
        again = opened(folder, **options)
        again.db.execute(f"PRAGMA max_page_count = {pages}")
        return again

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module.Journal, "open", open_full)
        journal.db.execute(f"PRAGMA max_page_count = {pages}")
        waiting = [writer.near_miss(a_near_miss(2.0 + n)) for n in range(20)]
        until(lambda: Fault.DISK_FULL in told.faults)
        assert not waiting[-1].done()
    assert [w.result(5) for w in waiting] == list(range(2, 22))
    assert writer.close(5)
    assert told.faults[0] is Fault.DISK_FULL
    assert told.faults[-1] is None
    assert count(tmp_path) == 21


def test_pictures_whose_row_a_full_disk_refused_do_not_stay(tmp_path: Path) -> None:
    """They take the room that is wanted; another outing's files are its own writer's."""
    told = Told()
    writer = a_writer(tmp_path, told, start=a_start(key="a" * 16))
    others = tmp_path / CLIPS / f"{'b' * 16}-1.jpg"

    def refuse(*_: object) -> None:
        others.write_bytes(b"not yet in a row")
        refused = sqlite3.OperationalError("database or disk is full")
        refused.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise refused

    picture = Snapshot(np.full((90, 160, 3), 80, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rearguard.journal.media.files.insert.media", refuse)
        writer.near_miss(a_near_miss(1.0), picture).result(5)
        until(lambda: Fault.DISK_FULL in told.faults)
    until(lambda: told.faults[-1] is None)
    assert list((tmp_path / CLIPS).iterdir()) == [others]
    writer.near_miss(a_near_miss(2.0), picture).result(5)
    until(lambda: count(tmp_path, "media") == 2)
    assert writer.close(5)
    assert len(list((tmp_path / CLIPS).iterdir())) == 3
    assert a_writer(tmp_path, start=a_start(key="c" * 16)).close(5)
    assert not others.exists(), "who is alone when it begins tidies up after all"


def test_a_journal_that_never_works_raises_nothing_and_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where the folder should be")
    told = Told()
    writer = a_writer(tmp_path / "journal", told)
    waiting = writer.near_miss(a_near_miss())
    writer.mark(3)
    until(lambda: told.faults)
    assert not writer.close(2)
    assert told.faults == [Fault.JOURNAL_FAILED]
    with pytest.raises(PartFailed, match="could not be written"):
        waiting.result(0)


def test_a_file_damaged_while_it_is_written_is_replaced_and_the_outing_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told()
    writer = a_writer(tmp_path, told)
    for n in range(40):
        writer.near_miss(a_near_miss(1.0 + n)).result(5)
    journal = writer._journal
    assert journal is not None
    journal.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = tmp_path / DATABASE
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    writer._drop_connection()
    found = writer.near_miss(a_near_miss(90.0))
    assert found.result(10) == 1
    assert writer.close(5)
    assert (tmp_path / f"{DATABASE}.damaged-1").exists()
    assert "damaged" in capsys.readouterr().err
    with Journal.open(tmp_path, readonly=True) as again:
        assert [row.key for row in again.outings()] == [writer._outing.key]


def test_below_the_least_free_disk_numbers_are_kept_and_pictures_are_not(tmp_path: Path) -> None:
    told = Told()
    writer = a_writer(tmp_path, told, min_free_mb=10**9)
    writer.near_miss(a_near_miss(), Snapshot(np.zeros((90, 160, 3), np.uint8))).result(5)
    until(lambda: told.faults)
    writer.close(5)
    assert told.faults == [Fault.DISK_FULL]
    assert "no more pictures" in told.lines[0][1]
    assert count(tmp_path) == 1
    assert list((tmp_path / CLIPS).iterdir()) == []


def test_a_picture_that_cannot_be_encoded_costs_only_itself(tmp_path: Path) -> None:
    told = Told()
    writer = a_writer(tmp_path, told)
    writer.near_miss(a_near_miss(1.0), Snapshot(np.zeros((0, 0, 3), np.uint8))).result(5)
    writer.near_miss(a_near_miss(2.0), Snapshot(np.zeros((90, 160, 3), np.uint8))).result(5)
    assert writer.close(5)
    assert told.lines == []
    with Journal.open(tmp_path, readonly=True) as journal:
        assert [row.media for row in journal.near_misses()] == [("picture", "strip"), ()]


def test_odd_numbers_do_not_stop_the_journal(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    odd = Reason(code=ReasonCode.SOON, ttc_s=inf, ttc_sd_s=nan, range_m=1.0)
    point = TracePoint(t_ns=MONO_NS, seq=1, box=Box(nan, inf, 1, 2), level=Level.CAUTION, reason=odd)
    told = Told()
    writer = a_writer(tmp_path, told)
    writer.near_miss(a_near_miss(min_ttc_s=nan, trace=(point,))).result(5)
    impossible = writer.near_miss(a_near_miss(worst_seq=2**70))
    writer.cue(Cue(at_ns=2**70, cue=CueName.CAUTION))
    writer.cue(Cue(at_ns=1, cue=CueName.CAUTION))
    writer.near_miss(a_near_miss()).result(5)
    writer.close(5)
    with pytest.raises(PartFailed, match="cannot be stored"):
        impossible.result(0)
    assert (count(tmp_path), count(tmp_path, "cue")) == (2, 1)
    with Journal.open(tmp_path, readonly=True) as journal:
        assert journal.near_misses()[-1].min_ttc_s is None
        assert journal.trace(1)[0].reason.ttc_s is None


def test_memory_is_bounded_when_the_disk_never_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_MAX_ROWS", 10)
    monkeypatch.setattr(writer_module, "_MAX_NEAR_MISSES", 4)
    (tmp_path / "journal").write_text("in the way")
    writer = a_writer(tmp_path / "journal")
    waiting = [writer.near_miss(a_near_miss(), Snapshot(np.zeros((8, 8, 3), np.uint8))) for _ in range(20)]
    for n in range(30):
        writer.mark(n)
    assert len(writer._near_misses) == 4
    assert len(writer._rows) == 10
    assert sum(item.snapshot is not None for item in writer._near_misses) <= writer_module._MAX_PICTURES
    assert waiting[0].done()
    writer.close(2)
    assert writer.dropped >= 36


def test_many_threads_may_put_at_once(tmp_path: Path) -> None:
    writer = a_writer(tmp_path, start=msgspec.structs.replace(a_start()))
    threads = [
        threading.Thread(target=lambda: [writer.near_miss(a_near_miss()) for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close(20)
    assert count(tmp_path) == 80
