"""The demo, whole: rendered pictures, real detector, two processes, mock pins, journal."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timing

SUMMARY_KEYS = {"frames", "fps", "duration_s", "cues", "near_misses", "faults", "model", "config"}
CUE_KEYS = {"t_s", "cue", "side", "track", "ttc_s", "reason", "true_ttc_s"}
NEAR_MISS_KEYS = {"id", "level", "min_ttc_s", "label", "side"}


def rearguard(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"HOME": str(cwd), "XDG_DATA_HOME": str(cwd / "data")}
    return subprocess.run(
        [sys.executable, "-m", "rearguard", *args],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:  # type: ignore[type-arg]
    folder = tmp_path_factory.mktemp("demo")
    done = rearguard("demo", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), folder


@pytest.mark.timeout(600)
def test_the_summary_is_one_object_with_stable_keys(demo: tuple[dict, Path]) -> None:  # type: ignore[type-arg]
    summary, _ = demo
    assert summary.keys() >= SUMMARY_KEYS
    assert summary["duration_s"] > 25
    assert all(cue.keys() >= CUE_KEYS for cue in summary["cues"])
    assert all(seen.keys() >= NEAR_MISS_KEYS for seen in summary["near_misses"])
    assert summary["faults"] == []
    assert len(summary["model"]["digest"]) == 64


def first(summary: dict, cue: str, after_s: float, before_s: float) -> dict:  # type: ignore[type-arg]
    return next(c for c in summary["cues"] if c["cue"] == cue and after_s <= c["t_s"] < before_s)


@pytest.mark.timeout(600)
def test_standing_and_oncoming_figures_are_felt_in_time(demo: tuple[dict, Path]) -> None:  # type: ignore[type-arg]
    summary, _ = demo
    # The standing figure is met at about 12 s, the oncoming one at about 22 s.
    for after_s, before_s in ((7.0, 14.0), (16.0, 23.0)):
        assert first(summary, "CAUTION", after_s, before_s)["true_ttc_s"] >= 2.5
        assert first(summary, "CRITICAL", after_s, before_s)["true_ttc_s"] >= 1.8


@pytest.mark.timeout(600)
def test_the_figure_passing_two_metres_beside_is_no_critical(demo: tuple[dict, Path]) -> None:  # type: ignore[type-arg]
    summary, _ = demo
    assert not [c for c in summary["cues"] if c["cue"] == "CRITICAL" and c["t_s"] < 7.0]


@pytest.mark.timeout(600)
def test_the_near_misses_can_be_read_back(demo: tuple[dict, Path]) -> None:  # type: ignore[type-arg]
    summary, folder = demo
    logged = rearguard("log", "--json", "--journal", "out/demo", cwd=folder)
    assert logged.returncode == 0, logged.stderr
    ids = {seen["id"] for seen in summary["near_misses"]}
    assert None not in ids
    critical = next(seen for seen in summary["near_misses"] if seen["level"] == "CRITICAL")
    shown = rearguard("show", str(critical["id"]), "--journal", "out/demo", "--no-image", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "person" in shown.stdout
    assert "CRITICAL" in shown.stdout


@pytest.mark.timeout(600)
def test_the_command_it_ends_with_shows_a_near_miss(tmp_path: Path) -> None:
    journal = tmp_path / "a folder"
    job = ("run", "--source", "sim:stand?speed=3.5&start=9")
    done = rearguard(*job, "--journal", str(journal), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    command = re.search(r"See one with `rearguard (show ID.*)`", done.stdout)
    assert command is not None, done.stdout
    shown = rearguard(*shlex.split(command[1].replace("ID", "1")), cwd=tmp_path)
    assert "Near miss 1" in shown.stdout, shown.stderr
    usual = rearguard(*job, cwd=tmp_path)
    assert "`rearguard show ID`." in usual.stdout, "the usual journal needs no name"
