"""The summary of an outing: what it says of a cue, and what it costs to be able to say it."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from rearguard.config import Config
from rearguard.cue.table import Kind
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput
from rearguard.types import (
    Box,
    Cue,
    CueName,
    EgoMotion,
    Frame,
    Level,
    Observation,
    Reason,
    ReasonCode,
    Side,
    Threat,
    TrueThing,
    Verdict,
)
from rearguard.vision.pipeline import FrameResult, Pipeline, age_of_file
from rearguard.vision.summary import OutingLedger

BOX = Box(10, 10, 50, 90)
NEAR = Reason(code=ReasonCode.SOON, ttc_s=1.4)


@pytest.mark.parametrize("size", [(1, 500), (31, 31), (40, 16384)])
def test_pictures_nobody_could_judge_are_refused(size):
    lens = Pinhole.from_fov(*size, 66.0)
    with pytest.raises(BadInput, match=f"pictures of {size[0]}x{size[1]}: cannot be judged"):
        Pipeline(Config(), lens, None, age_of_file)


def judged(seq: int) -> tuple[FrameResult, weakref.ref[np.ndarray]]:
    image = np.zeros((90, 160, 3), np.uint8)
    threat = Threat(7, "person", "detected", Level.CRITICAL, Side.CENTRE, BOX, NEAR)
    truth = TrueThing("a", "person", BOX, 3.0, 0.0, 1.5, 0.0)
    frame = Frame(seq, seq * 66_000_000, image, (truth,))
    verdict = Verdict(seq, frame.captured_ns, Level.CRITICAL, Side.CENTRE, (threat,))
    return FrameResult(frame, Observation(seq, 0, (), EgoMotion()), (), verdict, {}), weakref.ref(image)


def test_no_picture_is_kept_and_a_cue_is_still_told_with_its_truth():
    ledger = OutingLedger()
    pictures = []
    for seq in range(20):
        step, picture = judged(seq)
        ledger.note_frame(step)
        pictures.append(picture)
        del step
    assert [p() for p in pictures] == [None] * 20
    ledger.note_cue(Cue(at_ns=70_000_000, cue=CueName.CRITICAL, seq=1, track=7, reason=NEAR))
    (cue,) = ledger.felt[Kind.THREAT]
    assert (cue.label, cue.true_ttc_s) == ("person", 1.5)
