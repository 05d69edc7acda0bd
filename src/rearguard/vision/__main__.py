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

from rearguard.errors import EXIT_PART_FAILED, RearguardError
from rearguard.vision.job import Job
from rearguard.vision.outing import Outing
from rearguard.vision.tell import tell
from rearguard.warden import link


def main() -> int:
    """Run one outing; the exit code is that of the `rearguard` command."""
    parser = argparse.ArgumentParser(prog="rearguard.vision", description=__doc__)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--job", required=True)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="rearguard: %(message)s", stream=sys.stderr)
    # What is meant for rearguard as a whole may reach vision too; only the warden decides, and says Stop.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wire = socket.socket(fileno=args.link_fd)
    wire.setblocking(False)
    job = Job.from_json(args.job)
    try:
        summary, error = Outing(job, wire).run()
    except RearguardError as e:
        # The warden says it: on stderr, to systemd and to the wearer.
        link.send(wire, link.Armed(problems=(str(e),)))
        link.send(wire, link.Ended(exit_code=e.exit_code))
        return e.exit_code
    tell(summary, job)
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
