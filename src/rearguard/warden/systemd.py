"""Telling systemd how things are: the notify protocol, which is one datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket

from rearguard.clock import NS_PER_S

_PING_EVERY_NS = NS_PER_S // 5
# Before READY=1 systemd's watchdog sleeps and its start timeout runs; each sign of life puts that off by as long.
_NOT_YET = "EXTEND_TIMEOUT_USEC=10000000"


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
        """Send assignments such as READY=1, WATCHDOG=1, STATUS=…; False when nobody listens."""
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


class Watchdog:
    """Pings systemd's watchdog, but only with proof that the wearer is served.

    Proof is a fresh judged frame since the last ping, a fault told not long ago, or a blindness told that the
    wearer has muted. Until `ready` the same proof keeps the start from timing out.
    """

    def __init__(self, supervisor: Supervisor, fault_every_s: float) -> None:
        self._supervisor = supervisor
        self._recent_ns = round(2 * fault_every_s * NS_PER_S)
        self._pinged_ns = 0
        self._beat_ns: int | None = None
        self._ready = False

    def ready(self) -> None:
        """The self-test is decided: the service has started."""
        if self._ready:
            return
        self._ready = True
        self._supervisor.notify("READY=1")

    def feed(
        self,
        now_ns: int,
        beat_ns: int | None,
        fault_felt_ns: int | None,
        *,
        leaving: bool,
        muted: bool = False,
    ) -> bool:
        """Ping if there is proof and the last ping is not too recent. Returns whether it was due.

        `beat_ns`: when the last fresh frame was judged; `fault_felt_ns`: when the last fault cue began;
        `muted`: the wearer was told of the blindness that stands, and wants to hear no more of it for now."""
        if now_ns - self._pinged_ns < _PING_EVERY_NS:
            return False
        fresh = beat_ns is not None and beat_ns != self._beat_ns
        telling = fault_felt_ns is not None and now_ns - fault_felt_ns < self._recent_ns
        if not (fresh or telling or leaving or muted):
            return False
        self._beat_ns, self._pinged_ns = beat_ns, now_ns
        self._supervisor.notify("WATCHDOG=1", *(() if self._ready else (_NOT_YET,)))
        return True
