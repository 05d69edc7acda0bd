"""A lens that bends lines: straightened, a thing lies where it is."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from lens_kit import BARREL, FISHEYE, bent
from recordings import record

from rearguard.camera.catalogue import open_source
from rearguard.camera.lens import PRESETS, Calibration, Straightener, read_calibration
from rearguard.config.camera import Camera
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput

DEPTH_M = 5.0
FOCAL_PX = 900.0
SIZE = (2400, 1350)  # of the ideal picture, which shows 106° across


def poles(*lateral_m: float) -> np.ndarray:
    """The ideal pinhole's picture of bright poles, 10 cm wide, at 5 m."""
    image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    for x_m in lateral_m:
        left, right = (round(SIZE[0] / 2 + FOCAL_PX * (x_m + side) / DEPTH_M) for side in (-0.05, 0.05))
        image[:, left:right] = 255
    return image


def lateral_m(image: np.ndarray, hfov_deg: float) -> float:
    """Where the one pole in a picture is, by its bearing, at the row of the axis."""
    row = image[image.shape[0] // 2].mean(axis=1)
    bright = np.flatnonzero(row > 0.6 * row.max())
    lens = Pinhole.from_fov(image.shape[1], image.shape[0], hfov_deg)
    return DEPTH_M * (float(bright.mean()) + 0.5 - 0.5 * lens.width_px) / lens.focal_px


@pytest.mark.parametrize("lens", [FISHEYE, BARREL], ids=["fisheye", "barrel"])
@pytest.mark.parametrize("true_m", [-4.0, -2.0, 0.0, 1.5, 3.0, 4.0])
def test_a_pole_5_m_away_lies_where_it_is(lens: Calibration, true_m: float) -> None:
    seen = bent(poles(true_m), FOCAL_PX, lens)
    straight = Straightener(lens, lens.width_px, lens.height_px)
    assert lateral_m(straight.straighten(seen), straight.hfov_deg) == pytest.approx(true_m, abs=0.2)


@pytest.mark.parametrize("true_m", [-4.0, 2.0, 4.0])
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_puts_the_pole_where_it_is(name: str, true_m: float) -> None:
    lens = PRESETS[name].for_size(960, 540)
    straight = Straightener(lens, 960, 540)
    seen = bent(poles(true_m), FOCAL_PX, lens)
    assert lateral_m(straight.straighten(seen), straight.hfov_deg) == pytest.approx(true_m, abs=0.2)


# A second Module 3 Wide, as published beside the first: 240 pictures of a board, rms 0.196 px, rational model.
SECOND = (
    496.91386, 498.64897, 578.37042, 328.00498,
    (-1.18341279, 0.713453990, 7.90204163e-4, -7.38879856e-4, -2.94529084e-3, -1.14073111, 0.616356154, 0.0586094708),
)  # fmt: skip


@pytest.mark.parametrize("bearing_deg", [-45, -30, -15, 0, 15, 30, 45])
def test_another_module_3_wide_is_drawn_by_the_preset_within_0_2_m_at_5_m(bearing_deg: float) -> None:
    fx, fy, cx, cy, bend = SECOND
    thing = np.array([[[math.tan(math.radians(bearing_deg)), 0.1, 1.0]]])
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    drawn = cv2.projectPoints(thing, np.zeros(3), np.zeros(3), matrix, np.array(bend))[0].reshape(1, 2)
    told = PRESETS["module3-wide"].rays(drawn)[0, 0]
    assert DEPTH_M * told == pytest.approx(DEPTH_M * thing[0, 0, 0], abs=0.2)


def test_without_it_the_pole_lay_half_a_metre_off() -> None:
    """What the correction is for: the same picture taken for a pinhole's of the same field of view."""
    errors = [
        abs(lateral_m(bent(poles(x), FOCAL_PX, FISHEYE), FISHEYE.hfov_deg) - x) for x in (2.0, 3.0, 4.0)
    ]
    assert max(errors) >= 0.5, errors


def test_straight_lines_are_straight() -> None:
    image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    image[380:396] = 255  # a horizontal edge well above the middle
    seen = bent(image, FOCAL_PX, FISHEYE)

    def bow_px(picture: np.ndarray) -> float:
        grey = picture.mean(axis=2)
        tops = [
            np.flatnonzero(grey[:, x] > 150).mean() for x in range(200, 760, 40) if (grey[:, x] > 150).any()
        ]
        assert len(tops) > 10
        return max(tops) - min(tops)

    straight = Straightener(FISHEYE, 960, 540)
    assert bow_px(seen) > 8
    assert bow_px(straight.straighten(seen)) < 1.5


@pytest.mark.parametrize("lens", [FISHEYE, BARREL, *PRESETS.values()])
def test_rays_and_pixels_are_each_others_inverse(lens: Calibration) -> None:
    rays = np.array([[0.0, 0.0], [0.4, -0.3], [-0.8, 0.2], [0.9, 0.45]])
    assert lens.rays(lens.pixels(rays)) == pytest.approx(rays, abs=2e-3)


@pytest.mark.parametrize("lens", [FISHEYE, BARREL], ids=["fisheye", "barrel"])
def test_a_turned_picture_has_the_turned_lens(lens: Calibration) -> None:
    points = lens.pixels(np.array([[0.1, 0.2], [-0.5, 0.3], [0.6, -0.3]]))
    turned = np.stack([lens.height_px - points[:, 1], points[:, 0]], axis=1)  # clockwise by a quarter
    rays = lens.turned().rays(turned)
    assert rays == pytest.approx(np.array([[-0.2, 0.1], [-0.3, -0.5], [0.3, 0.6]]), abs=2e-3)
    again = lens
    for _ in range(4):
        again = again.turned()
    assert again.distortion == lens.distortion
    assert (again.cx_px, again.cy_px) == pytest.approx((lens.cx_px, lens.cy_px))


def test_a_smaller_picture_has_the_same_lens_and_another_shape_has_not() -> None:
    half = FISHEYE.for_size(480, 270)
    assert half.hfov_deg == pytest.approx(FISHEYE.hfov_deg, abs=0.01)
    with pytest.raises(BadInput, match="another cut of the sensor"):
        FISHEYE.for_size(640, 480)
    assert FISHEYE.for_size(540, 960).width_px == 540


def test_the_gopros_field_of_view_is_what_its_maker_says() -> None:
    # GoPro gives HERO11's Wide in 16:9 as 118° across.
    assert PRESETS["gopro-wide"].hfov_deg == pytest.approx(118, abs=4)


def test_the_wide_modules_field_of_view_is_what_its_maker_says() -> None:
    assert PRESETS["module3-wide"].hfov_deg == pytest.approx(102, abs=1)


def test_a_recording_through_a_lens(tmp_path: Path) -> None:
    film = record(tmp_path / "v.mp4", [0, 0.1, 0.2], picture=lambda _: bent(poles(3.0), FOCAL_PX, FISHEYE))
    (tmp_path / "lens.toml").write_text(FISHEYE.to_toml())
    source = open_source(str(film), Camera(), lens=str(tmp_path / "lens.toml"))
    frames = list(source.frames())
    assert [f.seq for f in frames] == [0, 1, 2]
    assert any("is calibrated" in line for line in source.info.assumed)
    assert not any("is assumed to see" in line for line in source.info.assumed)
    assert lateral_m(frames[1].image, source.info.hfov_deg) == pytest.approx(3.0, abs=0.2)


def test_a_recording_has_no_lens_of_the_cameras_own(tmp_path: Path) -> None:
    film = record(tmp_path / "v.mp4", [0, 0.1])
    assert open_source(str(film), Camera(lens="gopro-wide")).info.hfov_deg == 66


def test_a_lens_for_another_shape_names_the_source(tmp_path: Path) -> None:
    film = record(tmp_path / "v.mp4", [0, 0.1])
    with pytest.raises(BadInput, match=r"v\.mp4.*calibrate it in this mode"):
        open_source(str(film), Camera(), lens="gopro-wide")


def test_a_simulated_world_takes_no_lens() -> None:
    with pytest.raises(BadInput, match="without faults"):
        open_source("sim:stand", Camera(), lens="gopro-wide")


@pytest.mark.parametrize("change", [
    "", "model = 3", "nonsense", "fx_px = nan", "fx_px = -5.0", "distortion = [1.0]",
    "distortion = [1e9, 0.0, 0.0, 0.0]",
    "width_px = 0", "cx_px = inf", "surprise = 1",
])  # fmt: skip
def test_a_file_that_is_no_lens_is_one_line(tmp_path: Path, change: str) -> None:
    key = change.split(" ")[0]
    lines = [line for line in FISHEYE.to_toml().splitlines() if not line.startswith(f"{key} =")]
    (tmp_path / "l.toml").write_text("" if not change else "\n".join([*lines, change]))
    with pytest.raises(BadInput) as e:
        read_calibration(str(tmp_path / "l.toml"))
    assert "l.toml" in str(e.value)
    assert len(str(e.value).splitlines()) == 1


def test_a_lens_that_is_not_there_is_named(tmp_path: Path) -> None:
    for word in ("no-such", str(tmp_path / "none.toml")):
        with pytest.raises(BadInput, match="lens"):
            read_calibration(word)


def test_straightening_keeps_pace() -> None:
    straight = Straightener(FISHEYE.for_size(1280, 720), 1280, 720)
    image = np.zeros((720, 1280, 3), np.uint8)
    straight.straighten(image)
    began = cv2.getTickCount()
    for _ in range(10):
        straight.straighten(image)
    assert (cv2.getTickCount() - began) / cv2.getTickFrequency() / 10 < 0.05
