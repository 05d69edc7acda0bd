"""A recording through the whole program: what was assumed is told and kept, a gap in time is felt as one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from recordings import record

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.journal.paths import DATABASE
from rearguard.lab.replay.recording import Header, Recording
from rearguard.lab.replay.rejudge import verdicts
from rearguard.lab.world import boxes, catalogue
from rearguard.types import Level

STEADY = [i / 15 for i in range(20)]


def street(index: int) -> np.ndarray:
    """A picture of some texture, which moves a little, so that nothing is wrong with it."""
    image = (
        np.random.default_rng(5).integers(60, 200, (15, 20, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    )
    return np.ascontiguousarray(np.roll(image, index % 7, 1))


def rearguard(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rearguard", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def run(path: Path, *more: object) -> tuple[dict, Callable[[str], list[tuple]]]:
    """What is told of an outing, and how to ask its journal."""
    journal = path.parent / "journal"
    done = rearguard("run", "--source", path, "--json", "--journal", journal, *more)
    assert done.returncode == 0, done.stderr

    def rows(sql: str) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(journal / DATABASE)) as db:
            return db.execute(sql).fetchall()

    return json.loads(done.stdout), rows


def test_a_pause_in_a_recording_is_felt_as_a_standstill(tmp_path: Path) -> None:
    times = [*STEADY, *(STEADY[-1] + 6 + t for t in STEADY)]
    told, rows = run(record(tmp_path / "pause.mp4", times, picture=street))
    assert told["frames"] == 40
    assert told["duration_s"] == pytest.approx(times[-1], abs=0.01)
    blind = [cue for cue in told["faults"] if cue["cue"] == "BLIND"]
    assert blind[0]["t_s"] == pytest.approx(STEADY[-1] + 0.4, abs=0.1)
    ((began_ns, ended_ns),) = rows("SELECT began_ns, ended_ns FROM fault WHERE fault = 'no_frame'")
    assert began_ns / 1e9 == pytest.approx(STEADY[-1] + 0.4, abs=0.01)
    assert ended_ns / 1e9 == pytest.approx(STEADY[-1] + 6, abs=0.01)


def test_no_track_goes_on_over_a_gap() -> None:
    """Somebody is approached; the recording pauses for 10 s in the middle: what comes after is another thing."""
    seen = [f.seen.rounded() for f in boxes.observe(catalogue.scene("stand", start=14.0), fps=10.0, seed=1)]
    half = len(seen) // 2
    later = [replace(s, captured_ns=s.captured_ns + 10 * NS_PER_S) for s in seen[half:]]
    header = Header(source="sim:stand", width_px=1280, height_px=720, hfov_deg=66.0, looked="x")
    judged = list(verdicts(Recording(header, [*seen[:half], *later]), Config()))
    before = {threat.track for verdict in judged[:half] for threat in verdict.threats}
    after = {threat.track for verdict in judged[half:] for threat in verdict.threats}
    assert before
    assert after
    assert not before & after
    assert judged[half - 1].level > judged[half].level == Level.CLEAR


def test_what_was_assumed_is_told_and_kept(tmp_path: Path) -> None:
    told, rows = run(record(tmp_path / "v.mp4", STEADY, picture=street), "--hfov", 90, "--fps", 10)
    assert told["duration_s"] == pytest.approx(1.9)
    assert any("90°" in line for line in told["assumed"])
    assert any("--fps 10" in line for line in told["assumed"])
    ((kept,),) = rows("SELECT assumed FROM outing")
    assert kept == "; ".join(told["assumed"])


def test_run_and_replay_give_what_a_cut_file_has(tmp_path: Path) -> None:
    path = record(tmp_path / "v.avi", [i / 30 for i in range(40)], codec="mjpeg", picture=street)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ran = rearguard("run", "--source", path, "--json", "--journal", tmp_path / "journal")
    assert ran.returncode == 2
    assert "cut short" in json.loads(ran.stdout)["cut"]
    seen = tmp_path / "seen.jsonl"
    for _ in range(2):  # looked at, then from the file of detections
        done = rearguard("replay", path, "--json", "--detections", seen)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert 10 < told["before"]["frames"] < 30
        assert "cut short" in told["cut"]
