"""`python -m rearguard.vision --link-fd N --job JSON`: the vision process, started by the warden only."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import msgspec

from rearguard import ipc
from rearguard.errors import EXIT_PART_FAILED, RearguardError
from rearguard.ipc import Job
from rearguard.plain import make_streams_plain
from rearguard.vision.outing import Outing
from rearguard.vision.summary import print_summary


def main() -> int:
    """Run one outing; the exit code is that of the `rearguard` command."""
    parser = argparse.ArgumentParser(prog="rearguard.vision", description=__doc__)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--job", required=True)
    args = parser.parse_args()
    make_streams_plain()
    logging.basicConfig(level=logging.WARNING, format="rearguard: %(message)s", stream=sys.stderr)
    # A signal to the whole of rearguard reaches vision too, but the warden alone decides, and sends Stop.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wire = socket.socket(fileno=args.link_fd)
    wire.setblocking(False)
    job = Job.from_json(args.job)
    try:
        summary, error = Outing(job, wire).run()
    except RearguardError as e:
        # The warden tells it: on stderr, to systemd and to the wearer.
        ipc.send(wire, ipc.Armed(problems=(str(e),)))
        ipc.send(wire, ipc.Ended(exit_code=e.exit_code))
        return e.exit_code
    print_summary(summary, job)
    if error is None:
        return 0
    print(f"rearguard: {error}", file=sys.stderr, flush=True)
    return error.exit_code


def leave(code: int) -> NoReturn:
    """End at once: a camera's thread that hangs in libcamera or OpenCV cannot be joined, and would abort us."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        code = main()
    except msgspec.ValidationError as e:
        print(f"rearguard.vision: bad job: {e}", file=sys.stderr)
        code = EXIT_PART_FAILED
    except Exception:
        traceback.print_exc()
        code = EXIT_PART_FAILED
    leave(code)
