"""The faults of a simulated camera: every row does to the picture what it says, from its onset on and no sooner."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from click.testing import CliRunner

from rearguard.camera.catalogue import open_source
from rearguard.cli.main import cli
from rearguard.config.camera import Camera
from rearguard.errors import BadInput
from rearguard.lab.world import catalogue
from rearguard.lab.world.camera_faults import BY_NAME, CAMERA_FAULTS, Striking, Told, Wanted
from rearguard.types import Frame

SMALL = Camera(width_px=320, height_px=180)
FPS, AT_S = 10, 1


@cache
def drawn(fault: str = "", more: str = "") -> tuple[Frame, ...]:
    """Two and a half seconds of an empty track from the source itself; the fault begins after one."""
    word = f"sim:empty?duration=2.5&fps={FPS}&fault_at={AT_S}{more}" + (f"&fault={fault}" if fault else "")
    return tuple(open_source(word, SMALL).frames())


@cache
def frames(fault: str = "") -> tuple[Frame, ...]:
    """The same; what does not turn the camera is done to frames drawn once."""
    if not fault or BY_NAME[fault].view:
        return drawn(fault)
    striking = Striking(Wanted.of(fault, AT_S), 0, FPS)
    arriving = (striking.strike(f, f.seq / FPS) for f in drawn())
    return tuple(f for f in arriving if f is not None)


def after(fault: str) -> list[Frame]:
    return [f for f in frames(fault) if f.seq >= AT_S * FPS]


def test_there_are_at_least_thirty_and_each_has_its_name_once() -> None:
    assert len(CAMERA_FAULTS) >= 30
    assert len(BY_NAME) == len(CAMERA_FAULTS)


@pytest.mark.parametrize("row", CAMERA_FAULTS, ids=lambda row: row.name)
def test_every_row_spoils_what_comes_after_its_onset_and_nothing_before(row) -> None:
    assert row.make or row.view
    assert (row.within_s > 0) == (row.told in (Told.BLIND, Told.DEGRADED))
    clean = {f.seq: f for f in frames()}
    spoiled = frames(row.name)
    assert [f.seq for f in spoiled if f.seq < AT_S * FPS] == list(range(AT_S * FPS))
    changed = 0
    for frame in spoiled:
        assert frame.image.shape == clean[0].image.shape
        assert frame.image.dtype == np.uint8
        was = clean[frame.seq]
        same = np.array_equal(frame.image, was.image) and frame.captured_ns == was.captured_ns
        assert same or frame.seq >= AT_S * FPS
        changed += not same
    assert changed or len(spoiled) < len(clean) or [f.seq for f in spoiled] != sorted(f.seq for f in spoiled)


def test_a_frozen_part_stands_still_and_the_rest_goes_on() -> None:
    first, *later = after("frozen-right")
    for frame in later:
        assert np.array_equal(frame.image[:, 160:], first.image[:, 160:])
        assert not np.array_equal(frame.image[:, :160], first.image[:, :160])


def test_fresh_noise_on_a_still_is_no_copy_of_it() -> None:
    first, *later = after("frozen-noisy")
    assert not any(np.array_equal(f.image, first.image) for f in later)
    assert np.abs(np.mean([f.image.astype(float) for f in later], axis=0) - first.image).mean() < 3


def test_a_loop_comes_round_after_its_length() -> None:
    seen = after("loop-1s")
    assert np.array_equal(seen[0].image, seen[FPS].image)
    assert seen[0].captured_ns < seen[FPS].captured_ns


def test_every_other_picture_is_old() -> None:
    seen = after("stale-alternate")
    assert np.array_equal(seen[1].image, seen[3].image)
    assert not np.array_equal(seen[0].image, seen[2].image)


def test_swapped_buffers_come_back_in_time() -> None:
    times = [f.captured_ns for f in after("swapped")]
    assert any(now < was for was, now in itertools.pairwise(times))


def test_turned_cameras_see_the_same_world_turned() -> None:
    upright, hanging = after("")[0].image, after("upside-down")[0].image
    assert np.abs(hanging[::-1, ::-1].astype(int) - upright).mean() < 5
    assert np.array_equal(after("mirrored")[0].image[:, ::-1], upright)
    lying = after("quarter-right")[0].image  # the sky is now on the right
    assert lying[:, -40:].mean() > lying[:, :40].mean() + 20


def test_a_fault_can_end_and_two_can_strike_at_once() -> None:
    ended = [f for f in drawn("black-right", "&fault_for=0.5") if f.seq >= 16]
    clean = {f.seq: f for f in frames()}
    assert all(np.array_equal(f.image, clean[f.seq].image) for f in ended)
    both = drawn("black-right,one-channel")[AT_S * FPS].image
    assert not both[:, 160:].any()
    assert not both[..., 1:].any()
    assert both[:, :160, 0].any()


def test_the_same_word_gives_the_same_pixels() -> None:
    again = drawn("torn")
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames("torn"), again, strict=True))


def test_an_unknown_fault_is_refused_with_the_list() -> None:
    with pytest.raises(BadInput, match=r"fault=frozn is no fault.*frozen-lower") as refused:
        catalogue.parse("sim:stand?fault=frozn")
    assert "\n" not in str(refused.value)
    with pytest.raises(BadInput, match="fault_at=-1 is out of bounds"):
        catalogue.parse("sim:stand?fault=frozen&fault_at=-1")


def test_help_lists_every_fault() -> None:
    told = CliRunner().invoke(cli, ["run", "--help"], prog_name="rearguard").output
    for row in CAMERA_FAULTS:
        assert row.name in told
