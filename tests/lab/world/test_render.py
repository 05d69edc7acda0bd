"""Rendered pictures: they move as the camera model says, show what is true, and the detector sees people in them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from camera_kit import project, rotation

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.world import catalogue
from rearguard.lab.world.camera import Pose
from rearguard.lab.world.render import Renderer
from rearguard.types import Image

LENS = Pinhole.from_fov(1280, 720, 66)
PITCH = math.radians(-2)


def renderer(name: str, **values: float) -> Renderer:
    return Renderer(catalogue.scene(name, **values), LENS, 1.35, PITCH)


def flow(before: Image, after: Image, mask: Image) -> tuple[np.ndarray, np.ndarray]:
    """Corners of `before` within `mask`, and where Lucas-Kanade finds them in `after`."""
    a, b = (cv2.cvtColor(x, cv2.COLOR_BGR2GRAY) for x in (before, after))
    points = cv2.goodFeaturesToTrack(a, 300, 0.01, 8, mask=mask)
    found, ok, _ = cv2.calcOpticalFlowPyrLK(a, b, points, None, winSize=(21, 21), maxLevel=4)
    kept = ok[:, 0] == 1
    return points[kept][:, 0], found[kept][:, 0]


def rays(px: np.ndarray, pose: Pose) -> np.ndarray:
    """Directions in the world of pixels (N, 2); OpenCV counts pixels from their middle."""
    x = (px[:, 0] + 0.5 - LENS.cx) / LENS.focal_px
    y = (px[:, 1] + 0.5 - LENS.cy) / LENS.focal_px
    return np.stack([x, y, np.ones_like(x)], axis=1) @ rotation(pose)


@pytest.mark.parametrize("light", [1.0, 0.6])
def test_the_backdrop_moves_as_the_camera_turns(light: float) -> None:
    view = renderer("empty", speed=2.5, light=light, noise=1, exposure_ms=0)
    t0, t1 = 1.0, 1.0 + 1 / 30
    (a, _), (b, _) = view.frame(t0, 0), view.frame(t1, 1)
    poses = view.pose(t0), view.pose(t1)
    horizon = LENS.cy - LENS.focal_px * math.tan(poses[0].pitch_rad)
    mask = np.zeros(a.shape[:2], np.uint8)
    mask[int(horizon) - 90 : int(horizon) - 12, 100:-100] = 255
    before, after = flow(a, b, mask)
    far = rays(before, poses[0]) * 1e6
    expected = (
        project(far, Pose(0, 0, 0, poses[1].yaw_rad, poses[1].pitch_rad, poses[1].roll_rad), LENS)[0] - 0.5
    )
    moved = np.linalg.norm(expected - before, axis=1)
    error = np.linalg.norm(after - expected, axis=1)
    assert np.median(moved) > 2.0
    assert len(error) > 30
    assert np.median(error) < 0.35
    # Single trees stand at finite distances and may move otherwise; most points must not.
    assert np.mean(error < 1.0) > 0.6


@pytest.mark.parametrize("world", ["empty", "curve"])
def test_the_ground_flows_as_the_wearer_moves(world: str) -> None:
    view = renderer(world, noise=1, exposure_ms=0)
    t0, t1 = 2.0, 2.0 + 1 / 30
    (a, _), (b, _) = view.frame(t0, 0), view.frame(t1, 1)
    poses = view.pose(t0), view.pose(t1)
    mask = np.zeros(a.shape[:2], np.uint8)
    mask[470:680, 150:-150] = 255
    before, after = flow(a, b, mask)
    down = rays(before, poses[0])
    on_ground = (
        np.array([poses[0].x_m, poses[0].y_m, poses[0].z_m]) + down * (-poses[0].y_m / down[:, 1])[:, None]
    )
    scene = catalogue.scene(world)
    advanced = scene.wearer.state(t1).s_m - scene.wearer.state(t0).s_m
    ds, n = scene.path.unplace(on_ground[:, 0], on_ground[:, 2])
    x, z, _ = scene.path.places(ds - advanced, n)
    expected = project(np.stack([x, np.zeros_like(x), z], axis=1), poses[1], LENS)[0] - 0.5
    error = np.linalg.norm(after - expected, axis=1)
    assert len(error) > 100
    assert np.median(np.linalg.norm(expected - before, axis=1)) > 3.0
    assert np.median(error) < 0.5


def test_truth_boxes_fit_what_is_drawn() -> None:
    """Paint the same moment with and without the figure; the changed pixels must fill its box."""
    values = {"gait": 1.0, "noise": 0.0, "exposure_ms": 0.0, "start": 12.0}
    with_figure, without = renderer("stand", **values), renderer("stand", lateral=-6, **values)
    for t in (0.5, 2.0, 3.0):
        image, (fact,) = with_figure.frame(t, 0)
        empty, _ = without.frame(t, 0)
        assert fact.box is not None
        box = fact.box
        changed = (cv2.absdiff(image, empty).max(axis=2) > 40).astype(np.uint8)
        # The shadow falls to the right and on the ground: look at the upper body, and leftwards.
        upper = changed[: int(box.y0 + 0.45 * box.height), int(box.x0) - 20 : int(box.x1) + 20]
        rows, columns = np.where(upper)
        assert rows.min() == pytest.approx(box.y0, abs=2.5)
        assert columns.min() + int(box.x0) - 20 == pytest.approx(box.x0, abs=3.0)
        assert columns.max() + int(box.x0) - 20 == pytest.approx(box.x1, abs=3.5)
        foot = project(np.array([[0.0, 0.0, fact.range_m]]), with_figure.pose(t), LENS)[0][0]
        assert box.y1 == pytest.approx(float(foot[1]), abs=0.04 * box.height)


@pytest.mark.parametrize("name", ["ball", "bag", "cone", "branch", "hurdle-foot", "lying", "rope"])
def test_what_lies_low_is_drawn_where_the_truth_says(name: str) -> None:
    values = {"gait": 1.0, "noise": 0.0, "exposure_ms": 0.0, "start": 7.0}
    with_it, without = renderer(name, **values), renderer(name, lateral=-6, **values)
    image, (fact,) = with_it.frame(0.6, 0)
    assert fact.box is not None
    box = fact.box
    changed = cv2.absdiff(image, without.frame(0.6, 0)[0]).max(axis=2) > 40
    rows, columns = np.where(changed[int(box.y0) - 12 : int(box.y1) + 4, int(box.x0) - 12 : int(box.x1) + 4])
    assert rows.min() - 12 == pytest.approx(0, abs=3)
    assert rows.max() - 12 == pytest.approx(box.height, abs=4)
    assert columns.min() - 12 == pytest.approx(0, abs=4)
    assert columns.max() - 12 == pytest.approx(box.width, abs=18)  # the shadow lies to the right


@pytest.mark.parametrize(("name", "rise_m"), [("kerb", 0.12), ("step-down", -0.15)])
def test_the_ground_beyond_a_step_flows_as_one_that_is_higher_or_lower(name: str, rise_m: float) -> None:
    view = renderer(name, noise=1, exposure_ms=0, start=4.0)
    (a, _), (b, _) = view.frame(0.0, 0), view.frame(1 / 15, 1)
    poses = view.pose(0.0), view.pose(1 / 15)
    mask = np.zeros(a.shape[:2], np.uint8)
    mask[480:600, 560:720] = 255
    before, after = flow(a, b, mask)
    ray = rays(before, poses[0])
    place = ray * ((-poses[0].y_m - rise_m) / ray[:, 1:2])
    place += [poses[0].x_m, poses[0].y_m, poses[0].z_m - 2.5 / 15]
    error = np.linalg.norm(after - (project(place, poses[1], LENS)[0] - 0.5), axis=1)
    flat = ray * (-poses[0].y_m / ray[:, 1:2]) + [poses[0].x_m, poses[0].y_m, poses[0].z_m - 2.5 / 15]
    flat_error = np.linalg.norm(after - (project(flat, poses[1], LENS)[0] - 0.5), axis=1)
    assert len(error) > 10
    assert np.median(error) < 0.4
    assert np.median(flat_error) > 3 * np.median(error)


def test_boxes_without_drawing_agree_with_the_drawn_ones() -> None:
    from rearguard.lab.world.boxes import observe, without_noise

    scene = catalogue.scene("walk-toward", start=20, seed=2)
    view = Renderer(scene, LENS, 1.35, PITCH)
    for frame in observe(scene, Camera(), fps=5, noise=without_noise()):
        (exact,) = view.truth(frame.seen.captured_ns / 1e9)
        (quick,) = frame.truth
        assert quick.ttc_s == exact.ttc_s
        assert quick.range_m == pytest.approx(exact.range_m)
        if exact.box is not None and exact.box.y1 < 719 and exact.range_m > 3:
            assert quick.box is not None
            assert quick.box.height == pytest.approx(exact.box.height, rel=0.08)
            assert quick.box.cx == pytest.approx(exact.box.cx, abs=0.12 * exact.box.height)


def test_the_same_seed_draws_the_same_pixels() -> None:
    a, b, c = (
        next(iter(open_source("sim:walk-toward", Camera(width_px=320, height_px=180), seed=s).frames())).image
        for s in (1, 1, 2)
    )
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_simulation_ends_and_carries_its_truth() -> None:
    source = open_source("sim:stand?start=3&fps=10", Camera(width_px=320, height_px=180))
    frames = list(source.frames())
    assert len(frames) == source.info.frames == 11
    assert [f.captured_ns for f in frames[:3]] == [0, 100_000_000, 200_000_000]
    assert frames[5].truth[0].ttc_s == pytest.approx(0.7)


def test_lost_frames_are_missing_and_the_rest_keep_their_times() -> None:
    small = Camera(width_px=160, height_px=120)
    whole = {f.seq: f for f in open_source("sim:stand?start=8&fps=10", small).frames()}
    some = list(open_source("sim:stand?start=8&fps=10&drop=0.3", small).frames())
    assert 0.5 < len(some) / len(whole) < 0.9
    assert all(f.captured_ns == whole[f.seq].captured_ns for f in some)


def test_conditions_change_the_picture_as_they_should() -> None:
    def mean_and_grain(name: str) -> tuple[float, float]:
        view = Renderer(catalogue.scene(name), Pinhole.from_fov(640, 360, 66), 1.35, PITCH)
        a, b = (view.frame(1.0, seq)[0].astype(float) for seq in (3, 4))
        return float(a.mean()), float((a - b).std())

    sun, dusk, glare = (mean_and_grain(name) for name in ("walk-toward", "dusk", "glare"))
    assert dusk[0] < 0.5 * sun[0]
    assert glare[0] > 1.15 * sun[0]
    assert dusk[1] > 2 * sun[1]


def test_at_night_people_are_as_bright_as_the_lamps_above_them_make_them() -> None:
    """Who stands below a mast is bright, who stands between two is dark, and the sky is black but for the lamps."""

    def night(start_m: float) -> tuple[float, np.ndarray]:
        scene = catalogue.scene("night-lit", start=start_m, seed=1, gait=0)
        image, (person,) = Renderer(scene, Pinhole.from_fov(1280, 720, 66), 1.35, PITCH).frame(0.0, 0)
        assert person.box is not None
        box = person.box
        body = image[round(box.y0) : round(box.y1), round(box.cx) - 3 : round(box.cx) + 4]
        return float(body.mean()), image

    below, image = night(28.0)
    between, _ = night(42.0)
    assert below > 1.5 * between
    sky = image[:300]
    assert np.median(sky) < 12
    assert sky.max() > 180


def test_rolling_shutter_leans_what_is_upright_while_the_camera_yaws() -> None:
    """A post's top and foot are read at different times; between them the camera turns."""

    def lean(readout_ms: float) -> float:
        view = renderer("post", start=6, noise=0, exposure_ms=0, readout_ms=readout_ms, seed=1)
        image, (fact,) = view.frame(0.30, 0)
        assert fact.box is not None
        box = fact.box
        reds = (image[:, :, 2].astype(int) - image[:, :, 1] > 60) & (image[:, :, 1] < 70)
        strip = reds[:, int(box.x0) - 12 : int(box.x1) + 12]
        top, low = int(box.y0 + 0.15 * box.height), int(box.y1 - 0.15 * box.height)
        rows, columns = np.where(strip[top:low])
        return float(np.polyfit(rows, columns, 1)[0])

    view = renderer("post", start=6, seed=1)
    yaw_rate = (view.pose(0.31).yaw_rad - view.pose(0.29).yaw_rad) / 0.02
    expected = -LENS.focal_px * yaw_rate * 0.03 / 720  # columns per row at 30 ms readout
    assert lean(30.0) - lean(0.0) == pytest.approx(expected, abs=0.25 * abs(expected) + 0.004)
    assert abs(expected) > 0.015


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(Config().detect)


