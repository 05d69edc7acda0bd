"""Aiming: what people in the picture tell of the lens's pitch, and settings stored without harm to the file."""

from __future__ import annotations

import json
import math
import tomllib
from itertools import islice

import cv2
import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rearguard.camera.catalogue import open_source
from rearguard.cli.aim import aim
from rearguard.config import Config, load
from rearguard.config.camera import Camera
from rearguard.doctor.aim import (
    Estimate,
    advice,
    ground_point,
    horizon,
    pitch_of_people,
    pitch_of_person,
    store,
    with_settings,
)
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput
from rearguard.types import Box, Detection

LENS = Pinhole.from_fov(1280, 720, 66.0)


def person_box(lens, camera_m, person_m, pitch_deg, z_m):
    """The box of an upright person straight ahead, by projecting feet and head."""
    _, feet = ground_point(lens, camera_m, pitch_deg, z_m, 0.0)
    _, head = ground_point(lens, camera_m - person_m, pitch_deg, z_m, 0.0)
    return Box(600.0, head, 680.0, feet)


@given(st.floats(-9, 9), st.floats(4.5, 30), st.floats(1.0, 1.6), st.floats(1.4, 2.0))
def test_the_pitch_of_a_projected_person_comes_back(pitch_deg, z_m, camera_m, person_m):
    box = person_box(LENS, camera_m, person_m, pitch_deg, z_m)
    found = pitch_of_person(LENS, box, camera_m, person_m)
    if box.y0 <= 3 or box.y1 >= 717:
        assert found is None
    else:
        assert found == pytest.approx(pitch_deg, abs=0.05)


@pytest.mark.parametrize(
    "box",
    [
        Box(600, 0, 680, 500),  # cut by the upper edge
        Box(600, 200, 680, 720),  # by the lower
        Box(600, 300, 680, 300.5),  # nothing
        Box(600, 359, 680, 361),  # a kilometre away
    ],
)
def test_boxes_that_tell_nothing_are_left_out(box):
    assert pitch_of_person(LENS, box, 1.35, 1.72) is None


def test_only_people_count():
    box = person_box(LENS, 1.35, 1.72, -5.0, 6.0)
    found = [Detection(box, "person", 0.9), Detection(box, "bicycle", 0.9)]
    assert pitch_of_people(LENS, found, 1.35, 1.72) == [pytest.approx(-5.0, abs=0.05)]


def test_the_estimate_is_a_median_and_needs_ten():
    estimate = Estimate()
    estimate.add([-5.0] * 9)
    assert estimate.pitch_deg is None
    estimate.add([-5.2, 40.0])
    assert estimate.pitch_deg == -5.0
    estimate.add([-8.0] * 300)
    assert (estimate.pitch_deg, estimate.spread_deg, len(estimate)) == (-8.0, 0.0, 200)


def test_the_horizon_is_where_far_ground_is():
    for pitch in (-10.0, 0.0, 7.0):
        (_, left), (_, right) = horizon(LENS, pitch, 0.0)
        far = ground_point(LENS, 1.35, pitch, 1e6, 0.0)[1]
        assert left == right == pytest.approx(far, abs=0.1)
    assert horizon(LENS, -10.0, 0.0)[0][1] > 360  # a lens that looks up has the horizon low


def test_a_clockwise_pod_sees_the_horizon_rise_to_the_right():
    (_, left), (_, right) = horizon(LENS, 0.0, 5.0)
    assert left - right == pytest.approx(1280 * math.tan(math.radians(5)))
    assert advice(0.0, 5.0, LENS).startswith("turn the pod anticlockwise by 5°")


def test_advice():
    assert advice(-2.0, 0.0, LENS) == ""
    assert "looks up" in advice(-15.0, 0.0, LENS)
    assert "looks down" in advice(15.0, 0.0, LENS)


def test_storing_changes_two_lines_and_no_more(tmp_path):
    path = tmp_path / "rearguard.toml"
    path.write_text(
        "# mine\n[cue]\npins = [18, 13]\n\n[camera]  # worn high\npitch_deg = -2.0  # guess\n"
        "fps = 12.0\n\n[judge]\nnotice_ttc_s = 5.0\n"
    )
    store(path, {"pitch_deg": -7.5, "roll_deg": 1.0})
    assert path.read_text() == (
        "# mine\n[cue]\npins = [18, 13]\n\n[camera]  # worn high\nroll_deg = 1.0\npitch_deg = -7.5  # guess\n"
        "fps = 12.0\n\n[judge]\nnotice_ttc_s = 5.0\n"
    )
    assert load(path).camera.pitch_deg == -7.5
    assert [p.name for p in tmp_path.iterdir()] == ["rearguard.toml"]


def test_storing_makes_a_file_where_there_is_none(tmp_path):
    path = tmp_path / "new" / "rearguard.toml"
    store(path, {"pitch_deg": -8.0})
    assert load(path).camera.pitch_deg == -8.0


@pytest.mark.parametrize("text", ["[camera\n", "[camera]\npitch = 1\n", "camera = 3\n"])
def test_a_broken_file_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "rearguard.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match="left as it is"):
        store(path, {"pitch_deg": -8.0})
    assert path.read_text() == text


@given(st.sampled_from(["", "[cue]\npins = [18]\n", "[camera]\n", "[camera]\nfps = 9.0\n[cue]\nalive_every_s = 9.0\n"]),
       st.floats(-45, 45), st.floats(-45, 45))  # fmt: skip
