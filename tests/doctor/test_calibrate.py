"""A lens measured from pictures of a board is the lens that drew them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from lens_kit import BARREL, FISHEYE, board_views

from rearguard.camera.lens import Calibration, read_calibration
from rearguard.cli.main import cli
from rearguard.doctor.calibrate import Board
from rearguard.errors import BadInput


def photos(folder: Path, views: list[np.ndarray]) -> Path:
    folder.mkdir()
    for n, view in enumerate(views):
        cv2.imwrite(str(folder / f"{n:02d}.png"), view)
    return folder


def chessboard() -> np.ndarray:
    squares = np.indices((7, 10)).sum(axis=0) % 2 * 255
    return cv2.copyMakeBorder(
        np.kron(squares, np.ones((60, 60))).astype(np.uint8), 60, 60, 60, 60, 0, value=255
    )


def run(folder: Path, output: Path, board: str) -> Result:
    return CliRunner().invoke(cli, ["calibrate", str(folder), "-o", str(output), "--board", board, "--json"])


def worst_ray_error_deg(one: Calibration, other: Calibration) -> float:
    """The largest angle between the two lenses' rays, over 90 % of the picture."""
    xs, ys = np.meshgrid(np.linspace(48, 912, 13), np.linspace(27, 513, 9))
    points = np.stack([xs.ravel(), ys.ravel()], axis=1)
    return float(np.degrees(np.abs(np.arctan(one.rays(points)) - np.arctan(other.rays(points))).max()))


@pytest.mark.parametrize(
    ("lens", "kind"), [(FISHEYE, "charuco:8x6"), (BARREL, "chessboard:9x6")], ids=["fisheye", "barrel"]
)
def test_the_lens_that_drew_the_pictures_is_found(tmp_path: Path, lens: Calibration, kind: str) -> None:
    board = Board.of(kind).draw() if kind.startswith("charuco") else chessboard()
    folder = photos(tmp_path / "photos", board_views(board, lens, 18))
    (folder / "spoiled.png").write_bytes(b"half a picture")
    done = run(folder, tmp_path / "lens.toml", kind)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "spoiled.png" in done.stderr
    told = json.loads(done.stdout)
    found = read_calibration(str(tmp_path / "lens.toml"))
    assert found.rms_px < 0.5
    assert found.views >= 10
    assert worst_ray_error_deg(found, lens) < 0.6
    assert told["hfov_deg"] == pytest.approx(lens.hfov_deg, abs=1.5)
    assert told["coverage"] > 0.5


def test_a_board_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", [np.full((120, 160, 3), 90 + n, np.uint8) for n in range(4)])
    done = run(folder, tmp_path / "lens.toml", "charuco:8x6")
    assert "found in 0 different places in 4 pictures" in str(done.exception)
    assert not (tmp_path / "lens.toml").exists()


def test_a_board_held_still_is_one_view(tmp_path: Path) -> None:
    views = board_views(Board.of("charuco:8x6").draw(), FISHEYE, 1) * 12
    done = run(photos(tmp_path / "photos", views), tmp_path / "lens.toml", "charuco:8x6")
    assert "found in 1 different places in 12 pictures" in str(done.exception)


@pytest.mark.parametrize("word", ["", "chess", "charuco:8", "charuco:1x1", "charuco:99x99", "charuco:8x6;x"])
def test_boards_that_are_none(word: str) -> None:
    with pytest.raises(BadInput, match="--board"):
        Board.of(word)


def test_the_printed_board_is_one_that_is_found(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["calibrate", "--print", str(tmp_path / "board.png")])
    assert done.exit_code == 0, done.exception
    found = Board.of("charuco:8x6").find(cv2.imread(str(tmp_path / "board.png"), cv2.IMREAD_GRAYSCALE))
    assert found is not None
    assert len(found[0]) == 7 * 5


def test_without_a_source_it_says_what_is_wanted() -> None:
    assert "-o lens.toml" in str(CliRunner().invoke(cli, ["calibrate"]).exception)
