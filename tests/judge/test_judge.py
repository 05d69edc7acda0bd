"""The judge: warns in time, keeps quiet with positive evidence only, and always says why."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.config.judge import Judge as Settings
from rearguard.judge.contact import foresee
from rearguard.judge.judge import Memory, judge
from rearguard.text import explain
from rearguard.types import Box, EgoState, Level, Motion, ReasonCode, Side, Track, Verdict

S = 1_000_000_000
SETTINGS = Settings()
STEADY = EgoState(speed_m_s=2.5)


def motion(
    ttc_s: float | None, *, offset_m: float = 0.0, drift_m_s: float = 0.0, range_m: float = 8.0, rate_sd: float = 0.03,
    sure_m: float = 0.1, closing: float | None = None, drift_sd_m_s: float = 0.1,
) -> Motion:  # fmt: skip
    """A thing `range_m` ahead, closing along the path at range/TTC, beside it and drifting across."""
    rate = closing if closing is not None else (0.0 if ttc_s is None else 1 / ttc_s)
    z = complex(range_m, offset_m)
    w = complex(-rate * range_m, drift_m_s) / z
    variances = (0.01, (sure_m / range_m) ** 2, rate_sd**2, (drift_sd_m_s / range_m) ** 2)
    rows = tuple(tuple(v if i == j else 0.0 for j in range(4)) for i, v in enumerate(variances))
    return Motion((math.log(abs(z)), math.atan2(z.imag, z.real), w.real, w.imag), rows)  # type: ignore[arg-type]


def track(ttc_s: float | None, *, id_: int = 1, existence: float = 0.98, **more: Any) -> Track:
    return Track(
        id=id_,
        label="person",
        box=Box(600, 300, 680, 500),
        score=0.8,
        at_ns=0,
        first_ns=-3 * S,
        seen_ns=0,
        hits=9,
        existence=existence,
        motion=motion(ttc_s, **more),
    )


def seen(at_ns: int, one: Track) -> Track:
    """The same track, seen at that moment."""
    return msgspec.structs.replace(one, at_ns=at_ns, seen_ns=at_ns)


def once(*tracks: Track, ego: EgoState = STEADY, **more: Any) -> Verdict:
    return judge(Memory(), tracks, SETTINGS, ego, seq=0, captured_ns=0, **more)[1]


@pytest.mark.parametrize(
    ("ttc_s", "level"),
    [
        (1.0, Level.CRITICAL),
        (2.3, Level.CRITICAL),
        (2.8, Level.CAUTION),
        (3.2, Level.CAUTION),
        (3.8, Level.NOTICE),
        (6.0, Level.CLEAR),
    ],
)
def test_level_by_time_left(ttc_s: float, level: Level) -> None:
    assert once(track(ttc_s, rate_sd=0.005)).level is level


def test_the_age_of_the_frame_counts_against_the_time_left() -> None:
    assert once(track(2.8)).level is Level.CAUTION
    assert once(track(2.8), latency_s=0.3).level is Level.CRITICAL


def test_doubt_about_the_time_makes_critical_never_easier_than_caution() -> None:
    for sd in (0.02, 0.1, 0.2, 0.4, 1.0):
        for ttc in (1.0, 1.8, 2.2, 2.6, 3.0, 3.6, 5.0):
            (contact,) = foresee([track(ttc, rate_sd=sd).motion], STEADY)
            assert contact.probability(2.4, 0.9) <= contact.probability(3.4, 0.9) + 1e-9


def test_what_is_hardly_there_is_no_threat_and_what_is_surely_there_is() -> None:
    assert once(track(1.5, existence=0.3)).level is Level.CLEAR
    assert once(track(1.5, existence=0.9)).level is Level.CRITICAL


@pytest.mark.parametrize("offset_m", [1.6, -1.6, 2.5])
def test_who_surely_passes_outside_the_corridor_is_no_threat_and_the_reason_is_told(offset_m: float) -> None:
    verdict = once(track(1.5, offset_m=offset_m))
    assert verdict.level is Level.CLEAR
    assert verdict.threats[0].reason.code is ReasonCode.PASSES


def test_who_may_be_in_the_corridor_is_no_threat_until_that_is_more_likely_than_not() -> None:
    assert once(track(1.5, offset_m=1.2, sure_m=0.2)).level is Level.CLEAR
    assert once(track(1.5, offset_m=0.7, sure_m=0.2)).level is Level.CRITICAL


def test_crossing_into_the_path_is_seen_coming() -> None:
    assert once(track(2.0, offset_m=-3.0, drift_m_s=1.4)).level is Level.CRITICAL
    assert once(track(2.0, offset_m=-3.0, drift_m_s=-1.4)).level is Level.CLEAR


@pytest.mark.parametrize("rate", [-0.5, -0.1, 0.0])
def test_what_recedes_or_keeps_its_distance_is_clear(rate: float) -> None:
    assert once(track(None, closing=rate, rate_sd=0.01)).level is Level.CLEAR


def test_constant_bearing_with_growth_counts_at_once() -> None:
    """The oldest sign of a collision at sea: it grows, and its bearing does not change."""
    steady = Motion((math.log(8.0), 0.4, -0.5, 0.0), tuple(
        tuple(v if i == j else 0.0 for j in range(4)) for i, v in enumerate((0.01, 1e-4, 1e-3, 1e-4))
    ))  # type: ignore[arg-type]  # fmt: skip
    aside = msgspec.structs.replace(track(2.0), motion=steady)
    assert once(aside).level is Level.CRITICAL


def test_on_a_bend_the_path_is_the_corridor() -> None:
    """On a bend of 8 m radius who stands straight ahead at 5 m is 1.5 m beside the path."""
    bend = EgoState(speed_m_s=2.5, turn_rate_rad_s=2.5 / 8)
    assert once(track(2.0, range_m=5.0)).level is Level.CRITICAL
    assert once(track(2.0, range_m=5.0), ego=bend).level is Level.CLEAR
    on_the_path = motion(2.0, range_m=4.7, offset_m=1.5)
    assert once(msgspec.structs.replace(track(2.0), motion=on_the_path), ego=bend).level is Level.CRITICAL
    assert once(msgspec.structs.replace(track(2.0), motion=on_the_path)).level is Level.CLEAR


@pytest.mark.parametrize(
    ("mount", "offset_m", "side"),
    [
        ("back", 0.7, Side.LEFT),
        ("back", -0.7, Side.RIGHT),
        ("front", 0.7, Side.RIGHT),
        ("back", 0.1, Side.CENTRE),
    ],
)
def test_side_is_the_wearers(mount: str, offset_m: float, side: Side) -> None:
    assert once(track(1.5, offset_m=offset_m), mount=mount).side is side


def test_who_is_in_the_lane_now_may_stop_there() -> None:
    assert once(track(2.0, offset_m=0.0, drift_m_s=1.5)).level is Level.CRITICAL


def test_the_most_urgent_comes_first() -> None:
    verdict = once(track(3.2, id_=1, rate_sd=0.005), track(1.8, id_=2), track(2.2, id_=3))
    assert [t.track for t in verdict.threats] == [2, 3, 1]


def test_of_one_level_somebody_comes_before_something_to_trip_over_however_near() -> None:
    ball = msgspec.structs.replace(track(1.2, id_=-1), kind="low")
    verdict = once(ball, track(1.9, id_=2))
    assert [t.track for t in verdict.threats] == [2, -1]
    verdict = once(ball, track(2.8, id_=2))
    assert [t.track for t in verdict.threats] == [-1, 2]
    assert verdict.worst is not None
    assert verdict.worst.low


def test_a_level_is_let_go_only_after_the_release_time() -> None:
    memory, first = judge(Memory(), [track(1.8)], SETTINGS, STEADY, seq=0, captured_ns=0)
    assert first.level is Level.CRITICAL
    gone = seen(round(0.5 * S), track(None, closing=-0.3, rate_sd=0.01))
    memory, held = judge(memory, [gone], SETTINGS, STEADY, seq=1, captured_ns=round(0.5 * S))
    assert held.level is Level.CRITICAL
    assert held.threats[0].reason.held_s == SETTINGS.release_s
    _, after = judge(memory, [gone], SETTINGS, STEADY, seq=2, captured_ns=round(0.8 * S))
    assert after.level is Level.CLEAR


def test_a_threat_lost_from_sight_is_held_as_long() -> None:
    memory, _ = judge(Memory(), [track(1.8)], SETTINGS, STEADY, seq=0, captured_ns=0)
    memory, held = judge(memory, [], SETTINGS, STEADY, seq=1, captured_ns=round(0.6 * S))
    assert held.level is Level.CRITICAL
    assert held.threats[0].reason.lost
    assert judge(memory, [], SETTINGS, STEADY, seq=2, captured_ns=round(0.8 * S))[1].level is Level.CLEAR


def test_trembling_about_a_threshold_does_not_flap() -> None:
    memory, levels = Memory(), []
    for i in range(30):
        memory, verdict = judge(
            memory,
            [seen(i * S // 10, track(2.35 if i % 2 else 2.6))],
            SETTINGS,
            STEADY,
            seq=i,
            captured_ns=i * S // 10,
        )
        levels.append(verdict.level)
    assert set(levels[2:]) == {Level.CRITICAL}


def unseen(after_s: float, one: Track, known: Motion) -> Track:
    """The same track, not seen since then, and what is known of it by now."""
    return msgspec.structs.replace(one, at_ns=round(after_s * S), motion=known)


def test_nobody_gets_more_urgent_by_not_being_seen() -> None:
    """What a filter predicts of who is unseen grows wider and wider: soon a contact cannot be ruled out."""
    beside = track(2.0, offset_m=1.6, range_m=4.0)
    memory, first = judge(Memory(), [beside], SETTINGS, STEADY, seq=0, captured_ns=0)
    assert first.level is Level.CLEAR
    wide = motion(0.5, offset_m=0.6, range_m=2.0, rate_sd=1.0, sure_m=0.8, drift_sd_m_s=0.5)
    assert once(msgspec.structs.replace(beside, motion=wide)).level is not Level.CLEAR
    _, later = judge(memory, [unseen(0.5, beside, wide)], SETTINGS, STEADY, seq=1, captured_ns=S // 2)
    assert later.level is Level.CLEAR


def test_the_time_goes_on_for_who_is_not_seen() -> None:
    ahead = track(2.8, rate_sd=0.005)
    memory, first = judge(Memory(), [ahead], SETTINGS, STEADY, seq=0, captured_ns=0)
    assert first.level is Level.CAUTION
    now = motion(2.3, range_m=6.5, rate_sd=0.005)
    _, later = judge(memory, [unseen(0.5, ahead, now)], SETTINGS, STEADY, seq=1, captured_ns=S // 2)
    assert later.level is Level.CRITICAL


def test_a_path_that_turns_to_who_is_not_seen_counts_at_once() -> None:
    aside = track(1.8, offset_m=2.5)
    memory, first = judge(Memory(), [aside], SETTINGS, STEADY, seq=0, captured_ns=0)
    assert first.level is Level.CLEAR
    turned = msgspec.structs.replace(STEADY, path_turned_rad=math.atan2(2.5, 8.0))
    _, later = judge(memory, [unseen(0.1, aside, motion(1.7))], SETTINGS, turned, seq=1, captured_ns=S // 10)
    assert later.level is Level.CRITICAL


number = st.floats(-1e3, 1e3)


@given(
    st.lists(
        st.tuples(st.floats(-3, 7), st.floats(-4, 4), number, number, st.floats(0, 1e3), st.floats(0, 1)),
        max_size=4,
    ),
    st.floats(0, 20),
    st.floats(-3, 3),
)
def test_no_tracks_make_the_judge_raise(
    rows: list[tuple[float, float, float, float, float, float]], speed: float, turn: float
) -> None:
    cov = lambda v: tuple(tuple(v if i == j else 0.9 * v for j in range(4)) for i in range(4))  # noqa: E731
    tracks = [
        msgspec.structs.replace(track(1.0, id_=i, existence=e), motion=Motion((a, b, c, d), cov(v)))
        for i, (a, b, c, d, v, e) in enumerate(rows)
    ]
    verdict = once(*tracks, ego=EgoState(speed_m_s=speed, turn_rate_rad_s=turn))
    assert verdict.level in Level
    assert all(explain(t.reason) for t in verdict.threats)


@given(st.floats(0.05, 2.2), st.floats(-0.4, 0.4), st.floats(1.0, 50))
def test_what_comes_straight_on_is_never_kept_quiet(ttc_s: float, offset_m: float, range_m: float) -> None:
    assert once(track(ttc_s, offset_m=offset_m, range_m=range_m)).level is Level.CRITICAL


@given(st.floats(0.5, 6.0), st.floats(-2.5, 2.5), st.floats(0.01, 0.5))
def test_the_probability_grows_with_time_and_width(ttc_s: float, offset_m: float, sd: float) -> None:
    (contact,) = foresee([motion(ttc_s, offset_m=offset_m, rate_sd=sd)], STEADY)
    for wide in (0.5, 0.9, 2.0):
        told = [contact.probability(t, wide) for t in (1.0, 2.0, 3.0, 5.0)]
        assert told == sorted(told)
        assert 0.0 <= told[0] <= told[-1] <= 1.0 + 1e-9


@pytest.mark.parametrize("around", [(), (track(None),)])
def test_the_line_that_is_crossed_is_told_on_the_wearers_own_side(around: tuple[Track, ...]) -> None:
    crossing = EgoState(speed_m_s=2.5, line_m=-0.1)  # on the left of the picture
    assert once(*around, ego=crossing, mount="front").drift is Side.LEFT
    assert once(*around, ego=crossing, mount="back").drift is Side.RIGHT
    assert once(*around).drift is None
