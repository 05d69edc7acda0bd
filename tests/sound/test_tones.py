"""Every cue's sound: as long as its pattern, on its side, unlike any other, never too loud."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np
import pytest

from rearguard.cue.table import CUES, Kind
from rearguard.sound.synthesis import FAR_EAR_DB, PEAK, SOFT_DB, render
from rearguard.sound.tones import TONES
from rearguard.types import CueName, Side

RATE = 48_000
EVERY = pytest.mark.parametrize("name", list(CueName))


def db(value: float) -> float:
    return 20 * float(np.log10(max(value, 1e-9)))


def pulses(name: CueName, ear: int = 0, side: Side = Side.CENTRE) -> list[np.ndarray]:
    """The samples of each pulse of a cue, as one ear hears them."""
    sound, at_s, found = render(CUES[name], side, RATE)[:, ear], 0.0, []
    for pulse in CUES[name].pattern:
        found.append(sound[round(at_s * RATE) : round((at_s + pulse.on_s) * RATE)])
        at_s += pulse.on_s + pulse.off_s
    return found


def pitch_hz(part: np.ndarray) -> float:
    """The spacing of the partials in a piece of sound is its fundamental: the peak of its autocorrelation."""
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part))) ** 2
    like = np.fft.irfft(spectrum)
    lags = np.arange(RATE // 2000, RATE // 100)
    return float(RATE / lags[np.argmax(like[lags])])


def spectrum(name: CueName) -> np.ndarray:
    """Share of energy in each third of an octave from 100 Hz to 10 kHz over the first strong pulse."""
    part = pulses(name)[0]
    power = np.abs(np.fft.rfft(part)) ** 2
    hz = np.fft.rfftfreq(len(part), 1 / RATE)
    edges = 100 * 2 ** (np.arange(21) / 3)
    bands = np.array([power[(hz >= a) & (hz < b)].sum() for a, b in pairwise(edges)])
    return np.asarray(np.sqrt(bands / bands.sum()))


def test_every_cue_has_a_tone() -> None:
    assert set(TONES) == set(CUES)


@EVERY
def test_it_sounds_when_the_motor_runs_and_is_silent_when_it_rests(name: CueName) -> None:
    sound, at_s = np.abs(render(CUES[name], Side.CENTRE, RATE)).max(axis=1), 0.0
    for pulse in CUES[name].pattern:
        begin, end = round(at_s * RATE), round((at_s + pulse.on_s) * RATE)
        rest = round((at_s + pulse.on_s + pulse.off_s) * RATE)
        loud = np.flatnonzero(sound[begin:end] > 0.1 * sound.max())
        assert loud[0] < 0.005 * RATE
        assert end - begin - loud[-1] < 0.02 * RATE
        assert sound[end + 40 : rest].max(initial=0) == 0  # but for what reaches the far ear late
        at_s += pulse.on_s + pulse.off_s


@EVERY
@pytest.mark.parametrize("rate", [44_100, 48_000, 16_000])
def test_nothing_clips_at_any_rate(name: CueName, rate: int) -> None:
    for side in Side:
        assert np.abs(render(CUES[name], side, rate)).max() <= PEAK + 1e-6 < 0.9


@EVERY
def test_each_pulse_has_the_level_of_its_row(name: CueName) -> None:
    for pulse, part in zip(CUES[name].pattern, pulses(name), strict=True):
        wanted = TONES[name].level_db + (SOFT_DB if pulse.soft else 0)
        swept = CUES[name].sweep  # on its way from ear to ear it is at the far one's level in between
        assert abs(db(float(np.sqrt(np.mean(part**2)))) - wanted) < 0.5 or swept


def test_threats_are_louder_than_faults_and_faults_than_news() -> None:
    level = {kind: [TONES[r.name].level_db for r in CUES.values() if r.kind is kind] for kind in Kind}
    assert min(level[Kind.THREAT]) >= max(level[Kind.FAULT]) > max(level[Kind.INFO])


@EVERY
def test_threats_rise_faults_fall_and_news_holds_its_pitch(name: CueName) -> None:
    part = pulses(name)[0]
    quarter = len(part) // 4
    ratio = pitch_hz(part[-quarter:]) / pitch_hz(part[:quarter])
    wanted = {Kind.THREAT: ratio > 1.1, Kind.FAULT: ratio < 0.9, Kind.INFO: 0.97 < ratio < 1.03}
    assert wanted[CUES[name].kind], ratio


def test_what_is_more_urgent_is_higher_and_rises_more() -> None:
    rows = [TONES[name] for name in (CueName.NOTICE, CueName.CAUTION, CueName.CRITICAL)]
    assert [row.f0_hz for row in rows] == sorted(row.f0_hz for row in rows)
    assert [row.glide for row in rows] == sorted(row.glide for row in rows)


@EVERY
def test_small_speakers_and_bone_conduction_carry_it(name: CueName) -> None:
    part = np.concatenate(pulses(name))
    power, hz = np.abs(np.fft.rfft(part)) ** 2, np.fft.rfftfreq(len(part), 1 / RATE)
    assert power[(hz > 200) & (hz < 6000)].sum() > 0.85 * power.sum()
    assert power[(hz > 400) & (hz < 4000)].sum() > 0.25 * power.sum()


@pytest.mark.parametrize(("a", "b"), list(combinations(CueName, 2)), ids=str)
def test_no_two_cues_sound_alike(a: CueName, b: CueName) -> None:
    """Apart in at least two of: rhythm, direction of the pitch, pitch (three semitones), where the energy lies."""
    rows, tones = (CUES[a], CUES[b]), (TONES[a], TONES[b])
    rhythms = [
        (len(r.pattern), round(r.pattern[0].on_s / 0.15), round(r.pattern[0].off_s / 0.15)) for r in rows
    ]
    apart = [
        rhythms[0] != rhythms[1],
        np.sign(tones[0].glide - 1) != np.sign(tones[1].glide - 1) or tones[0].step != tones[1].step,
        abs(12 * np.log2(tones[0].f0_hz / tones[1].f0_hz)) >= 3,
        float(spectrum(a) @ spectrum(b)) < 0.8,
    ]
    assert sum(bool(each) for each in apart) >= 2, apart


# What is heard outdoors and on phones: fundamental in Hz, a pulse's length and the pause after it in s.
EVERYDAY = {
    "a vehicle backing up (SAE J994)": ((700, 2800), (0.3, 0.6), (0.3, 0.6)),
    "a smoke alarm, T3 (ISO 8201)": ((500, 3500), (0.45, 0.55), (0.45, 0.55)),
    "a two-tone horn (DIN 14610)": ((360, 630), (0.4, 1.5), (0.0, 0.05)),
    "a phone's ringing tone (ITU-T E.180)": ((400, 480), (0.6, 2.5), (0.15, 5.0)),
    "a watch's beeps": ((2000, 4500), (0.05, 0.2), (0.05, 0.2)),
    "a crossing's ticking": ((500, 1200), (0.005, 0.05), (0.05, 1.0)),
}


@pytest.mark.parametrize(("what", "name"), list(product(EVERYDAY, CueName)))
def test_no_cue_sounds_like_something_of_every_day(what: str, name: CueName) -> None:
    """Those hold their pitch. So does news, which therefore must not have their pitch and rhythm."""
    (low, high), on_s, off_s = EVERYDAY[what]
    tone = TONES[name]
    if abs(12 * np.log2(tone.glide)) >= 3:
        return
    alike = low <= tone.f0_hz <= high and all(
        on_s[0] <= p.on_s <= on_s[1] and off_s[0] <= p.off_s <= off_s[1] for p in CUES[name].pattern
    )
    assert not alike


@pytest.mark.parametrize("name", [n for n, row in CUES.items() if row.sided])
def test_the_side_is_heard_at_one_ear_first_and_louder(name: CueName) -> None:
    left, right = (render(CUES[name], side, RATE) for side in (Side.LEFT, Side.RIGHT))
    assert np.array_equal(left, right[:, ::-1])
    assert db(float(np.abs(left[:, 1]).max())) - db(float(np.abs(left[:, 0]).max())) == pytest.approx(
        FAR_EAR_DB
    )
    late = np.argmax(left[:, 1] != 0) - np.argmax(left[:, 0] != 0)
    assert 0.0005 < late / RATE < 0.0008
    centre = render(CUES[name], Side.CENTRE, RATE)
    assert np.array_equal(centre[:, 0], centre[:, 1])


def test_ready_goes_from_ear_to_ear_as_from_motor_to_motor() -> None:
    heard = [
        (float(np.abs(a).max()), float(np.abs(b).max()))
        for a, b in zip(pulses(CueName.READY), pulses(CueName.READY, ear=1), strict=True)
    ]
    assert [np.sign(round(a - b, 3)) for a, b in heard] == [1, 0, -1, 0]
