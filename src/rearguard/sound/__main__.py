"""`python -m rearguard.sound --link-fd N --config JSON`: plays cues as sound; started by the warden, or by `buzz`.

With `--list` instead of a link it opens the device, says which it is and what else there is, as JSON: the doctor's
question, asked in a process of its own because a sound server may never answer.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress

import msgspec

from rearguard.config.sound import Sound
from rearguard.errors import EXIT_PART_FAILED, PartFailed
from rearguard.plain import make_streams_plain
from rearguard.sound.device import open_output, output_names, quiet_native_stderr
from rearguard.sound.playing import Playing


def main() -> int:
    parser = argparse.ArgumentParser(prog="rearguard.sound", description=__doc__)
    parser.add_argument("--link-fd", type=int)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--config", required=True)
    args = parser.parse_args()
    make_streams_plain()
    config = msgspec.json.decode(args.config, type=Sound)
    quiet_native_stderr()
    if args.list:
        return _list(config)
    # A signal to the whole of rearguard reaches sound too, but the warden alone decides.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wire = socket.socket(fileno=args.link_fd)
    wire.setblocking(False)
    threading.Thread(target=_leave_with_the_warden, args=(args.link_fd,), name="link", daemon=True).start()
    Playing(config, wire).run()
    return 0


def _list(config: Sound) -> int:
    found: dict[str, object] = {"lost": "", "outputs": []}
    try:
        found["outputs"] = output_names()
        with open_output(config) as output:
            found |= {"name": output.name, "rate_hz": output.rate_hz, "latency_s": output.latency_s}
    except PartFailed as e:
        found["lost"] = str(e)
    print(msgspec.json.encode(found).decode(), flush=True)
    return 0


def _leave_with_the_warden(fd: int) -> None:
    """End, wherever the other threads hang, when the warden is gone."""
    poller = select.poll()
    poller.register(fd, select.POLLHUP)
    poller.poll()
    os._exit(0)


if __name__ == "__main__":
    try:
        code = main()
    except Exception:
        traceback.print_exc()
        code = EXIT_PART_FAILED
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(code)  # PortAudio's own end may hang with its server
