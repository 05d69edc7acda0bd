"""The warden's small rules, without any process."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.config.warden import Warden
from rearguard.cue.arbiter import Situation
from rearguard.ipc import Judged
from rearguard.types import Box, Fault, Level, Reason, ReasonCode, Side, Threat
from rearguard.warden.heartbeat import Heartbeat
from rearguard.warden.situation import situation_of
from rearguard.warden.systemd import Supervisor, Watchdog
from rearguard.warden.vision_process import Restarts, describe_exit

S = 1_000_000_000


def test_backoff_doubles_up_to_eight_seconds_and_then_gives_up() -> None:
    restarts = Restarts(Warden(restart_backoff_s=0.5, max_restarts=7))
    assert [restarts.died() for _ in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, None]


def test_a_camera_away_for_two_minutes_is_waited_for() -> None:
    restarts = Restarts(Warden())
    waits = [restarts.died() for _ in range(Warden().max_restarts)]
    assert None not in waits
    assert sum(filter(None, waits)) > 120
    assert max(filter(None, waits)) < 10


def test_a_thousand_restarts_do_not_overflow() -> None:
    restarts = Restarts(Warden(restart_backoff_s=30.0, max_restarts=1000))
    assert [restarts.died() for _ in range(1000)][-1] == 30.0
    assert restarts.died() is None


def test_deaths_far_apart_are_not_in_a_row() -> None:
    restarts = Restarts(Warden(restart_backoff_s=0.5))
    restarts.died()
    restarts.died()
    for second in range(12):
        restarts.works(second * S)
    assert restarts.died() == 0.5


def test_a_short_recovery_does_not_forgive() -> None:
    restarts = Restarts(Warden(restart_backoff_s=0.5))
    for start_s in (0, 100, 200):
        wait_s = restarts.died()
        restarts.works(start_s * S)
        restarts.works((start_s + 5) * S)
    assert wait_s == 2.0


def test_first_frame_starts_the_watch_and_silence_ends_it() -> None:
    beat = Heartbeat(Warden(heartbeat_s=0.4), aged=True)
    assert not beat.lost(100 * S)
    assert beat.feed(1 * S, Judged(1, S))
    assert not beat.lost(1 * S + 399_000_000)
    assert beat.lost(1 * S + 400_000_000)


@pytest.mark.parametrize(
    "second",
    [
        Judged(1, 2 * S),  # the same number
        Judged(2, 1 * S),  # the same time
        Judged(2, 1 * S + 1_400_000_000 - S),  # captured 0.7 s ago
    ],
)
def test_what_proves_no_sight_is_no_beat(second: Judged) -> None:
    beat = Heartbeat(Warden(max_age_s=0.5), aged=True)
    beat.feed(1 * S, Judged(1, 1 * S))
    assert not beat.feed(2 * S + 100_000_000, second)


def test_a_frame_is_a_beat_as_long_as_it_is_no_older_than_allowed() -> None:
    beat = Heartbeat(Warden(max_age_s=0.5), aged=True)
    assert beat.feed(1 * S, Judged(1, 1 * S))
    assert beat.feed(2 * S, Judged(2, 2 * S - S // 2))
    assert not beat.feed(3 * S, Judged(3, 3 * S - S // 2 - 1))


def test_a_late_frame_shows_that_vision_is_slow_not_hung() -> None:
    beat = Heartbeat(Warden(max_age_s=0.5), aged=True)
    beat.feed(1 * S, Judged(1, 1 * S))
    assert not beat.feed(3 * S, Judged(2, 2 * S))
    assert (beat.last_ns, beat.heard_ns) == (1 * S, 3 * S)


@given(st.lists(st.tuples(st.integers(0, S), st.integers(0, 50), st.integers(-S, S)), max_size=50))
@settings(deadline=None)
def test_the_beat_never_goes_back(messages: list[tuple[int, int, int]]) -> None:
    beat, now_ns, last_seq = Heartbeat(Warden(), aged=True), 0, None
    for wait_ns, seq, age_ns in messages:
        now_ns += wait_ns
        if beat.feed(now_ns, Judged(seq, now_ns - age_ns)):
            assert last_seq is None or seq > last_seq
            last_seq = seq


@pytest.mark.parametrize(
    ("level", "side", "faults", "expected"),
    [
        (2, "left", (), Situation(Level.CAUTION, Side.LEFT, watching=True)),
        (99, "up", (), Situation(Level.CRITICAL, Side.CENTRE, watching=True)),
        (-3, "right", ("dark",), Situation(Level.CLEAR, Side.RIGHT, faults=frozenset({Fault.DARK}), watching=True)),
        (0, "left", ("?",), Situation(side=Side.LEFT, faults=frozenset({Fault.STAGE_FAILED}), watching=True)),
    ],
)  # fmt: skip
def test_any_message_becomes_a_situation(
    level: int, side: str, faults: tuple[str, ...], expected: Situation
) -> None:
    sent = msgspec.msgpack.encode(Judged(4, 5, level, side, faults=faults))  # type: ignore[arg-type]
    message = msgspec.msgpack.decode(sent, type=Judged)
    found = situation_of(message, set(), believed=True, watching=True)
    assert (found.level, found.side, found.faults, found.watching) == (
        expected.level, expected.side, expected.faults, expected.watching,
    )  # fmt: skip


def test_what_is_not_believed_warns_of_nothing_but_faults() -> None:
    found = situation_of(Judged(1, 1, 3), {Fault.VISION_DIED}, believed=False, watching=True)
    assert found == Situation(faults=frozenset({Fault.VISION_DIED}))


@pytest.mark.parametrize(("kind", "low"), [("detected", False), ("looming", False), ("low", True)])
def test_what_the_worst_threat_is_says_whether_to_look_down(kind: str, low: bool) -> None:
    threat = Threat(-2, "", kind, Level.CAUTION, Side.LEFT, Box(0, 0, 9, 9), Reason(code=ReasonCode.SOON))
    sent = msgspec.msgpack.encode(Judged(4, 5, Level.CAUTION, Side.LEFT, threat))
    message = msgspec.msgpack.decode(sent, type=Judged)
    assert situation_of(message, set(), believed=True, watching=True).low is low


class Ears(Supervisor):
    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def notify(self, *lines: str) -> bool:
        self.heard.append(lines)
        return True


def test_the_watchdog_is_fed_by_fresh_frames_and_told_faults_only() -> None:
    ears = Ears()
    watchdog = Watchdog(ears, fault_every_s=5.0)

    def fed(
        at_s: float, beat_s: float | None, fault_s: float | None = None, *, leaving: bool = False
    ) -> bool:
        before = len(ears.heard)
        beat, fault = (None if x is None else round(x * S) for x in (beat_s, fault_s))
        watchdog.feed(round(at_s * S), beat, fault, leaving=leaving)
        return len(ears.heard) > before

    assert not fed(1.0, None)
    assert fed(1.0, 1.0)
    assert not fed(1.1, 1.1)  # too soon
    assert fed(1.3, 1.25)
    assert not fed(2.0, 1.25)  # the same frame proves nothing twice
    assert fed(2.5, 1.25, 2.4)  # but a fault is told
    assert not fed(13.0, 1.25, 2.4)  # no longer
    assert fed(13.5, 1.25, 2.4, leaving=True)
    assert watchdog.feed(14 * S, round(1.25 * S), None, leaving=False, muted=True)  # by the wearer's own wish


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-9, "killed by SIGKILL"),
        (-11, "killed by SIGSEGV"),
        (3, "left with code 3"),
        (-200, "killed by signal 200"),
    ],
)
def test_an_exit_in_words(code: int, said: str) -> None:
    assert describe_exit(code) == said


def test_nobody_listening_is_no_error(tmp_path: Any) -> None:
    assert not Supervisor("").notify("READY=1")
    supervisor = Supervisor(str(tmp_path / "nobody"))
    assert not supervisor.notify("READY=1")
    supervisor.close()
