"""Which warnings a frame rate allows. Measured on the spot, never looked up by the board's name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """What may be promised from `from_fps` judged frames per second on."""

    from_fps: float
    name: str
    text: str


# Shares of CRITICAL warnings that leave less than 1.5 s, for a 2 s threshold with 3 % box noise and gait:
# Monte-Carlo runs of the log-scale Kalman filter, 15 m at 2.5 m/s. 5 fps: 23 to 28 %; 10 fps: 1 to 3 %;
# 15 fps: under 1 %.
PROMISES: tuple[Promise, ...] = (
    Promise(15.0, "full", "all warnings, under 1 % of them late"),
    Promise(10.0, "full", "all warnings, 1 to 3 % of them late"),
    Promise(8.0, "reduced", "all warnings, some CRITICAL ones late: keep to walking speeds"),
    Promise(0.0, "none", "too slow to promise CRITICAL: rearguard says DEGRADED"),
)


def promise(fps: float, floor_fps: float) -> Promise:
    """What `fps` allows; below the configured floor (`health.min_fps`) nothing is promised."""
    if fps < floor_fps:
        return PROMISES[-1]
    return next(row for row in PROMISES if fps >= row.from_fps)
