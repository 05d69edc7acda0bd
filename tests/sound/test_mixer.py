"""What sounds next: the newest cue at once and without a click, words after it."""

from __future__ import annotations

import numpy as np

from rearguard.cue.table import CUES
from rearguard.sound.mixer import Mixer
from rearguard.sound.synthesis import render
from rearguard.types import CueName, Side

RATE = 48_000
BLOCK = 480


def take(mixer: Mixer, seconds: float) -> np.ndarray:
    return np.concatenate([mixer.block(BLOCK) for _ in range(round(seconds * RATE / BLOCK))])


def steps(sound: np.ndarray) -> float:
    return float(np.abs(np.diff(sound, axis=0)).max())


def test_silence_until_there_is_a_cue_and_after_it() -> None:
    mixer = Mixer(RATE)
    assert not take(mixer, 0.1).any()
    row = CUES[CueName.CAUTION]
    mixer.play(render(row, Side.CENTRE, RATE))
    heard = take(mixer, row.length_s)
    assert np.abs(heard).max() > 0.1
    assert np.abs(heard[: round(0.01 * RATE)]).max() > 0.05
    mixer.block(BLOCK)
    assert not mixer.busy
    assert not take(mixer, 0.1).any()


def test_a_cue_replaces_another_at_once_without_a_click() -> None:
    mixer, blind = Mixer(RATE), render(CUES[CueName.BLIND], Side.CENTRE, RATE)
    critical = render(CUES[CueName.CRITICAL], Side.LEFT, RATE)
    mixer.play(blind)
    before = take(mixer, 0.2)
    mixer.play(critical)
    after = take(mixer, 0.4)
    assert np.array_equal(after[BLOCK:19_000], critical[BLOCK:19_000])
    joined = np.concatenate([before, after])
    assert steps(joined[len(before) - 50 : len(before) + 300]) < 1.5 * max(steps(blind), steps(critical))
    assert np.abs(joined).max() <= 1


def test_words_wait_for_the_cue_and_the_next_cue_drops_them() -> None:
    mixer, words = Mixer(RATE), np.full((RATE, 2), 0.3, np.float32)
    row = CUES[CueName.DEGRADED]
    mixer.play(render(row, Side.CENTRE, RATE))
    mixer.add_words(words)
    length = len(render(row, Side.CENTRE, RATE))
    heard = take(mixer, length / RATE + 0.5)
    assert np.allclose(heard[length : length + 1000], 0.3)
    mixer.play(render(CUES[CueName.NOTICE], Side.CENTRE, RATE))
    assert np.abs(take(mixer, 2.0)[-RATE // 2 :]).max() == 0


def test_hush_ends_it_within_milliseconds() -> None:
    mixer = Mixer(RATE)
    mixer.play(render(CUES[CueName.BLIND], Side.CENTRE, RATE))
    take(mixer, 0.1)
    mixer.hush()
    left = take(mixer, 0.1)
    assert left[:50].any()
    assert not left[round(0.005 * RATE) :].any()