def test_stored_settings_are_read_back(text, pitch, roll):
    changed = with_settings(text, "camera", {"pitch_deg": pitch, "roll_deg": roll})
    config = msgspec.convert(tomllib.loads(changed), Config)
    assert config.camera.pitch_deg == pytest.approx(pitch, abs=0.051)
    assert config.camera.roll_deg == pytest.approx(roll, abs=0.051)
    again = with_settings(changed, "camera", {"pitch_deg": pitch, "roll_deg": roll})
    assert again == changed


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Somebody walking up to a camera that looks up by 8 degrees, as a film."""
    path = tmp_path_factory.mktemp("film") / "walk.avi"
    camera = Camera(pitch_deg=-8.0)
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (camera.width_px, camera.height_px)
    )
    source = open_source("sim:walk-toward?gait=off", camera)
    for frame in islice(source.frames(), 60):
        writer.write(frame.image)
    source.close()
    writer.release()
    return str(path)


def test_measured_on_a_rendered_person_by_the_real_detector(tmp_path, film):
    config = tmp_path / "rearguard.toml"
    config.write_text("[camera]\npitch_deg = -8.0\n")
    asked = [
        "--source",
        film,
        "--seconds",
        "6",
        "--json",
        "--save",
        "--config",
        str(config),
    ]
    done = CliRunner().invoke(aim, asked)
    report = json.loads(done.stdout.splitlines()[-1])
    assert done.exit_code == 0
    assert report["sightings"] >= 10
    assert report["pitch_deg"] == pytest.approx(-8.0, abs=2.0)
    assert report["stored"] == str(config)
    assert load(config).camera.pitch_deg == pytest.approx(report["pitch_deg"], abs=0.06)


def test_what_was_measured_is_told_though_it_cannot_be_stored(tmp_path, monkeypatch, film):
    def full(*_):
        raise BadInput("rearguard.toml: cannot write: No space left on device")

    monkeypatch.setattr("rearguard.doctor.aim.store", full)
    config = tmp_path / "rearguard.toml"
    config.write_text("[camera]\npitch_deg = -8.0\n")
    asked = ["--source", film, "--seconds", "6", "--json", "--save"]
    done = CliRunner().invoke(aim, [*asked, "--config", str(config)])
    assert isinstance(done.exception, BadInput)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["pitch_deg"] == pytest.approx(-8.0, abs=2.0)
    assert report["stored"] is None


def test_where_nothing_can_be_stored_is_told_before_measuring(tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "a file"))
    done = CliRunner().invoke(aim, ["--source", "webcam:0", "--seconds", "60", "--save"])
    assert isinstance(done.exception, BadInput)
    assert "a file/rearguard/rearguard.toml: cannot write" in str(done.exception)


def test_what_a_simulated_camera_says_is_not_stored(tmp_path):
    config = tmp_path / "rearguard.toml"
    asked = ["--source", "sim:stand", "--seconds", "60", "--save", "--config", str(config)]
    done = CliRunner().invoke(aim, asked)
    assert "a simulated camera says nothing of how yours sits" in str(done.exception)
    assert not config.exists()


@pytest.fixture(scope="module")
def strapped(tmp_path_factory):
    """A clear track, and a strap over the left quarter."""
    path = tmp_path_factory.mktemp("strapped") / "walk.avi"
    camera = Camera(width_px=320, height_px=180)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (320, 180))
    source = open_source("sim:empty?duration=5&fault=strap&fault_at=0", camera, fps=5)
    for frame in source.frames():
        writer.write(frame.image)
    writer.release()
    return str(path)


@pytest.mark.parametrize("asked", [(), ("--save",), ("--save", "--ignore")])
def test_what_stays_in_the_picture_is_proposed_and_stored_when_asked(tmp_path, monkeypatch, strapped, asked):
    config = tmp_path / "rearguard.toml"
    config.write_text("[camera]\nheight_px = 180\nwidth_px = 320\n")
    monkeypatch.setattr("rearguard.health.own_parts._LEAST", 5)  # nobody waits for half a minute here
    done = CliRunner().invoke(
        aim, ["--source", strapped, "--seconds", "9", "--json", "--config", str(config), *asked]
    )
    report = json.loads(done.stdout.splitlines()[-1])
    ((left, top, right, bottom),) = report["proposed_ignore"]
    assert (left, top, bottom) == (0.0, 0.0, 1.0)
    assert 0.25 <= right <= 0.32
    taken = "--ignore" in asked
    assert report["ignore"] == ([[left, top, right, bottom]] if taken else [])
    stored = load(config).camera.ignore
    assert stored == (((left, top, right, bottom),) if len(asked) == 2 else ())


def test_what_would_hide_the_path_is_not_stored(tmp_path):
    path = tmp_path / "rearguard.toml"
    path.write_text("[camera]\nignore = [[0.0, 0.8, 1.0, 1.0]]\n")
    with pytest.raises(BadInput, match=r"left as it is: camera.ignore: \d+% of the path"):
        store(path, {"pitch_deg": -12.0})
    assert load(path).camera.pitch_deg == -2.0


def test_storing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "real.toml").write_text("# mine\n")
    (tmp_path / "link.toml").symlink_to("real.toml")
    store(tmp_path / "link.toml", {"pitch_deg": -8.0})
    assert (tmp_path / "link.toml").is_symlink()
    assert load(tmp_path / "real.toml").camera.pitch_deg == -8.0


def test_without_a_terminal_it_asks_for_a_time():
    done = CliRunner().invoke(aim, [])
    assert done.exit_code == 2
    assert "--seconds" in done.output
