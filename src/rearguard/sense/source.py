"""Which gyroscope there is beside the pictures: a sensor, what a recording carries, what a simulated world tells."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np

from rearguard.config.gyro import Gyro
from rearguard.ego.pinhole import turn
from rearguard.sense.fusion import GyroFusion
from rearguard.sense.gpmf import ZERO_SD_RAD_S, picture_rates
from rearguard.sense.rates import Array, Rates
from rearguard.sense.reader import GyroReader
from rearguard.types import EgoMotion

_log = logging.getLogger(__name__)


class GyroSense:
    """The gyroscope of one outing and what is wrong with it.

    `own` are the rates that a simulated world tells, about the camera's axes and on the pictures' clock. Without any,
    the sensor that the settings name is read beside a `live` camera, and of a recording at its own times, in the file
    `film`, what it carries itself.
    """

    def __init__(self, settings: Gyro, *, own: Rates | None = None, live: bool, film: str = "") -> None:
        self._reader: GyroReader | None = None
        self.fusion: GyroFusion | None = None
        self._told = ""
        if not settings.device:
            return
        if own is not None:
            self.fusion = GyroFusion(own, np.eye(3))
        elif live:
            self._reader = GyroReader(settings.device)
            self.fusion = GyroFusion(self._reader, mount_of(settings.turned_deg), settings.offset_ms / 1000)
        elif film and (carried := picture_rates(Path(film))) is not None:
            self.fusion = GyroFusion(carried, np.eye(3), zero_sd_rad_s=ZERO_SD_RAD_S, steadied=True)

    @classmethod
    def beside(cls, source: object, settings: Gyro, *, live: bool, film: str = "") -> GyroSense:
        """That beside a source of pictures. What a simulated world tells is made only where it is wanted."""
        own = getattr(source, "rates", None) if settings.device else None
        return cls(settings, own=own, live=live, film=film)

    @property
    def failed(self) -> bool:
        """Whether it cannot be relied on; the log is told why, once."""
        why = self.fusion.trust.why if self.fusion is not None else ""
        if why and self._reader is not None and self._reader.why:
            why = f"{why}: {self._reader.why}"
        if why and not self._told:
            _log.warning("gyroscope: %s; turns are told by the picture alone", why)
        self._told = why
        return bool(why)

    def close(self) -> None:
        """Let go of the sensor."""
        if self._reader is not None:
            self._reader.close()


def mount_of(turned_deg: tuple[float, float, float]) -> Array:
    """The matrix (3, 3) that takes what is told about the sensor's axes to the camera's (right, down, ahead)."""
    x, y, z = (math.radians(a) for a in turned_deg)
    return turn(EgoMotion(y, -x, z)).T
