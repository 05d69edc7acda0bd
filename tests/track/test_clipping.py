"""At the picture's edge, on a bend, in the swing of the chest: what must not pass for motion."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rearguard.config import Config
from rearguard.ego.pinhole import Pinhole
from rearguard.judge.contact import foresee
from rearguard.lab.world import boxes, catalogue
from rearguard.track import clipping
from rearguard.types import Box, EgoState, Track
from rearguard.vision.rules import Rules

CONFIG = Config()
LENS = Pinhole.from_fov(1280, 720, 66.0)
numbers = st.floats(-3000, 4000)


def follow(
    world: str, noise: boxes.Noise | None = None, **values: float
) -> list[tuple[float, EgoState, tuple[Track, ...]]]:
    """(time, ego state, tracks) of a simulated world's boxes, without noise unless given."""
    lens = Pinhole.from_fov(CONFIG.camera.width_px, CONFIG.camera.height_px, CONFIG.camera.hfov_deg)
    rules = Rules(CONFIG, lens)
    out = []
    scene = catalogue.scene(world, **values)
    for seen, _ in boxes.observe(scene, CONFIG.camera, noise=noise or boxes.without_noise(), seed=1):
        tracks, _ = rules.judge_frame(seen)
        out.append((seen.captured_ns / 1e9, rules.turn(seen.ego, seen.captured_ns), tracks))
    return out


@given(numbers, numbers, st.floats(1, 900), st.floats(1, 900), st.floats(1, 900))
def test_a_box_cut_at_its_side_is_completed_from_the_side_that_is_seen(
    x: float, y: float, width: float, height: float, full: float
) -> None:
    box = Box(x, y, x + width, y + height)
    sides = clipping.cut(box, LENS)
    whole = clipping.whole(box, sides, full)
    assert (whole.y0, whole.y1) == (box.y0, box.y1)
    assert whole.width >= box.width - 1e-6
    if not sides.right:
        assert whole.x1 == box.x1
    if not sides.left:
        assert whole.x0 == box.x0
    if not sides.beside:
        assert whole == box


@given(numbers, numbers, st.floats(1, 5000), st.floats(1, 5000))
def test_what_is_shown_of_a_box_is_in_the_picture(x: float, y: float, width: float, height: float) -> None:
    seen = clipping.visible(Box(x, y, x + width, y + height), LENS)
    assert 0 <= seen.x0 < seen.x1 <= 1280
    assert 0 <= seen.y0 < seen.y1 <= 720


def test_who_keeps_a_distance_beside_the_path_does_not_seem_to_come_and_go_as_the_chest_swings() -> None:
    seen = follow("same-speed", pace=2.5, start=5.0, lateral=2.4)
    rates = [abs(t.closing_per_s) for at, _, tracks in seen if at > 3.0 for t in tracks]
    assert len(rates) > 100
    assert max(rates) < 0.06  # as an expansion in the picture it swings by 0.26


def test_who_crosses_keeps_one_name_though_the_swing_takes_them_out_of_the_picture() -> None:
    names = {t.id for _, _, tracks in follow("cross", start=13.0) for t in tracks}
    assert len(names) == 1


def test_who_runs_round_the_bend_in_their_own_lane_does_not_seem_to_cut_in() -> None:
    offsets = [
        foresee([t.motion], ego)[0].miss[0]
        for at, ego, tracks in follow("curve", noise=boxes.Noise(box=0.01, missed=0.0))
        for t in tracks
        if at > 4.0 and t.range_m < 15.0
    ]
    assert len(offsets) > 30
    assert min(offsets) > 1.8
    assert max(offsets) < 9.0  # at 20 m; when the bend became known it jumped to 21 m


def test_who_is_out_of_sight_and_would_have_been_met_is_gone() -> None:
    seen = follow("pass-by", lateral=1.5)
    last = max(at for at, _, tracks in seen if tracks)
    met = max(at for at, _, tracks in seen if any(t.range_m > 1.0 for t in tracks))
    assert last - met < 0.15
