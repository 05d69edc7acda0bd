"""Every row, and every pair of rows, keeps the rules that make cues felt and told apart while running."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rearguard.cue.table import CUES, FAULTS, LEVEL_CUE, SHORTEST_PULSE_S, STEP_BAND_HZ, CueRow, Kind
from rearguard.types import CueName, Fault, Level

MOVED = [replace(row.elsewhere, name=f"{row.name}-elsewhere") for row in CUES.values() if row.sided]
ROWS = [*CUES.values(), *MOVED]
THREATS = [row for row in ROWS if row.kind is Kind.THREAT]
FAULT_CUES = [row for row in ROWS if row.kind is Kind.FAULT]
each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def onsets(row: CueRow, repeats: int = 1) -> list[float]:
    """When each pulse starts, the pattern repeated as the arbiter would (fault gaps at their 5 s default)."""
    t, starts = 0.0, []
    gap = (row.repeat_gap_s or 0.0) * (5.0 if row.kind is Kind.FAULT else 1.0)
    for _ in range(repeats):
        for pulse in row.pattern:
            starts.append(t)
            t += pulse.on_s + pulse.off_s
        t += gap
    return starts


def envelope(row: CueRow, step_s: float = 0.005) -> np.ndarray:
    """The pattern, once, as on/off samples."""
    return np.concatenate(
        [np.repeat([1.0, 0.0], [round(p.on_s / step_s), round(p.off_s / step_s)]) for p in row.pattern]
    )


def test_every_cue_has_a_row() -> None:
    assert set(CUES) == set(CueName)


def test_every_fault_has_a_fault_cue() -> None:
    assert set(FAULTS) == set(Fault)
    assert all(CUES[row.cue].kind is Kind.FAULT for row in FAULTS.values())


def test_every_level_is_told() -> None:
    assert set(LEVEL_CUE) == set(Level) - {Level.CLEAR}


def test_blindness_is_told_by_blind() -> None:
    blind = {t for t, row in FAULTS.items() if row.cue is CueName.BLIND}
    assert blind == {
        Fault.NO_FRAME, Fault.FROZEN_FRAME, Fault.REPEATED_PICTURE, Fault.DARK, Fault.COVERED, Fault.PATH_HIDDEN,
        Fault.WRONG_MOUNT,
        Fault.CAMERA_LOST, Fault.VISION_SILENT, Fault.VISION_DIED,
    }  # fmt: skip


@each
def test_pattern_is_finite_and_short(row: CueRow) -> None:
    assert 1 <= len(row.pattern) <= 6
    assert 0 < row.length_s <= 2.5
    assert row.on_s <= 2.0


@each
def test_pulses_are_long_enough_to_start_a_motor(row: CueRow) -> None:
    assert all(p.on_s >= SHORTEST_PULSE_S for p in row.pattern)
    assert all(p.off_s >= 0.05 for p in row.pattern)


@each
def test_no_more_than_eight_pulses_a_second(row: CueRow) -> None:
    starts = onsets(row, repeats=4)
    assert all(sum(t <= s < t + 1.0 for s in starts) <= 8 for t in starts)


@each
def test_a_repeated_cue_leaves_the_motor_time_to_rest(row: CueRow) -> None:
    gap = 10.0 if row.repeat_gap_s is None else row.repeat_gap_s * (5.0 if row.kind is Kind.FAULT else 1.0)
    assert row.on_s / (row.length_s + gap) <= 0.72


@each
def test_no_pulse_follows_another_at_step_rate(row: CueRow) -> None:
    low, high = STEP_BAND_HZ
    starts = onsets(row, repeats=6)
    for a, b in itertools.pairwise(starts):
        assert not low <= 1 / (b - a) <= high, f"{row.name}: pulses {b - a:.3f} s apart"


@each
def test_no_group_of_pulses_recurs_at_step_rate(row: CueRow) -> None:
    """Whatever recurs evenly (every 2nd pulse, every 3rd, the whole pattern) does so off the step rate."""
    low, high = STEP_BAND_HZ
    starts = np.array(onsets(row, repeats=8))
    for k in range(1, 7):
        apart = starts[k:] - starts[:-k]
        if apart.std() < 0.05 * apart.mean():
            assert not low <= 1 / apart.mean() <= high, f"{row.name}: every {k} pulses"
            return  # this is the rhythm; its multiples add nothing that is felt


@pytest.mark.parametrize("row", [row for row in THREATS if row.repeat_gap_s == 0.0], ids=lambda row: row.name)
def test_a_threat_repeated_without_a_pause_has_little_power_at_step_rate(row: CueRow) -> None:
    wave = np.tile(envelope(row), 40)
    power = np.abs(np.fft.rfft(wave - wave.mean())) ** 2
    hz = np.fft.rfftfreq(wave.size, 0.005)
    band = (hz >= STEP_BAND_HZ[0]) & (hz <= STEP_BAND_HZ[1])
    assert power[band].sum() < 0.05 * power.sum()


@pytest.mark.parametrize(
    ("fault", "threat"), list(itertools.product(FAULT_CUES, THREATS)), ids=lambda row: row.name
)
def test_fault_and_threat_differ_in_rhythm(fault: CueRow, threat: CueRow) -> None:
    assert min(p.on_s for p in fault.pattern) >= 2.5 * max(p.on_s for p in threat.pattern)


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(ROWS, 2)), ids=lambda row: row.name)
def test_no_two_cues_share_a_rhythm(a: CueRow, b: CueRow) -> None:
    """Told apart by count, or by some pulse or pause at least half as long again; strength does not count."""
    if len(a.pattern) != len(b.pattern):
        return
    ratios = [
        max(x, y) / min(x, y)
        for p, q in zip(a.pattern, b.pattern, strict=True)
        for x, y in ((p.on_s, q.on_s), (p.off_s, q.off_s))
    ]
    assert max(ratios) >= 1.5


def test_priorities_are_a_strict_order_with_critical_on_top() -> None:
    order = sorted(CUES.values(), key=lambda row: -row.priority)
    assert len({row.priority for row in order}) == len(order)
    assert [row.name for row in order[:4]] == [
        CueName.CRITICAL,
        CueName.BLIND,
        CueName.FAULT,
        CueName.CAUTION,
    ]
    assert order[-1].name is CueName.ALIVE


@each
def test_hold_is_within_the_pattern(row: CueRow) -> None:
    assert 0 < row.min_hold_s <= row.length_s + 1e-9


@pytest.mark.parametrize("felt", [lambda row: row, lambda row: row.elsewhere], ids=["in place", "elsewhere"])
def test_more_urgent_means_denser_pulses(felt: Callable[[CueRow], CueRow]) -> None:
    rows = [felt(CUES[name]) for name in LEVEL_CUE.values()]
    density = [row.on_s / row.length_s for row in rows]
    assert density == sorted(density)


def test_a_cue_with_a_side_begins_elsewhere_as_it_does_in_place_and_ends_otherwise() -> None:
    """It is neither later nor taken for a cue of the side that it is felt on, though it be felt only once."""
    for row in (row for row in CUES.values() if row.sided):
        assert row.moved[0].on_s == row.pattern[0].on_s
        assert len(row.moved) == len(row.pattern) + 1
        assert max(p.off_s for p in row.moved[:-1]) >= 0.3  # the one more stands apart


@each
def test_meaning_is_one_sentence(row: CueRow) -> None:
    assert row.meaning.endswith(".")
    assert 20 < len(row.meaning) < 120
