"""What expires, what is kept, and that purged means gone."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from journal_kit import MONO_NS, WALL_S, a_near_miss, a_start, a_writer

from rearguard.clock import NS_PER_S, Stamp, stamp
from rearguard.config.journal import Journal as Settings
from rearguard.journal import retention
from rearguard.journal.db import insert
from rearguard.journal.db.rows import Filter
from rearguard.journal.db.store import Journal
from rearguard.journal.media import files
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS

HOUR, DAY = 3600.0, 86400.0


def outing(
    folder: Path,
    wall_s: float,
    count: int = 1,
    *,
    synced: bool = True,
    boot: str = "boot-1",
    mono_ns: int = MONO_NS,
) -> None:
    """An outing with near misses, one a second, each with a picture."""
    start = msgspec.structs.replace(a_start(), stamp=Stamp(mono_ns, boot, wall_s, synced))
    noise = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "expire", lambda *_, **__: None)
        writer = a_writer(folder, start=start)
        for n in range(count):
            writer.near_miss(a_near_miss(1.0 + n, label=f"at-{n}"), Snapshot(noise))
        assert writer.close(10)


def state(journal: Journal) -> list[tuple[int, bool]]:
    """(id, has pictures), oldest first; and the clip folder holds just what the rows name."""
    rows = journal.near_misses(Filter(), 1000)[::-1]
    named = {m.file for row in rows for m in journal.media(row.id).values()}
    assert {p.name for p in (journal.folder / CLIPS).iterdir()} == named
    return [(row.id, bool(row.media)) for row in rows]


def test_pictures_go_before_numbers(tmp_path: Path) -> None:
    now = WALL_S
    for wall_s in (now - 91 * DAY, now - 73 * HOUR, now - 71 * HOUR):
        outing(tmp_path, wall_s)
    with Journal.open(tmp_path) as journal:
        gone = retention.expire(journal, Settings(), now, synced=True)
        assert (gone.near_misses, gone.outings, gone.files) == (1, 1, 4)
        assert state(journal) == [(2, False), (3, True)]
        assert journal.near_misses()[1].media_gone == "expired"
        assert len(journal.outings()) == 2


def test_what_is_flagged_stays(tmp_path: Path) -> None:
    outing(tmp_path, WALL_S - 100 * DAY, 2)
    with Journal.open(tmp_path) as journal:
        with journal.transaction(durable=True) as db:
            assert insert.store_opinion(db, 2, flagged=True)
        retention.expire(journal, Settings(), WALL_S, synced=True)
        assert state(journal) == [(2, True)]
        assert len(journal.outings()) == 1


def test_by_size_the_oldest_go_first_and_flagged_ones_last(tmp_path: Path) -> None:
    outing(tmp_path, WALL_S - HOUR, 6)
    with Journal.open(tmp_path) as journal:
        with journal.transaction(durable=True) as db:
            insert.store_opinion(db, 1, flagged=True)
        each = sum(m.bytes for m in journal.media(1).values())
        half = Settings(pictures_max_mb=0)
        with pytest.MonkeyPatch.context() as patch:  # a limit finer than a megabyte
            patch.setattr(retention, "_too_much", lambda j, _, f=retention._too_much: f(j, 3 * each + 100))
            retention.expire(journal, half, WALL_S, synced=True)
        assert state(journal) == [(1, True), (2, False), (3, False), (4, False), (5, True), (6, True)]
        retention.expire(journal, half, WALL_S, synced=True)
        assert [pictures for _, pictures in state(journal)] == [False] * 6


def test_what_a_wrong_clock_dated_is_not_deleted_early(tmp_path: Path) -> None:
    """Dated 2021 by a clock that was never set; when the right time is known, its age counts from then."""
    outing(tmp_path, 1_610_000_000.0, synced=False, boot="boot-0")
    with Journal.open(tmp_path) as journal:
        assert retention.expire(journal, Settings(), WALL_S, synced=True).files == 0
        assert retention.expire(journal, Settings(), WALL_S + 71 * HOUR, synced=True).files == 0
        assert retention.expire(journal, Settings(), WALL_S + 73 * HOUR, synced=True).files == 2
        assert state(journal) == [(1, False)]
        assert retention.expire(journal, Settings(), WALL_S + 91 * DAY, synced=True).near_misses == 1


def test_a_doubtful_clock_expires_pictures_but_never_numbers(tmp_path: Path) -> None:
    outing(tmp_path, WALL_S, synced=False)
    with Journal.open(tmp_path) as journal:
        assert retention.expire(journal, Settings(), WALL_S + 71 * HOUR, synced=False).files == 0
        gone = retention.expire(journal, Settings(), WALL_S + 400 * DAY, synced=False)
        assert (gone.files, gone.near_misses) == (2, 0)


@pytest.mark.parametrize("before_s", [60.0, WALL_S - 800 * DAY], ids=["from 1970", "from two years ago"])
def test_a_clock_that_leaps_by_years_without_a_word_deletes_nothing_of_today(
    tmp_path: Path, before_s: float
) -> None:
    """Nothing says that the time was set (no timesyncd): what was taken a minute ago is still a minute old."""
    ago = stamp()
    outing(tmp_path, before_s, synced=False, boot=ago.boot_id, mono_ns=ago.mono_ns - 60 * NS_PER_S)
    with Journal.open(tmp_path) as journal:
        assert retention.expire(journal, Settings(), before_s + 60, synced=False).files == 0
        for later in (0.0, 71 * HOUR):
            assert retention.expire(journal, Settings(), WALL_S + later, synced=False).files == 0
        gone = retention.expire(journal, Settings(), WALL_S + 73 * HOUR, synced=False)
        assert (gone.files, gone.near_misses) == (2, 0)


def test_what_1970_dated_in_an_earlier_boot_is_not_deleted_at_once(tmp_path: Path) -> None:
    outing(tmp_path, 60.0, synced=False, boot="boot-0")
    with Journal.open(tmp_path) as journal:
        assert retention.expire(journal, Settings(), WALL_S, synced=False).files == 0
        assert retention.expire(journal, Settings(), WALL_S + 73 * HOUR, synced=False).files == 2


def test_in_1970_nothing_is_old(tmp_path: Path) -> None:
    outing(tmp_path, WALL_S, synced=True)
    with Journal.open(tmp_path) as journal:
        assert retention.expire(journal, Settings(), 60.0, synced=False).files == 0


def test_the_writer_expires_by_itself(tmp_path: Path) -> None:
    outing(tmp_path, WALL_S - 80 * HOUR)
    now = Stamp(MONO_NS, "boot-2", WALL_S, True)
    writer = a_writer(tmp_path, true_clock=lambda: now)
    writer.near_miss(a_near_miss()).result(5)
    assert writer.close(5)
    with Journal.open(tmp_path) as journal:
        assert [pictures for _, pictures in state(journal)] == [False, False]
        assert journal.near_misses(Filter(until_s=WALL_S - HOUR))[0].media_gone == "expired"


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", ["near miss", "outing"])
def test_purged_means_gone_from_every_file(tmp_path: Path, how: str) -> None:
    """Also while another connection holds the journal open and its write-ahead log alive."""
    secret = "Zaphod-Beeblebrox"
    writer = a_writer(tmp_path)
    kept = writer.near_miss(a_near_miss(1.0, label="kept-one")).result(5)
    gone = writer.near_miss(
        a_near_miss(2.0, label=secret), Snapshot(np.zeros((90, 160, 3), np.uint8))
    ).result(5)
    other = Journal.open(tmp_path, readonly=True)
    while len(other.media(gone)) < 2:
        time.sleep(0.01)
    assert other.near_miss(gone) is not None
    with Journal.open(tmp_path) as journal:
        with journal.transaction(durable=True) as db:
            insert.store_opinion(db, gone, note=secret * 50)
        assert secret.encode() in everything(tmp_path)
        done = (
            retention.purge(journal, [gone]) if how == "near miss" else retention.purge_outings(journal, [1])
        )
        assert done.traceless
    assert secret.encode() not in everything(tmp_path)
    assert other.near_miss(gone) is None
    assert (other.near_miss(kept) is not None) == (how == "near miss")
    assert list((tmp_path / CLIPS).iterdir()) == []
    other.close()
    writer.close(5)


def test_purging_while_an_outing_lasts_loses_nothing_that_comes_after(tmp_path: Path) -> None:
    """The near miss goes before its picture was written: the picture must not stay behind."""
    writer = a_writer(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        purged = []

        def purge_first(journal: Journal, near_miss_id: int, *args: object, **options: object) -> None:
            with Journal.open(tmp_path) as other:
                if not purged:
                    purged.append(retention.purge_outings(other, [1]))
            files.store(journal, near_miss_id, *args, **options)  # type: ignore[arg-type]

        patch.setattr("rearguard.journal.writer.store", purge_first)
        writer.near_miss(a_near_miss(1.0), Snapshot(np.zeros((90, 160, 3), np.uint8))).result(5)
        writer.near_miss(a_near_miss(2.0, label="dog")).result(5)
        assert writer.close(5)
    with Journal.open(tmp_path) as journal:
        assert [(row.label, row.media) for row in journal.near_misses()] == [("dog", ())]
    assert list((tmp_path / CLIPS).iterdir()) == []


def test_a_reader_in_the_middle_of_a_read_is_waited_for_and_told_of(tmp_path: Path) -> None:
    outing(tmp_path, WALL_S, 2)
    with Journal.open(tmp_path) as journal, Journal.open(tmp_path, readonly=True) as reader:
        with journal.transaction(durable=True) as db:
            insert.store_opinion(db, 1, note="something in the log")
        reader.db.execute("BEGIN")
        reader.db.execute("SELECT count(*) FROM near_miss").fetchone()
        begun = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "sleep", lambda _: None)
            journal.db.execute("PRAGMA busy_timeout = 1")
            done = retention.purge(journal, [1])
        assert not done.traceless
        assert time.monotonic() - begun < 5
        reader.db.execute("ROLLBACK")
        assert retention.purge(journal, [2]).traceless


def test_only_pictures(tmp_path: Path) -> None:
    outing(tmp_path, WALL_S, 2)
    with Journal.open(tmp_path) as journal:
        retention.purge(journal, [1], pictures_only=True)
        assert state(journal) == [(1, False), (2, True)]
        row = journal.near_miss(1)
        assert row is not None
        assert row.media_gone == "purged"


def test_nothing_outside_the_clip_folder_is_deleted(tmp_path: Path) -> None:
    outing(tmp_path / "journal", WALL_S)
    precious = tmp_path / "precious.jpg"
    precious.write_bytes(b"x")
    with Journal.open(tmp_path / "journal") as journal:
        with journal.transaction(durable=False) as db:
            db.execute("UPDATE media SET file = '../../precious.jpg' WHERE kind = 'picture'")
        retention.purge(journal, [1])
    assert precious.exists()
