"""The judge: warns in time, keeps quiet with positive evidence only, and always says why."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.config.judge import Judge as Settings
from rearguard.judge.judge import Memory, judge
from rearguard.words import Box, Lateral, Level, Side, Track, Verdict

S = 1_000_000_000
SETTINGS = Settings()


def track(
    ttc_s: float | None,
    *,
    id_: int = 1,
    rate_sd: float = 0.03,
    offset_m: float | None = 0.0,
    drift_m_s: float = 0.0,
    range_m: float | None = 8.0,
    closing: float | None = None,
    sure_m: float = 0.1,
    first_s: int = 3,
) -> Track:
    rate = closing if closing is not None else (0.0 if ttc_s is None else 1 / ttc_s)
    return Track(
        id=id_,
        label="person",
        box=Box(600, 300, 680, 500),
        score=0.8,
        at_ns=0,
        first_ns=-first_s * S,
        seen_ns=0,
        hits=9,
        closing_per_s=rate,
        closing_sd_per_s=rate_sd,
        ttc_s=ttc_s,
        range_m=range_m,
        lateral=None if offset_m is None else Lateral(offset_m, drift_m_s, sure_m**2, 0.0, 0.01),
    )


def once(*tracks: Track, **more: object) -> Verdict:
    return judge(Memory(), tracks, SETTINGS, seq=0, captured_ns=0, **more)[1]  # type: ignore[arg-type]


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
    assert once(track(2.7)).level is Level.CAUTION
    assert once(track(2.7), latency_s=0.3).level is Level.CRITICAL


def test_doubt_holds_back_caution_and_hastens_critical() -> None:
    assert once(track(2.9, rate_sd=0.3)).level < Level.CAUTION
    assert once(track(1.9, rate_sd=0.4)).level is Level.CRITICAL
    assert once(track(2.5, rate_sd=0.02)).level is Level.CAUTION
    assert once(track(2.5, rate_sd=0.2)).level is Level.CRITICAL
    assert once(track(2.5, rate_sd=0.2, first_s=0, range_m=5.0)).level < Level.CRITICAL  # only just seen


def test_who_is_near_and_surely_coming_nearer_is_told_however_slowly() -> None:
    assert once(track(6.0, range_m=1.8)).level is Level.CAUTION
    assert once(track(6.0, range_m=1.8, offset_m=1.8)).level is Level.CLEAR
    assert once(track(6.0, range_m=1.8, rate_sd=0.2)).level is Level.CLEAR  # it only trembles
    assert once(track(6.0, range_m=2.4)).level is Level.CLEAR


@pytest.mark.parametrize("offset_m", [1.6, -1.6, 2.5])
def test_who_surely_passes_outside_the_corridor_is_no_threat_and_the_reason_is_told(offset_m: float) -> None:
    verdict = once(track(1.5, offset_m=offset_m))
    assert verdict.level is Level.CLEAR
    assert "not in the path" in verdict.threats[0].reasons[-1]


@pytest.mark.parametrize("offset_m", [None, 1.6])
def test_a_veto_without_evidence_is_no_veto(offset_m: float | None) -> None:
    assert once(track(1.5, offset_m=offset_m, sure_m=3.0)).level is Level.CRITICAL


def test_crossing_into_the_path_is_seen_coming() -> None:
    assert once(track(2.0, offset_m=-3.0, drift_m_s=1.4)).level is Level.CRITICAL
    assert once(track(2.0, offset_m=-3.0, drift_m_s=-1.4)).level is Level.CLEAR


@pytest.mark.parametrize("rate", [-0.5, -0.1, 0.0])
def test_what_recedes_or_keeps_its_distance_is_clear(rate: float) -> None:
    assert once(track(None, closing=rate, rate_sd=0.01)).level is Level.CLEAR


def test_very_near_and_closing_is_critical_whatever_the_time_says() -> None:
    assert once(track(2.35, range_m=1.2)).level is Level.CRITICAL
    assert once(track(2.8, range_m=1.8)).level is Level.CAUTION


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


def test_the_just_found_is_caution_at_most_unless_near_or_nearly_there() -> None:
    assert once(track(2.2, range_m=12.0, first_s=0)).level is Level.CAUTION
    assert once(track(2.2, range_m=12.0, first_s=1)).level is Level.CRITICAL
    assert once(track(2.2, range_m=5.0, first_s=0)).level is Level.CRITICAL
    assert once(track(1.4, range_m=12.0, first_s=0)).level is Level.CRITICAL


def test_who_is_in_the_lane_now_may_stop_there() -> None:
    assert once(track(2.0, offset_m=0.0, drift_m_s=1.5)).level is Level.CRITICAL


def test_the_most_urgent_comes_first() -> None:
    verdict = once(track(3.2, id_=1, rate_sd=0.005), track(1.8, id_=2), track(2.2, id_=3))
    assert [t.track for t in verdict.threats] == [2, 3, 1]


def test_a_level_is_let_go_only_after_the_release_time() -> None:
    memory, first = judge(Memory(), [track(1.8)], SETTINGS, seq=0, captured_ns=0)
    assert first.level is Level.CRITICAL
    gone = track(None, closing=-0.3, rate_sd=0.01)
    memory, held = judge(memory, [gone], SETTINGS, seq=1, captured_ns=round(0.5 * S))
    assert held.level is Level.CRITICAL
    assert "held" in held.threats[0].reasons[-1]
    _, after = judge(memory, [gone], SETTINGS, seq=2, captured_ns=round(0.8 * S))
    assert after.level is Level.CLEAR


def test_a_threat_lost_from_sight_is_held_as_long() -> None:
    memory, _ = judge(Memory(), [track(1.8)], SETTINGS, seq=0, captured_ns=0)
    memory, held = judge(memory, [], SETTINGS, seq=1, captured_ns=round(0.6 * S))
    assert held.level is Level.CRITICAL
    assert "lost from sight" in held.threats[0].reasons[-1]
    assert judge(memory, [], SETTINGS, seq=2, captured_ns=round(0.8 * S))[1].level is Level.CLEAR


def test_trembling_about_a_threshold_does_not_flap() -> None:
    memory, levels = Memory(), []
    for i in range(30):
        memory, verdict = judge(
            memory, [track(2.35 if i % 2 else 2.6)], SETTINGS, seq=i, captured_ns=i * S // 10
        )
        levels.append(verdict.level)
    assert set(levels[2:]) == {Level.CRITICAL}


numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1e-12, 1e12]))


@given(
    st.lists(
        st.builds(
            track,
            st.one_of(st.none(), st.floats(1e-6, 1e6)),
            id_=st.integers(1, 4),
            rate_sd=st.floats(0, 1e6),
            offset_m=st.one_of(st.none(), numbers),
            drift_m_s=numbers,
            range_m=st.one_of(st.none(), st.floats(0, 1e6)),
        ),
        max_size=5,
    )
)
def test_no_tracks_make_the_judge_raise(tracks: list[Track]) -> None:
    verdict = once(*tracks)
    assert verdict.level in Level
    assert all(t.reasons for t in verdict.threats)


@given(st.floats(0.05, 2.3), st.one_of(st.none(), st.floats(-0.5, 0.5)), st.floats(0, 50))
def test_what_comes_straight_on_is_never_kept_quiet(
    ttc_s: float, offset_m: float | None, range_m: float
) -> None:
    assert math.isfinite(ttc_s)
    assert once(track(ttc_s, offset_m=offset_m, range_m=range_m)).level is Level.CRITICAL
