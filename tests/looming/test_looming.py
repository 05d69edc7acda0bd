"""The class-agnostic channel, on rendered pictures with gait and rolling shutter: what stands in the way is told."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import msgspec
import no_detector
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from no_detector import Looked, grey

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.detect.detector import Detector
from rearguard.ego.flow import FlowEgo
from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole, turn
from rearguard.ego.state import EgoEstimator
from rearguard.looming.detector import LoomingDetector
from rearguard.looming.features import Points
from rearguard.looming.ground import grade, standing
from rearguard.looming.parallax import Attitude, Parallax, solve
from rearguard.track.patches import Patches
from rearguard.types import Box, EgoMotion, EgoState, Level, LoomingPatch, Motion, Observation, Track
from rearguard.vision.pipeline import Pipeline, age_of_file

CONFIG = Config()
# Half the size is enough for a channel that looks at 640 pixels, and drawn in a quarter of the time.
CAMERA = msgspec.structs.replace(CONFIG.camera, width_px=640, height_px=360)
WIDE = msgspec.structs.replace(CAMERA, hfov_deg=102.0)
LENS = Pinhole.from_fov(640, 360, 66.0)
NS = 1_000_000_000
AHEAD = Motion((1.8, 0.0, -0.4, 0.0), tuple(tuple(0.01 * (i == j) for j in range(4)) for i in range(4)))  # type: ignore[arg-type]


def looked(word: str, camera: Camera = CAMERA) -> Iterator[Looked]:
    """Each frame, no detector beside."""
    return no_detector.looked(word, camera)


def levels(word: str, camera: Camera = CAMERA) -> list[tuple[float | None, Level]]:
    """The true time to collision and the level of each frame."""
    return [(x.frame.truth[0].ttc_s if x.frame.truth else None, x.level) for x in looked(word, camera)]


@pytest.mark.parametrize(
    ("thing", "camera"),
    [
        *((thing, CAMERA) for thing in ("wall", "fence", "hurdle", "post", "gate")),
        ("hurdle", WIDE),
        ("post", WIDE),
    ],
)
def test_what_has_no_class_is_critical_in_time(thing: str, camera: Camera) -> None:
    told = levels(f"sim:{thing}?start=11&seed=1&readout_ms=16", camera)
    left = [ttc for ttc, level in told if level is Level.CRITICAL and ttc is not None]
    assert left, "never CRITICAL"
    assert left[0] >= 1.5


def test_a_clear_track_is_quiet() -> None:
    assert {level for _, level in levels("sim:empty?duration=8&seed=3&readout_ms=16")} == {Level.CLEAR}


def test_a_hurdle_two_lanes_out_is_let_be() -> None:
    told = levels("sim:hurdle?start=11&seed=1&readout_ms=16&lateral=2.6")
    assert {level for _, level in told} == {Level.CLEAR}


def test_time_to_collision_is_right() -> None:
    errors = [
        tracks[0].ttc_s / frame.truth[0].ttc_s - 1
        for frame, tracks, *_ in looked("sim:wall?start=9&seed=2&readout_ms=16")
        if tracks and tracks[0].ttc_s and frame.truth[0].ttc_s and 1.2 < frame.truth[0].ttc_s < 2.5
    ]
    assert len(errors) >= 10
    assert np.mean(np.abs(errors)) < 0.12


def test_a_wall_without_texture_is_said_to_be_unseen() -> None:
    seen = [
        (x.frame.truth[0].ttc_s, x.looming.blind)
        for x in looked("sim:blank-wall?start=9&seed=1&readout_ms=16")
    ]
    blind = [ttc for ttc, is_blind in seen if is_blind and ttc is not None]
    assert blind
    assert blind[0] > 1.5
    assert seen[-1][1]


def test_a_textured_path_is_not_blind() -> None:
    assert not any(x.looming.blind for x in looked("sim:empty?duration=3&seed=1&readout_ms=16"))


def test_what_the_detector_follows_is_left_to_it() -> None:
    """A wall that is a known thing's box all over raises nothing of its own."""
    looming, ego = LoomingDetector(CONFIG.looming, LENS, CAMERA), FlowEgo(LENS)
    source = open_source("sim:wall?start=6&seed=1", CAMERA)
    state = EgoEstimator()
    for frame in source.frames():
        turned = ego.estimate_turn(frame.image)
        known = Track(
            1, "person", Box(0, 0, 640, 360), 0.9, frame.captured_ns, 0, frame.captured_ns, 9, 0.9, AHEAD
        )  # fmt: skip
        sight = looming.detect(
            grey(frame), frame.captured_ns, turned, state.add_turn(turned, frame.captured_ns), [known]
        )
        assert not sight.patches
    assert not looming.blind


