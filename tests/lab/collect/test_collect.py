"""Collected recordings: their labels are what is true of a simulated world, `score` reads them, no head is left."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from rearguard.camera.catalogue import open_source
from rearguard.camera.source import SourceInfo
from rearguard.cli.collect import collect as collect_command
from rearguard.cli.score import score
from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.config.detect import Detect
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput
from rearguard.lab.collect.film import Heads, film_writer
from rearguard.lab.collect.live import record
from rearguard.lab.collect.tape import Mark, from_presses, from_sizes, marker
from rearguard.lab.score.labels import read_labels
from rearguard.lab.world import catalogue
from rearguard.lab.world.paint import Panel, halvings, paint_panel
from rearguard.lab.world.render import Renderer
from rearguard.types import Box, Detection, Frame, Image

LENS = Pinhole.from_fov(640, 360, 66)
FPS, SPEED_M_S, START_M, SIDE_M = 8.0, 2.5, 8.0, 0.4


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[float, float, Box]]]:
    """A film of running at somebody who carries a printed mark, and (gap m, TTC s, the person's box) of each frame."""
    path = tmp_path_factory.mktemp("walk") / "film.mkv"
    scene = catalogue.scene("stand", speed=SPEED_M_S, start=START_M, gait=0, seed=3)
    renderer = Renderer(scene, LENS, 1.35, 0.0)
    printed = cv2.cvtColor(marker(200), cv2.COLOR_GRAY2BGR)
    texture = halvings(np.dstack([printed, np.full(printed.shape[:2], 255, np.uint8)]))
    truth = []
    with film_writer(path) as film:
        for number in range(math.floor(scene.duration_s * FPS) + 1):
            t_s = number / FPS
            image, (person,) = renderer.frame(t_s, number)
            gap = START_M + 0.15 - SPEED_M_S * t_s - 0.15
            wide = SIDE_M * 1.25
            panel = Panel((-wide / 2, -1.35 + wide / 2, gap), (1, 0, 0), wide, wide, texture, 250 / wide)
            paint_panel(image, panel, renderer.pose(t_s), LENS, 1.0, (0, 0), 0.0)
            film.add(image, t_s)
            assert person.ttc_s is not None
            assert person.box is not None
            truth.append((gap, person.ttc_s, person.box))
    return path, truth


def run(*words: str) -> str:
    done = CliRunner().invoke(collect_command, list(words))
    if done.exception:
        raise done.exception
    return done.output


def rows(path: Path) -> dict[int, dict[str, float]]:
    with path.open() as file:
        return {int(r["frame"]): {k: float(v) for k, v in r.items()} for r in csv.DictReader(file)}


def test_a_mark_of_known_size_tells_the_truth_and_score_reads_it(
    walk: tuple[Path, list[tuple[float, float, Box]]], tmp_path: Path
) -> None:
    film, truth = walk
    run(str(film), "--marker", str(SIDE_M), "--hfov", "66", "-o", str(tmp_path / "corpus" / "walk"))
    told = rows(tmp_path / "corpus" / "walk.csv")
    assert len(told) > 0.8 * len(truth)
    for frame, row in told.items():
        gap, ttc_s, _ = truth[frame]
        assert row["range_m"] == pytest.approx(gap, rel=0.03, abs=0.02)
        assert row["ttc_s"] == pytest.approx(ttc_s, rel=0.06, abs=0.05)
    scored = CliRunner().invoke(score, [str(tmp_path / "corpus"), "--jobs", "1", "--json"])
    figures = json.loads(scored.output)
    (due,) = figures["recordings"][0]["due"]
    assert due["in_time"]
    assert due["contact_s"] == pytest.approx(START_M / SPEED_M_S, abs=0.06)
    assert figures["figures"]["ttc"][0]["frames"] > 10
    written = tmp_path / "corpus" / "walk.mkv"
    assert max(_detail_left(written, film, truth, 0.0, 0.13)) < 0.6
    assert np.median(_detail_left(written, film, truth, 0.6, 1.0)) > 0.9  # the legs, but close by


def _detail_left(
    written: Path, original: Path, truth: list[tuple[float, float, Box]], top: float, end: float
) -> list[float]:
    """How much of the fine detail of a part of the person, by height from the top, is left; 1 for all."""
    left = []
    pairs = zip(_pictures(written), _pictures(original), truth, strict=True)
    for after, before, (gap, _, box) in pairs:
        rows_px = slice(max(0, int(box.y0 + top * box.height)), int(box.y0 + end * box.height))
        part = rows_px, slice(int(box.x0), int(box.x1))
        if gap > 2 and before[part].size:
            left.append(_detail(after[part]) / _detail(before[part]))
    assert len(left) > 10
    return left


def _pictures(path: Path) -> Iterator[Image]:
    source = open_source(str(path), Camera())
    for frame in source.frames():
        yield frame.image
    source.close()


def _detail(image: Image) -> float:
    """Grey levels from one pixel to the next, in the median: hardly any within blocks, whatever lies between them."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float)
    return float(np.median(np.abs(np.diff(grey, axis=1))))


def test_presses_a_tenth_of_a_second_off_tell_the_truth_nearly() -> None:
    times = [n / 15 for n in range(120)]
    late = (0.08, -0.1, 0.05, -0.06)
    marks = [Mark((10 - d) / 2.5 + 0.5 + off, d) for d, off in zip((10, 7, 4, 1), late, strict=True)]
    back_and_again = [Mark(m.t_s + 60, m.range_m) for m in marks]
    first, second = from_presses([*marks, *back_and_again], [*times, *(t + 60 for t in times)])
    assert second.contact_s == pytest.approx(first.contact_s + 60, abs=0.01)
    assert 0 < first.off_m < 0.3
    for row in first.rows:
        true = 10 - 2.5 * (row.t_s - 0.5)
        assert row.range_m == pytest.approx(true, abs=0.25)
        assert row.ttc_s == pytest.approx(true / 2.5, rel=0.08, abs=0.15)


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        ([(1, 10)], "two marks"),
        ([(1, 10), (2, 12)], "two marks"),
        ([(1, 10), (1, 5)], "two marks at 1 s"),
        ([(1, 1000), (2, 5)], "no distance"),
        ([(90, 10), (95, 5)], "no picture between"),
    ],
)
def test_marks_that_make_no_sense_are_refused(marks: list[tuple[float, float]], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        from_presses([Mark(*m) for m in marks], [n / 10 for n in range(100)])


def test_a_mark_that_never_comes_nearer_is_no_approach() -> None:
    times = [n / 10 for n in range(50)]
    with pytest.raises(BadInput, match="never came nearer"):
        from_sizes([Mark(t, 5.0) for t in times], times)


class _Camera:
    """Pictures ten times a second, from a clock that has long run."""

    info = SourceInfo("camera", 64, 48, 10.0, 66.0, True)

    def frames(self) -> Iterator[Frame]:
        for n in range(600):
            yield Frame(n, round((500 + n / 10) * NS_PER_S), np.full((48, 64, 3), n % 200, np.uint8))

    def close(self) -> None:
        """Nothing to give back."""


def test_presses_at_the_tape_become_marks_of_the_film(tmp_path: Path) -> None:
    pressed_at = {12, 30, 44}
    asked = iter(range(600))
    told: list[str] = []

    def presses() -> int:
        return int(next(asked) in pressed_at)

    film = tmp_path / "raw.mkv"
    marks = record(_Camera(), film, [10.0, 5.0, 2.0], presses, seconds=60, tell=told.append)
    assert [m.range_m for m in marks] == [10, 5, 2]
    assert [m.t_s for m in marks] == pytest.approx([1.2, 3.0, 4.4], abs=0.06)
    assert len(list(_pictures(film))) == 45
    with pytest.raises(BadInput, match="0 of the 2 marks"):
        record(_Camera(), film, [10.0, 5.0], lambda: 0, seconds=2, tell=told.append)


def test_what_passes_beside_is_labelled_so_and_nothing_is_overwritten(tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    with film_writer(film) as writer:
        for n in range(9):
            writer.add(np.full((48, 64, 3), 20 * n, np.uint8), n / 4)
    marks = ["--mark", "0.4@7", "--mark", "2.0@3"]
    out = run(str(film), *marks, "--beside", "1.5", "--what", 'a "post"', "-o", str(tmp_path / "b"))
    assert "2.50 m/s" in out
    labels = read_labels(tmp_path / "b.toml")
    assert [(i.is_, i.from_frame, i.to_frame) for i in labels.interval] == [("lateral", 2, 8)]
    assert labels.interval[0].what == 'a "post", 1.5 m beside the path'
    assert labels.truth is None
    with pytest.raises(BadInput, match="is there already"):
        run(str(film), *marks, "-o", str(tmp_path / "b"))
    with pytest.raises(BadInput, match="in one way"):
        run(str(film), "-o", str(tmp_path / "c"))
    with pytest.raises(BadInput, match="SECONDS@METRES"):
        run(str(film), "--mark", "soon", "-o", str(tmp_path / "c"))


class _Told:
    """A detector that tells what it is told to."""

    def __init__(self, told: list[list[Box]]) -> None:
        self._told = iter(told)

    def detect(self, image: Image) -> list[Detection]:  # noqa: ARG002
        return [Detection(box, "person", 0.9) for box in next(self._told)]


def test_heads_are_hidden_in_between_and_only_who_agreed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def friend(n: int) -> Box:
        return Box(100 + 20 * n, 100, 140 + 20 * n, 220)  # the camera turns

    stranger = Box(300, 110, 320, 170)
    told = [[friend(n), stranger] if n != 2 else [stranger] for n in range(5)]
    monkeypatch.setattr("rearguard.lab.collect.film.Detector", lambda _: _Told(told))
    heads = Heads(Detect())
    for n in range(5):
        heads.find_people(np.zeros((240, 400, 3), np.uint8), n / 10)

    def hides(areas: list[Box], who: Box) -> bool:
        x, y = (who.x0 + who.x1) / 2, who.y0 + 0.1 * who.height
        return any(a.x0 < x < a.x1 and a.y0 < y < a.y1 for a in areas)

    everybody = heads.areas()
    assert all(hides(areas, friend(n)) and hides(areas, stranger) for n, areas in enumerate(everybody))
    but_one = heads.areas({0: 120.0, 1: 118.0, 3: 125.0, 4: 60.0})
    assert [hides(areas, friend(n)) for n, areas in enumerate(but_one)] == [False, False, False, False, True]
    assert all(hides(areas, stranger) for areas in but_one)
