"""The sound process as the warden sees it: fed, watched, started again, and never waited for."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from socket import socket
from subprocess import Popen

import msgspec

from rearguard import ipc
from rearguard.clock import NS_PER_S
from rearguard.config.sound import Sound
from rearguard.plain import print_line
from rearguard.text import clean
from rearguard.types import Cue, Fault
from rearguard.warden.vision_process import describe_exit, start_child

SOUND_FAULTS = frozenset({Fault.SOUND_LOST, Fault.SOUND_SILENT})
# It says ten times a second how it fares. Told within a second of the last sign, with the time its cue takes to begin.
_SILENT_NS = round(0.6 * NS_PER_S)
_HUNG_NS = 3 * NS_PER_S  # silent for so long, it is killed
_STARTING_NS = 20 * NS_PER_S  # a cold card, a busy machine, a sound server that is just starting
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0  # before it is started again, which costs a core's second on a Pi
_STEADY_NS = 10 * NS_PER_S


class SoundGuard:
    """Starts the sound process, feeds it each cue, and starts it again when it dies or hangs.

    No call waits for anything: what the process does not take is dropped, and a process that is killed is looked after
    at the next `check`. `why` says in one line what is wrong.
    """

    def __init__(self, config: Sound, argv: Sequence[str] | None = None) -> None:
        settings = msgspec.json.encode(config).decode()
        self._argv = argv or [sys.executable, "-m", "rearguard.sound", "--config", settings]
        self._words = config.words != "none"
        self._link: socket | None = None
        self._process: Popen[bytes] | None = None
        self._leaving: list[Popen[bytes]] = []
        self._started_ns = 0
        self._beat_ns: int | None = None  # of this start
        self._hung_up = False
        self._steady_ns: int | None = None  # since when it has been well
        self._wait_s = _FIRST_WAIT_S
        self._again_ns: int | None = None
        self._fault: Fault | None = None
        self.why = ""

    @property
    def ready(self) -> bool:
        """Whether the device takes samples."""
        return self._beat_ns is not None and self._fault is None

    def start(self, now_ns: int) -> None:
        """Start it. A machine that cannot is asked again later."""
        self._again_ns, self._beat_ns, self._steady_ns, self._started_ns = None, None, None, now_ns
        self._hung_up = False
        try:
            self._link, self._process = start_child(self._argv)
        except OSError as e:
            self._lose(f"the sound process cannot be started: {e.strerror}", now_ns)

    def play(self, cue: Cue, now_ns: int, *, named: bool = False) -> None:
        """Let a cue that has just begun be heard, and after it the words for what it tells, when that is news; or, if
        `named`, the words for the cue itself."""
        say: tuple[str, ...] = (cue.cue,) if named else () if cue.repeat else cue.faults
        self._send(ipc.Heard(now_ns, cue.cue, cue.side, say if self._words else ()))

    def hush(self, now_ns: int) -> None:
        """Let nothing be heard any more."""
        self._send(ipc.Heard(now_ns))

    def check(self, now_ns: int) -> Fault | None:
        """Hear it, notice its silence or death, start it again in its time. Returns the fault that stands."""
        self._leaving = [process for process in self._leaving if process.poll() is None]
        if self._process is not None:
            self._listen(now_ns)
        elif self._again_ns is not None and now_ns >= self._again_ns:
            self.start(now_ns)
        return self._fault

    def close(self) -> None:
        """End it for good."""
        self._drop()
        for process in self._leaving:
            with suppress(Exception):  # TimeoutExpired: the kernel keeps it, in a driver
                process.wait(0.2)

    def _send(self, message: ipc.Heard) -> None:
        if self._link is not None:
            ipc.send(self._link, message)

    def _listen(self, now_ns: int) -> None:
        assert self._link is not None
        assert self._process is not None
        messages = ipc.receive_from_sound(self._link)
        if messages:
            self._note(messages[-1], now_ns)
        silent_ns = now_ns - (self._beat_ns or self._started_ns)
        code = self._process.poll()
        if code is not None or self._hung_up:
            told = describe_exit(code) if code is not None else "hung up"
            self._lose(f"the sound process {told}", now_ns)
        elif messages is None:  # it is about to die; how, is known in a moment
            self._hung_up = True
            self._tell(Fault.SOUND_SILENT, "the sound process does not answer")
        elif silent_ns > (_STARTING_NS if self._beat_ns is None else _HUNG_NS):
            self._lose(f"the sound process was silent for {silent_ns / NS_PER_S:.0f} s; killed", now_ns)
        elif self._beat_ns is not None and silent_ns > _SILENT_NS:
            self._tell(Fault.SOUND_SILENT, "the sound process does not answer")

    def _note(self, message: ipc.Sounding, now_ns: int) -> None:
        self._beat_ns = now_ns
        if message.lost:
            self._steady_ns = None
            self._tell(Fault.SOUND_LOST, clean(message.lost))
            return
        if self._fault is not None:
            print_line("sound is back")
        self._fault, self.why = None, ""
        self._steady_ns = self._steady_ns or now_ns
        if now_ns - self._steady_ns > _STEADY_NS:
            self._wait_s = _FIRST_WAIT_S

    def _lose(self, why: str, now_ns: int) -> None:
        """It is gone, or has to go: tell, and start it again after a while, each time in a row a longer one."""
        self._drop()
        self._tell(Fault.SOUND_SILENT, f"{why}; starting it again in {self._wait_s:g} s")
        self._again_ns = now_ns + round(self._wait_s * NS_PER_S)
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _tell(self, fault: Fault, why: str) -> None:
        if (fault, why) != (self._fault, self.why):
            print_line(f"sound: {why}")
        self._fault, self.why = fault, why

    def _drop(self) -> None:
        """Kill what is left of the process; whether it is gone is seen later."""
        if self._link is not None:
            with suppress(OSError):
                self._link.close()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._leaving.append(self._process)
        self._link = self._process = None
