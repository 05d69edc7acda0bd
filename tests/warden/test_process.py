"""The warden with a real child process: what is felt on the (mock) pins, and when."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rearguard import ipc
from rearguard.config import Config
from rearguard.config.cue import Cue as CueConfig
from rearguard.config.warden import Warden
from rearguard.cue.motors import Motors, open_motors
from rearguard.errors import PartFailed
from rearguard.types import Cue, CueName
from rearguard.warden.process import run_warden
from rearguard.warden.systemd import Supervisor
from rearguard.warden.vision_process import Vision

pytestmark = pytest.mark.timing

CHILD = Path(__file__).parents[1] / "helpers" / "warden_child.py"
QUICK = Warden(restart_backoff_s=0.1, hung_s=0.8, starting_s=5.0, stop_s=1.0)
CALM = ["frames", 0.3, 0, "centre", None, []]


@dataclass
class Outing:
    """One run of the warden and all that came of it."""

    code: int
    felt: list[Cue]
    pins: list[tuple[int, tuple[float, ...]]]  # cue time, duties
    notes: list[dict[str, Any]] = field(default_factory=list)
    end_ns: int = 0

    @property
    def cues(self) -> list[str]:
        return [f.cue for f in self.felt if not f.repeat]

    def sent_ns(self, level: int | None = None) -> list[int]:
        """When the child sent its judged frames, of that level."""
        return [n["sent_ns"] for n in self.notes if "sent_ns" in n and level in (None, n["level"])]

    def first_on_ns(self, after_ns: int) -> int:
        return next(at for at, duties in self.pins if at >= after_ns and any(duties))

    def gone(self) -> bool:
        """Whether every child that was started has ended."""
        pids = [n["pid"] for n in self.notes if "pid" in n]
        return bool(pids) and not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.fixture
def outing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")

    def go(
        steps: list[list[Any]],
        *,
        realtime: bool = True,
        patient: bool = True,
        motors: Motors | None = None,
        **sections: Any,
    ) -> Outing:
        notes = tmp_path / "notes.jsonl"
        felt: list[Cue] = []
        pins: list[tuple[int, tuple[float, ...]]] = []
        sections.setdefault("warden", QUICK)
        code = run_warden(
            Config(**sections),
            [sys.executable, str(CHILD), json.dumps(steps), str(notes)],
            realtime=realtime,
            patient=patient,
            on_felt=felt.append,
            on_pin=lambda at, duties: pins.append((at, duties)),
            motors=motors,
        )
        lines = notes.read_text().splitlines() if notes.exists() else []
        return Outing(code, felt, pins, [json.loads(line) for line in lines], time.monotonic_ns())

    return go


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_blind_is_felt_half_a_second_after_the_last_heartbeat_and_vision_comes_back(outing, how: str) -> None:
    run = outing([["arm"], CALM, ["only", 0, [["kill", how]]], *[CALM] * 7, ["end", 0]])
    killed_ns = next(n["killed_ns"] for n in run.notes if "killed_ns" in n)
    last_beat_ns = max(t for t in run.sent_ns() if t < killed_ns)
    blind = next(f for f in run.felt if f.cue == "BLIND")
    assert run.first_on_ns(killed_ns) - last_beat_ns <= 500_000_000
    assert blind.faults == ("vision_died" if how == "SIGKILL" else "vision_silent",)
    assert run.cues == ["READY", "BLIND", "READY"]
    assert run.code == 0
    assert [n["hello"] for n in run.notes if "hello" in n][1] == [1, *blind.faults, True]
    assert run.gone()


def test_the_same_frame_again_and_again_is_no_heartbeat(outing) -> None:
    run = outing([["arm"], CALM, ["same", 0.6], ["end", 0]])
    assert run.cues == ["READY", "BLIND"]


def test_frames_judged_too_late_are_no_heartbeat_but_still_warn(outing) -> None:
    stale = [["frame", 3, "left", 1, 0.001 * i] for i in range(5)]  # captured at boot, judged now
    run = outing([["arm"], CALM, *stale, ["sleep", 1.5], ["end", 0]], warden=Warden(hung_s=20.0))
    assert run.cues[:3] == ["READY", "CRITICAL", "BLIND"]


def test_frames_judged_too_late_still_warn_after_the_camera_stuttered(outing) -> None:
    stale = [["sleep", 0.2], ["late", 3, 0.6]] * 5
    patient = Warden(hung_s=20.0)
    run = outing([["arm"], CALM, ["no_frame", 0.3], ["sleep", 0.3], *stale, ["end", 0]], warden=patient)
    assert run.cues[:3] == ["READY", "BLIND", "CRITICAL"]


def test_a_critical_in_the_middle_of_a_burst_is_felt_first(outing) -> None:
    run = outing([CALM, ["burst", [0, 1, 3, 0, 2]], ["frames", 0.8, 2, "left", 1, []], ["end", 0]])
    felt = [cue for cue in run.cues if cue != "NOTICE"]  # a warden that wakes early hears of it alone
    assert felt == ["CRITICAL", "CAUTION"]


def test_critical_cuts_off_blind_on_the_pin(outing) -> None:
    run = outing([
        ["frames", 0.3, 0, "left", None, ["covered"]], ["frames", 0.3, 3, "left", 7, ["covered"]], ["end", 0],
    ], cue=CueConfig(pins=[17, 18]))  # fmt: skip
    assert run.cues == ["BLIND", "CRITICAL"]
    critical = run.felt[1]
    assert critical.at_ns - run.felt[0].at_ns < 400_000_000
    at = next(duties for at, duties in run.pins if at >= critical.at_ns)
    assert at == (1.0, 0.0)


def test_pins_follow_the_message_while_vision_keeps_a_core_busy(outing) -> None:
    run = outing([["load", 4.0, 3], CALM, ["end", 0]])
    delays_ms = [(run.first_on_ns(sent) - sent) / 1e6 for sent in run.sent_ns(level=3)]
    assert len(delays_ms) >= 3
    assert statistics.median(delays_ms) < 10
    print("message → pin, ms:", [round(d, 2) for d in delays_ms])


def test_motors_are_off_and_vision_is_gone_after_sigterm(outing) -> None:
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with open_motors(CueConfig()) as motors:
        run = outing([["arm"], ["until_stop"]], motors=motors)
        assert motors.pins[0].state == 0.0
    assert run.code == 0
    assert {"stopped": True} in run.notes
    assert run.gone()


def test_a_terminal_that_goes_away_leaves_the_wearer_warned(outing) -> None:
    threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGHUP)).start()
    run = outing([["arm"], *[CALM] * 5, ["frames", 0.5, 3, "left", 1, []], ["end", 0]])
    assert run.cues == ["READY", "CRITICAL"]
    assert run.code == 0
    assert not any(run.pins[-1][1])


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_what_ends_other_programs_on_the_spot_leaves_no_motor_on(outing, number: int) -> None:
    live = number != signal.SIGHUP  # with a file there is nobody to warn on
    threading.Timer(1.0, os.kill, (os.getpid(), number)).start()
    with open_motors(CueConfig()) as motors:
        run = outing([["arm"], ["until_stop"]], motors=motors, realtime=live)
        assert motors.pins[0].state == 0.0
    assert run.code == 0
    assert {"stopped": True} in run.notes


def test_who_was_started_to_outlive_its_terminal_does(outing) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGHUP)).start()
        run = outing([["arm"], CALM, ["sleep", 1.0], CALM, ["end", 0]], realtime=False)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert len(run.sent_ns()) > 10  # to its end


def test_without_a_descriptor_to_spare_vision_is_a_failed_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(ipc, "pair", none_left)
    with pytest.raises(PartFailed, match="cannot start the vision process: Too many open files"):
        Vision(["true"], ipc.Hello())


def test_stopping_while_vision_is_away_is_no_failure(outing) -> None:
    threading.Timer(2.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    slow = Warden(restart_backoff_s=8.0, stop_s=0.5)
    assert outing([["arm"], CALM, ["exit", 3]], warden=slow).code == 0


def test_vision_that_cannot_be_started_again_is_tried_again(outing, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = iter([False, True, True, False])

    def start(argv: list[str], hello: ipc.Hello) -> Vision:
        if next(starts):
            raise PartFailed("no memory for another process")
        return Vision(argv, hello)

    monkeypatch.setattr("rearguard.warden.guard.Vision", start)
    run = outing([["arm"], CALM, ["only", 0, [["exit", 3]]], *[CALM] * 4, ["end", 0]])
    assert run.cues[:3] == ["READY", "BLIND", "READY"]
    assert run.code == 0


def test_a_deaf_vision_is_killed_on_stop_and_the_motor_is_off_at_once(outing) -> None:
    threading.Timer(1.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with open_motors(CueConfig()) as motors:
        run = outing([["deaf", 3]], motors=motors)
        assert motors.pins[0].state == 0.0
    stopped_ns = run.pins[-1][0]
    assert run.pins[-1][1] == (0.0,)
    assert run.end_ns - stopped_ns >= 0.9e9  # it was given its second to finish
    assert run.code == 0
    assert run.gone()


def test_stopped_while_the_camera_is_being_lost_is_no_failure(outing) -> None:
    threading.Timer(1.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    run = outing([["arm"], ["frames", 0.6, 0, "left", None, []], ["end", 3, "camera_lost"], ["sleep", 1.2]])
    assert run.cues[-1] == "BLIND"
    assert run.code == 0


def test_nobody_waits_for_a_killed_vision_that_the_kernel_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    vision = Vision([sys.executable, "-c", "import time; time.sleep(60)"], ipc.Hello(0, None, 0.0, True))
    with monkeypatch.context() as kept:
        kept.setattr(vision._process, "send_signal", lambda _: None)  # as if it did not die of it
        began = time.monotonic()
        assert vision.kill() == -signal.SIGKILL
        assert time.monotonic() - began < 0.8
    assert vision.kill() == -signal.SIGKILL
    assert vision.gone() == -signal.SIGKILL


def test_giving_up_is_loud(outing) -> None:
    warden = Warden(restart_backoff_s=0.05, max_restarts=2, tell_giving_up_s=5.0)
    run = outing([["exit", 3]], warden=warden)
    assert run.code == 3
    assert len([n for n in run.notes if "hello" in n]) == 3
    assert "FAULT" in run.cues
    assert next(f for f in run.felt if f.cue == "FAULT").faults == ("gave_up",)


def test_a_camera_lost_for_good_is_felt_before_vision_has_left_and_tried_again(outing) -> None:
    steps = [["arm"], CALM, ["only", 0, [["end", 3], ["sleep", 0.5], ["exit", 3]]], *[CALM] * 7, ["end", 0]]
    run = outing(steps)
    assert run.cues == ["READY", "BLIND", "READY"]
    last_beat_ns = [n["sent_ns"] for n in run.notes if n.get("seq") is not None][7]
    assert run.felt[1].at_ns - last_beat_ns < 500_000_000
    assert run.code == 0


def test_a_camera_that_gives_nothing_is_named_before_vision_would_count_as_silent(outing) -> None:
    late = Warden(heartbeat_s=0.9, hung_s=3.0)  # so that a busy machine does not turn the order round
    run = outing([["arm"], CALM, ["no_frame", 0.6], *[CALM] * 7, ["end", 0]], warden=late)
    assert run.cues == ["READY", "BLIND", "READY"]
    blind = run.felt[1]
    assert blind.faults == ("no_frame",)
    last_beat_ns = max(t for t in run.sent_ns() if t < blind.at_ns)
    assert run.first_on_ns(last_beat_ns) - last_beat_ns < 900_000_000
    assert len([n for n in run.notes if "hello" in n]) == 1  # vision itself was well


def test_a_camera_that_stays_away_brings_a_new_start_that_knows_why(outing) -> None:
    late = Warden(heartbeat_s=0.9, hung_s=1.5, restart_backoff_s=0.1)
    run = outing([["arm"], CALM, ["only", 0, [["no_frame", 6.0]]], *[CALM] * 7, ["end", 0]], warden=late)
    assert [n["hello"][1] for n in run.notes if "hello" in n] == [None, "no_frame"]
    assert "no_frame" in next(f for f in run.felt if f.cue == "BLIND").faults


def test_a_camera_that_is_unplugged_is_told_as_that(outing) -> None:
    steps = [["arm"], CALM, ["only", 0, [["end", 3, "camera_lost"], ["exit", 3]]], *[CALM] * 7, ["end", 0]]
    run = outing(steps)
    assert run.cues == ["READY", "BLIND", "READY"]
    assert run.felt[1].faults == ("camera_lost",)
    assert [n["hello"][1] for n in run.notes if "hello" in n] == [None, "camera_lost"]


def test_a_live_picture_that_goes_bad_is_tried_again(outing) -> None:
    run = outing([CALM, ["only", 0, [["end", 2], ["exit", 2]]], *[CALM] * 4, ["end", 0]])
    assert run.cues == ["BLIND"]
    assert run.code == 0


def test_a_file_that_breaks_in_the_middle_is_felt_and_ends_with_its_code(outing) -> None:
    run = outing(
        [["frame", 0, "left", 1, 0.7], ["frame", 0, "left", 1, 1.0], ["end", 2], ["exit", 2]], realtime=False
    )
    assert run.code == 2
    assert [(f.cue, f.at_ns / 1e9) for f in run.felt] == [("BLIND", 1.0)]


def test_who_sits_before_it_is_told_at_once_of_a_camera_that_was_never_there(outing) -> None:
    run = outing([["exit", 3]], patient=False)
    assert run.code == 3
    assert len([n for n in run.notes if "hello" in n]) == 1
    assert run.cues == ["BLIND"]


def test_bad_input_is_not_retried(outing) -> None:
    run = outing([["exit", 2]])
    assert run.code == 2
    assert len([n for n in run.notes if "hello" in n]) == 1
    assert run.cues == ["BLIND"]


def test_a_start_without_any_frame_ends_in_a_restart(outing) -> None:
    run = outing(
        [["only", 0, [["sleep", 30]]], CALM, ["end", 0]], warden=Warden(starting_s=4.0, restart_backoff_s=0.1)
    )
    assert run.cues == ["BLIND"]
    assert len([n for n in run.notes if "hello" in n]) == 2
    assert run.gone()


def test_a_start_too_slow_for_a_busy_machine_gets_more_time_the_next_time(outing) -> None:
    slow = Warden(starting_s=2.0, restart_backoff_s=0.1)
    run = outing([["sleep", 2.5], ["arm"], CALM, ["end", 0]], warden=slow)
    assert run.cues[-1] == "READY"
    assert run.cues.count("BLIND") == 1


def test_a_failed_self_test_is_fault_not_ready(outing) -> None:
    run = outing([["arm", "golden picture: no person found"], CALM, ["end", 0]])
    assert run.cues == ["FAULT"]
    assert run.felt[0].faults == ("self_test",)


def test_the_exit_code_of_a_source_that_ends_is_passed_on(outing) -> None:
    assert outing([CALM, ["end", 1]]).code == 1


def test_a_fault_nobody_knows_is_still_a_fault(outing) -> None:
    run = outing([["frames", 0.3, 0, "sideways", None, ["gremlins"]], ["end", 0]])
    assert [(f.cue, f.faults) for f in run.felt] == [("FAULT", ("stage_failed",))]


def film(level: int, from_tenth: int, to_tenth: int, track: int = 1) -> list[list[object]]:
    """Ten frames a second of a file, up to and without the last tenth."""
    return [["frame", level, "left", track, tenth / 10] for tenth in range(from_tenth, to_tenth)]


FILE = [["arm"], *film(0, 0, 10), *film(2, 10, 21), *film(3, 21, 41), *film(0, 41, 201), ["end", 0]]


def test_a_file_is_felt_on_its_own_time_exactly(outing) -> None:
    run = outing(FILE, realtime=False)
    assert [(f.cue, f.at_ns / 1e9) for f in run.felt] == [
        ("READY", 0.0), ("CAUTION", 1.0), ("CAUTION", 1.68), ("CRITICAL", 2.1), ("CRITICAL", 2.7),
        ("CRITICAL", 3.3), ("CRITICAL", 3.9), ("ALIVE", 19.5),
    ]  # fmt: skip
    assert [(at / 1e9, d) for at, d in run.pins if 1.0 <= at / 1e9 < 1.3][-6:] == [
        (1.0, (1.0,)), (1.05, (0.62,)), (1.1, (0.0,)), (1.18, (1.0,)), (1.23, (0.62,)), (1.28, (0.0,)),
    ]  # fmt: skip
    assert run.pins[-1][1] == (0.0,)


def test_something_to_trip_over_is_felt_as_that_until_somebody_is_as_urgent(outing) -> None:
    run = outing(
        [["arm"], *film(0, 0, 10), *film(2, 10, 21, -1), *film(3, 21, 25, -1), *film(3, 25, 30), ["end", 0]],
        realtime=False,
    )
    felt = [(f.cue, f.at_ns / 1e9) for f in run.felt if f.at_ns < 3e9]
    assert felt == [("READY", 0.0), ("LOW", 1.0), ("LOW", 1.99), ("CRITICAL", 2.5)]
    on = [at / 1e9 for at, duties in run.pins if 1.0 <= at / 1e9 < 1.99 and duties == (1.0,)]
    assert on == [1.0, 1.22, 1.44]


def test_what_a_broken_motor_should_have_told_is_felt_on_the_other_as_nothing_else(outing) -> None:
    """CRITICAL from the left on the right motor: at once, in its own rhythm, again and again; and FAULT is told."""

    def broken(_value: float) -> None:
        raise OSError("GPIO write failed")

    config = CueConfig(pins=[17, 18])
    with open_motors(config) as motors:
        motors.pins[0]._set_state = broken  # READY finds it out
        steps = [["arm"], *film(0, 0, 40), ["sleep", 0.5], *film(3, 40, 79), *film(0, 79, 120), ["end", 0]]
        run = outing(steps, motors=motors, cue=config, realtime=False)
    assert {f.faults for f in run.felt if f.cue == "FAULT"} == {("motor_failed",)}
    starts = [f.at_ns for f in run.felt if f.cue == "CRITICAL"]
    assert [at / 1e9 for at in starts] == [4.0, 5.0, 6.0, 7.0]  # none is cut off by its repeat
    rises = [at for (_, was), (at, now) in itertools.pairwise(run.pins) if now[1] > 0 and was[1] == 0]
    for begin, end in itertools.pairwise(starts):
        assert sum(begin <= at < end for at in rises) == 5
    assert run.felt[-1].cue == "FAULT"  # it stands, and is told again once the way is clear


def test_a_gap_in_a_files_time_is_felt_as_a_camera_that_stands_still(outing) -> None:
    """The last verdict is believed for as long as it would be live, then BLIND, and READY when sight is back."""
    run = outing([["arm"], *film(0, 0, 20), *film(3, 20, 23), *film(0, 100, 130), ["end", 0]], realtime=False)
    assert [(f.cue, f.at_ns / 1e9) for f in run.felt][:4] == [
        ("READY", 0.0), ("CRITICAL", 2.0), ("CRITICAL", 2.6), ("BLIND", 3.2),  # once CRITICAL has played
    ]  # fmt: skip
    assert {f.cue for f in run.felt if 3.0 < f.at_ns / 1e9 < 10.0} == {"BLIND"}
    assert next(f.cue for f in run.felt if f.at_ns / 1e9 >= 10.0) == "READY"


def test_two_runs_of_a_file_feel_the_same(outing) -> None:
    first, second = outing(FILE, realtime=False), outing(FILE, realtime=False)
    assert first.felt == second.felt
    assert first.pins == second.pins


def test_vision_dying_on_a_file_is_felt_and_ends_with_3(outing, capsys: pytest.CaptureFixture[str]) -> None:
    run = outing(
        [["frame", 0, "left", 1, 1.7], ["frame", 3, "left", 1, 2.0], ["kill", "SIGSEGV"]], realtime=False
    )
    assert run.code == 3
    assert [f.cue for f in run.felt] == ["CRITICAL", "BLIND"]
    assert "rearguard: vision killed by SIGSEGV\n" in capsys.readouterr().err


def test_a_program_that_cannot_be_started_is_one_line() -> None:
    with pytest.raises(PartFailed, match=r"no-such-program: cannot start the vision process: No such file"):
        run_warden(Config(), ["/no-such-program"], realtime=True)


def test_a_listener_that_fails_does_not_end_the_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_felt: ipc.Felt) -> None:
        raise BrokenPipeError("terminal closed")

    pins: list[Any] = []
    steps = [["arm"], ["frames", 0.4, 3, "left", 1, []], ["end", 0]]
    code = run_warden(
        Config(), [sys.executable, str(CHILD), json.dumps(steps), str(tmp_path / "n")],
        realtime=True, on_felt=fail, on_pin=lambda _at, duties: pins.append(duties),
    )  # fmt: skip
    assert code == 0
    assert pins.count((1.0,)) >= 4  # the cue that was playing is played to its end
    assert capsys.readouterr().err.count("cues are no longer shown") == 1


def test_systemd_hears_ready_and_is_pinged_only_with_proof(outing, tmp_path: Path, monkeypatch) -> None:
    ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ears.bind(str(tmp_path / "notify"))
    ears.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    heard: list[tuple[float, str]] = []
    stop = threading.Event()

    def listen() -> None:
        while not stop.wait(0.005):
            try:
                heard.append((time.monotonic(), ears.recv(4096).decode()))
            except BlockingIOError:
                continue

    thread = threading.Thread(target=listen)
    thread.start()
    config = Warden(hung_s=20.0, heartbeat_s=2.0)  # blind only after 2 s: meanwhile there is no proof
    try:
        outing(
            [["arm"], ["frames", 1.0, 0, "left", None, []], ["sleep", 1.5], CALM, ["end", 0]], warden=config
        )
    finally:
        time.sleep(0.1)
        stop.set()
        thread.join()
        ears.close()
    lines = [line for _, text in heard for line in text.split("\n")]
    assert lines.index("READY=1") < lines.index("WATCHDOG=1")
    assert "STATUS=armed" in lines
    assert lines[-1] == "STOPPING=1"
    pings = [at for at, text in heard if text == "WATCHDOG=1"]
    gaps = [b - a for a, b in itertools.pairwise(pings)]
    assert max(gaps) > 1.0  # silent while no frame was judged and no fault was told
    assert sorted(gaps)[len(gaps) // 2] < 0.5


def test_the_status_says_why_vision_cannot_begin(outing, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Supervisor, "notify", lambda _, *lines: bool(told.extend(lines)))
    blind = ["only", 0, [["arm", "no camera found"], ["end", 3], ["exit", 3]]]
    run = outing([blind, ["arm"], CALM, ["end", 0]])
    states = [line.removeprefix("STATUS=") for line in told if line.startswith("STATUS=")]
    assert states[:3] == [
        "starting",
        "no camera found",
        "BLIND: vision left with code 3 (no camera found); starting again",
    ]
    assert states[3] == "BLIND: vision left with code 3 (no camera found); start 2"
    assert states.index("armed") > 3
    assert run.code == 0


def test_telling_that_the_camera_gives_nothing_is_not_cut_off_by_a_start_timeout(
    outing, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(Supervisor, "notify", lambda _, *lines: bool(told.append(lines)))
    blind = ["only", 0, [["end", 3, "camera_lost"], ["sleep", 0.5], ["exit", 3]]]
    outing([blind, ["arm"], CALM, ["end", 0]])
    ready = told.index(("READY=1",))
    again = ("STATUS=BLIND: vision left with code 3 (the camera is gone); start 2",)
    assert told.index(again) < ready  # not before the self-test
    put_off = [i for i, lines in enumerate(told) if lines[0] == "WATCHDOG=1" and len(lines) == 2]
    assert put_off
    assert put_off[0] < ready
    assert all(i < ready for i in put_off)


def test_the_warden_is_small(tmp_path: Path) -> None:
    """A warden in a process of its own, watching: nothing heavy is loaded, and it fits in 30 MiB."""
    program = (
        "import json, sys\n"
        "from rearguard.config import load\n"
        "from rearguard.warden.process import run_warden\n"
        "facts = {}\n"
        "def watch_cue(felt):\n"
        "    facts['modules'] = sorted({name.partition('.')[0] for name in sys.modules})\n"
        "    text = open('/proc/self/status').read()\n"
        "    facts['rss_kib'] = int(text.split('VmRSS:')[1].split()[0])\n"
        "    facts['threads'] = int(text.split('Threads:')[1].split()[0])\n"
        "run_warden(load(), json.loads(sys.argv[1]), realtime=True, on_felt=watch_cue)\n"
        "print(json.dumps(facts))\n"
    )
    steps = [["arm"], CALM, ["end", 0]]
    argv = [sys.executable, str(CHILD), json.dumps(steps), str(tmp_path / "notes")]
    env = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(argv)], capture_output=True, text=True, env=env, check=True
    )
    facts = json.loads(done.stdout)
    heavy = {
        "numpy",
        "cv2",
        "scipy",
        "rich",
        "tflite_runtime",
        "ai_edge_litert",
        "tensorflow",
        "textual",
        "click",
    }
    assert not heavy & set(facts["modules"])
    assert facts["threads"] == 1
    print("warden RSS, KiB:", facts["rss_kib"])
    assert facts["rss_kib"] <= 30 * 1024


def test_a_closed_terminal_does_not_break_the_link(tmp_path: Path) -> None:
    program = (
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "from rearguard.config import Config\n"
        "from rearguard.warden.process import run_warden\n"
        "for fd in (0, 1, 2): os.close(fd)\n"
        "cues = []\n"
        "code = run_warden(Config(), json.loads(sys.argv[1]), realtime=True, on_felt=lambda f: cues.append(f.cue))\n"
        "Path(sys.argv[2]).write_text(json.dumps([code, cues]))\n"
    )
    argv = [sys.executable, str(CHILD), json.dumps([["arm"], CALM, ["end", 0]]), str(tmp_path / "notes")]
    env = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock", "HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", program, json.dumps(argv), str(tmp_path / "out")], env=env, check=False
    )
    assert json.loads((tmp_path / "out").read_text()) == [0, ["READY"]]


def test_a_flood_neither_blocks_nor_grows(outing) -> None:
    run = outing([CALM, ["burst", [1, 2] * 2000], ["frames", 0.2, 3, "left", 1, []], ["end", 0]])
    assert run.cues[-1] == "CRITICAL"
    assert run.code == 0


def test_last_words_are_heard_though_the_speaker_left_without_listening() -> None:
    ours, theirs = ipc.pair()
    assert ipc.send(ours, ipc.Felt(Cue(at_ns=1, cue=CueName.READY)))
    assert ipc.send(theirs, ipc.Ended(3, "camera_lost"))
    theirs.close()
    with ours:
        assert ipc.receive_from_vision(ours) == [ipc.Ended(3, "camera_lost")]
        assert ipc.receive_from_vision(ours) is None


def test_link_skips_what_it_cannot_read() -> None:
    ours, theirs = ipc.pair()
    theirs.send(b"\xff\xfe nonsense")
    theirs.send(msgspec.msgpack.encode({"type": "judged", "seq": "one"}))
    assert ipc.send(theirs, ipc.Judged(1, 2, 3))
    assert ipc.receive_from_vision(ours) == [ipc.Judged(1, 2, 3)]
    theirs.close()
    assert ipc.receive_from_vision(ours) is None
    assert not ipc.send(ours, ipc.Stop())
    ours.close()


def test_link_waits_for_room_when_asked() -> None:
    ours, theirs = ipc.pair()
    sent = 0
    while ipc.send(theirs, ipc.Judged(sent, sent)):
        sent += 1
    assert not ipc.send_waiting(theirs, ipc.Judged(sent, sent), 0.05)
    reader = threading.Timer(0.1, ipc.receive_from_vision, (ours,))
    reader.start()
    assert ipc.send_waiting(theirs, ipc.Judged(sent, sent), 5.0)
    reader.join()
    ours.close()
    theirs.close()
