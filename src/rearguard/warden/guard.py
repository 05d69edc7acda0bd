"""Vision under guard: its phases, its deadlines and its restarts, and what the warden makes of its silence.

All times here are *real* time (CLOCK_MONOTONIC), also when a file is judged faster than life.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import Literal

from rearguard import ipc
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.cue.arbiter import Situation
from rearguard.cue.table import FAULTS
from rearguard.errors import EXIT_BAD_INPUT, EXIT_NO, EXIT_PART_FAILED, PartFailed
from rearguard.plain import print_line
from rearguard.types import Fault
from rearguard.warden.heartbeat import Heartbeat
from rearguard.warden.situation import BLINDING, OF_THE_DEAD, WardenFaults, situation_of
from rearguard.warden.vision_process import Restarts, Vision, describe_exit

_LATE_COUNTS_NS = NS_PER_S  # a level judged from an old frame is believed for this long
_TOLD_OF_SILENCE = {Fault.VISION_SILENT, Fault.NO_FRAME}
_LAST_WORDS_S = 0.2
_PATIENCE = (1, 2, 4)  # times as long with each start in a row that failed: a busy machine may need it
_LEAVES_S = 10.0  # after its source's end vision still writes its summary


class Phase(Enum):
    """Where vision is in its life."""

    STARTING = "starting"  # it runs, nothing judged yet
    WATCHING = "watching"
    DOWN = "waiting to be started again"
    GIVING_UP = "could not be kept alive"
    ENDED = "source ended"
    STOPPING = "stopping"


class Guard:
    """Starts vision, watches over it, and starts it again; what it judged last is `judged`.

    A first start that fails is tried again only if `patient`. `on_status(text)` is called with each new status line,
    `on_decided()` when the self-test was passed or failed. `exit` is the exit code once there is nothing left to
    guard; `failed` says that something broke, be it vision or its source.
    """

    def __init__(
        self,
        config: Config,
        argv: Sequence[str],
        *,
        realtime: bool,
        patient: bool = True,
        on_status: Callable[[str], None],
        on_decided: Callable[[], None],
    ) -> None:
        self._config = config.warden
        self._argv = argv
        self._realtime = realtime
        self._patient = patient
        self._on_status = on_status
        self._on_decided = on_decided
        # Nobody relies on warnings from a file, so a busy machine may take its time over one.
        self._patience_s = config.warden.starting_s * (1 if realtime else 6)
        self._selector: selectors.BaseSelector | None = None
        self.heartbeat = Heartbeat(config.warden, aged=realtime)
        self.faults = WardenFaults()
        self.vision: Vision | None = None
        self.judged: ipc.Judged | None = None
        self.phase = Phase.STARTING
        self.exit: int | None = None
        self.failed = False
        self.armed = False  # this start of vision passed, or failed, its self-test
        self.ready_due = False  # the wearer has not yet felt that it passed
        self._since_ns = 0  # of the last change of phase
        self._starts = 0
        self._restarts = Restarts(config.warden)
        self._ever_armed = self._ever_judged = False
        self._lost = False  # this vision process is about to end
        self._ended_code = 0
        self._cause = ""  # why this vision process says that it ends
        self._why = ""  # why the one before ended
        self._hung_up_ns: int | None = None
        self._restart_ns = 0

    def start(self, selector: selectors.BaseSelector | None = None) -> None:
        """Start vision; its link is registered with `selector` from now on."""
        self._selector = selector or self._selector
        now_ns = time.monotonic_ns()
        since_ns = self.faults.since_ns
        down_s = (now_ns - since_ns) / NS_PER_S if since_ns else 0.0
        self.vision = Vision(self._argv, ipc.Hello(self._starts, self.faults.last, down_s, self._realtime))
        if self._selector is not None:
            self._selector.register(self.vision.link, selectors.EVENT_READ)
        self._starts += 1
        self.armed = self._lost = self.failed = False
        self._ended_code, self._cause = 0, ""
        self.heartbeat.forget()
        self._enter(Phase.STARTING, f"BLIND: {self._why}; start {self._starts}" if self._why else "starting")

    def stop(self, why: Literal["asked", "shutdown"], code: int | None = None) -> None:
        """Tell vision to finish its journal and leave, with exit code `code` or else that of the source's end."""
        if code is not None:
            self._ended_code = code
        self._enter(Phase.STOPPING, "switched off by its button" if why == "shutdown" else "stopping")
        if self.vision is None:
            self.exit = self._ended_code
        else:
            self.vision.send(ipc.Stop(why))

    def close(self) -> None:
        """End whatever is left of vision."""
        if self.vision is not None:
            self.vision.kill()

    # -- what it says --------------------------------------------------------------------------------

    def receive(self) -> Iterator[ipc.Judged | ipc.Ended]:
        """Handle what vision said, in order; judged frames and the source's end are for the caller to act on."""
        vision = self.vision
        if vision is None or vision.hung_up:
            return
        messages = vision.receive()
        if vision.hung_up:
            self._unwatch_link()
        for message in messages:
            if isinstance(message, ipc.Judged):
                self._note_frame(message)
                yield message
            elif isinstance(message, ipc.NoFrame):
                self._miss_frame()
            elif isinstance(message, ipc.Armed):
                self._arm(message)
            elif self.phase is not Phase.STOPPING:
                self._end(message)
                yield message
                vision.send(ipc.Stop())  # every Felt there will be has been sent: it may leave

    def _note_frame(self, judged: ipc.Judged) -> None:
        now_ns = time.monotonic_ns()
        if not self.heartbeat.feed(now_ns, judged) or self.phase in (Phase.STOPPING, Phase.ENDED):
            return
        self._ever_judged = True
        self._restarts.works(now_ns)
        if self.phase is Phase.STARTING:
            self._cause = ""
            self._enter(Phase.WATCHING, "watching")
        if self.faults.see_a_frame() and self.armed:
            self._sight_is_back()

    def _miss_frame(self) -> None:
        """The camera gives vision no picture. Vision says so before its own silence would show it."""
        if self._realtime and self.phase is Phase.WATCHING and Fault.NO_FRAME not in self.faults:
            self._restarts.fails()
            self.faults.add(Fault.NO_FRAME, time.monotonic_ns())
            self._on_status("BLIND: the camera gives no picture")

    def _sight_is_back(self) -> None:
        """End BLIND. To be called once the self-test of this vision process is decided, not before."""
        self.faults.see_again()
        self._on_status("watching again")

    def _arm(self, message: ipc.Armed) -> None:
        self.armed = self._ever_armed = True
        if self.phase is Phase.WATCHING and not self.heartbeat.lost(time.monotonic_ns()):
            self._sight_is_back()
        if message.problems:
            self.faults.add(Fault.SELF_TEST, time.monotonic_ns())
            status = "; ".join(message.problems)
            if self.phase is Phase.STARTING:  # it failed before its first frame
                self._cause = status
            print_line(status)
        else:
            self.faults.end(Fault.SELF_TEST)
            self.ready_due = True
            status = "armed"
        self._on_decided()
        self._on_status(status)

    def _end(self, message: ipc.Ended) -> None:
        """Vision is done; if that is because something failed, the wearer must know at once."""
        self._ended_code = message.exit_code
        if message.exit_code in (0, EXIT_NO):
            self.faults.watch_ends()
            self._enter(Phase.ENDED, "the source ended")
            return
        self._lost = self.failed = True
        if message.fault == Fault.CAMERA_LOST:
            self._cause = self._cause or FAULTS[Fault.CAMERA_LOST].meaning
            self.faults.add(Fault.CAMERA_LOST, time.monotonic_ns())
        else:
            self.faults.add(Fault.VISION_DIED, time.monotonic_ns())

    # -- deadlines -----------------------------------------------------------------------------------

    def check_deadlines(self, now_ns: int) -> None:
        """Notice what did not happen in time."""
        if self.exit is not None:
            return
        vision, since_s = self.vision, (now_ns - self._since_ns) / NS_PER_S
        if vision is not None and (vision.hung_up or vision.gone() is not None):
            self._gone(now_ns)
        elif (
            self.phase is Phase.STARTING
            and since_s > self._patience_s * _PATIENCE[min(self._restarts.deaths, 2)]
        ):
            self._lose(Fault.VISION_SILENT, f"vision judged no frame within {since_s:.0f} s", now_ns)
        elif self.phase is Phase.WATCHING:
            self._watch_heartbeat(now_ns)
        elif self.phase is Phase.DOWN and now_ns >= self._restart_ns:
            self._start_again(now_ns)
        elif self.phase is Phase.GIVING_UP and since_s > self._config.tell_giving_up_s:
            self.exit = EXIT_PART_FAILED
        elif self.phase is Phase.ENDED and since_s > max(self._config.stop_s, _LEAVES_S):
            self._put_out("vision did not leave after its end; killed")
        elif self.phase is Phase.STOPPING and since_s > self._config.stop_s:
            self._put_out(f"vision did not stop within {self._config.stop_s:g} s; killed")

    def _start_again(self, now_ns: int) -> None:
        """Start vision once more. A machine that has no memory or process to spare now may have some later."""
        try:
            self.start()
        except PartFailed as e:
            self._lose(Fault.VISION_DIED, str(e), now_ns)

    def _put_out(self, why: str) -> None:
        print_line(why)
        self._drop()
        self.exit = self._ended_code

    def _watch_heartbeat(self, now_ns: int) -> None:
        silent_s = (now_ns - (self.heartbeat.heard_ns or now_ns)) / NS_PER_S
        if not self._realtime:  # a file may be slow to judge; only a standstill is a fault
            if silent_s > self._patience_s:
                self._lose(Fault.VISION_SILENT, f"vision silent for {silent_s:.0f} s", now_ns)
            return
        if silent_s > self._config.hung_s:
            self._lose(Fault.VISION_SILENT, f"vision silent for {silent_s:.1f} s; killed", now_ns)
        elif self.heartbeat.lost(now_ns) and not self.faults.standing & _TOLD_OF_SILENCE:
            self._restarts.fails()
            self.faults.add(Fault.VISION_SILENT, now_ns)
            self._on_status("BLIND: no fresh frame judged")

    def _gone(self, now_ns: int) -> None:
        """Vision hung up or died; what that means depends on what went before."""
        assert self.vision is not None
        code = self.vision.gone()
        if code is None or not self.vision.hung_up:
            # It closed the link and may be finishing, or it died and its last message is on its way. A warning must
            # not wait for either.
            if self._hung_up_ns is None:
                self._hung_up_ns = now_ns
                if code is None and self.phase in (Phase.STARTING, Phase.WATCHING):
                    self._lost = True
                    self.faults.add(Fault.VISION_DIED, now_ns)
            grace_s = _LEAVES_S if self.phase is Phase.ENDED else _LAST_WORDS_S
            if (now_ns - self._hung_up_ns) / NS_PER_S < grace_s:
                return
        self._hung_up_ns = None
        phase, code = self.phase, self._drop()
        if phase is Phase.ENDED:
            self.exit = self._ended_code or (EXIT_PART_FAILED if code else 0)
        elif phase is Phase.STOPPING:
            self.exit = self._ended_code
        else:
            code, why = self._ended_code or code, f"vision {describe_exit(code)}"
            if self._cause:
                why += f" ({self._cause})"
            self._lose(Fault.VISION_DIED, why, now_ns, code)

    def _lose(self, fault: Fault, why: str, now_ns: int, code: int = EXIT_PART_FAILED) -> None:
        """Vision is lost: tell the wearer, then start it again, give up, or leave."""
        if self.vision is not None:
            self._drop()
        self.judged, self._why = None, why
        self.faults.add(Fault.VISION_DIED, now_ns)  # whether it died or was killed
        self.faults.add(fault, now_ns)
        # A bad input that never worked will not work now. A camera may still appear, if anyone waits for it.
        hopeless = not self._ever_judged and (code == EXIT_BAD_INPUT or not self._patient)
        if not self._realtime or hopeless:
            if not self._ended_code:  # else vision itself has said why
                print_line(why)
            self.failed = True
            self.exit = EXIT_BAD_INPUT if code == EXIT_BAD_INPUT else EXIT_PART_FAILED
            return
        wait_s = self._restarts.died()
        if wait_s is None:
            self.faults.add(Fault.GAVE_UP, now_ns)
            print_line(f"{why}; giving up after {self._restarts.deaths - 1} restarts in a row")
            self._enter(Phase.GIVING_UP, f"FAULT: {why}; gave up")
            return
        self._restart_ns = now_ns + round(wait_s * NS_PER_S)
        print_line(f"{why}; starting it again in {wait_s:g} s")
        self._enter(Phase.DOWN, f"BLIND: {why}; starting again")

    def _drop(self) -> int:
        """Make sure that vision is gone. Returns its exit code."""
        assert self.vision is not None
        if not self.vision.hung_up:
            self._unwatch_link()
        code = self.vision.kill()
        self.vision = None
        return code

    def _unwatch_link(self) -> None:
        if self._selector is not None and self.vision is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(self.vision.link)

    def _enter(self, phase: Phase, status: str) -> None:
        self.phase = phase
        self._since_ns = time.monotonic_ns()
        self._on_status(status)

    # -- what to make of it --------------------------------------------------------------------------

    def situation(self) -> Situation:
        """The present situation. The last judged frame counts only while it can be believed."""
        believed = self.phase not in (Phase.ENDED, Phase.STOPPING)
        standing = self.faults.standing & BLINDING
        if self.phase is Phase.WATCHING and not self._lost:  # the new vision process sees
            standing -= OF_THE_DEAD
        if standing and standing <= _TOLD_OF_SILENCE:  # a late frame still warns, beside BLIND
            heard_ns = self.heartbeat.heard_ns or 0
            late = heard_ns > (self.heartbeat.last_ns or 0)
            believed = believed and late and time.monotonic_ns() - heard_ns < _LATE_COUNTS_NS
        elif standing:
            believed = False
        watching = self._ever_armed and self.phase is Phase.WATCHING
        return situation_of(self.judged, self.faults.standing, believed=believed, watching=watching)
