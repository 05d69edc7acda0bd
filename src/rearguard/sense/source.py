"""Which gyroscope and accelerometer there are beside the pictures: a sensor, what a recording carries, what a simulated
world tells."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np

from rearguard.config.gyro import Gyro
from rearguard.ego.pinhole import turn
from rearguard.sense.fusion import GyroFusion
from rearguard.sense.gpmf import ZERO_SD_RAD_S, picture_motion
from rearguard.sense.gravity import GravitySense
from rearguard.sense.rates import Array, Rates
from rearguard.sense.reader import GyroReader
from rearguard.types import EgoMotion

_log = logging.getLogger(__name__)


class GyroSense:
    """The gyroscope of one outing, the accelerometer beside it, and what is wrong with them.

    `own` are the rates and the accelerations that a simulated world tells, about the camera's axes and on the pictures'
    clock. Without any, the sensor that the settings name is read beside a `live` camera, and of a recording at its own
    times, in the file `film`, what it carries itself.
    """

    def __init__(
        self, settings: Gyro, *, own: tuple[Rates, Rates] | None = None, live: bool, film: str = ""
    ) -> None:
        self._reader: GyroReader | None = None
        self.fusion: GyroFusion | None = None
        self._told = self._told_of_accel = ""
        if not settings.device:
            return
        if own is not None:
            self.fusion = GyroFusion(own[0], np.eye(3), accel=own[1])
        elif live:
            self._reader = reader = GyroReader(settings.device)
            mount = mount_of(settings.turned_deg)
            self.fusion = GyroFusion(reader, mount, settings.offset_ms / 1000, accel=reader.accel)
        elif film:
            rates, accel = picture_motion(Path(film))
            if rates is not None:
                self.fusion = GyroFusion(
                    rates, np.eye(3), zero_sd_rad_s=ZERO_SD_RAD_S, steadied=True, accel=accel
                )

    @classmethod
    def beside(cls, source: object, settings: Gyro, *, live: bool, film: str = "") -> GyroSense:
        """That beside a source of pictures. What a simulated world tells is made only where it is wanted."""
        own = getattr(source, "motion", None) if settings.device else None
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
        self._tell_of_accel()
        return bool(why)

    def take_falls(self) -> list[int]:
        """When the wearer fell since this was asked before, on the frames' clock."""
        return [] if self._gravity is None else self._gravity.take_falls()

    @property
    def _gravity(self) -> GravitySense | None:
        return None if self.fusion is None else self.fusion.gravity

    def _tell_of_accel(self) -> None:
        """An accelerometer that fails is told in the log, once: who has none is protected as well."""
        why = "" if self._gravity is None else self._gravity.trust.why
        if self._reader is not None and not self._reader.accel_there:
            return
        if why and self._reader is not None and self._reader.accel_why:
            why = f"{why}: {self._reader.accel_why}"
        if why and not self._told_of_accel:
            _log.warning("accelerometer: %s; pitch and roll are told without it", why)
        self._told_of_accel = why

    def close(self) -> None:
        """Let go of the sensor."""
        if self._reader is not None:
            self._reader.close()


def mount_of(turned_deg: tuple[float, float, float]) -> Array:
    """The matrix (3, 3) that takes what is told about the sensor's axes to the camera's (right, down, ahead)."""
    x, y, z = (math.radians(a) for a in turned_deg)
    return turn(EgoMotion(y, -x, z)).T
