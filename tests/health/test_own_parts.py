"""What stays in the picture while the world flows by is proposed to be ignored, and, ignored, is no fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.config.camera import Camera
from rearguard.config.health import Health
from rearguard.health.image_stats import coarse_copy, small_grey
from rearguard.health.own_parts import OwnParts
from rearguard.health.picture import PictureWatch
from rearguard.lab.world import spoil
from rearguard.lab.world.camera_faults import Striking, Wanted
from rearguard.types import Box, Fault, Frame, Image, Region, hidden_share

SMALL = Camera(width_px=320, height_px=180)
STRAP: Region = (0.0, 0.0, 0.29, 1.0)
FPS = 10.0


@cache
def run(word: str) -> tuple[Frame, ...]:
    return tuple(open_source(word, SMALL, fps=FPS).frames())


def track() -> tuple[Frame, ...]:
    return run("sim:empty?duration=23&readout_ms=15")


def struck(frames: Iterable[Frame], names: str, at_s: float = 0.0) -> Iterable[Frame]:
    striking = Striking(Wanted.of(names, at_s), 0, FPS)
    arriving = (striking.strike(frame, frame.seq / FPS) for frame in frames)
    return (frame for frame in arriving if frame is not None)


def proposed(frames: Iterable[Frame], camera: Camera = SMALL) -> tuple[Region, ...]:
    parts = OwnParts(camera)
    for frame in frames:
        parts.look(small_grey(coarse_copy(frame.image)), frame.captured_ns)
    return parts.regions


def faults(frames: Iterable[Frame], *ignore: Region) -> set[Fault]:
    camera = msgspec.structs.replace(SMALL, ignore=ignore)
    watch = PictureWatch(Health(), camera)
    return {fault for frame in frames for fault in watch.check_picture(frame)}


def test_a_strap_is_proposed_and_little_beside_it() -> None:
    regions = proposed(struck(track(), "strap"))
    assert hidden_share(Box(0.0, 0.02, 0.22, 0.98), regions) > 0.95
    assert hidden_share(Box(0.0, 0.0, 1.0, 1.0), regions) < 0.35


def test_what_is_ignored_already_is_not_proposed_again() -> None:
    camera = msgspec.structs.replace(SMALL, ignore=(STRAP,))
    assert proposed(struck(track(), "strap"), camera) == ()


@pytest.mark.parametrize("word", ["sim:empty?duration=23&readout_ms=15", "sim:rain?duration=23"])
def test_of_a_clear_picture_nothing_is_proposed(word: str) -> None:
    assert proposed(run(word)) == ()


def test_before_twenty_seconds_nothing_is_proposed() -> None:
    assert proposed(struck(track()[:180], "strap")) == ()


def test_who_stands_sees_the_world_stay_and_is_proposed_nothing() -> None:
    rng = np.random.default_rng(1)
    still = track()[0].image.astype(np.int16)
    frames = (
        Frame(n, n * 100_000_000, (still + rng.integers(-3, 4, still.shape)).clip(0, 255).astype(np.uint8))
        for n in range(400)
    )
    assert proposed(frames) == ()


def test_what_hides_the_path_is_not_proposed() -> None:
    def finger(image: Image, since_s: float, rng: np.random.Generator) -> Image:
        return spoil.finger(image, since_s, rng)

    painted = spoil.Paint(finger, 0)
    assert proposed(painted.spoil(frame, 0.0) for frame in track()) == ()


def test_a_strap_is_a_fault_until_it_is_ignored() -> None:
    frames = track()[:90]
    for at_s in (0.0, 4.0):
        assert faults(struck(frames, "strap", at_s)) == {Fault.PART_HIDDEN}
        assert faults(struck(frames, "strap", at_s), STRAP) == set()


@pytest.mark.parametrize("name", ["black-side", "frozen-side"])
def test_ignored_parts_are_left_out_whatever_they_show(name: str) -> None:
    left = name == "frozen-side"
    region = (0.0, 0.0, 0.25, 1.0) if left else (0.75, 0.0, 1.0, 1.0)
    assert faults(struck(track()[:90], name, 4.0), region) == set()


@pytest.mark.parametrize("name", ["frozen-right", "black-middle", "covered", "frozen", "loop-1s-noisy"])
def test_the_rest_of_the_picture_is_watched_as_before(name: str) -> None:
    both = struck(tuple(struck(track()[:90], "strap")), name, 4.0)
    told = faults(both, STRAP)
    assert told & {Fault.PATH_HIDDEN, Fault.REPEATED_PICTURE, Fault.COVERED}


def test_fog_is_told_though_the_strap_stays_sharp() -> None:
    def sharp_strap(image: Image) -> Image:
        out = image.copy()
        out[:, : round(0.25 * image.shape[1])] = np.indices(image.shape[:2]).sum(0)[:, :80, None] % 8 * 30
        return out

    def fogged(show: Callable[[Image], Image]) -> Iterable[Frame]:
        for frame in struck(track()[:160], "fog", 4.0):
            yield msgspec.structs.replace(frame, image=show(frame.image))

    assert Fault.BLURRED in faults(fogged(sharp_strap), (0.0, 0.0, 0.26, 1.0))


@pytest.mark.parametrize(("name", "fps"), [("jelmoli", 14.0), ("tum_rpy", 15.0)])
def test_real_footage_without_own_parts_proposes_none(shared_data: Path, name: str, fps: float) -> None:
    assert proposed(open_source(str(shared_data / name), SMALL, fps=fps).frames()) == ()
