"""Which cue starts when, told by what a wearer would feel over a stretch of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.clock import NS_PER_S
from rearguard.config.cue import Cue as CueConfig
from rearguard.cue.arbiter import Arbiter, Situation
from rearguard.cue.table import CUES
from rearguard.types import Cue, CueName, Fault, Level, Side

QUIET = Situation(watching=True)
STEP_NS = 10_000_000  # the timer tick of these tests


def seconds(value: float) -> int:
    return round(value * NS_PER_S)


def feel(arbiter: Arbiter, script: Callable[[float], Situation], until_s: float) -> list[Cue]:
    """What is felt while the situation follows `script` (seconds → situation)."""
    felt = []
    for now_ns in range(0, seconds(until_s), STEP_NS):
        start = arbiter.decide(now_ns, script(now_ns / NS_PER_S))
        if start:
            felt.append(start)
    return felt


def times(felt: Iterable[Cue]) -> list[tuple[str, float]]:
    return [(str(s.cue), round(s.at_ns / NS_PER_S, 2)) for s in felt]


def arbiter(**options: float) -> Arbiter:
    return Arbiter(CueConfig(**options), repeat_every_s=5.0, mute_s=60.0)  # type: ignore[arg-type]


def test_alive_ticks_when_all_is_well() -> None:
    felt = feel(arbiter(alive_every_s=10.0), lambda _t: QUIET, 25.0)
    assert times(felt) == [("ALIVE", 0.0), ("ALIVE", 10.29), ("ALIVE", 20.58)]


def test_nothing_ticks_before_rearguard_watches() -> None:
    assert feel(arbiter(), lambda _t: Situation(), 40.0) == []


def test_alive_stays_away_while_a_warning_plays() -> None:
    caution = Situation(Level.CAUTION, track=1, watching=True)
    felt = feel(arbiter(alive_every_s=2.0), lambda _t: caution, 10.0)
    assert {s.cue for s in felt} == {CueName.CAUTION}


def test_caution_repeats_without_a_pause_and_says_that_it_is_a_repeat() -> None:
    felt = feel(arbiter(), lambda _t: Situation(Level.CAUTION, Side.LEFT, track=4), 2.0)
    assert times(felt) == [("CAUTION", 0.0), ("CAUTION", 0.68), ("CAUTION", 1.36)]
    assert [s.repeat for s in felt] == [False, True, True]
    assert {s.side for s in felt} == {Side.LEFT}


@pytest.mark.parametrize("before", [name for name in CueName if name is not CueName.CRITICAL])
@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.3])
def test_critical_wins_at_once_over_any_cue_just_started(before: CueName, after_s: float) -> None:
    a = arbiter()
    a.announce(before, 0)
    started = a.decide(0, Situation())
    assert started is not None
    assert started.cue is before
    critical = a.decide(seconds(after_s), Situation(Level.CRITICAL, track=1))
    assert critical is not None
    assert critical.cue is CueName.CRITICAL
    assert critical.at_ns == seconds(after_s)


def test_critical_is_felt_during_a_mute() -> None:
    a = arbiter()
    a.mute(0)
    felt = feel(a, lambda t: Situation(Level.CRITICAL if 5 <= t < 6 else Level.CAUTION, track=1), 8.0)
    assert times(felt) == [("MUTED", 0.0), ("CRITICAL", 5.0), ("CRITICAL", 5.6)]


def test_a_low_thing_has_one_cue_from_caution_on_and_none_of_its_own_before() -> None:
    def nearer(t: float) -> Situation:
        level = Level.NOTICE if t < 1 else Level.CAUTION if t < 2 else Level.CRITICAL
        return Situation(level, Side.RIGHT, track=-1, low=True)

    felt = feel(arbiter(), nearer, 3.9)
    assert times(felt) == [("NOTICE", 0.0), ("LOW", 1.0), ("LOW", 1.99), ("LOW", 2.98)]
    assert {s.side for s in felt} == {Side.RIGHT}


def test_somebody_is_told_over_a_low_thing_at_once() -> None:
    def somebody_comes_behind_a_ball(t: float) -> Situation:
        return Situation(Level.CAUTION, track=-1, low=True) if t < 0.2 else Situation(Level.CAUTION, track=1)

    felt = feel(arbiter(), somebody_comes_behind_a_ball, 0.5)
    assert times(felt) == [("LOW", 0.0), ("CAUTION", 0.2)]


@pytest.mark.parametrize("before", [name for name in CueName if name not in (CueName.CRITICAL, CueName.LOW)])
def test_a_critical_low_thing_wins_at_once_over_what_tells_of_nothing_critical(before: CueName) -> None:
    a = arbiter()
    a.announce(before, 0)
    a.decide(0, Situation())
    low = Situation(Level.CRITICAL, track=-1, low=True, faults=frozenset({Fault.COVERED}))
    felt = feel(a, lambda _t: low, 1.5)
    assert times(felt) == [("LOW", 0.0), ("LOW", 0.99)]


def test_a_mute_holds_back_a_low_thing_until_it_is_critical() -> None:
    a = arbiter()
    a.mute(0)
    felt = feel(
        a, lambda t: Situation(Level.CRITICAL if 5 <= t < 6 else Level.CAUTION, track=-1, low=True), 8.0
    )
    assert times(felt) == [("MUTED", 0.0), ("LOW", 5.0), ("LOW", 5.99)]


def test_a_failure_is_told_over_a_low_thing_that_leaves_time() -> None:
    failed = frozenset({Fault.STAGE_FAILED})
    low = Situation(Level.CAUTION, track=-1, low=True)
    felt = feel(
        arbiter(), lambda t: low if t < 0.3 else Situation(Level.CAUTION, low=True, faults=failed), 2.5
    )
    assert times(felt) == [("LOW", 0.0), ("FAULT", 0.3), ("LOW", 2.3)]


def test_mute_ends_by_itself() -> None:
    a = arbiter()
    a.mute(0)
    felt = feel(a, lambda _t: Situation(Level.CAUTION, track=1), 61.0)
    assert times(felt) == [("MUTED", 0.0), ("CAUTION", 60.0), ("CAUTION", 60.68)]


def test_new_blindness_is_told_once_during_a_mute() -> None:
    a = arbiter()
    a.mute(0)
    blind = frozenset({Fault.COVERED})
    felt = feel(a, lambda t: Situation(faults=blind if t >= 2 else frozenset()), 30.0)
    assert times(felt) == [("MUTED", 0.0), ("BLIND", 2.0)]


def test_notice_is_rare_per_track() -> None:
    felt = feel(arbiter(), lambda _t: Situation(Level.NOTICE, track=1), 14.0)
    assert times(felt) == [("NOTICE", 0.0), ("NOTICE", 6.1), ("NOTICE", 12.2)]


def test_another_thing_is_noticed_sooner() -> None:
    felt = feel(arbiter(), lambda t: Situation(Level.NOTICE, track=1 if t < 1 else 2), 5.0)
    assert times(felt) == [("NOTICE", 0.0), ("NOTICE", 3.1)]


def test_a_hundred_tracks_flickering_give_few_notices() -> None:
    felt = feel(arbiter(), lambda t: Situation(Level.NOTICE, track=int(t * 100) % 100), 20.0)
    assert len(felt) <= 7


def test_escalation_cuts_off_the_lesser_cue() -> None:
    def script(t: float) -> Situation:
        level = Level.NOTICE if t < 0.2 else Level.CAUTION if t < 0.4 else Level.CRITICAL
        return Situation(level, track=1)

    felt = feel(arbiter(), script, 0.5)
    assert times(felt) == [("NOTICE", 0.0), ("CAUTION", 0.2), ("CRITICAL", 0.4)]


def test_going_down_a_level_is_no_notice() -> None:
    felt = feel(arbiter(), lambda t: Situation(Level.CAUTION if t < 0.5 else Level.NOTICE, track=1), 5.0)
    assert times(felt) == [("CAUTION", 0.0)]


def test_a_short_critical_plays_for_its_hold_and_then_gives_way() -> None:
    felt = feel(arbiter(), lambda t: Situation(Level.CRITICAL if t < 0.05 else Level.CAUTION, track=1), 1.0)
    assert times(felt) == [("CRITICAL", 0.0), ("CAUTION", 0.6)]


def test_a_lasting_fault_is_told_again_at_its_interval() -> None:
    felt = feel(arbiter(), lambda _t: Situation(faults=frozenset({Fault.COVERED})), 15.0)
    assert times(felt) == [("BLIND", 0.0), ("BLIND", 6.65), ("BLIND", 13.3)]
    assert [s.repeat for s in felt] == [False, True, True]
    assert felt[0].faults == (Fault.COVERED,)


def test_fault_interrupts_caution_and_lets_it_go_on() -> None:
    def script(t: float) -> Situation:
        faults = frozenset({Fault.STAGE_FAILED}) if t >= 0.3 else frozenset()
        return Situation(Level.CAUTION, track=1, faults=faults)

    assert times(feel(arbiter(), script, 3.0)) == [
        ("CAUTION", 0.0), ("FAULT", 0.3), ("CAUTION", 2.3), ("CAUTION", 2.98),
    ]  # fmt: skip


@pytest.mark.parametrize("muted", [False, True])
def test_blindness_that_a_warning_cuts_off_is_told_when_the_warning_is_over(muted: bool) -> None:
    a = arbiter()
    if muted:
        a.mute(0)

    def hand_over_the_lens_before_somebody(t: float) -> Situation:
        covered = frozenset({Fault.COVERED}) if t >= 2.0 else frozenset()
        near = 2.1 <= t < 2.6
        return Situation(Level.CRITICAL if near else Level.CLEAR, track=1, faults=covered, watching=True)

    felt = [s for s in times(feel(a, hand_over_the_lens_before_somebody, 5.0)) if s[1] >= 2.0]
    assert felt[:2] == [("BLIND", 2.0), ("CRITICAL", 2.1)]
    blind_again = next(t for cue, t in felt[2:] if cue == "BLIND")
    assert blind_again < 4.0


def test_a_reminder_that_is_cut_off_waits_for_its_next_turn() -> None:
    failed = frozenset({Fault.SELF_TEST})

    def flickering(t: float) -> Situation:
        level = Level.CRITICAL if t % 2.0 > 1.7 else Level.CAUTION
        return Situation(level if t > 4.0 else Level.CLEAR, track=1, faults=failed, watching=True)

    felt = feel(arbiter(), flickering, 34.0)
    assert sum(s.cue is CueName.FAULT for s in felt) <= 7
    assert sum(s.cue is CueName.CAUTION for s in felt) >= 25


def test_silence_is_the_wearers_own_wish_only_while_a_blindness_told_is_muted() -> None:
    a = arbiter()
    covered = Situation(faults=frozenset({Fault.COVERED}))
    feel(a, lambda _t: covered, 1.0)
    assert not a.blindness_is_muted(seconds(1.0))
    a.mute(seconds(1.0))
    assert a.blindness_is_muted(seconds(1.0))
    a.decide(seconds(2.0), QUIET)
    assert not a.blindness_is_muted(seconds(2.0))
    assert a.decide(seconds(3.0), Situation(faults=frozenset({Fault.CAMERA_LOST}))) is not None
    assert a.blindness_is_muted(seconds(3.0))
    assert not a.blindness_is_muted(seconds(61.5))


def test_a_flickering_fault_is_not_a_buzz_saw() -> None:
    flicker = frozenset({Fault.DARK})
    felt = feel(arbiter(), lambda t: Situation(faults=flicker if int(t * 10) % 2 else frozenset()), 10.0)
    assert 3 <= len(felt) <= 5


def test_two_faults_of_one_cue_are_told_together() -> None:
    start = arbiter().decide(0, Situation(faults=frozenset({Fault.HOT, Fault.GLARE})))
    assert start is not None
    assert (start.cue, start.faults) == (CueName.DEGRADED, (Fault.GLARE, Fault.HOT))


def test_an_announcement_grows_stale() -> None:
    a = arbiter()
    a.announce(CueName.READY, 0)
    critical = Situation(Level.CRITICAL, track=1)
    felt = feel(a, lambda t: critical if t < 4 else Situation(), 6.0)
    assert CueName.READY not in {s.cue for s in felt}


@pytest.mark.parametrize(("gone_s", "told_s"), [(0.5, 0.9), (9.0, 1.1)])
def test_a_lesser_cue_waits_for_the_end_of_one_still_due_and_only_for_the_hold_of_another(
    gone_s: float, told_s: float
) -> None:
    a = arbiter()
    a.announce(CueName.MUTED, 0)
    felt = feel(a, lambda t: Situation(Level.NOTICE if t < gone_s else Level.CLEAR, track=1), 2.0)
    assert times(felt) == [("NOTICE", 0.0), ("MUTED", told_s)]


def test_a_sign_plays_to_its_end_before_the_next() -> None:
    a = arbiter()
    a.announce(CueName.READY, 0)
    a.announce(CueName.MUTED, 0)
    assert times(feel(a, lambda _t: Situation(), 2.0)) == [("MUTED", 0.0), ("READY", 1.0)]


def test_what_was_cut_off_from_outside_keeps_nothing_waiting() -> None:
    a = arbiter()
    a.announce(CueName.MUTED, 0)
    a.decide(0, Situation(Level.NOTICE, track=1))
    a.stop(seconds(0.2))
    told = a.decide(seconds(0.2), Situation())
    assert told is not None
    assert told.cue is CueName.MUTED


@pytest.mark.parametrize(("lasts_s", "told_s"), [(2.0, 2.0), (0.5, 1.1)])
def test_what_takes_longer_on_other_motors_keeps_the_next_waiting(lasts_s: float, told_s: float) -> None:
    a = arbiter()
    a.lasts_until(seconds(5.0))  # nothing plays: nothing waits
    a.announce(CueName.MUTED, 0)
    notice = Situation(Level.NOTICE, track=1)
    a.decide(0, notice)
    a.lasts_until(seconds(lasts_s))
    assert times(feel(a, lambda _t: notice, 2.5)) == [("MUTED", told_s)]


def test_a_threat_is_due_again_when_the_mute_ends() -> None:
    a = arbiter()
    a.mute(0)
    caution = Situation(Level.CAUTION, track=1)
    feel(a, lambda _t: caution, 2.0)
    assert a.next_due_ns(seconds(2.0), caution) == seconds(60.0)


def test_a_lower_level_is_not_told_as_clear() -> None:
    felt = feel(
        arbiter(clear_cue=True), lambda t: Situation(Level.CAUTION if t < 0.5 else Level.NOTICE, track=1), 1.5
    )
    assert CueName.CLEAR not in {s.cue for s in felt}


def test_clear_only_if_switched_on() -> None:
    def script(t: float) -> Situation:
        return Situation(Level.CAUTION if t < 0.5 else Level.CLEAR, track=1)

    assert [s.cue for s in feel(arbiter(), script, 3.0)] == ["CAUTION"]
    assert [s.cue for s in feel(arbiter(clear_cue=True), script, 3.0)] == ["CAUTION", "CLEAR"]


def test_leaving_the_lane_is_told_once_on_its_side_and_only_if_switched_on() -> None:
    def script(t: float) -> Situation:
        return Situation(drift=Side.LEFT if 0.2 < t < 2.0 or t > 4.0 else None)

    assert feel(arbiter(), script, 6.0) == []
    felt = feel(arbiter(drift_cue=True), script, 6.0)
    assert [(s.cue, s.side) for s in felt] == [(CueName.DRIFT, Side.LEFT)] * 2


def test_leaving_the_lane_waits_for_a_threat_and_keeps_its_side() -> None:
    def script(t: float) -> Situation:
        drift = Side.RIGHT if 0.2 < t < 0.5 else None
        return Situation(Level.CAUTION if t < 1.0 else Level.CLEAR, Side.LEFT, track=1, drift=drift)

    felt = feel(arbiter(drift_cue=True), script, 3.0)
    assert [s.cue for s in felt][-1] is CueName.DRIFT
    assert felt[-1].side is Side.RIGHT
    assert felt[-1].at_ns >= seconds(1.0)


situations = st.builds(
    Situation,
    level=st.sampled_from(Level),
    side=st.sampled_from(Side),
    track=st.none() | st.integers(0, 3),
    faults=st.frozensets(st.sampled_from(Fault), max_size=3),
    watching=st.booleans(),
    low=st.booleans(),
    drift=st.none() | st.sampled_from(Side),
)


@given(st.lists(st.tuples(st.integers(1, 3000), situations, st.booleans()), max_size=60))
@settings(max_examples=200, deadline=None)
def test_critical_is_never_late_and_cues_never_overlap_wrongly(
    script: list[tuple[int, Situation, bool]],
) -> None:
    """Whatever comes in whatever order: CRITICAL, or LOW for a low thing, is playing right after each look at a
    CRITICAL situation; a cue only ever cuts off a lesser one, or one past its hold."""
    a, now_ns, last = arbiter(), 0, None
    for wait_ms, situation, mute in script:
        now_ns += wait_ms * 1_000_000
        if mute:
            a.mute(now_ns)
        start = a.decide(now_ns, situation)
        if start is not None:
            if last is not None and now_ns < last.at_ns + seconds(CUES[last.cue].min_hold_s):
                critical = situation.level is Level.CRITICAL and last.cue is not CueName.CRITICAL
                assert critical or CUES[start.cue].priority > CUES[last.cue].priority
            last = start
        if situation.level is Level.CRITICAL:
            assert last is not None
            assert last.cue in {CueName.CRITICAL, situation.threat_cue}
            assert now_ns < last.at_ns + seconds(CUES[last.cue].length_s)


@given(situations, st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_waiting_until_next_due_misses_nothing(situation: Situation, start_ms: int) -> None:
    """Asking only when `next_due_ns` says gives the same cues as asking all the time."""
    dense, sparse = arbiter(), arbiter()
    now_ns = start_ms * 1_000_000
    end_ns = now_ns + seconds(8.0)
    felt_dense = [s for t in range(now_ns, end_ns, 10_000_000) if (s := dense.decide(t, situation))]
    felt_sparse, t = [], now_ns
    while t < end_ns:
        if s := sparse.decide(t, situation):
            felt_sparse.append(s)
        due = sparse.next_due_ns(t, situation)
        if due is None:
            break
        t = due
    assert times(felt_dense) == times(felt_sparse)


@pytest.mark.parametrize(
    ("fault", "times_in_a_minute"), [(Fault.GLARE, 11), (Fault.BLURRED, 11), (Fault.HOT, 2)]
)
def test_what_hides_the_path_is_told_again_as_often_as_blindness(
    fault: Fault, times_in_a_minute: int
) -> None:
    felt = feel(arbiter(), lambda _t: Situation(faults=frozenset({fault}), watching=True), 60.0)
    assert sum(s.cue is CueName.DEGRADED for s in felt) == times_in_a_minute
