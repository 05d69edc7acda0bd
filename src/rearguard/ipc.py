"""All that the processes say to each other: the job vision starts with, then messages over a socket pair.

Vision sends a `Judged` for every judged frame. It is at once the heartbeat ("a fresh frame was captured
and judged") and the whole present state (level, side, faults), so that a lost or merged message loses
nothing: the newest one is all there is to know. The warden answers with `Felt`, what it really played.
A message that does not fit its type is skipped: vision that talks nonsense counts as silent.

A third, small process may play the cues as sound. It is told each cue as it begins (`Heard`), may miss any of them,
and says several times a second how it fares (`Sounding`).

All times `*_ns` are the frame's own clock: CLOCK_MONOTONIC for a live source, the file's own time from 0
for a source that is not run in real time (`Hello.realtime` False); then the cues follow the file's time.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Literal

import msgspec

from rearguard.config import Config
from rearguard.types import Cue, CueName, Fault, Level, Side, Threat, Verdict

MAX_MESSAGE = 64 * 1024
MAX_DRAIN = 256


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One outing for vision to see through.

    `source` is a word `rearguard.camera.catalogue.open_source` knows; `fps` overrides a file's own times and
    `hfov_deg` what is known of its lens; `lens` straightens its pictures; `journal` is the journal's folder, empty for
    the configured one; `show` draws the outing in the terminal; `summary` says how to print what happened at the end.
    """

    config: Config
    source: str
    fps: float | None = None
    hfov_deg: float | None = None
    lens: str = ""
    realtime: bool = False
    seed: int = 0
    journal: str = ""
    show: bool = False
    summary: Literal["text", "json", "none"] = "text"

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Raises `msgspec.ValidationError`."""
        return msgspec.json.decode(text, type=cls)


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    """Vision → warden: a fresh frame was judged. The heartbeat and the state in one; `worst` is its worst threat."""

    seq: int
    captured_ns: int
    level: Level = Level.CLEAR
    side: Side = Side.CENTRE
    worst: Threat | None = None
    faults: tuple[Fault, ...] = ()
    drift: Side | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> Judged:
        """What the warden needs of a verdict."""
        return cls(
            verdict.seq,
            verdict.captured_ns,
            verdict.level,
            verdict.side,
            verdict.worst,
            verdict.faults,
            verdict.drift,
        )


class NoFrame(msgspec.Struct, frozen=True, tag="no_frame"):
    """Vision → warden: vision is well, but the camera gives it nothing to judge."""


class Armed(msgspec.Struct, frozen=True, tag="armed"):
    """Vision → warden: the self-test passed (`problems` empty) or not."""

    problems: tuple[str, ...] = ()


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """Vision → warden: the source came to its end; nothing is wrong, unless `exit_code` says so, and `fault` why.

    The warden answers with `Stop` once it has sent every `Felt` there will be; then vision leaves.
    """

    exit_code: int = 0
    fault: Fault | None = None


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """Warden → vision, first message: which start this is and what the wearer felt while vision was away."""

    start: int = 0
    last_fault: Fault | None = None
    down_s: float = 0.0
    realtime: bool = True


class Felt(msgspec.Struct, frozen=True, tag="felt"):
    """Warden → vision: a cue began to play."""

    cue: Cue


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """Warden → vision: the wearer pressed the button to mark this moment."""

    at_ns: int


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Warden → vision: finish the journal and leave."""

    reason: Literal["asked", "shutdown"] = "asked"


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """Warden → sound: begin this cue now, instead of whatever sounds. Without a cue: be silent.

    `at_ns` is CLOCK_MONOTONIC; what comes late is not played, for it would contradict the motors. `say` names the
    faults or cues whose words are to follow.
    """

    at_ns: int
    cue: CueName | None = None
    side: Side = Side.CENTRE
    say: tuple[str, ...] = ()


class Sounding(msgspec.Struct, frozen=True, tag="sounding"):
    """Sound → warden, the heartbeat: the device takes samples, or does not, and why."""

    lost: str = ""


ToWarden = Judged | NoFrame | Armed | Ended
ToVision = Hello | Felt | Mark | Stop
Message = ToWarden | ToVision | Heard | Sounding

_to_warden = msgspec.msgpack.Decoder(ToWarden)
_to_vision = msgspec.msgpack.Decoder(ToVision)
_to_sound = msgspec.msgpack.Decoder(Heard)
_from_sound = msgspec.msgpack.Decoder(Sounding)
_encoder = msgspec.msgpack.Encoder()


def pair() -> tuple[socket.socket, socket.socket]:
    """A connected pair (warden's end, vision's end), both non-blocking."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def send(sock: socket.socket, message: Message) -> bool:
    """Send one message without ever blocking; False when the peer is gone or its queue is full."""
    try:
        sock.send(_encoder.encode(message))
    except OSError:
        return False
    return True


def send_waiting(sock: socket.socket, message: ToWarden | ToVision, timeout_s: float) -> bool:
    """Send one message, waiting while the peer's queue is full; for a file, where no frame may be lost.

    False when the peer is gone or did not listen for `timeout_s`."""
    data = _encoder.encode(message)
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            sock.send(data)
        except BlockingIOError:
            poller.poll(left_s * 1000)
        except OSError:
            return False
        else:
            return True
    return False


def receive_from_vision(sock: socket.socket) -> list[ToWarden] | None:
    """All messages waiting, oldest first; None once vision is gone. Malformed ones are skipped."""
    return _drain(sock, _to_warden)


def receive_from_warden(sock: socket.socket) -> list[ToVision] | None:
    """All messages waiting, oldest first; None once the warden is gone. Malformed ones are skipped."""
    return _drain(sock, _to_vision)


def receive_from_sound(sock: socket.socket) -> list[Sounding] | None:
    """As `receive_from_vision`."""
    return _drain(sock, _from_sound)


def receive_cues(sock: socket.socket) -> list[Heard] | None:
    """What is to be heard, oldest first; None once the warden is gone."""
    return _drain(sock, _to_sound)


def _drain(sock: socket.socket, decoder: msgspec.msgpack.Decoder) -> list | None:  # type: ignore[type-arg]
    messages: list = []  # type: ignore[type-arg]
    for _ in range(MAX_DRAIN):  # bounded, so that a flood cannot keep the receiver from its timers
        try:
            data = sock.recv(MAX_MESSAGE)
        except BlockingIOError:
            return messages
        except ConnectionResetError:  # it left without reading all; said once, before its last words
            continue
        except OSError:
            return messages or None
        if not data:
            return messages or None
        with suppress(msgspec.DecodeError):
            messages.append(decoder.decode(data))
    return messages
