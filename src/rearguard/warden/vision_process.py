"""The vision process as the warden sees it: start it, hear it, and be sure that it is gone."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from rearguard.clock import NS_PER_S
from rearguard.config.warden import Warden as WardenConfig
from rearguard.errors import PartFailed
from rearguard.warden import link

_STEADY_NS = 10 * NS_PER_S  # this long without trouble, and the next death is the first in a row again
_LONGEST_BACKOFF_S = 8.0  # a camera that is back is seen within ten seconds, its start included
_GOING_S = 0.5  # a killed process is gone within milliseconds, or the kernel keeps it


class Vision:
    """One start of the vision program: `[*argv, "--link-fd", N]`.

    Raises `PartFailed` when the program cannot be started at all.
    """

    def __init__(self, argv: Sequence[str], hello: link.Hello) -> None:
        try:
            self.link, self._process = _start(argv)
        except OSError as e:
            raise PartFailed(f"{argv[0]}: cannot start the vision process: {e.strerror}") from e
        self.hung_up = False
        link.send(self.link, hello)

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self) -> list[link.ToWarden]:
        """What it said since the last time; `hung_up` is set when it will say no more."""
        if self.hung_up:
            return []
        messages = link.receive_from_vision(self.link)
        if messages is None:
            self.hung_up = True
            return []
        return messages

    def say(self, message: link.ToVision) -> bool:
        """Tell it something, without waiting; False when it cannot hear."""
        return not self.hung_up and link.send(self.link, message)

    def gone(self) -> int | None:
        """Its exit code (negative: killed by that signal), or None while it lives."""
        return self._process.poll()

    def kill(self) -> int:
        """End it for good, also when it is stopped or stuck; its exit code.

        One that the kernel keeps, in a driver or because the machine is busy, is left behind after a moment:
        the loop that drives the motors waits for nobody.
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


def _start(argv: Sequence[str]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Our end of the link and the process that has the other. Raises OSError; then nothing is left open."""
    ours, theirs = link.pair()
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
        """Fresh frames are judged: after a while of that, the next death is the first in a row again."""
        if self._steady_since_ns is None:
            self._steady_since_ns = now_ns
        elif now_ns - self._steady_since_ns > _STEADY_NS:
            self.deaths = 0

    def fails(self) -> None:
        """Fresh frames have stopped."""
        self._steady_since_ns = None

    def died(self) -> float | None:
        """Take note of a death; the seconds to wait before the next start, None: give up."""
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
