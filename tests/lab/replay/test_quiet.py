"""Quiet frames are passed over quickly, and that changes nothing that is felt."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.config import Config
from rearguard.config.cue import Cue
from rearguard.cue.haptics import HapticOutput
from rearguard.lab.replay.rejudge import felt
from rearguard.types import Fault, Level, Side, Verdict

a_stretch = st.tuples(
    st.sampled_from([Level.CLEAR, Level.CLEAR, *Level]),
    st.sampled_from([(), (), (Fault.NO_FRAME,), (Fault.DISK_FULL,)]),
    st.integers(1, 300),  # frames
    st.sampled_from([33, 67, 67, 400, 3000]),  # ms apart
)


@settings(deadline=None, max_examples=30)
@given(st.lists(a_stretch, min_size=1, max_size=8), st.booleans())
def test_the_same_is_felt_as_when_every_frame_is_looked_at(
    stretches: list[tuple[Level, tuple[Fault, ...], int, int]], clear_cue: bool
) -> None:
    verdicts, at_ns = [], 0
    for level, faults, frames, apart_ms in stretches:
        for _ in range(frames):
            at_ns += apart_ms * 1_000_000
            verdicts.append(Verdict(len(verdicts), at_ns, level, Side.CENTRE, (), faults))
    config = Config(cue=Cue(clear_cue=clear_cue))
    with patch.object(HapticOutput, "idle_to_frame", return_value=False):
        every = felt(verdicts, config)
    assert felt(verdicts, config) == every