def test_a_picture_that_does_not_move_as_a_still_world_is_said_to_be_unseen() -> None:
    """A crowd or a herd that fills the picture, each part on its own way: what stands behind it is not seen."""
    looming, rng = LoomingDetector(CONFIG.looming, LENS, CAMERA), np.random.default_rng(1)
    texture = cv2.resize(rng.integers(0, 255, (70, 110), dtype=np.uint8), (1100, 700))
    ways = rng.uniform(-1, 1, (3, 5, 2))
    blind_s = []
    for i in range(40):
        away = max(0, i - 20) / 15
        picture = np.empty((360, 640), np.uint8)
        for row, column in np.ndindex(3, 5):
            x, y = (round(v) for v in (200, 150) + 90 * away * ways[row, column])
            x, y = x + 128 * column, y + 120 * row
            part = texture[y : y + 120, x : x + 128]
            picture[120 * row : 120 * row + 120, 128 * column : 128 * column + 128] = part
        looming.detect(picture, i * NS // 15, EgoMotion(quality=0.5), EgoState())
        if looming.blind:
            blind_s.append(i / 15)
    assert blind_s[0] == pytest.approx(20 / 15 + 0.7, abs=0.4)
    assert blind_s[-1] == 39 / 15


def test_repeated_late_and_lost_frames_do_no_harm() -> None:
    looming, rng = LoomingDetector(CONFIG.looming, LENS, CAMERA), np.random.default_rng(1)
    noise = rng.integers(0, 255, (360, 640), dtype=np.uint8)
    for at_s in (0.0, 0.1, 0.1, 0.05, 0.2, 5.0, 5.1, 0.0, 0.001, 0.002):
        assert not looming.detect(noise, round(at_s * NS), EgoMotion(), EgoState()).patches
    for shade in (0, 255):
        flat = np.full((360, 640), shade, np.uint8)
        for i in range(30):
            assert not looming.detect(flat, (10 + i) * NS // 15, EgoMotion(), EgoState()).patches


@pytest.mark.parametrize(
    ("pace", "askew_deg", "down_deg"), [(1.5, -6.0, 0.0), (2.5, 0.0, -4.0), (2.5, 9.0, 5.0), (4.0, 5.0, -3.0)]
)
def test_the_picture_tells_how_fast_the_wearer_is_and_where_heading(
    pace: float, askew_deg: float, down_deg: float
) -> None:
    rules_speed, askew, down = [], [], []
    lens = None
    word = f"sim:empty?duration=5&speed={pace}&seed=2&readout_ms=16&aside={askew_deg}&down={down_deg}"
    source = open_source(word, CAMERA)
    for frame in source.frames():
        if lens is None:
            lens = Pinhole.from_fov(source.info.width_px, source.info.height_px, source.info.hfov_deg)
            flow, looming, state = (
                FlowEgo(lens),
                LoomingDetector(CONFIG.looming, lens, CAMERA),
                EgoEstimator(math.radians(CAMERA.pitch_deg)),
            )
        turned = flow.estimate_turn(frame.image, pitch_rad=state.state.pitch_rad)
        ego = state.add_turn(turned, frame.captured_ns)
        sight = looming.detect(grey(frame), frame.captured_ns, turned, ego)
        state.add_speed(sight.speed)
        state.add_heading(sight.heading)
        rules_speed.append(ego.speed_m_s)
        askew.append(math.degrees(ego.swing_rad))
        down.append(math.degrees(ego.pitch_rad) - CAMERA.pitch_deg)
    assert np.median(rules_speed[30:]) == pytest.approx(pace, rel=0.15)
    # The trunk swings about where the camera looks; a stride is two thirds of a second.
    assert np.mean(askew[-20:]) == pytest.approx(askew_deg, abs=2.0)
    assert np.mean(down[-20:]) == pytest.approx(down_deg, abs=2.0)


# ── the geometry, on points made up exactly ─────────────────────────────────────────────────────────────────


def made_up(
    ahead_m: float, step_m: float, extra_turn: EgoMotion, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ground points, far points and a board `ahead_m` away after a step; pixels then and now, and what is what."""
    rng = np.random.default_rng(seed)
    ground = np.stack([rng.uniform(-4, 4, 80), np.full(80, 1.35), rng.uniform(4.5, 14, 80)], axis=1)
    far = np.stack([rng.uniform(-60, 60, 60), rng.uniform(-30, 0, 60), rng.uniform(90, 120, 60)], axis=1)
    board = np.stack([rng.uniform(-0.6, 0.6, 30), rng.uniform(-0.2, 1.0, 30), np.full(30, ahead_m)], axis=1)
    now = np.concatenate([ground, far, board])
    what = np.repeat([0, 1, 2], [80, 60, 30])
    then = now + np.array([0.0, 0.0, step_m])
    turned = now @ turn(extra_turn).T
    p, q = LENS.pixels(then / then[:, 2:]), LENS.pixels(turned / turned[:, 2:])
    middle, half = (320, 180), (316, 176)
    inside = (np.abs(p - middle) < half).all(axis=1) & (np.abs(q - middle) < half).all(axis=1)
    noise = rng.normal(0, 0.1, q.shape)
    return p[inside], (q + noise)[inside], what[inside]


@settings(max_examples=25, deadline=None)
@given(
    ahead_m=st.floats(3.0, 6.5),
    step_m=st.floats(0.5, 1.2),
    yaw=st.floats(-0.006, 0.006),
    pitch=st.floats(-0.006, 0.006),
    seed=st.integers(0, 1000),
)
def test_a_board_is_told_from_the_ground_whatever_the_turn_left_over(
    ahead_m: float, step_m: float, yaw: float, pitch: float, seed: int
) -> None:
    p, q, what = made_up(ahead_m, step_m, EgoMotion(yaw_rad=yaw, pitch_rad=pitch), seed)
    zero = np.zeros(3)
    seen = solve(p, q, np.eye(3), (zero, zero), Attitude(0, 0, 0), LENS, (0.012, 0.004))
    assert np.median(seen.nearness[what == 2]) == pytest.approx(step_m / ahead_m, rel=0.12)
    told = grade(seen, 0.83 / 1.35, 0.83 / 1.35)
    assert told is not None
    g = told[0]
    assert told[1] > 20
    assert g == pytest.approx(step_m / 1.35, rel=0.2)
    clusters = standing(seen, g, 1.35, half_width_m=0.8, least=0.06)
    assert clusters
    assert clusters[0].nearness == pytest.approx(step_m / ahead_m, rel=0.15)
    assert (what[clusters[0].members] == 2).mean() > 0.8


def standing_points(beside_m: list[float], ahead_m: float = 5.0, step_m: float = 0.8) -> Parallax:
    """Points one metre and more above the ground, at one distance, so far beside the path."""
    side = np.array(beside_m) / ahead_m
    k = np.full(len(side), step_m / ahead_m)
    down = np.linspace(-0.05, 0.05, len(side))
    return Parallax(
        k, np.full(len(side), 0.004), np.zeros(len(side)), side, down, 0.012, (0.0, 0.1), (0.0, 0.1)
    )


def test_what_goes_on_beside_the_path_counts_for_what_stands_in_it() -> None:
    """Through the mesh of a fence most of the picture is what lies behind it: few of its points are in the path."""
    in_path, beside = [-0.4, 0.0, 0.4], [-0.75, -0.7, -0.6, 0.6, 0.65, 0.7, 0.75]
    few = standing(standing_points([*in_path, 0.45]), 0.8 / 1.35, 1.35, half_width_m=0.5, least=0.06)
    more = standing(standing_points(in_path + beside), 0.8 / 1.35, 1.35, half_width_m=0.5, least=0.06)
    assert more[0].support > few[0].support + 5
    assert -0.5 < more[0].left_m < more[0].right_m < 0.5
    assert not standing(standing_points(beside), 0.8 / 1.35, 1.35, half_width_m=0.5, least=0.06), "a hedge"


def test_standing_still_is_no_pace_and_nothing_is_in_the_way() -> None:
    p, q, _ = made_up(4.0, 0.0, EgoMotion(), 3)
    zero = np.zeros(3)
    seen = solve(p, q, np.eye(3), (zero, zero), Attitude(0, 0, 0), LENS, (0.012, 0.004))
    told = grade(seen, 0.6, 0.6)
    assert told is not None
    assert told[0] == pytest.approx(0.0, abs=0.02)


# ── belief ──────────────────────────────────────────────────────────────────────────────────────────────────


def patch(ttc_s: float, support: float = 8.0) -> LoomingPatch:
    return LoomingPatch(1 / ttc_s, 0.02, -0.3, 0.3, 2.5 * ttc_s, Box(100, 80, 140, 120), support)


class Follower:
    """Patches at frames of a fifteenth of a second, or those of the numbers given."""

    def __init__(self) -> None:
        self._patches = Patches(CONFIG.looming, focal_px=250.0)

    def update(
        self, at_ns: int, found: list[LoomingPatch] | None, detected: tuple[Track, ...] = ()
    ) -> list[Track]:
        """`found` None: nothing could be looked for."""
        told = None if found is None else tuple(found)
        seen = Observation(0, at_ns, (), EgoMotion(quality=0.9), looming=told)
        return self._patches.update(seen, EgoState(), detected)


def test_what_counts_down_for_half_a_stride_is_believed_and_not_sooner() -> None:
    follower = Follower()
    first = None
    for i in range(20):
        tracks = follower.update(i * NS // 15, [patch(3.5 - i / 15)])
        if tracks and first is None:
            first = i / 15
            assert tracks[0].kind == "looming"
            assert tracks[0].ttc_s == pytest.approx(3.5 - first, rel=0.1)
            assert tracks[0].id < 0
    assert first is not None
    assert 0.4 <= first <= 0.55


def test_what_stays_as_near_as_it_was_is_not_believed() -> None:
    """A ghost that is always 1.2 s away does not count down: it is no obstacle."""
    follower = Follower()
    assert all(not follower.update(i * NS // 15, [patch(1.2)]) for i in range(40))


def test_what_counts_down_by_more_than_the_time_that_goes_by_is_not_believed() -> None:
    """Two or three sightings of points that belong to nothing seem to rush in."""
    follower = Follower()
    for i in range(12):
        found = [patch(3.6 - 2.7 * i / 15)] if i in (0, 4, 6) else None
        assert not follower.update(i * NS // 15, found)


def test_what_is_seen_now_and_then_is_not_believed() -> None:
    follower = Follower()
    for i in range(40):
        assert not follower.update(i * NS // 15, [patch(3.5 - i / 15)] if i % 3 == 0 else [])


def test_what_filled_the_picture_is_held_a_while() -> None:
    follower = Follower()
    for i in range(38):
        follower.update(i * NS // 15, [patch(3.5 - i / 15)])
    assert follower.update(43 * NS // 15, [])
    assert not follower.update(70 * NS // 15, [])


@pytest.mark.parametrize(("looked", "held_s"), [(True, 0.4), (False, 1.0)])
def test_what_is_looked_for_in_vain_is_gone_before_it_counts_down(looked: bool, held_s: float) -> None:
    follower = Follower()
    for i in range(20):
        follower.update(i * NS // 15, [patch(4.5 - i / 15)])
    lost = [follower.update(i * NS // 15, [] if looked else None) for i in range(20, 40)]
    assert sum(map(bool, lost)) == round(15 * held_s)


def test_somebodys_legs_are_told_once_as_somebody() -> None:
    person = Track(1, "person", Box(90, 20, 150, 170), 0.9, 0, 0, 0, 9, 0.9, AHEAD)
    follower = Follower()
    for i in range(30):
        assert not follower.update(i * NS // 15, [patch(3.5 - i / 15)], (person,))


def somebody(box: Box, range_m: float, ttc_s: float = 3.0) -> Track:
    motion = Motion((math.log(range_m), 0.0, -1 / ttc_s, 0.0), AHEAD.covariance)
    return Track(1, "person", box, 0.9, 0, 0, 0, 9, 0.9, motion)


def feet(ttc_s: float, x0: float = 100.0, y1: float = 120.0) -> LoomingPatch:
    """What of somebody is told from the ground: a few pixels, of which some are below their box."""
    return replace(patch(ttc_s), box=Box(x0, y1 - 10, x0 + 30, y1), low=True)


def test_feet_are_somebodys_in_a_frame_too_in_which_they_are_not_found_and_the_picture_moves_on() -> None:
    follower = Follower()
    for i in range(40):
        ttc_s, aside = 3.5 - i / 15, 40.0 * i  # the camera turns
        person = somebody(Box(90 + aside, 20, 150 + aside, 125), 2.5 * ttc_s, ttc_s)
        found = [] if i > 20 and i % 4 == 0 else [feet(ttc_s, 100.0 + aside)]
        assert not follower.update(i * NS // 15, found, (person,))
    assert not follower.update(43 * NS // 15, [], ())  # who has passed has taken their feet along


def test_feet_are_somebodys_though_a_box_now_and_then_ends_above_them() -> None:
    follower = Follower()
    for i in range(40):
        ttc_s = 3.5 - i / 15
        person = somebody(Box(90, 20, 150, 113 if i % 3 == 0 else 121), 2.5 * ttc_s, ttc_s)
        assert not follower.update(i * NS // 15, [feet(ttc_s)], (person,))


def test_feet_of_who_comes_seem_nearer_than_they_are_and_are_theirs() -> None:
    """At 2.5 m/s towards who walks at 2 m/s: the ground seems to be met after 2.5 m of each 4.5 m."""
    follower = Follower()
    for i in range(30):
        ttc_s = 3.5 - i / 15
        person = somebody(Box(90, 20, 150, 125), 4.5 * ttc_s, ttc_s)
        assert not follower.update(i * NS // 15, [feet(ttc_s)], (person,))


@pytest.mark.parametrize(
    ("box", "times_as_far"),
    [(Box(90, 20, 150, 108), 1.5), (Box(90, 112, 150, 124), 4.0)],
    ids=["a ball before somebody", "who lies, taken for somebody standing far away"],
)
def test_what_lies_nearer_than_somebody_is_told(box: Box, times_as_far: float) -> None:
    follower, told = Follower(), 0
    for i in range(30):
        ttc_s = 3.5 - i / 15
        far = somebody(box, 2.5 * ttc_s * times_as_far, ttc_s)
        told += len(follower.update(i * NS // 15, [feet(ttc_s)], (far,)))
    assert told > 10


@pytest.mark.parametrize(
    ("top_px", "kind"), [(40.0, "looming"), (105.0, "low"), (None, "low")], ids=["a gate", "a bag", "a kerb"]
)
def test_the_foot_of_what_is_higher_is_told_as_an_obstacle(top_px: float | None, kind: str) -> None:
    """A gate is nothing to look down for, though its foot is believed in before its expansion is."""
    follower, kinds = Follower(), set()
    for i in range(15):
        ttc_s = 3.5 - i / 15
        found = [feet(ttc_s)]
        if top_px is not None and i in (3, 8):
            found.append(replace(patch(ttc_s), box=Box(100, top_px, 140, 115)))
        kinds |= {t.kind for t in follower.update(i * NS // 15, found)}
    assert kinds == {kind}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_wall_is_warned_of_until_it_is_met(seed: int) -> None:
    config = Config()
    source = open_source("sim:wall?start=7&speed=2.5", config.camera, fps=10, seed=seed)
    info = source.info
    lens = Pinhole.from_fov(info.width_px, info.height_px, info.hfov_deg)
    pipeline = Pipeline(config, lens, Detector(config.detect), age_of_file)
    told = []
    for frame in source.frames():
        left_s = min((t.ttc_s for t in frame.truth if t.ttc_s is not None), default=0.0)
        told.append((left_s, pipeline.process_frame(frame).verdict.level))
    first = next(i for i, (_, level) in enumerate(told) if level is Level.CRITICAL)
    assert told[first][0] > 1.5
    # Filling the picture, it leaves nothing far to tell the camera's turn by, and is no less there for that.
    assert {level for left_s, level in told[first:] if left_s > 0.25} == {Level.CRITICAL}


def test_nothing_is_followed_in_a_part_that_is_ignored():
    strap = (0.0, 0.0, 0.25, 1.0)
    lens = Pinhole(320, 180, 250.0)
    world = np.random.default_rng(1).integers(0, 255, (180, 400)).astype(np.uint8)
    world = cv2.GaussianBlur(world, (0, 0), 2)
    points = Points(lens, 12, Ignored((strap,), (320, 180)))
    for shift in range(
        0, 60, 6
    ):  # the picture turns to the right, so that all runs to the left, behind the strap
        points.follow(
            world[:, shift : shift + 320].copy(), turn(EgoMotion(6 / 250.0, 0, 0, 0.9)), (160.0, 90.0)
        )
        assert len(points.past) > 50
        assert points.past[:, -1, 0].min() >= 80
