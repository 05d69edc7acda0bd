"""Which warnings a frame rate allows. Measured on the spot, never looked up by the board's name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """What may be promised from `from_fps` judged frames per second on."""

    from_fps: float
    name: str
    text: str


# Shares of CRITICAL warnings that come too late (1.5 s left, or 0.7 s after coming into view) over the 16 rows of
# the proving ground that must warn of what stands in the picture (not CROSS-FAR, CROSS-FAR-WIDE), noisy boxes at
# 2.5 m/s, 3 % noise and gait, 60 seeds a row. 5 fps: 2.3 % (10 % of crossing figures, 12 % where a third of the
# detections is lost); 8 fps: 0.2 %; 10 fps: 0.1 %; 15 fps: none of 960.
PROMISES: tuple[Promise, ...] = (
    Promise(15.0, "full", "all warnings of what stands in the picture, in simulation under 1 % of them late"),
    Promise(10.0, "full", "all warnings of what stands in the picture, in simulation under 1 % of them late"),
    Promise(8.0, "reduced", "all warnings, some CRITICAL ones late: keep to walking speeds"),
    Promise(0.0, "none", "too slow to promise CRITICAL: rearguard says DEGRADED"),
)


def promise(fps: float, floor_fps: float) -> Promise:
    """What `fps` allows; below the configured floor (`health.min_fps`) nothing is promised."""
    if fps < floor_fps:
        return PROMISES[-1]
    return next(row for row in PROMISES if fps >= row.from_fps)
