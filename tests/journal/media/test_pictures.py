"""No face is stored, and small pictures survive hostile files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.journal.media.redact import block_px, head, redact
from rearguard.journal.media.snapshot import PICTURE_WIDTH_PX, Snapshot, encode
from rearguard.journal.media.thumbnails import Thumb, pack, unpack
from rearguard.types import Box

boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.floats(-60, 330),
    st.floats(-60, 190),
    st.floats(1, 250),
    st.floats(1, 250),
)


def noise(width: int = 320, height: int = 180) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8)


@given(boxes)
@settings(max_examples=200, deadline=None)
def test_heads_are_flat_blocks_and_the_rest_is_untouched(box: Box) -> None:
    image = noise()
    area = head(box)
    out = redact(image, [area])
    step = block_px(area)
    x0, y0 = max(0, int(np.floor(area.x0))), max(0, int(np.floor(area.y0)))
    x1, y1 = min(320, int(np.ceil(area.x1))), min(180, int(np.ceil(area.y1)))
    changed = np.any(out != image, axis=2)
    inside = np.zeros_like(changed)
    if x1 > x0 and y1 > y0:
        inside[y0:y1, x0:x1] = True
        for y in range(y0, y1, step):
            for x in range(x0, x1, step):
                block = out[y : min(y + step, y1), x : min(x + step, x1)].reshape(-1, 3)
                assert (block == block[0]).all()
        cells = -(-(x1 - x0) // step) * -(-(y1 - y0) // step)
        assert len(np.unique(out[y0:y1, x0:x1].reshape(-1, 3), axis=0)) <= cells
        if (x1 - x0) * (y1 - y0) > 4 * cells:
            assert changed[inside].mean() > 0.9
    assert not changed[~inside].any()


@pytest.mark.parametrize(
    ("box", "head_bottom"),
    [
        (Box(100, 50, 140, 150), 75),  # whole, standing: a quarter of the height
        (Box(0, 20, 200, 180), 140),  # near and cut by the lower edge: head and shoulders fill the box
    ],
)
def test_the_head_of_a_near_person_is_hidden_too(box: Box, head_bottom: float) -> None:
    area = head(box)
    assert area.y0 < box.y0
    assert area.x0 < box.x0
    assert area.x1 > box.x1
    assert area.y1 >= head_bottom


def test_a_head_has_too_few_blocks_for_a_face() -> None:
    area = head(Box(0, 0, 100, 280))
    assert area.height / block_px(area) <= 4


def test_boxes_that_make_no_sense_are_passed_over() -> None:
    image = noise()
    nan, inf = float("nan"), float("inf")
    assert (
        redact(image, [head(Box(nan, 0, 10, 10)), head(Box(0, 0, inf, 10)), head(Box(50, 50, 40, 40))])
        == image
    ).all()


def test_what_is_stored_is_small_and_the_original_unchanged() -> None:
    import cv2

    image = noise(1280, 720)
    before = image.copy()
    person = Box(400, 100, 640, 700)
    stored = encode(Snapshot(image, (head(person),)), "redacted")
    assert stored is not None
    assert stored.redacted
    assert (image == before).all()
    jpeg = cv2.imdecode(np.frombuffer(stored.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg.shape == (360, PICTURE_WIDTH_PX, 3)
    (thumb,) = unpack(stored.strip)
    assert (thumb.width_px, thumb.height_px) == (320, 180)
    # In both files the middle of the head is nearly flat while the noise elsewhere is not.
    for picture, scale in ((jpeg, 0.5), (np.frombuffer(thumb.rgb, np.uint8).reshape(180, 320, 3), 0.25)):
        head_part = picture[int(120 * scale) : int(220 * scale), int(420 * scale) : int(620 * scale)]
        legs = picture[int(500 * scale) : int(600 * scale), int(420 * scale) : int(620 * scale)]
        assert head_part.std() < 0.6 * legs.std()


def test_full_keeps_the_head() -> None:
    image = noise(640, 360)
    person = (head(Box(100, 10, 300, 350)),)
    full, redacted = encode(Snapshot(image, person), "full"), encode(Snapshot(image, person), "redacted")
    assert full is not None
    assert redacted is not None
    assert len(full.jpeg) > len(redacted.jpeg)
    assert not full.redacted


def test_a_strip_comes_back_as_it_was() -> None:
    thumbs = [Thumb(4, 3, t, bytes(range(n, n + 36))) for n, t in enumerate((-1.5, 0.0, 0.25))]
    assert unpack(pack(thumbs)) == thumbs


@given(st.binary(max_size=300))
def test_no_strip_file_can_hurt(data: bytes) -> None:
    assert unpack(data) == []


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_strip_gives_whole_pictures_or_none(at: int, value: int) -> None:
    data = bytearray(pack([Thumb(8, 8, 0.0, bytes(192)), Thumb(8, 8, 1.0, bytes(192))]))
    data[at % len(data)] = value
    for thumb in unpack(bytes(data)):
        assert len(thumb.rgb) == thumb.width_px * thumb.height_px * 3


def test_a_strip_that_unpacks_to_more_than_it_says_is_refused() -> None:
    """A few kilobytes that would become gigabytes."""
    import struct
    import zlib

    bomb = zlib.compress(bytes(50_000_000))
    data = struct.pack("<4sH", b"RGS1", 1) + struct.pack("<iHHI", 0, 8, 8, len(bomb)) + bomb
    assert unpack(data) == []
