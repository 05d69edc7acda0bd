"""Far people in the simulated world, through the real network, ego-motion and tracks, with the gait's swing."""

from __future__ import annotations

from itertools import islice

import msgspec
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.vision.pipeline import Pipeline, age_of_file

pytestmark = pytest.mark.timing

FRAMES = 12
LOOKED_AGAIN = 5


def outing(word: str, closer_share: float | None = None) -> tuple[float, float, float]:
    """Share of frames in which the person is found, the extra network time, and doubles per frame."""
    config = Config()
    if closer_share is not None:
        config = msgspec.structs.replace(
            config, detect=msgspec.structs.replace(config.detect, closer_share=closer_share)
        )
    camera = config.camera
    source = open_source(word, camera)
    detector = Detector(config.detect, (camera.width_px, camera.height_px))
    lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    pipeline = Pipeline(config, lens, detector, age_of_file)
    found, doubles, whole, closer = 0, 0, [], []
    for frame in islice(source.frames(), FRAMES):
        step = pipeline.process_frame(frame)
        (truth,) = frame.truth
        assert truth.box is not None
        fitting = [
            d
            for d in step.seen.detections
            if d.label == "person" and d.score >= 0.3 and d.box.iou(truth.box) >= 0.5
        ]
        found += bool(fitting)
        doubles += len(fitting) > 1
        whole.append(detector.model.invoke_s)
        if detector.invoke_s > detector.model.invoke_s:  # otherwise there was no closer look
            closer.append(detector.invoke_s - detector.model.invoke_s)
    source.close()
    # The quickest of each: what another process takes of a core is no cost of the closer look.
    extra = len(closer) / FRAMES * min(closer) / min(whole) if closer else 0.0
    return found / FRAMES, extra, doubles / FRAMES


@pytest.mark.parametrize(
    ("word", "least"),
    [
        ("sim:same-speed?start=25&pace=2.5", 0.9),
        ("sim:cyclist?start=26&pace=0.5", 0.9),
        ("sim:same-speed?start=32&pace=2.5", 0.5),
        ("sim:cyclist?start=33&pace=0.5", 0.5),
        ("sim:stand?start=9", 0.9),
    ],
)
def test_a_person_is_found_far_away_at_little_extra_cost_and_only_once(word, least):
    found, extra, doubles = outing(word)
    for _ in range(LOOKED_AGAIN):
        if extra <= 0.35:
            break
        extra = min(extra, outing(word)[1])  # or the machine was busy with something else
    assert found >= least
    assert extra <= 0.35
    assert doubles == 0
