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
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Literal

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.cue.arbiter import Situation, Start, fault_cues
from rearguard.cue.motors import Motors, open_motors, say_if_absent
from rearguard.cue.table import Kind
from rearguard.errors import EXIT_BAD_INPUT, EXIT_NO, EXIT_PART_FAILED, EXIT_SWITCHED_OFF
from rearguard.warden import link
from rearguard.warden.button import ButtonWatch, Press, open_button
from rearguard.warden.child import Restarts, Vision, describe_exit
from rearguard.warden.deadman import DeadMan, open_deadman
from rearguard.warden.feel import Feeler
from rearguard.warden.heartbeat import Heartbeat
from rearguard.warden.signals import fill_standard_descriptors, say, signals
from rearguard.warden.situation import BLINDING, OF_THE_DEAD, OwnTroubles, situation_of
from rearguard.warden.systemd import Supervisor, Watchdog
from rearguard.words import CueName, Trouble

OnFelt = Callable[[link.Felt], None]
OnPin = Callable[[int, tuple[float, ...]], None]

_LONGEST_WAIT_S = 0.05  # the timer tick: a dead child or a mended motor is noticed within it
_FAREWELL_NS = 10 * NS_PER_S  # a warning may keep SHUTDOWN from being felt for this long
_LATE_COUNTS_NS = NS_PER_S  # a level judged from an old frame is believed for this long
_NO_SIGHT = {CueName.BLIND, CueName.FAULT}
_TOLD_OF_SILENCE = {Trouble.VISION_SILENT, Trouble.NO_FRAME}


class _Phase(Enum):
    STARTING = "starting"  # vision runs, nothing judged yet
    WATCHING = "watching"
    DOWN = "waiting to start vision again"
    GIVING_UP = "vision could not be kept alive"
    ENDED = "source ended"
    STOPPING = "stopping"


