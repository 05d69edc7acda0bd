"""A tiny vision process for the warden's tests: speaks the real link, follows a script given as JSON.

Each step is [word, arguments…]; it is run as a program of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from rearguard import ipc
from rearguard.types import Box, Level, Reason, ReasonCode, Side, Threat

WHY = Reason(code=ReasonCode.SOON, ttc_s=1.5, limit_s=2.2)

sock = socket.socket(fileno=int(sys.argv[sys.argv.index("--link-fd") + 1]))
steps = json.loads(sys.argv[1])
notes = Path(sys.argv[2])
seq = 0


def note(**what: object) -> None:
    with notes.open("a") as file:
        file.write(json.dumps(what) + "\n")


def judged(level: int, side: str, track: int | None, faults: list[str], at_ns: int | None = None) -> None:
    global seq
    now = time.monotonic_ns()
    note(sent_ns=now, seq=seq, level=level)
    worst = None
    if track:  # below zero: something to trip over
        kind = "detected" if track > 0 else "low"
        worst = Threat(track, "thing", kind, Level(level), Side(side), Box(0, 0, 1, 1), WHY)
    message = ipc.Judged(seq, now if at_ns is None else at_ns, level, side, worst, tuple(faults))
    while not ipc.send(sock, message):
        time.sleep(0.001)
    seq += 1


sys.stderr.flush()  # a vision process may count on having one
start = 0
for _ in range(200):
    messages = ipc.receive_from_warden(sock)
    if messages:
        start = messages[0].start
        note(hello=[start, messages[0].last_fault, messages[0].realtime], pid=os.getpid())
        break
    time.sleep(0.01)

while steps:
    word, *args = steps.pop(0)
    if word == "arm":
        ipc.send(sock, ipc.Armed(tuple(args)))
    elif word == "frames":  # seconds, level, side, track, faults
        seconds, level, side, track, faults = args
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            judged(level, side, track, faults)
            time.sleep(0.04)
    elif word == "frame":  # level, side, track, file time in s
        judged(args[0], args[1], args[2], [], round(args[3] * 1e9))
    elif word == "late":  # level, age in s
        judged(args[0], "centre", 1, [], time.monotonic_ns() - round(args[1] * 1e9))
    elif word == "burst":  # levels, all at once
        for level in args[0]:
            judged(level, "centre", 1, [])
    elif word == "same":  # the same frame again and again
        until = time.monotonic() + args[0]
        while time.monotonic() < until:
            ipc.send(sock, ipc.Judged(seq - 1, 1))
            time.sleep(0.04)
    elif word == "kill":
        note(killed_ns=time.monotonic_ns())
        os.kill(os.getpid(), getattr(signal, args[0]))
    elif word == "only":  # these steps only on the start of that number
        if start == args[0]:
            steps = args[1] + steps
    elif word == "exit":
        sys.exit(args[0])
    elif word == "sleep":
        time.sleep(args[0])
    elif word == "no_frame":  # seconds in which the camera gives nothing, as vision tells it
        for _ in range(round(args[0] / 0.3)):
            time.sleep(0.3)
            ipc.send(sock, ipc.NoFrame())
    elif word == "end":
        ipc.send(sock, ipc.Ended(*args))
    elif word == "until_stop":
        while True:
            messages = ipc.receive_from_warden(sock)
            if messages is None or any(isinstance(m, ipc.Stop) for m in messages):
                note(stopped=True)
                break
            judged(0, "centre", None, [])
            time.sleep(0.04)
    elif word == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            judged(args[0], "centre", 1, [])
            time.sleep(0.04)
    elif word == "load":  # keep a core busy, like a detector, while frames go on
        until = time.monotonic() + args[0]
        while time.monotonic() < until:
            busy = time.monotonic() + 0.06
            while time.monotonic() < busy:
                pass
            judged(args[1] if seq % 12 == 6 else 0, "centre", seq, [])
last = ipc.receive_from_warden(sock) or []
note(
    felt=[m.cue.cue for m in last if isinstance(m, ipc.Felt)],
    marks=sum(isinstance(m, ipc.Mark) for m in last),
)
