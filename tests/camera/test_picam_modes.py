"""What a Raspberry Pi camera is asked for, on the mode lists that real modules report."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.camera.picam_modes import (
    cap_exposure,
    choose_mode,
    exposure_of,
    field_of_view_deg,
    parse_modes,
    visible_crop,
)
from rearguard.config.health import Health
from rearguard.cue.table import FAULTS
from rearguard.health.picture import PictureWatch
from rearguard.types import CueName, Fault, Frame

# size, fps, crop_limits as `rpicam-hello --list-cameras` tells them
IMX708 = [
    ((1536, 864), 120.13, (768, 432, 3072, 1728)),
    ((2304, 1296), 56.03, (0, 0, 4608, 2592)),
    ((4608, 2592), 14.35, (0, 0, 4608, 2592)),
]
IMX219 = [
    ((640, 480), 206.65, (1000, 752, 1280, 960)),
    ((1640, 1232), 41.85, (0, 0, 3280, 2464)),
    ((1920, 1080), 47.57, (680, 692, 1920, 1080)),
    ((3280, 2464), 21.19, (0, 0, 3280, 2464)),
]
IMX500 = [((2028, 1520), 30.02, (0, 0, 4056, 3040)), ((4056, 3040), 10.0, (0, 0, 4056, 3040))]


def reported(rows):
    return [
        {"size": s, "fps": f, "crop_limits": c, "bit_depth": 10, "format": "SRGGB10_CSI2P"}
        for s, f, c in rows
    ]


@pytest.mark.parametrize(
    ("rows", "want", "fps", "size"),
    [
        (IMX708, "field", 15, (2304, 1296)),
        (IMX708, "fast", 15, (1536, 864)),
        (IMX708, "fast", 100, (1536, 864)),
        (IMX219, "field", 15, (1640, 1232)),
        (IMX219, "fast", 15, (1640, 1232)),  # the 206 fps mode sees 39 % of the width only
        (IMX500, "field", 15, (2028, 1520)),
        (IMX500, "fast", 30, (2028, 1520)),
    ],
)
def test_mode_suits_the_module(rows, want, fps, size):
    mode = choose_mode(parse_modes(reported(rows)), want, 1280, fps)
    assert (mode.width_px, mode.height_px) == size


def test_an_unreachable_frame_rate_still_gives_a_picture():
    mode = choose_mode(parse_modes(reported(IMX500)), "field", 1280, 120)
    assert (mode.width_px, mode.max_fps) == (2028, 30.02)


def test_a_usb_camera_offers_no_choice():
    modes = parse_modes([{"format": "YUYV"}])
    assert modes == []
    assert choose_mode(modes, "field", 1280, 15) is None


@pytest.mark.parametrize(
    ("lens", "rows", "mode", "size", "turn", "expected"),
    [
        (66.0, IMX708, 1, (1280, 720), 0, 66.0),
        (66.0, IMX708, 0, (1280, 720), 0, 46.8),  # the fast mode's crop
        (66.0, IMX708, 1, (640, 480), 0, 52.0),  # 4:3 cuts the sides of a 16:9 sensor
        (62.2, IMX219, 1, (1280, 720), 0, 62.2),  # 16:9 cuts top and bottom of a 4:3 sensor
        (66.0, IMX708, 1, (1280, 720), 90, 40.1),  # sideways: the height becomes the width
    ],
)
def test_field_of_view_is_that_of_the_delivered_picture(lens, rows, mode, size, turn, expected):
    crop = visible_crop(rows[mode][2], *size)
    array = max((row[2][2], row[2][3]) for row in rows)
    assert field_of_view_deg(lens, array, crop, turn) == pytest.approx(expected, abs=0.1)


@given(
    st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(64, 5000), st.integers(64, 5000)),
    st.integers(160, 1920),
    st.integers(120, 1440),
)
def test_visible_crop_lies_inside_and_has_the_pictures_shape(crop, width, height):
    left, top, w, h = visible_crop(crop, width, height)
    assert crop[0] <= left
    assert crop[1] <= top
    assert left + w <= crop[0] + crop[2] + 1
    assert top + h <= crop[1] + crop[3] + 1
    assert w == crop[2] or h == crop[3]
    assert abs(w * height - h * width) <= max(width, height)  # the aspect, to the nearest pixel


def agc(tuning):
    entry = next(a for a in tuning["algorithms"] if "rpi.agc" in a)["rpi.agc"]
    return entry.get("channels", [entry])


MODES = {
    "normal": {"shutter": [100, 66666], "gain": [1.0, 8.0]},
    "short": {"shutter": [100, 5000], "gain": [1, 4]},
}


@pytest.mark.parametrize("channels", [0, 1, 2])
def test_exposure_grows_to_its_cap_then_gain_then_dusk(channels):
    entry = (
        {"channels": [{"exposure_modes": MODES} for _ in range(channels)]}
        if channels
        else {"exposure_modes": MODES}
    )
    tuning = {"version": 2.0, "target": "pisp", "algorithms": [{"rpi.black_level": {}}, {"rpi.agc": entry}]}
    before = json.dumps(tuning)
    capped = cap_exposure(tuning, 2000, 8000, 8.0)
    for channel in agc(capped):
        for mode in channel["exposure_modes"].values():
            assert mode == {"shutter": [100, 2000, 2000, 8000], "gain": [1.0, 1.0, 8.0, 8.0]}
    assert json.dumps(tuning) == before


def test_old_tuning_files_and_strange_ones():
    assert cap_exposure({"rpi.agc": {"exposure_modes": MODES}}, 1000, 500, 4.0)["rpi.agc"]["exposure_modes"][
        "normal"
    ] == {"shutter": [100, 1000, 1000, 1000], "gain": [1.0, 1.0, 4.0, 4.0]}
    assert cap_exposure({"version": 2.0, "algorithms": []}, 2000, 8000, 8.0) is None
    assert cap_exposure({"version": 2.0, "algorithms": [{"rpi.agc": {}}]}, 2000, 8000, 8.0) is None


@pytest.mark.parametrize(
    ("exposure_us", "gain", "spent"),
    [(2000, 8.0, False), (8000, 2.0, False), (7990, 7.9, True), (8000, 8.0, True)],
)
def test_too_dim_is_exposure_and_gain_both_at_their_end(exposure_us, gain, spent):
    seen = exposure_of({"ExposureTime": exposure_us, "AnalogueGain": gain}, 8000, 8.0)
    assert seen.spent is spent
    assert seen.lux is None


def test_too_dim_is_felt_as_degraded_and_passes_with_the_light():
    watch, rng = PictureWatch(Health()), np.random.default_rng(0)
    told = []
    for seq in range(150):  # 10 s; dim from 2 s to 6 s
        image = rng.integers(20, 235, (90, 160, 3), dtype=np.uint8)
        faults = watch.check_picture(Frame(seq, seq * 66_666_667, image, dim=30 <= seq < 90))
        told.append(Fault.DIM in faults)
    assert FAULTS[Fault.DIM].cue is CueName.DEGRADED
    first, last = told.index(True), len(told) - told[::-1].index(True)
    assert 30 + 6 <= first <= 30 + 15  # within a second
    assert 90 < last <= 90 + 45
    assert not any(told[:30])