def run_warden(
    config: Config,
    vision_argv: Sequence[str],
    *,
    realtime: bool,
    on_felt: OnFelt | None = None,
    on_pin: OnPin | None = None,
    motors: Motors | None = None,
) -> int:
    """Run vision under guard until its source ends or someone stops it; returns the exit code.

    `on_felt` hears of each cue as it begins, `on_pin` of each change of the motors' duties (cue time in ns);
    neither may block. SIGTERM and SIGINT stop it cleanly. Motors are off when this returns or raises.
    Raises `PartFailed` when there are no pins to drive on a Pi, or the last motor fails for good.
    """
    fill_standard_descriptors()
    with (
        signals() as wakeup,
        _given_or_opened(motors, config) as pins,
        open_button(config.warden.button_pin, pins.pin_factory) as button,
        open_deadman(config.warden.deadman_pin, pins.pin_factory) as deadman,
    ):
        say_if_absent(pins)
        warden = _Warden(config, vision_argv, pins, realtime=realtime, on_felt=on_felt, on_pin=on_pin)
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
        on_felt: OnFelt | None,
        on_pin: OnPin | None,
    ) -> None:
        self._config = config
        self._argv = argv
        self._realtime = realtime
        self._on_felt = on_felt
        # Nobody waits for a file to warn them, so that a busy machine may take its time over it.
        self._patience_s = config.warden.starting_s * (1 if realtime else 6)
        self._feeler = Feeler(config, motors, self._tell, on_pin, realtime=realtime)
        self._heartbeat = Heartbeat(config.warden, aged=realtime)
        self._systemd = Supervisor()
        self._watchdog = Watchdog(self._systemd, config.health.repeat_every_s)
        self._vision: Vision | None = None
        self._phase = _Phase.STARTING
        self._since_ns = 0  # real time of the last change of phase
        self._starts = 0
        self._restarts = Restarts(config.warden)
        self._judged: link.Judged | None = None
        self._troubles = OwnTroubles()
        self._armed = False  # this start of vision passed, or failed, its self-test
        self._ever_armed = False
        self._lost = False  # this start of vision is as good as gone
        self._ready_due = False
        self._was_blind = False
        self._exit: int | None = None
        self._ended_code = 0
        self._ever_judged = False
        self.button: ButtonWatch | None = None
        self.deadman: DeadMan | None = None
        self._leave_ns: int | None = None  # real time of leaving, once the button was held
        self._farewell = False
        self._fault_felt_ns: int | None = None
        self._status = ""
        self._hung_up_ns: int | None = None
        self._restart_ns = 0

    def run(self, wakeup: socket.socket) -> int:
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            selector.register(wakeup, selectors.EVENT_READ)
            self._start_vision()
            while self._exit is None:
                selector.select(self._wait_s())
                self._heed_signals(wakeup)
                self._heed_button(time.monotonic_ns())
                self._hear()
                self._watch(time.monotonic_ns())
                if self._realtime:
                    self._act()
                self._tell_supervisor(time.monotonic_ns())
            if self._phase is not _Phase.STOPPING:
                self._feeler.play_out()
        return self._exit

    def close(self) -> None:
        """Whatever is left of vision is ended."""
        if self._vision is not None:
            self._vision.kill()
        self._systemd.notify("STOPPING=1")
        self._systemd.close()

    # -- vision's life -------------------------------------------------------------------------------

    def _start_vision(self) -> None:
        now_ns = time.monotonic_ns()
        since_ns = self._troubles.since_ns
        down_s = (now_ns - since_ns) / NS_PER_S if since_ns else 0.0
        hello = link.Hello(self._starts, self._troubles.last, down_s, self._realtime)
        self._vision = Vision(self._argv, hello)
        self._selector.register(self._vision.link, selectors.EVENT_READ)
        self._starts += 1
        self._armed = self._lost = False
        self._ended_code = 0
        self._heartbeat.forget()
        self._enter(_Phase.STARTING, "starting" if self._starts == 1 else f"start {self._starts} of vision")

    def _drop_vision(self) -> int:
        """Make sure that vision is gone; its exit code."""
        assert self._vision is not None
        if not self._vision.hung_up:
            self._unwatch_link()
        code = self._vision.kill()
        self._vision = None
        return code

    def _unwatch_link(self) -> None:
        assert self._vision is not None
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._vision.link)

    def _enter(self, phase: _Phase, status: str) -> None:
        self._phase = phase
        self._since_ns = time.monotonic_ns()
        self._say_status(status)

    def _hear(self) -> None:
        """Take in what vision said. The newest state counts, but the most urgent one is never passed over."""
        vision = self._vision
        if vision is None or vision.hung_up:
            return
        messages = vision.hear()
        if vision.hung_up:
            self._unwatch_link()
        news: list[link.Judged] = []
        for message in messages:
            if isinstance(message, link.Judged):
                self._note(message)
                news.append(message)
                if not self._realtime:
                    self._feeler.run_to(message.captured_ns, self._situation())
                    self._judged = message
                    self._act()
            elif isinstance(message, link.NoFrame):
                self._miss_frame()
            elif isinstance(message, link.Armed):
                self._arm(message)
            elif self._phase is not _Phase.STOPPING:
                self._end(message)
                vision.say(link.Stop())  # every Felt there will be has been sent: it may leave
        if self._realtime and news:
            worst = max(news, key=lambda judged: judged.level)
            if worst.level > news[-1].level:
                self._judged = worst
                self._act()
            self._judged = news[-1]

    def _note(self, judged: link.Judged) -> None:
        now_ns = time.monotonic_ns()
        if not self._heartbeat.feed(now_ns, judged) or self._phase in (_Phase.STOPPING, _Phase.ENDED):
            return
        self._ever_judged = True
        self._restarts.works(now_ns)
        if self._phase is _Phase.STARTING:
            self._enter(_Phase.WATCHING, "watching")
        if self._troubles.see_a_frame() and self._armed:
            self._sight_is_back()

    def _miss_frame(self) -> None:
        """Vision waits in vain for a picture: known before its own silence would tell."""
        if self._realtime and self._phase is _Phase.WATCHING and Trouble.NO_FRAME not in self._troubles:
            self._restarts.fails()
            self._troubles.add(Trouble.NO_FRAME, time.monotonic_ns())
            self._say_status("BLIND: the camera gives no picture")

    def _sight_is_back(self) -> None:
        """Only a start of vision that decided its self-test ends BLIND: till then the wearer is told of it."""
        self._troubles.see_again()
        self._say_status("watching again")

    def _arm(self, message: link.Armed) -> None:
        self._armed = self._ever_armed = True
        if self._phase is _Phase.WATCHING:
            self._sight_is_back()
        if message.problems:
            self._troubles.add(Trouble.SELF_TEST, time.monotonic_ns())
            status = "; ".join(message.problems)
            say(status)
        else:
            self._troubles.end(Trouble.SELF_TEST)
            self._ready_due = True
            status = "armed"
        self._systemd.notify("READY=1")
        self._say_status(status)

    def _end(self, message: link.Ended) -> None:
        """Vision is done; if that is because something failed, the wearer must know at once."""
        self._ended_code = message.exit_code
        if message.exit_code in (0, EXIT_NO):
            self._troubles.watch_ends()
            self._enter(_Phase.ENDED, "the source ended")
            return
        self._lost = True
        lost = message.trouble == Trouble.CAMERA_LOST
        self._troubles.add(Trouble.CAMERA_LOST if lost else Trouble.VISION_DIED, time.monotonic_ns())
        self._feeler.let_end(self._situation())

    # -- deadlines -----------------------------------------------------------------------------------

    def _watch(self, now_ns: int) -> None:
        """Notice what did not happen in time."""
        vision, since_s = self._vision, (now_ns - self._since_ns) / NS_PER_S
        warden = self._config.warden
        if vision is not None and (vision.hung_up or vision.gone() is not None):
            self._vision_gone(now_ns)
        elif self._phase is _Phase.STARTING and since_s > self._patience_s:
            self._lose(Trouble.VISION_SILENT, f"vision judged no frame within {since_s:.0f} s", now_ns)
        elif self._phase is _Phase.WATCHING:
            self._watch_heartbeat(now_ns)
        elif self._phase is _Phase.DOWN and now_ns >= self._restart_ns:
            self._start_vision()
        elif self._phase is _Phase.GIVING_UP and since_s > warden.tell_giving_up_s:
            self._exit = EXIT_PART_FAILED
        elif self._phase is _Phase.ENDED and since_s > max(warden.stop_s, 10.0):
            say("vision did not leave after its end; killed")
            self._drop_vision()
            self._exit = self._ended_code
        elif self._phase is _Phase.STOPPING and since_s > warden.stop_s:
            say(f"vision did not stop within {warden.stop_s:g} s; killed")
            self._drop_vision()
            self._exit = self._ended_code
        self._watch_motors(now_ns)

    def _watch_heartbeat(self, now_ns: int) -> None:
        silent_s = (now_ns - (self._heartbeat.heard_ns or now_ns)) / NS_PER_S
        if not self._realtime:  # a file may be slow to judge; only a standstill is a fault
            if silent_s > self._patience_s:
                self._lose(Trouble.VISION_SILENT, f"vision silent for {silent_s:.0f} s", now_ns)
            return
        if silent_s > self._config.warden.hung_s:
            self._lose(Trouble.VISION_SILENT, f"vision silent for {silent_s:.1f} s; killed", now_ns)
        elif self._heartbeat.lost(now_ns) and not self._troubles.standing & _TOLD_OF_SILENCE:
            self._restarts.fails()
            self._troubles.add(Trouble.VISION_SILENT, now_ns)
            self._say_status("BLIND: no fresh frame judged")

    def _vision_gone(self, now_ns: int) -> None:
        """Vision hung up or died; what that means depends on what went before."""
        assert self._vision is not None
        code = self._vision.gone()
        if code is None:  # it closed the link and may be finishing; never wait for it in the way of a warning
            grace_s = 10.0 if self._phase is _Phase.ENDED else 0.2
            if self._hung_up_ns is None:
                self._hung_up_ns = now_ns
                if self._phase in (_Phase.STARTING, _Phase.WATCHING):
                    self._lost = True
                    self._troubles.add(Trouble.VISION_DIED, now_ns)
            if (now_ns - self._hung_up_ns) / NS_PER_S < grace_s:
                return
        else:
            while not self._vision.hung_up:  # what it said before it left still counts
                self._hear()
        self._hung_up_ns = None
        phase, code = self._phase, self._drop_vision()
        if phase is _Phase.ENDED:
            self._exit = self._ended_code or (EXIT_PART_FAILED if code else 0)
        elif phase is _Phase.STOPPING:
            self._exit = self._ended_code
        else:
            code = self._ended_code or code
            self._lose(Trouble.VISION_DIED, f"vision {describe_exit(code)}", now_ns, code)

    def _lose(self, trouble: Trouble, why: str, now_ns: int, code: int = EXIT_PART_FAILED) -> None:
        """Vision is lost: tell the wearer, then start it again, give up, or leave."""
        if self._vision is not None:
            self._drop_vision()
        self._judged = None
        self._troubles.add(Trouble.VISION_DIED, now_ns)  # whether by itself or by our hand
        self._troubles.add(trouble, now_ns)
        hopeless = code == EXIT_BAD_INPUT and not self._ever_judged  # what never worked will not work now
        if not self._realtime or hopeless:
            if not self._ended_code:  # else vision has said it better
                say(why)
            self._feeler.let_end(self._situation())
            self._exit = EXIT_BAD_INPUT if code == EXIT_BAD_INPUT else EXIT_PART_FAILED
            return
        wait_s = self._restarts.died()
        if wait_s is None:
            self._troubles.add(Trouble.GAVE_UP, now_ns)
            say(f"{why}; giving up after {self._restarts.deaths - 1} restarts in a row")
            self._systemd.notify("READY=1")  # so that the watchdog, not a start timeout, guards the telling
            self._enter(_Phase.GIVING_UP, f"FAULT: {why}; gave up")
            return
        self._restart_ns = now_ns + round(wait_s * NS_PER_S)
        say(f"{why}; starting it again in {wait_s:g} s")
        self._enter(_Phase.DOWN, f"BLIND: {why}; starting again")

    # -- what is felt --------------------------------------------------------------------------------

    def _situation(self) -> Situation:
        believed = self._phase not in (_Phase.ENDED, _Phase.STOPPING)
        standing = self._troubles.standing & BLINDING
        if self._phase is _Phase.WATCHING and not self._lost:  # the one that died has a successor that sees
            standing -= OF_THE_DEAD
        if standing == {Trouble.VISION_SILENT}:  # what is judged late still warns, next to BLIND
            heard_ns = self._heartbeat.heard_ns or 0
            late = heard_ns > (self._heartbeat.last_ns or 0)
            believed = believed and late and time.monotonic_ns() - heard_ns < _LATE_COUNTS_NS
        elif standing:
            believed = False
        watching = self._ever_armed and self._phase is _Phase.WATCHING
        return situation_of(self._judged, self._troubles.standing, believed=believed, watching=watching)

    def _act(self) -> None:
        """Let the wearer feel what is due now."""
        if self._phase is _Phase.STOPPING:
            return
        situation = self._situation()
        blind = bool(_NO_SIGHT & fault_cues(situation.troubles).keys())
        if self._was_blind and not blind and self._phase is _Phase.WATCHING:
            self._ready_due = self._armed  # sight is back
        self._was_blind = blind
        if self._ready_due and not blind:
            self._ready_due = False
            self._feeler.announce(CueName.READY, "armed")
        self._feeler.act(situation)

    def _tell(self, start: Start) -> None:
        """Vision writes down what was felt; the terminal may show it."""
        if start.row.kind is Kind.FAULT:
            self._fault_felt_ns = time.monotonic_ns()
        if start.cue is CueName.SHUTDOWN and not self._farewell:
            self._farewell = True
            self._leave_ns = time.monotonic_ns() + round(start.row.length_s * NS_PER_S)
        felt = link.Felt(
            start.at_ns, start.cue, start.side, start.seq, start.track, start.ttc_s, start.reason, start.repeat
        )  # fmt: skip
        if self._vision is not None:
            self._vision.say(felt)
        if self._on_felt is not None:
            try:
                self._on_felt(felt)
            except Exception as e:  # a closed terminal must not end the warnings
                self._on_felt = None
                say(f"cues are no longer shown: {e}")

    def _watch_motors(self, now_ns: int) -> None:
        """A motor that fails is told on the others, and tried again."""
        self._feeler.mend(now_ns)
        why = self._feeler.broken
        if why and Trouble.MOTOR_FAILED not in self._troubles:
            self._troubles.add(Trouble.MOTOR_FAILED, now_ns)
            say(why)
            self._say_status(f"FAULT: {why}")
        elif not why and Trouble.MOTOR_FAILED in self._troubles:
            self._troubles.end(Trouble.MOTOR_FAILED)
            self._say_status("motors work again")

    # -- the outside world ---------------------------------------------------------------------------

    def _wait_s(self) -> float:
        """How long nothing needs doing, at most one timer tick."""
        if not self._realtime:
            return _LONGEST_WAIT_S
        now_ns = time.monotonic_ns()
        due = [
            t for t in (self._feeler.next_ns(self._situation()), self._heartbeat.due_ns()) if t is not None
        ]
        # A heartbeat already lost is no reason to spin; a cue already due is.
        waits = [(t - now_ns) / NS_PER_S for t in due if t > now_ns or t == due[0]]
        return max(0.0, min([_LONGEST_WAIT_S, *waits]))

    def _heed_signals(self, wakeup: socket.socket) -> None:
        asked = 0
        with suppress(BlockingIOError):
            asked = len(wakeup.recv(64))
        if not asked:
            return
        if self._phase is _Phase.STOPPING or self._vision is None:
            self._exit = 0
            self._phase = _Phase.STOPPING
            return
        self._stop("asked")

    def _heed_button(self, now_ns: int) -> None:
        press = self.button.look(now_ns) if self.button is not None else None
        if press is Press.MUTE:
            self._feeler.mute()
        elif press is Press.MARK and self._vision is not None:
            self._vision.say(link.Mark(now_ns))
        elif press is Press.SHUTDOWN and self._leave_ns is None:
            self._leave_ns = now_ns + _FAREWELL_NS
        if self._leave_ns is None or self._phase is _Phase.STOPPING:
            return
        if not self._farewell:  # until it is felt: a warning may come first
            self._feeler.announce(CueName.SHUTDOWN, "button")
        if now_ns >= self._leave_ns:
            self._ended_code = EXIT_SWITCHED_OFF
            self._stop("shutdown")

    def _stop(self, why: Literal["asked", "shutdown"]) -> None:
        """Motors off now; vision has a moment to finish its journal."""
        self._feeler.silence()
        self._enter(_Phase.STOPPING, "switched off by its button" if why == "shutdown" else "stopping")
        if self._vision is None:
            self._exit = self._ended_code
        else:
            self._vision.say(link.Stop(why))

    def _tell_supervisor(self, now_ns: int) -> None:
        leaving = self._phase in (_Phase.STOPPING, _Phase.ENDED)
        served = self._watchdog.feed(now_ns, self._heartbeat.last_ns, self._fault_felt_ns, leaving=leaving)
        if served and self.deadman is not None:
            self.deadman.beat()

    def _say_status(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._systemd.notify(f"STATUS={status}")


@contextmanager
def _given_or_opened(motors: Motors | None, config: Config) -> Iterator[Motors]:
    if motors is not None:
        yield motors
        return
    with open_motors(config.cue) as opened:
        yield opened
