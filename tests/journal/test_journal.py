"""The journal keeps what happened: in order, durably, in private files, whatever state the file is in."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from journal_kit import MONO_NS, WALL_S, Told, a_near_miss, a_start, a_writer, as_stranger, let_in
from msgspec.structs import replace

from rearguard.clock import Stamp
from rearguard.config.journal import Journal as Settings
from rearguard.errors import BadInput, PartFailed
from rearguard.journal.db import schema
from rearguard.journal.db.rows import Filter, OutingStats
from rearguard.journal.db.store import Journal
from rearguard.journal.housekeeping import WriterLock
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS, DATABASE, journal_folder, make_inner_folder, read_clip
from rearguard.types import Box, Cue, CueName, Fault, FaultSpan, Level, MarkKind, Reason, ReasonCode, Side


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    told = Told()
    writer = a_writer(tmp_path, told)
    seen = a_near_miss()
    found = writer.near_miss(seen).result(5)
    writer.cue(
        Cue(
            at_ns=seen.warned_ns,
            cue=CueName.CAUTION,
            side=Side.LEFT,
            seq=3,
            track=7,
            reason=Reason(code=ReasonCode.SOON, ttc_s=2.9, limit_s=3.0),
        )
    )
    writer.fault(Fault.DARK, MONO_NS + 1, None)
    writer.fault(Fault.DARK, MONO_NS + 1, MONO_NS + 9)
    writer.fault(Fault.COVERED, MONO_NS + 3_000_000_000, MONO_NS + 4_500_000_000)
    writer.fault(Fault.NO_FRAME, MONO_NS + 4_000_000_000, MONO_NS + 5_000_000_000)  # overlaps: 2 s in all
    writer.fault(Fault.HOT, MONO_NS + 9_000_000_000, MONO_NS + 19_000_000_000)  # it sees all the same
    writer.mark(MONO_NS + 5)
    writer.mark(MONO_NS + 7, MarkKind.FALL)
    writer.stats(OutingStats(frames=300, late=4, worn_s=20.0))
    assert writer.close(5)
    assert told.lines == []

    with Journal.open(tmp_path, readonly=True) as journal:
        (row,) = journal.near_misses()
        assert (row.id, row.label, row.side, row.level, row.level_name) == (
            found,
            "person",
            "left",
            3,
            "CRITICAL",
        )
        assert (row.min_ttc_s, row.range_m, row.lead_time_s) == (1.6, 3.0, 2.9)
        assert (row.mono_ns, row.boot_id, row.clock_synced) == (MONO_NS + 10_000_000_000, "boot-1", True)
        assert row.wall_s == pytest.approx(WALL_S + 10.0)
        trace = journal.trace(found)
        assert len(trace) == 21
        assert trace[15].reason.ttc_s == pytest.approx(1.6)
        assert trace[15].reason == replace(seen.trace[15].reason, ttc_s=trace[15].reason.ttc_s)
        assert [c.cue for c in journal.cues(row.outing)] == ["CAUTION"]
        assert [(f.fault, f.ended_ns) for f in journal.faults(row.outing)][:1] == [("dark", MONO_NS + 9)]
        assert [(m.at_ns, m.kind) for m in journal.marks(row.outing)] == [
            (MONO_NS + 5, MarkKind.BUTTON),
            (MONO_NS + 7, MarkKind.FALL),
        ]
        outing = journal.outing(row.outing)
        assert outing is not None
        assert (outing.ended, outing.frames) == ("stopped", 300)
        assert outing.blind_s == pytest.approx(2.0, abs=1e-6)
        assert outing.model_digest == "ab" * 32


def test_a_file_judged_on_its_own_time_is_dated_from_its_start(tmp_path: Path) -> None:
    start = msgspec.structs.replace(a_start(), realtime=False)
    writer = a_writer(tmp_path, start=start)
    writer.near_miss(a_near_miss(worst_ns=12_000_000_000))
    assert writer.close(5)
    with Journal.open(tmp_path, readonly=True) as journal:
        (row,) = journal.near_misses()
    assert row.wall_s == pytest.approx(WALL_S + 12.0)
    assert row.mono_ns == MONO_NS + 12_000_000_000


def test_committed_means_that_another_process_sees_it(tmp_path: Path) -> None:
    writer = a_writer(tmp_path)
    found = writer.near_miss(a_near_miss()).result(5)
    db = sqlite3.connect(tmp_path / DATABASE)
    assert db.execute("SELECT id FROM near_miss").fetchall() == [(found,)]
    db.close()
    writer.close(5)


def test_files_are_for_owner_and_group_only(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    writer = a_writer(folder)
    picture = Snapshot(np.full((90, 160, 3), 80, np.uint8))
    writer.near_miss(a_near_miss(), picture).result(5)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir() if p.is_file()}
    assert modes
    assert set(modes.values()) == {0o640}, modes
    writer.close(5)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / CLIPS).stat().st_mode) == 0o750
    files = sorted((folder / CLIPS).iterdir())
    assert [f.suffix for f in files] == [".jpg", ".strip"]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o640}


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "clips", "traces", "incoming"])
def test_a_link_in_the_journals_folder_leads_nowhere(tmp_path: Path, name: str) -> None:
    """Whoever may put one there must not choose what is written elsewhere."""
    folder, elsewhere = tmp_path / "journal", tmp_path / "elsewhere"
    folder.mkdir()
    if name.startswith("journal"):
        elsewhere.write_bytes(b"mine")
    else:
        elsewhere.mkdir()
    (folder / name).symlink_to(elsewhere)
    inner = name in ("traces", "incoming")
    with pytest.raises(BadInput, match=f"{name}: a link; put the file or folder itself there"):
        make_inner_folder(folder / name) if inner else Journal.open(folder)
    assert elsewhere.read_bytes() == b"mine" if elsewhere.is_file() else not list(elsewhere.iterdir())


def test_the_journals_folder_may_be_a_link_of_its_owners(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "journal").symlink_to("disk")
    Journal.open(tmp_path / "journal").close()
    assert (tmp_path / "disk" / "journal.db").exists()


@pytest.mark.parametrize(("clips", "files"), [("off", 0), ("redacted", 2), ("full", 2)])
def test_pictures_are_kept_as_the_configuration_says(tmp_path: Path, clips: str, files: int) -> None:
    writer = a_writer(tmp_path, settings=Settings(clips=clips))  # type: ignore[arg-type]
    image = np.random.default_rng(1).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    found = writer.near_miss(a_near_miss(), Snapshot(image, (Box(100, 20, 160, 170),))).result(5)
    assert writer.close(5)
    with Journal.open(tmp_path, readonly=True) as journal:
        media = journal.media(found)
    assert len(media) == files
    assert len(list((tmp_path / CLIPS).iterdir())) == files
    for row in media.values():
        assert row.redacted == (clips == "redacted")
        data = read_clip(tmp_path, row.file)
        assert data is not None
        assert len(data) == row.bytes


def test_a_missing_journal_reads_as_empty_and_nothing_is_made(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "none", readonly=True) as journal:
        assert journal.near_misses() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["noise", "truncated", "middle", "late", "empty"])
def test_a_damaged_file_is_kept_aside_and_a_new_journal_begins(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = a_writer(tmp_path)
    for n in range(30):
        writer.near_miss(a_near_miss(10.0 + n))
    assert writer.close(5)
    path = tmp_path / DATABASE
    whole = path.read_bytes()
    broken = {
        "noise": os.urandom(len(whole)),
        "truncated": whole[: len(whole) // 2],
        "middle": whole[:8192] + b"\xff" * 8192 + whole[16384:],
        "late": whole[:-20480] + b"\xff" * 4096 + whole[-16384:],
        "empty": b"",
    }[damage]
    path.write_bytes(broken)

    with Journal.open(tmp_path) as journal:
        saved = journal.near_misses(limit=100)
        for row in saved:
            assert row.label == "person"
        assert journal.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert journal.db.execute("PRAGMA foreign_key_check").fetchall() == []
    if damage in ("middle", "late"):
        assert len(saved) > 10, "one bad page does not cost the others"
    elif damage in ("noise", "empty"):
        assert saved == []
    aside = tmp_path / f"{DATABASE}.damaged-1"
    if damage == "empty":  # nothing was in it: no more than a journal not begun
        assert not aside.exists()
    else:
        assert aside.read_bytes() == broken
        assert f"kept as {aside.name}, {len(saved)} near misses saved" in capsys.readouterr().err
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss())
    assert writer.close(5)


def test_reading_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"this is no database, but it is long enough" * 100)
    with pytest.raises(BadInput, match=r"journal\.db: damaged"):
        Journal.open(tmp_path, readonly=True)


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("not a folder")
    for readonly in (True, False):
        with pytest.raises(BadInput, match="journal: not a folder"):
            Journal.open(tmp_path / "journal", readonly=readonly)


def test_a_journal_of_a_newer_rearguard_is_left_alone(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    db = sqlite3.connect(tmp_path / DATABASE)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    before = (tmp_path / DATABASE).read_bytes()
    for readonly in (True, False):
        with pytest.raises(BadInput, match="newer rearguard"):
            Journal.open(tmp_path, readonly=readonly)
    assert (tmp_path / DATABASE).read_bytes() == before


@pytest.mark.parametrize("spoil", ["newer", "no journal", "torn"])
@pytest.mark.parametrize("readonly", [True, False])
def test_a_journal_that_cannot_be_opened_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str, readonly: bool
) -> None:
    """A service that tries again every second must not hold one more file open each time."""
    Journal.open(tmp_path).close()
    path = tmp_path / DATABASE
    if spoil == "newer":
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    else:
        path.write_bytes(b"no journal" * 500 if spoil == "no journal" else path.read_bytes()[:5000])
    opened: list[sqlite3.Connection] = []

    class Noted(sqlite3.Connection):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            opened.append(self)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Noted))
    with contextlib.suppress(BadInput, PartFailed):
        Journal.open(tmp_path, readonly=readonly).close()
    assert opened
    for db in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            db.execute("SELECT 1")


def test_pages_follow_each_other_without_gap_or_repeat(tmp_path: Path) -> None:
    writer = a_writer(tmp_path)
    for n in range(25):
        writer.near_miss(a_near_miss(10.0 + n // 3))  # some at the same moment
    assert writer.close(5)
    with Journal.open(tmp_path, readonly=True) as journal:
        seen, after = [], None
        while page := journal.near_misses(limit=4, after=after):
            seen += [row.id for row in page]
            after = page[-1]
    assert sorted(seen) == list(range(1, 26))
    assert len(seen) == 25


def test_filters(tmp_path: Path) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss(10.0))
    writer.near_miss(a_near_miss(20.0, label="dog", level=Level.CAUTION))
    writer.near_miss(a_near_miss(30.0, label="dog"))
    assert writer.close(5)
    with Journal.open(tmp_path, readonly=True) as journal:

        def ids(**wanted: object) -> list[int]:
            return [row.id for row in journal.near_misses(Filter(**wanted))]  # type: ignore[arg-type]

        assert ids() == [3, 2, 1]
        assert ids(label="dog") == [3, 2]
        assert ids(level=Level.CRITICAL) == [3, 1]
        assert ids(level=Level.CAUTION, label="dog") == [3, 2]
        assert ids(since_s=WALL_S + 15, until_s=WALL_S + 25) == [2]
        assert ids(outing=2) == []
        assert ids(device="pi-1") == [3, 2, 1]


def test_an_outing_that_was_cut_is_said_to_be_and_its_leftovers_go(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal, journal.transaction(durable=True) as db:
        from rearguard.journal.db import insert

        outing = insert.outing(db, a_start())
        insert.fault(db, outing, FaultSpan(fault=Fault.DARK, began_ns=MONO_NS))
    (tmp_path / CLIPS / ".abc-1.jpg.tmp").write_bytes(b"half")
    (tmp_path / CLIPS / "abc-1.jpg").write_bytes(b"no row knows it")
    (tmp_path / CLIPS / "holiday.jpg").write_bytes(b"not ours")
    assert a_writer(tmp_path, start=msgspec.structs.replace(a_start(), key="2" * 16)).close(5)
    with Journal.open(tmp_path, readonly=True) as journal:
        assert {row.key == "2" * 16: row.ended for row in journal.outings()} == {
            True: "stopped",
            False: "cut",
        }
        assert journal.faults(outing)[0].ended_ns is not None
    assert [p.name for p in (tmp_path / CLIPS).iterdir()] == ["holiday.jpg"]


def test_a_second_writer_does_not_cut_the_first(tmp_path: Path) -> None:
    first = a_writer(tmp_path)
    first.near_miss(a_near_miss()).result(5)
    second = a_writer(tmp_path, start=a_start())
    second.near_miss(a_near_miss()).result(5)
    with Journal.open(tmp_path, readonly=True) as journal:
        assert [row.ended for row in journal.outings()] == [None, None]
    assert second.close(5)
    assert first.close(5)


def test_nobody_sweeps_up_what_a_pull_is_bringing(tmp_path: Path) -> None:
    """A picture lies in the clip folder for a moment before its row is written."""
    Journal.open(tmp_path).close()
    (tmp_path / CLIPS / "abc-1.jpg").write_bytes(b"its row comes next")
    lock = WriterLock(tmp_path)
    lock.share()
    assert a_writer(tmp_path).close(5)
    assert (tmp_path / CLIPS / "abc-1.jpg").exists()
    lock.release()
    assert a_writer(tmp_path).close(5)
    assert not (tmp_path / CLIPS / "abc-1.jpg").exists()


def test_the_clock_is_put_right_when_it_gets_synchronised(tmp_path: Path) -> None:
    """The Pi booted on 1 January; 60 s later the network told the time."""
    stale = Stamp(MONO_NS, "boot-1", 1_000.0, False)
    true = Stamp(MONO_NS + 60_000_000_000, "boot-1", WALL_S + 60, True)
    other_boot = msgspec.structs.replace(a_start(), stamp=Stamp(MONO_NS, "boot-0", 900.0, False))
    writer = a_writer(tmp_path, start=other_boot)
    writer.near_miss(a_near_miss())
    writer.close(5)
    answers = chain([None], repeat(true))
    import rearguard.journal.writer as module

    start = msgspec.structs.replace(a_start(), stamp=stale)
    module_every, module._CLOCK_EVERY_S = module._CLOCK_EVERY_S, 0.0
    try:
        writer = a_writer(tmp_path, start=start, true_clock=lambda: next(answers))
        writer.near_miss(a_near_miss(10.0)).result(5)
        writer.near_miss(a_near_miss(20.0)).result(5)
        writer.close(5)
    finally:
        module._CLOCK_EVERY_S = module_every
    with Journal.open(tmp_path, readonly=True) as journal:
        rows = journal.near_misses()
        outing = journal.outings(1)[0]
    assert [(r.wall_s, r.wall_corrected, r.clock_synced) for r in rows] == [
        (pytest.approx(WALL_S + 20), True, False),
        (pytest.approx(WALL_S + 10), True, False),
        (pytest.approx(910.0), False, False),
    ]
    assert (outing.wall_s, outing.wall_corrected) == (pytest.approx(WALL_S), True)


def test_where_the_journal_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert journal_folder(Settings()) == tmp_path / "data" / "rearguard"
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/state:{tmp_path}/other")
    assert journal_folder(Settings()) == tmp_path / "state"
    assert journal_folder(Settings(folder=str(tmp_path / "set"))) == tmp_path / "set"


@pytest.mark.parametrize(
    "name", ["../journal.db", "/etc/passwd", "a-1.jpg/../../journal.db", "a-2.jpg", ".a-1.jpg"]
)
def test_nothing_outside_the_clip_folder_is_opened(tmp_path: Path, name: str) -> None:
    Journal.open(tmp_path).close()
    (tmp_path / CLIPS / "a-2.jpg").symlink_to("/etc/passwd")
    assert read_clip(tmp_path, name) is None
    (tmp_path / CLIPS / "a-1.jpg").write_bytes(b"picture")
    assert read_clip(tmp_path, "a-1.jpg") == b"picture"


def test_a_reader_without_the_right_to_write_reads_all_the_same(tmp_path: Path) -> None:
    """As somebody in the journal's group does over SSH: after a clean stop, while it runs, after a kill."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    folder = tmp_path / "journal"
    writer = a_writer(folder)
    writer.near_miss(a_near_miss()).result(5)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 0, 54321)
    let_in(folder)
    assert _rows_as(54321, folder) == 1, "while it is written"
    killed = {}
    for left in (("", "-wal", "-shm"), ("", "-wal")):
        killed[left] = tmp_path / f"killed-{len(left)}"
        killed[left].mkdir(mode=0o750)
        for suffix in left:
            shutil.copy(folder / f"{DATABASE}{suffix}", killed[left])
        for path in [killed[left], *killed[left].iterdir()]:
            os.chown(path, 0, 54321)
    writer.close(5)
    assert not (folder / f"{DATABASE}-wal").exists()
    assert _rows_as(54321, folder) == 1, "after a clean stop"
    for left in (("", "-wal", "-shm"), ("", "-wal")):
        assert _rows_as(54321, killed[left]) == 1, f"after a kill that left {left}"
    with pytest.raises(PartFailed, match="owner's group"):
        _rows_as(54322, folder)


def _rows_as(gid: int, folder: Path) -> int:
    """Near misses read by a stranger in this group."""
    return as_stranger(gid, _rows, folder)


def _rows(folder: Path) -> int:
    with Journal.open(folder, readonly=True) as journal:
        return len(journal.near_misses())


def _rows_found(service: Path) -> int:
    """Near misses in the journal that is found where the service keeps its own in this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rearguard.journal.paths.SYSTEM_FOLDER", service)
        return _rows(journal_folder(Settings(), reading=True))


def test_the_services_journal_is_found_by_who_may_not_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody over SSH who is not in the group is told so, rather than that nothing happened."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    folder = tmp_path / "service"
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    let_in(tmp_path)
    assert as_stranger(54322, _rows_found, folder) == 0, "no service here: the user's own, which is empty"
    writer = a_writer(folder)
    writer.near_miss(a_near_miss()).result(5)
    writer.close(5)
    with pytest.raises(PartFailed, match="owner's group"):
        as_stranger(54322, _rows_found, folder)
