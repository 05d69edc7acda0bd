"""The vision process as the warden sees it: start it, hear it, and be sure that it is gone."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from rearguard import ipc
from rearguard.clock import NS_PER_S
from rearguard.config.warden import Warden as WardenConfig
from rearguard.errors import PartFailed

_STEADY_NS = 10 * NS_PER_S  # after so long without a fault, the next death is the first in a row again
_LONGEST_BACKOFF_S = 8.0  # so that a camera that comes back is used within ten seconds
_GOING_S = 0.5  # a killed process is gone within milliseconds, or the kernel keeps it


class Vision:
    """One start of the vision program: `[*argv, "--link-fd", N]`.

    Raises `PartFailed` when the program cannot be started at all.
    """

    def __init__(self, argv: Sequence[str], hello: ipc.Hello) -> None:
        try:
            self.link, self._process = start_child(argv)
        except OSError as e:
            raise PartFailed(f"{argv[0]}: cannot start the vision process: {e.strerror}") from e
        self.hung_up = False
        ipc.send(self.link, hello)

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self) -> list[ipc.ToWarden]:
        """The messages since the last call; `hung_up` is set when there will be no more."""
        if self.hung_up:
            return []
        messages = ipc.receive_from_vision(self.link)
        if messages is None:
            self.hung_up = True
            return []
        return messages

    def send(self, message: ipc.ToVision) -> bool:
        """Send it a message without waiting; False when that fails."""
        return not self.hung_up and ipc.send(self.link, message)

    def gone(self) -> int | None:
        """Its exit code (negative: killed by that signal), or None while it lives."""
        return self._process.poll()

    def kill(self) -> int:
        """End it for good, also when it is stopped or stuck. Returns its exit code.

        A process that the kernel holds on to, in a driver or on a busy machine, is left behind after a moment: the
        loop that drives the motors must not wait.
        """
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self.close()
        try:
            return self._process.wait(_GOING_S)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL

    def close(self) -> None:
        """Close our end of the link."""
        self.hung_up = True
        with suppress(OSError):
            self.link.close()

    def __enter__(self) -> Vision:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def start_child(argv: Sequence[str]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Our end of the link and the process that has the other. Raises OSError; then nothing is left open."""
    ours, theirs = ipc.pair()
    with theirs:
        try:
            # GPIO is open here, and a plain fork would leave the child holding the pins. subprocess spawns
            # by vfork and exec with every other descriptor closed (no preexec_fn, which would force a fork).
            # A process group of its own: Ctrl-C in a terminal reaches the warden only, which then says Stop.
            process = subprocess.Popen(
                [*argv, "--link-fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        except OSError:
            ours.close()
            raise
    return ours, process


class Restarts:
    """How often vision died in a row, and how long to wait before it is started again; pure, time injected."""

    def __init__(self, config: WardenConfig) -> None:
        self._config = config
        self._steady_since_ns: int | None = None
        self.deaths = 0

    def works(self, now_ns: int) -> None:
        """Fresh frames are judged. After a while of that, the next death is the first in a row again."""
        if self._steady_since_ns is None:
            self._steady_since_ns = now_ns
        elif now_ns - self._steady_since_ns > _STEADY_NS:
            self.deaths = 0

    def fails(self) -> None:
        """Fresh frames have stopped."""
        self._steady_since_ns = None

    def died(self) -> float | None:
        """Count a death. Returns the seconds to wait before the next start, or None to give up."""
        self.fails()
        self.deaths += 1
        if self.deaths > self._config.max_restarts:
            return None
        # The exponent is bounded, or a thousand restarts would overflow.
        first_s = self._config.restart_backoff_s
        return min(first_s * 2.0 ** min(self.deaths - 1, 16), max(first_s, _LONGEST_BACKOFF_S))


def describe_exit(code: int) -> str:
    """An exit code in words: "killed by SIGKILL", "left with code 3"."""
    if code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"
    return f"left with code {code}"
