"""Errors a user can act on: one line that names the thing and the way out, with an exit code.

Exit codes of the `rearguard` command, everywhere the same:

====  =======================================================================
0     done
1     done, and the answer is "no" (a check failed, nothing was found)
2     bad input: an option, a file, a configuration value or a model
3     a part failed while running (camera lost for good, vision died, no pins)
4     switched off by its button; the service is then not started again
====  =======================================================================
"""

EXIT_NO = 1
EXIT_BAD_INPUT = 2
EXIT_PART_FAILED = 3
EXIT_SWITCHED_OFF = 4


class RearguardError(Exception):
    """Something the user can put right; its text is the one line they see on stderr."""

    exit_code = EXIT_BAD_INPUT


class BadInput(RearguardError):
    """A file, option, configuration value or model that cannot be used."""


class CutShort(BadInput):
    """A recording whose end is missing; what it holds has been delivered."""


class PartFailed(RearguardError):
    """A part that worked, or should work, does not: camera, pins, detector, journal."""

    exit_code = EXIT_PART_FAILED


class CameraLost(PartFailed):
    """A camera that delivered pictures no longer does."""


class NotFound(RearguardError):
    """What was asked for is not there; nothing is wrong."""

    exit_code = EXIT_NO
