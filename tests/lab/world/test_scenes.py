"""Named worlds: truth worked out by hand, every row of the table, the demo's promise, and noisy boxes."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.config.camera import Camera
from rearguard.errors import BadInput
from rearguard.lab.world import catalogue
from rearguard.lab.world.boxes import Noise, observe, without_noise
from rearguard.lab.world.scene import Scene, truth
from rearguard.lab.world.things import HARMLESS

EXACT = without_noise()


def told(scene: Scene, t: float, thing: int = 0) -> object:
    return truth(scene.things[thing], scene, t, scene.wearer.state(t), None)


def test_a_standing_person_is_reached_when_gap_over_speed_says() -> None:
    scene = catalogue.scene("stand", speed=2.5, start=15)
    now, later = told(scene, 0.0), told(scene, 2.0)
    assert now.ttc_s == pytest.approx(6.0)
    assert later.ttc_s == pytest.approx(4.0)
    assert later.range_m == pytest.approx(15.15 - 5.0)
    assert later.miss_m == 0.0


def test_closing_speeds_add_up_and_the_gaits_ripple_is_left_out() -> None:
    scene = catalogue.scene("run-toward", speed=2.5, pace=3.5, start=30, gait=1)
    assert [told(scene, t).ttc_s for t in (0.0, 1.0, 2.5)] == pytest.approx([5.0, 4.0, 2.5])


def test_someone_faster_ahead_is_never_reached() -> None:
    scene = catalogue.scene("walk-away", speed=2.0, pace=3.0)
    assert told(scene, 1.0).ttc_s is None
    assert told(catalogue.scene("same-speed", speed=2.5, pace=2.5), 1.0).ttc_s is None


def test_someone_passed_is_no_longer_reached() -> None:
    scene = catalogue.scene("pass-by", lateral=2, start=15)
    end = scene.duration_s
    assert told(scene, end).ttc_s is None
    assert told(scene, end).range_m < 0
    assert told(scene, 0.0).miss_m == 2.0


def test_someone_crossing_is_in_the_lane_when_the_wearer_gets_there() -> None:
    for lateral in (0.0, 0.5):
        scene = catalogue.scene("cross", lateral=lateral, speed=2.5, seed=4)
        assert [abs(told(scene, t).miss_m) for t in (0.5, 3.0, 5.0)] == pytest.approx([lateral] * 3)


def test_a_crossing_child_comes_into_view_when_said() -> None:
    scene = catalogue.scene("child-obstructed", speed=2.5, birth_ttc=2.6)
    seen = [frame for frame in observe(scene, fps=30, noise=EXACT) if frame.seen.detections]
    assert seen[0].truth[0].ttc_s == pytest.approx(2.6, abs=0.04)
    assert seen[-1].truth[0].lateral_m == pytest.approx(0.0, abs=0.2)


def test_a_neighbour_on_the_bend_stays_in_his_lane() -> None:
    scene = catalogue.scene("curve", lateral=2.44)
    assert [told(scene, t).miss_m for t in (0.0, 1.0, 2.0)] == pytest.approx([2.44] * 3)


@pytest.mark.parametrize("name", catalogue.names())
def test_every_world_runs_and_nothing_is_run_through(name: str) -> None:
    scene = catalogue.scene(name, seed=1)
    frames = list(observe(scene, fps=10, noise=EXACT))
    assert len(frames) == math.floor(scene.duration_s * 10) + 1
    for frame in frames:
        for fact in frame.truth:
            assert math.isfinite(fact.range_m)
            assert math.isfinite(fact.miss_m)
            touching = abs(fact.range_m) < 0.25 and abs(fact.lateral_m) < 0.3
            assert not touching or fact.label in HARMLESS, (name, frame.seen.captured_ns, fact)


@pytest.mark.parametrize("name", catalogue.names())
@pytest.mark.parametrize("speed", [0.0, 1.5, 5.0, 8.0])
def test_every_world_takes_every_speed(name: str, speed: float) -> None:
    scene = catalogue.scene(name, speed=speed)
    assert 0 < scene.duration_s < 400
    assert math.isfinite(scene.wearer.state(scene.duration_s).s_m)


def test_demo_brings_its_four_things_with_calm_between() -> None:
    scene = catalogue.scene("demo")
    near: dict[str, list[float]] = {}
    for frame in observe(scene, fps=15, noise=EXACT):
        for fact in frame.truth:
            if fact.ttc_s is not None and fact.ttc_s <= 4.0:
                near.setdefault(fact.name, []).append(frame.seen.captured_ns / 1e9)
    assert list(near) == ["passer-by", "standing", "oncoming", "wall"]
    spans = [(times[0], times[-1]) for times in near.values()]
    assert all(later[0] - earlier[1] >= 3.0 for earlier, later in itertools.pairwise(spans))
    assert 28 <= scene.duration_s <= 35


def test_demo_wearer_steps_aside_late_and_stops_before_the_wall() -> None:
    scene = catalogue.scene("demo")
    for name in ("standing", "oncoming"):
        index = [thing.name for thing in scene.things].index(name)
        facts = [told(scene, t, index) for t in np.arange(0, scene.duration_s, 0.02)]
        in_lane = [f.ttc_s for f in facts if f.ttc_s is not None and abs(f.lateral_m) < 0.1]
        passing = min(facts, key=lambda f: abs(f.range_m))
        assert min(in_lane) == pytest.approx(0.85, abs=0.16)
        assert abs(passing.lateral_m) > 1.3
    assert scene.wearer.state(scene.duration_s).speed_m_s == 0.0
    assert 1.0 < told(scene, scene.duration_s, 3).range_m < 2.5


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("sim:nowhere", "there are: demo, stand"),
        ("sim:", "there are: demo, stand"),
        ("sim:stand?speed=fast", "speed=fast is not a number"),
        ("sim:stand?speed=99", "out of bounds 0 to 8"),
        ("sim:stand?speed=nan", "out of bounds"),
        ("sim:stand?pace=2", "no parameter 'pace'; it takes: speed, gait"),
        ("sim:stand?speed", "not a number"),
        ("sim:stand?&&", "cannot read"),
        ("sim:wall?lateral=1", "no parameter 'lateral'"),
    ],
)
def test_a_wrong_world_is_named_with_the_way_out(word: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        catalogue.parse(word)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_are_read() -> None:
    name, values, _ = catalogue.parse("sim:stand?speed=3.5&gait=off&lateral=0.5&fps=10&seed=3")
    assert name == "stand"
    assert values == {"speed": 3.5, "gait": 0.0, "lateral": 0.5, "fps": 10.0, "seed": 3.0}


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_no_query_does_more_than_be_refused(text: str) -> None:
    refusal = ""
    try:
        name, values, _ = catalogue.parse("sim:stand?" + text)
    except BadInput as e:
        refusal = str(e)
    if refusal:
        assert refusal.startswith("sim:stand")
    else:
        assert name == "stand"
        assert set(values) <= set(catalogue.WORLDS["stand"].all_parameters())


# ------------------------------------------------------------------------------------------- noisy boxes


def test_exact_boxes_grow_as_one_over_range() -> None:
    scene = catalogue.scene("stand", gait=0, start=15)
    camera = Camera(pitch_deg=0.0)
    focal = 640 / math.tan(math.radians(33))
    for frame in observe(scene, camera, fps=5, noise=EXACT):
        (box,) = [d.box for d in frame.seen.detections] or [None]
        if box is None or box.y1 >= 720:
            continue
        nearest = frame.truth[0].range_m - 0.05  # the front of the cuboid
        assert box.height == pytest.approx(focal * scene.things[0].height_m / nearest, rel=0.02)


def test_box_noise_has_the_deviation_asked_for() -> None:
    scene = catalogue.scene("stand", start=30, speed=1.0, gait=0)
    noisy, exact = Noise(box=0.04, missed=0.0, lasts_s=0.0), EXACT
    ratios = [
        math.log(a.seen.detections[0].box.height / b.seen.detections[0].box.height)
        for seed in range(6)
        for a, b in zip(
            observe(scene, fps=30, noise=noisy, seed=seed), observe(scene, fps=30, noise=exact), strict=True
        )
        if a.truth[0].range_m > 8 and b.seen.detections and a.seen.detections
    ]
    assert len(ratios) > 2000
    assert np.std(ratios) == pytest.approx(0.04, rel=0.06)
    assert abs(np.mean(ratios)) < 0.003


def test_the_share_missed_is_the_share_asked_for() -> None:
    scene = catalogue.scene("stand", speed=0.5, start=10, gait=0)
    frames = [
        frame for seed in range(8) for frame in observe(scene, fps=30, noise=Noise(missed=0.3), seed=seed)
    ]
    assert sum(not frame.seen.detections for frame in frames) / len(frames) == pytest.approx(0.3, abs=0.03)


def test_a_dropout_is_one_gap_of_the_length_asked_for() -> None:
    scene = catalogue.scene("stand", start=20, gait=0)
    seen = [
        bool(frame.seen.detections)
        for frame in observe(scene, fps=20, noise=replace(EXACT, dropout_s=1.0), seed=2)
    ]
    first, last = seen.index(True), len(seen) - seen[::-1].index(True)
    assert 19 <= seen[first:last].count(False) <= 21


def test_walls_have_truth_but_no_detection() -> None:
    frames = list(observe(catalogue.scene("wall"), noise=EXACT))
    assert not any(frame.seen.detections for frame in frames)
    assert all(frame.truth[0].label == "wall" for frame in frames)


def test_ego_motion_adds_up_to_the_turn_of_the_camera() -> None:
    scene = catalogue.scene("empty", duration=3.0)
    total = sum(frame.seen.ego.yaw_rad for frame in observe(scene, fps=30, noise=EXACT))
    ends = [scene.wearer.pose(t, 1.35, 0.0).yaw_rad for t in (0.0, 3.0)]
    assert total == pytest.approx(ends[1] - ends[0], abs=0.03)


def test_boxes_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    scene = catalogue.scene("crowd")
    a, b, c = ([frame.seen.detections for frame in observe(scene, seed=s)] for s in (1, 1, 2))
    assert a == b
    assert a != c


@given(st.sampled_from(catalogue.names()), st.floats(0.5, 6), st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_boxes_stay_in_the_picture(name: str, speed: float, seed: int) -> None:
    for frame in observe(
        catalogue.scene(name, speed=speed, seed=seed), fps=5, noise=Noise(box=0.2, ghosts=0.3), seed=seed
    ):
        for detection in frame.seen.detections:
            box = detection.box
            assert 0 <= box.x0 < box.x1 <= 1280
            assert 0 <= box.y0 < box.y1 <= 720
            assert 0 < detection.score < 1
