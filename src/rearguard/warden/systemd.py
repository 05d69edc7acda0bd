"""Telling systemd how things are: the notify protocol, which is one datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket


class Supervisor:
    """`notify("READY=1", "STATUS=watching")`; does nothing when systemd is not there, and never raises."""

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def notify(self, *lines: str) -> bool:
        """Send assignments such as READY=1, WATCHDOG=1, STATUS=…; False when nobody hears."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Release the socket."""
        if self._socket is not None:
            self._socket.close()
