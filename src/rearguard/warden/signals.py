"""The terminal's side of the warden: signals that ask it to stop, and lines on stderr."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def fill_standard_descriptors() -> None:
    """Put /dev/null where stdin, stdout or stderr are closed, or the link to vision would take their numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)  # vision needs them as well
    os.close(fd)


@contextmanager
def signals() -> Iterator[socket.socket]:
    """A socket that gets the number of each signal heard, so that the loop, not a handler, acts on it.

    SIGTERM, SIGINT and SIGQUIT ask to stop; SIGHUP says that the terminal is gone. Any of them left to itself
    would end the process with a motor on.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)

    def heard(_signum: int, _frame: FrameType | None) -> None:
        """Do nothing: the wake-up descriptor tells the loop."""

    try:
        old_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        # Started to outlive its terminal (nohup): so be it.
        wanted = [number for number in _HEARD if signal.getsignal(number) is not signal.SIG_IGN]
        old = {number: signal.signal(number, heard) for number in wanted}
    except ValueError:  # not the main thread, where alone signals can be handled
        old_fd, old = None, {}
    try:
        yield ours
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        if old_fd is not None:
            signal.set_wakeup_fd(old_fd)
        ours.close()
        theirs.close()
