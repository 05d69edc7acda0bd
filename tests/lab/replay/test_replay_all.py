"""`replay --all`: every outing again, and what changed told once, in a table, as JSON and as a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer
from trace_kit import a_trace

from rearguard.cli.main import cli
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.trace.files import TRACES, trace_files
from rearguard.lab.replay import recording as rec
from rearguard.lab.world import boxes, catalogue

KEYS = [f"{n:016x}" for n in range(1, 5)]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three outings: two with a trace, one of them with a picture; one with near misses only."""
    folder = tmp_path_factory.mktemp("journal")
    judged = a_trace(folder, key=KEYS[0])
    a_trace(folder, "walk-away", frames=60, key=KEYS[1])
    first = next(seen for seen, verdict in judged if verdict.level == 3)
    picture = np.full((180, 320, 3), 90, np.uint8)
    writer = a_writer(folder, start=a_start(key=KEYS[0]))
    writer.near_miss(a_near_miss((first.captured_ns - MONO_NS) / 1e9), Snapshot(picture))
    assert writer.close(10)
    assert a_writer(folder, start=a_start(key=KEYS[1], device="pi-2")).close(10)
    writer = a_writer(folder, start=a_start(key=KEYS[2]))
    writer.near_miss(a_near_miss())
    assert writer.close(10)
    return folder


@pytest.fixture
def later(tmp_path: Path) -> Path:
    path = tmp_path / "later.toml"
    path.write_text("[judge]\ncritical_ttc_s = 1.2\n")
    return path


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["replay", "--all", *map(str, args)], env={"COLUMNS": "140"})


def told(*args: str | Path) -> dict[str, Any]:
    done = run(*args, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_the_same_settings_change_nothing_in_what_was_traced(journal: Path) -> None:
    found = told("--journal", journal)
    traced = [o for o in found["outings"] if o["item"]["kind"] == "trace"]
    assert [o["identical"] for o in traced] == [1.0, 1.0]
    assert all(o["changes"] == [] for o in traced)
    assert traced[0]["before"] == traced[0]["after"] == traced[0]["same"] > 0
    assert found["totals"]["identical"] == 1.0
    assert found["failed"] == []


def test_other_settings_tell_what_moves_and_by_how_much(journal: Path, later: Path) -> None:
    found = told("--journal", journal, "--config", later)
    outing = next(o for o in found["outings"] if o["item"]["key"] == KEYS[0])
    critical = next(c for c in outing["changes"] if c["before"] and c["before"]["cue"] == "CRITICAL")
    assert critical["what"] == "later"
    total = next(c for c in found["totals"]["cues"] if c["cue"] == "CRITICAL")
    moved_s = critical["after"]["t_s"] - critical["before"]["t_s"]
    assert 0.3 < moved_s < 1.5
    assert total["later"] >= 1
    assert total["later_s"] > 0.3
    assert 0.5 < outing["identical"] < 1.0
    calm = next(o for o in found["outings"] if o["item"]["key"] == KEYS[1])
    assert calm["changes"] == []


def test_two_settings_are_compared_with_each_other(journal: Path, later: Path) -> None:
    found = told("--journal", journal, "--config", later, "--against", later)
    assert all(o["changes"] == [] for o in found["outings"])
    assert all(o["identical"] is None for o in found["outings"])


def test_parallel_and_one_by_one_tell_the_same(journal: Path, later: Path) -> None:
    one, two = (told("--journal", journal, "--config", later, "--jobs", n) for n in ("1", "2"))
    assert one == two


def test_the_table_tells_each_outing_and_all_together(journal: Path, later: Path) -> None:
    done = run("--journal", journal, "--config", later)
    assert done.exit_code == 0
    assert "All together" in done.stdout
    assert "pi-2" in done.stdout
    assert "no trace: judged from its near misses" in done.stdout
    assert "3 outings" in done.stdout


def test_the_page_shows_a_picture_of_what_changed(journal: Path, later: Path, tmp_path: Path) -> None:
    page = tmp_path / "changes.html"
    assert run("--journal", journal, "--config", later, "--html", page).exit_code == 0
    text = page.read_text()
    assert 'src="data:image/jpeg;base64,/9j/' in text
    assert "later by" in text
    assert "<script" not in text
    assert "http" not in text


def test_a_folder_of_traces_and_detections_needs_no_journal(tmp_path: Path) -> None:
    a_trace(tmp_path / "j", frames=40, key=KEYS[3])
    for file in trace_files(tmp_path / "j"):
        file.path.rename(tmp_path / file.path.name)
    frames = [f.seen.rounded() for f in boxes.observe(catalogue.scene("stand", start=14.0), fps=10.0, seed=1)]
    header = rec.Header(source="sim:stand", width_px=1280, height_px=720, hfov_deg=66.0, looked="x")
    rec.write(tmp_path / "seen.jsonl", rec.Recording(header, frames))
    (tmp_path / "notes.jsonl").write_text("{}\n")  # somebody else's
    found = told(tmp_path)
    assert [o["item"]["kind"] for o in found["outings"]] == ["trace", "detections"]
    assert found["outings"][1]["after"] > 0


def test_what_cannot_be_read_is_told_and_the_rest_is_judged(tmp_path: Path) -> None:
    a_trace(tmp_path, frames=90, key=KEYS[0])
    a_trace(tmp_path, frames=90, key=KEYS[1])
    damaged = trace_files(tmp_path, KEYS[0])[0].path
    data = bytearray(damaged.read_bytes())
    data[-20] ^= 1
    damaged.write_bytes(data)
    found = told(tmp_path)
    assert [len(o["missing"]) for o in found["outings"]] == [1, 0]
    assert found["outings"][0]["frames"] < found["outings"][1]["frames"] == 90


@pytest.mark.parametrize("args", [("nowhere",), (".", "--fps", "10")])
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, ["replay", "--all", str(tmp_path / args[0]), *args[1:]])
    assert done.exit_code != 0
    assert len(str(done.exception).splitlines()) == 1


def test_nothing_to_judge_is_told(tmp_path: Path) -> None:
    (tmp_path / TRACES).mkdir()
    done = run(tmp_path)
    assert "no outing, trace or file of detections" in str(done.exception)


def test_one_outing_is_judged_whole_where_it_has_a_trace(journal: Path, later: Path) -> None:
    words = ["replay", "1", "--journal", str(journal), "--config", str(later)]
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    whole = json.loads(done.stdout)["whole"]
    assert [c["what"] for c in whole["changes"] if c["before"]["cue"] == "CRITICAL"] == ["later"]
    text = CliRunner().invoke(cli, words, env={"COLUMNS": "140"}).stdout
    assert "of frames as they were judged, to the last bit" in text
    third = json.loads(CliRunner().invoke(cli, ["replay", "3", *words[2:], "--json"]).stdout)
    assert third["whole"] is None
    assert len(third["near_misses"]) == 1