@pytest.mark.parametrize(
    ("world", "gap_m", "score"),
    [
        ("stand", 8.0, 0.3),
        ("stand", 4.0, 0.45),
        ("walk-toward", 10.0, 0.3),
        ("run-toward", 6.0, 0.4),
        ("walk-away", 5.0, 0.4),
    ],
)
def test_the_real_detector_sees_the_figures(
    detector: Detector, world: str, gap_m: float, score: float
) -> None:
    scores, heights = [], []
    for seed in (1, 3):
        scene = catalogue.scene(world, start=14, seed=seed)
        view = Renderer(scene, LENS, 1.35, PITCH)
        times = np.arange(0, scene.duration_s, 1 / 15)
        gaps = [scene.things[0].motion.at(t)[0] - scene.wearer.state(t).s_m for t in times]
        t = float(times[int(np.argmin(np.abs(np.array(gaps) - gap_m)))])
        image, (fact,) = view.frame(t, 0)
        assert fact.box is not None
        people = [d for d in detector.detect(image) if d.label == "person" and d.box.iou(fact.box) > 0.5]
        assert people, f"seed {seed}: nobody found"
        best = max(people, key=lambda d: d.score)
        scores.append(best.score)
        heights.append(best.box.height / fact.box.height)
    assert np.median(scores) >= score
    assert np.median(heights) == pytest.approx(1.0, abs=0.08)


def test_the_real_detector_sees_nobody_on_an_empty_track(detector: Detector) -> None:
    """Far trees may look faintly human, as real ones do; nothing does on the track, and nothing strongly."""
    view = renderer("empty")
    times = (0.0, 2.1, 4.3, 8.7, 11.9, 15.2)
    people = [d for t in times for d in detector.detect(view.frame(t, 0)[0]) if d.label == "person"]
    assert max((d.score for d in people), default=0.0) < 0.45
    assert [d for d in people if d.score >= 0.3 and d.box.height > 90] == []
