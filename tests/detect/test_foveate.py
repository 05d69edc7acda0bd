"""Where to look closer, and how two looks become one: pure rules on made-up boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.detect.foveate import Hints, Memory, Region, Sight, aim, merge
from rearguard.types import Box

PICTURE, REGION, SHRUNK, CLOSER = (1280, 720), (288, 192), 0.444, 0.8
FAR, ALSO_FAR, NEAR = Box(600, 340, 620, 400), Box(900, 345, 918, 400), Box(300, 200, 420, 600)


def aimed_regions(frames, hints, seen, half_seen=()):
    """The regions of so many frames in which the same is expected and seen."""
    memory, places = Memory(), []
    for _ in range(frames):
        memory, place = aim(memory, hints, Sight(seen, half_seen), PICTURE, REGION, SHRUNK, CLOSER)
        places.append(place)
    return places


def holds(region, box):
    return (
        region is not None
        and region.x <= box.x0
        and region.y <= box.y0
        and region.x + region.width >= box.x1
        and region.y + region.height >= box.y1
    )


def test_a_far_track_that_the_whole_frame_lost_is_looked_at_in_every_frame():
    places = aimed_regions(12, Hints(((7, FAR), (8, NEAR))), seen=[NEAR])
    assert all(holds(place, FAR) for place in places)


@pytest.mark.parametrize("count", [2, 3])
def test_several_lost_tracks_take_turns_so_that_none_waits_200_ms_at_15_fps(count):
    boxes = [Box(60 + 400 * i, 340, 80 + 400 * i, 400) for i in range(count)]
    places = aimed_regions(30, Hints(tuple(enumerate(boxes))), seen=[])
    for box in boxes:
        looked = [i for i, place in enumerate(places) if holds(place, box)]
        assert max(np.diff(looked)) <= 3


def test_a_far_thing_half_seen_is_looked_at_and_a_near_one_never():
    places = aimed_regions(16, Hints(), seen=[], half_seen=[NEAR, ALSO_FAR, FAR])
    assert all(holds(place, ALSO_FAR) for place in places)
    places = aimed_regions(16, Hints(((1, FAR),)), seen=[FAR], half_seen=[ALSO_FAR])
    assert sum(holds(place, ALSO_FAR) for place in places) == 4, "in every fourth frame beside a track"
    places = aimed_regions(16, Hints(), seen=[], half_seen=[NEAR])
    assert sum(place is None for place in places) == 8


def test_what_the_whole_frame_sees_as_tall_as_it_is_boxed_best_needs_no_closer_look():
    places = aimed_regions(16, Hints(((1, NEAR),)), seen=[NEAR])
    assert sum(place is None for place in places) == 8


def test_a_followed_thing_is_looked_at_at_its_own_size_the_most_urgent_most_often():
    places = aimed_regions(40, Hints(((1, FAR), (2, ALSO_FAR))), seen=[FAR, ALSO_FAR])
    counts = [sum(holds(place, box) for place in places) for box in (FAR, ALSO_FAR)]
    assert counts[0] >= 20
    assert counts[1] >= 10
    looked = [i for i, place in enumerate(places) if holds(place, FAR)]
    assert max(np.diff(looked)) <= 2, "none waits 200 ms at 15 fps"
    own = next(place for place in places if holds(place, FAR) and place.width < 200)
    assert 0.5 < FAR.height / own.height < 0.6, "enlarged so that it is 110 of 192 pixels tall"


def test_a_wide_thing_gets_a_region_it_fits_into():
    car = Box(500, 300, 700, 380)
    places = aimed_regions(8, Hints(((1, car),)), seen=[car])
    assert any(holds(place, car) and place.width < 400 for place in places)


def test_the_search_covers_the_whole_width_and_looks_ahead_most():
    ahead = (900.0, 380.0)
    places = [p for p in aimed_regions(40, Hints(ahead_px=ahead), seen=[]) if p is not None]
    columns = np.zeros(PICTURE[0], bool)
    for p in places:
        columns[p.x : p.x + p.width] = True
        assert p.y <= ahead[1] <= p.y + p.height
    assert columns.all()
    assert sum(p.x <= ahead[0] <= p.x + p.width for p in places) > len(places) / 2


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.floats(-2000, 5000),
    st.floats(-2000, 5000),
    st.integers(0, 50),
)
def test_the_region_always_lies_inside_the_picture(width, height, x, y, turn):
    hints = Hints(((1, Box(x, y, x + 10, y + 20)),), (x, y))
    for seen in ([], [Box(x, y, x + 10, y + 20)]):
        _, place = aim(Memory(turn), hints, Sight(seen, seen), (width, height), REGION, SHRUNK, CLOSER)
        if place is not None:
            assert 0 <= place.x < place.x + place.width <= width
            assert 0 <= place.y < place.y + place.height <= height


def found(*rows):
    """(x0, y0, x1, y1, score, class) rows as a decoder gives them."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return table[:, :4], table[:, 4], table[:, 5].astype(np.intp)


def rows(result):
    boxes, scores, classes = result
    return sorted(
        (*map(round, map(float, b)), round(float(s), 3), int(c))
        for b, s, c in zip(boxes, scores, classes, strict=True)
    )


REGION_AT = Region(400, 300, 360, 240)


def test_a_thing_both_looks_saw_keeps_the_closer_box_and_the_better_score():
    whole = found((600, 340, 620, 396, 0.7, 0))
    closer = found((200, 40, 222, 100, 0.5, 0))
    assert rows(merge(whole, closer, REGION_AT, PICTURE)) == [(600, 340, 622, 400, 0.7, 0)]


def test_what_only_one_look_saw_stays():
    whole = found((10, 10, 60, 200, 0.9, 0))
    closer = found((100, 100, 120, 160, 0.6, 0))
    assert rows(merge(whole, closer, REGION_AT, PICTURE)) == [
        (10, 10, 60, 200, 0.9, 0),
        (500, 400, 520, 460, 0.6, 0),
    ]


def test_what_the_edge_of_the_region_cuts_is_left_to_the_whole_frame():
    whole = found((380, 320, 440, 480, 0.8, 0))
    closer = found((0, 20, 40, 180, 0.9, 0), (300, 100, 359, 239, 0.9, 0))
    assert rows(merge(whole, closer, REGION_AT, PICTURE)) == [(380, 320, 440, 480, 0.8, 0)]


def test_a_near_thing_reaching_out_of_the_region_is_never_replaced_by_a_part_of_it():
    whole = found((450, 250, 700, 600, 0.9, 0))
    closer = found((100, 10, 250, 160, 0.95, 0), (100, 170, 140, 230, 0.6, 0))  # its trunk and a leg
    assert rows(merge(whole, closer, REGION_AT, PICTURE)) == [(450, 250, 700, 600, 0.9, 0)]


def test_the_edge_of_the_picture_cuts_for_both_alike():
    corner = Region(920, 480, 360, 240)
    whole = found((1200, 600, 1280, 720, 0.5, 0))
    closer = found((281, 121, 360, 240, 0.6, 0))
    assert rows(merge(whole, closer, corner, PICTURE)) == [(1201, 601, 1280, 720, 0.6, 0)]


def test_a_bicycle_under_its_rider_stays_a_thing_of_its_own():
    whole = found((500, 340, 540, 440, 0.8, 0))
    closer = found((100, 40, 140, 140, 0.7, 1))
    assert len(rows(merge(whole, closer, REGION_AT, PICTURE))) == 2


def test_nothing_and_nothing_is_nothing():
    assert rows(merge(found(), found(), REGION_AT, PICTURE)) == []
