"""The warden: the small parent process that owns the motors and cannot be talked into silence.

    run_warden(config, [sys.executable, "-m", "rearguard.vision", …], realtime=True)

One thread, one loop: hear what vision judged, notice when it says nothing, decide on a cue, drive the pins,
tell systemd. Nothing heavy is imported here. Two kinds of time:

- *real* time (CLOCK_MONOTONIC) for everything about processes: heartbeat, deadlines, restarts;
- *cue* time for what is felt: the same clock for a live source, the frames' own time for a file, so that a
  file judged faster than life still gives the cues it would have given.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Literal

from rearguard import ipc
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.cue.arbiter import Situation, fault_cues
from rearguard.cue.haptics import HapticOutput
from rearguard.cue.motors import Motors, open_motors, say_if_absent
from rearguard.cue.table import CUES, Kind
from rearguard.errors import EXIT_SWITCHED_OFF
from rearguard.plain import print_line
from rearguard.types import Cue, CueName, Fault
from rearguard.warden.button import ButtonWatch, Press, open_button
from rearguard.warden.deadman import DeadMan, open_deadman
from rearguard.warden.guard import Guard, Phase
from rearguard.warden.signals import fill_standard_descriptors, signals
from rearguard.warden.sound_process import SOUND_FAULTS, SoundGuard
from rearguard.warden.systemd import Supervisor, Watchdog

OnFelt = Callable[[Cue], None]
OnPin = Callable[[int, tuple[float, ...]], None]

_LONGEST_WAIT_S = 0.05  # the timer tick: a dead child or a mended motor is noticed within it
_FAREWELL_NS = 10 * NS_PER_S  # a warning may keep SHUTDOWN from being felt for this long
_NO_SIGHT = {CueName.BLIND, CueName.FAULT}


def run_warden(
    config: Config,
    vision_argv: Sequence[str],
    *,
    realtime: bool,
    patient: bool = True,
    on_felt: OnFelt | None = None,
    on_pin: OnPin | None = None,
    motors: Motors | None = None,
) -> int:
    """Run vision under guard until its source ends or someone stops it; returns the exit code.

    `on_felt` hears of each cue as it begins, `on_pin` of each change of the motors' duties (cue time in ns);
    neither may block. `patient`: wait for a camera that was never there, as the service does; somebody at a terminal
    wants the error at once. SIGTERM, SIGINT and SIGQUIT stop it cleanly; SIGHUP does so unless `realtime`. Motors are
    off when this returns or raises.
    Raises `PartFailed` when there are no pins to drive on a Pi, or the last motor fails for good.
    """
    fill_standard_descriptors()
    with (
        signals() as wakeup,
        nullcontext(motors) if motors is not None else open_motors(config.cue) as pins,
        open_button(config.warden.button_pin, pins.pin_factory) as button,
        open_deadman(config.warden.deadman_pin, pins.pin_factory) as deadman,
    ):
        say_if_absent(pins)
        warden = _Warden(
            config, vision_argv, pins, realtime=realtime, patient=patient, on_felt=on_felt, on_pin=on_pin
        )
        warden.button, warden.deadman = button, deadman
        try:
            return warden.run(wakeup)
        finally:
            pins.off()  # first: whatever else goes wrong on the way out, nothing keeps buzzing
            warden.close()


class _Warden:
    """The loop's state; see the module."""

    def __init__(
        self,
        config: Config,
        argv: Sequence[str],
        motors: Motors,
        *,
        realtime: bool,
        patient: bool,
        on_felt: OnFelt | None,
        on_pin: OnPin | None,
    ) -> None:
        self._realtime = realtime
        self._on_felt = on_felt
        self._systemd = Supervisor()
        self._watchdog = Watchdog(self._systemd, config.health.repeat_every_s)
        self._guard = Guard(
            config,
            argv,
            realtime=realtime,
            patient=patient,
            on_status=self._show_status,
            on_decided=self._watchdog.ready,
        )
        self._haptics = HapticOutput(config, motors, self._report_cue, on_pin, realtime=realtime)
        # What a file would have made felt at its own speed is shown, not heard.
        self._sound = SoundGuard(config.sound) if config.sound.enabled and realtime else None
        self._was_blind = False
        self.button: ButtonWatch | None = None
        self.deadman: DeadMan | None = None
        self._leave_ns: int | None = None  # when to leave, once the button was held
        self._farewell = False
        self._late_farewell = False  # only felt while vision leaves
        self._fault_felt_ns: int | None = None
        self._status = ""

    def run(self, wakeup: socket.socket) -> int:
        guard = self._guard
        with selectors.DefaultSelector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            guard.start(selector)
            if self._sound is not None:
                self._sound.start(time.monotonic_ns())
            while guard.exit is None:
                selector.select(self._wait_s())
                self._handle_signals(wakeup)
                self._handle_button(time.monotonic_ns())
                self._receive()
                guard.check_deadlines(time.monotonic_ns())
                self._watch_motors(time.monotonic_ns())
                self._watch_sound(time.monotonic_ns())
                if guard.exit is not None and guard.failed:
                    self._haptics.let_end(guard.situation())
                elif self._realtime:
                    self._play_due()
                self._tell_supervisor(time.monotonic_ns())
            if guard.phase is not Phase.STOPPING or self._late_farewell:
                self._haptics.play_out()
        return guard.exit

    def close(self) -> None:
        """End whatever is left of vision and sound."""
        if self._sound is not None:
            self._sound.close()
        self._guard.close()
        self._systemd.notify("STOPPING=1")
        self._systemd.close()

    # -- what is felt --------------------------------------------------------------------------------

    def _receive(self) -> None:
        """Act on what vision judged. The newest frame counts, but a more urgent one just before it is felt first."""
        guard, news = self._guard, list[ipc.Judged]()
        for message in guard.receive():
            if isinstance(message, ipc.Ended):
                if guard.failed:
                    self._haptics.let_end(guard.situation())
            elif self._realtime:
                news.append(message)
            else:
                if self._haptics.run_to_frame(message.captured_ns, guard.situation()):
                    self._was_blind = True
                guard.judged = message
                self._play_due()
        if news:
            worst = max(news, key=lambda judged: judged.level)
            if worst.level > news[-1].level:
                guard.judged = worst
                self._play_due()
            guard.judged = news[-1]

    def _play_due(self) -> None:
        """Let the wearer feel what is due now."""
        guard = self._guard
        if guard.phase is Phase.STOPPING:
            if self._late_farewell:
                self._haptics.play_due(Situation())
            return
        situation = guard.situation()
        blind = bool(_NO_SIGHT & fault_cues(situation.faults).keys())
        if self._was_blind and not blind and guard.phase is Phase.WATCHING:
            guard.ready_due = guard.armed  # sight is back
        self._was_blind = blind
        if guard.ready_due and not blind:
            guard.ready_due = False
            self._haptics.announce(CueName.READY)
        self._haptics.play_due(situation)

    def _report_cue(self, cue: Cue) -> None:
        """A cue has begun: let it be heard, tell vision, which records it, and the terminal, which may show it."""
        if self._sound is not None:
            self._sound.play(cue, time.monotonic_ns())
        if CUES[cue.cue].kind is Kind.FAULT:
            self._fault_felt_ns = time.monotonic_ns()
        if cue.cue is CueName.SHUTDOWN and not self._farewell:
            self._farewell = True
            self._leave_ns = time.monotonic_ns() + round(CUES[cue.cue].length_s * NS_PER_S)
        if self._guard.vision is not None:
            self._guard.vision.send(ipc.Felt(cue))
        if self._on_felt is not None:
            try:
                self._on_felt(cue)
            except Exception as e:  # a closed terminal must not end the warnings
                self._on_felt = None
                print_line(f"cues are no longer shown: {e}")

    def _watch_motors(self, now_ns: int) -> None:
        """A motor that fails is a fault, felt on the others, and is tried again."""
        self._haptics.mend(now_ns)
        why, faults = self._haptics.broken, self._guard.faults
        if why and Fault.MOTOR_FAILED not in faults:
            faults.add(Fault.MOTOR_FAILED, now_ns)
            print_line(why)
            self._show_status(f"FAULT: {why}")
        elif not why and Fault.MOTOR_FAILED in faults:
            faults.end(Fault.MOTOR_FAILED)
            self._show_status("motors work again")

    def _watch_sound(self, now_ns: int) -> None:
        """Sound that is lost or silent is a fault, felt on the motors, and comes back by itself."""
        if self._sound is None:
            return
        fault, faults = self._sound.check(now_ns), self._guard.faults
        before = SOUND_FAULTS & faults.standing
        faults.end(*(before - {fault}))
        if fault is not None and fault not in before:
            faults.add(fault, now_ns)
            self._show_status(f"DEGRADED: {self._sound.why}")
        elif before and fault is None:
            self._show_status("sound is back")

    # -- the outside world ---------------------------------------------------------------------------

    def _wait_s(self) -> float:
        """How long the loop may sleep, at most one timer tick."""
        if not self._realtime:
            return _LONGEST_WAIT_S
        now_ns = time.monotonic_ns()
        cue_ns, beat_ns = self._haptics.next_ns(self._guard.situation()), self._guard.heartbeat.due_ns()
        due = [t for t in (cue_ns, beat_ns) if t is not None]
        # A heartbeat already lost is no reason to spin; a cue already due is.
        waits = [(t - now_ns) / NS_PER_S for t in due if t > now_ns or t == cue_ns]
        return max(0.0, min([_LONGEST_WAIT_S, *waits]))

    def _handle_signals(self, wakeup: socket.socket) -> None:
        heard = set[int]()
        with suppress(BlockingIOError):
            heard = set(wakeup.recv(64))
        if self._realtime:
            # The terminal of an SSH session is gone when the runner leaves the network; the warnings go on.
            heard.discard(signal.SIGHUP)
        if not heard:
            return
        if self._guard.phase is Phase.STOPPING or self._guard.vision is None:
            self._guard.exit = 0
            self._guard.phase = Phase.STOPPING
            return
        # Asked to leave: whatever vision was about to fail with no longer matters.
        self._stop("asked", None if self._guard.phase is Phase.ENDED else 0)

    def _handle_button(self, now_ns: int) -> None:
        press = self.button.read_press(now_ns) if self.button is not None else None
        if press is Press.MUTE:
            self._haptics.mute()
        elif press is Press.MARK and self._guard.vision is not None:
            self._guard.vision.send(ipc.Mark(now_ns))
        elif press is Press.SHUTDOWN and self._leave_ns is None:
            self._leave_ns = now_ns + _FAREWELL_NS
        if self._leave_ns is None or self._guard.phase is Phase.STOPPING:
            return
        if not self._farewell:  # until it is felt: a warning may come first
            self._haptics.announce(CueName.SHUTDOWN)
        if now_ns >= self._leave_ns:
            self._stop("shutdown", EXIT_SWITCHED_OFF)

    def _stop(self, why: Literal["asked", "shutdown"], code: int | None = None) -> None:
        """Motors off now; vision has a moment to finish its journal."""
        self._haptics.silence()
        if self._sound is not None:
            self._sound.hush(time.monotonic_ns())
        if (
            why == "shutdown" and not self._farewell
        ):  # warnings left it no moment; from here on there are none
            self._late_farewell = True
            self._haptics.announce(CueName.SHUTDOWN)
        self._guard.stop(why, code)

    def _tell_supervisor(self, now_ns: int) -> None:
        guard = self._guard
        leaving = guard.phase in (Phase.STOPPING, Phase.ENDED)
        served = self._watchdog.feed(
            now_ns,
            guard.heartbeat.last_ns,
            self._fault_felt_ns,
            leaving=leaving,
            muted=self._haptics.blindness_is_muted,
        )
        if served and self.deadman is not None:
            self.deadman.beat()

    def _show_status(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._systemd.notify(f"STATUS={status}")
