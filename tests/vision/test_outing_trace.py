"""An outing of the real two-process program leaves a trace that judges to the last bit as it was judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from rearguard.config import Config
from rearguard.ego.pinhole import Pinhole
from rearguard.journal.db.store import Journal
from rearguard.journal.trace.files import TRACES
from rearguard.journal.trace.format import check
from rearguard.journal.trace.reader import traces
from rearguard.types import MarkKind
from rearguard.vision.rules import Rules

SMALL = "[camera]\nwidth_px = 640\nheight_px = 360\n"


def outing(folder: Path, settings: str, *more: str, source: str = "sim:stand?start=5.5&duration=2.5") -> None:
    config = folder / "rearguard.toml"
    config.write_text(settings)
    words = ["run", "--source", source, "--journal", str(folder / "journal"), "--config", str(config), *more]
    subprocess.run([sys.executable, "-m", "rearguard", *words], check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("more", [(), ("--realtime",)])
def test_an_outing_leaves_a_trace_that_judges_as_it_was_judged(tmp_path: Path, more: tuple[str, ...]) -> None:
    outing(tmp_path, SMALL, *more)
    (trace,) = traces(tmp_path / "journal")
    frames = list(trace.frames())
    with Journal.open(tmp_path / "journal", readonly=True) as journal:
        (row,) = journal.select("SELECT key FROM outing", [])
    assert trace.head.outing_key == row["key"]
    assert [f.seen.seq for f in frames] == list(range(38)) or (more and len(frames) > 3)
    assert trace.damaged == []
    assert any(f.seen.detections for f in frames)
    head = trace.head
    lens = Pinhole.from_fov(head.width_px, head.height_px, head.hfov_deg)
    rules = Rules(msgspec.json.decode(head.config, type=Config), lens)
    assert [check(rules.judge_frame(f.seen, f.age_s)[1]) for f in frames] == [f.check for f in frames]
    if more:
        assert all(f.age_s > 0 for f in frames)  # and how late each frame was is part of it


def test_a_fall_is_marked_once_and_what_gravity_told_is_judged_again_bit_for_bit(tmp_path: Path) -> None:
    """The accelerometer beside a simulated camera; the wearer falls after five seconds."""
    source = "sim:stand?speed=2.5&start=60&duration=8&falls=5&fps=8"
    outing(tmp_path, SMALL + '[gyro]\ndevice = "auto"\n', source=source)
    with Journal.open(tmp_path / "journal", readonly=True) as journal:
        (row,) = journal.outings()
        (mark,) = journal.marks(row.id)
    assert mark.kind is MarkKind.FALL
    assert (mark.at_ns - row.origin_ns) / 1e9 == pytest.approx(5.4, abs=0.2)
    (trace,) = traces(tmp_path / "journal")
    frames = list(trace.frames())
    assert sum(f.seen.gravity is not None for f in frames) > 25  # once it is known, until the wearer lies
    head = trace.head
    lens = Pinhole.from_fov(head.width_px, head.height_px, head.hfov_deg)
    rules = Rules(msgspec.json.decode(head.config, type=Config), lens)
    assert [check(rules.judge_frame(f.seen, f.age_s)[1]) for f in frames] == [f.check for f in frames]


def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    outing(tmp_path, SMALL + "[journal]\ntrace = false\n")
    assert not (tmp_path / "journal" / TRACES).exists()
