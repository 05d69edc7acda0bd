"""The bench runs the real pipeline and prints the numbers it promises."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from rearguard.cli.bench import bench
from rearguard.config.detect import Detect
from rearguard.errors import BadInput
from rearguard.lab.evaluate.speed import combinations

pytestmark = pytest.mark.timing


@pytest.fixture
def outing(tmp_path):
    """A dozen frames of drifting noise, as a folder of pictures."""
    scene = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 255, (360, 700, 3), np.uint8), (0, 0), 4)
    for i in range(12):
        cv2.imwrite(str(tmp_path / f"{i:03}.png"), scene[:, 3 * i : 3 * i + 640])
    return tmp_path


def test_the_json_object_has_every_number_that_is_promised(outing):
    result = CliRunner().invoke(
        bench, ["--source", str(outing), "--frames", "12", "--threads", "1", "--runtime", "litert", "--json"]
    )
    assert result.exit_code == 0, result.output
    numbers = json.loads(result.stdout)
    assert numbers["model"] == "centernet"
    assert 0 < numbers["invoke_ms"] < numbers["frame_ms"]
    assert 1 < numbers["overhead_ratio"] < 3
    assert numbers["latency_ms"]["p50"] <= numbers["latency_ms"]["p95"]
    assert numbers["fps"] > 0
    assert 50 < numbers["rss_mib"] < 220, "the default model's promise"
    rows = [(row["model"], row["threads"]) for row in numbers["table"]]
    assert sorted(rows) == [("centernet", 1), ("centernet-int8", 1)]


def test_a_source_too_short_to_tell_anything_is_refused(outing):
    for path in sorted(outing.iterdir())[4:]:
        path.unlink()
    result = CliRunner().invoke(bench, ["--source", str(outing), "--threads", "1", "--runtime", "litert"])
    assert isinstance(result.exception, BadInput)
    assert "only 4 frames" in str(result.exception)


def test_every_model_runtime_and_number_of_threads_gets_its_row():
    rows = combinations(Detect(), ["a", "b"], ["litert", "tflite"], [1, 3])
    assert [(r.model, r.runtime, r.threads) for r in rows] == [
        (m, r, t) for m in ("a", "b") for r in ("litert", "tflite") for t in (1, 3)
    ]


def test_without_a_choice_there_is_a_row_for_what_is_installed():
    rows = combinations(Detect(), [], [], [])
    assert {r.model for r in rows} >= {"centernet"}
    assert 1 in {r.threads for r in rows}
