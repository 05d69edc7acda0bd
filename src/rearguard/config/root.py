"""The whole configuration, in the order of the way of the data."""

from __future__ import annotations

import msgspec

from rearguard.config.camera import Camera
from rearguard.config.cue import Cue
from rearguard.config.detect import Detect
from rearguard.config.gyro import Gyro
from rearguard.config.health import Health
from rearguard.config.journal import Journal
from rearguard.config.judge import Judge
from rearguard.config.looming import Looming
from rearguard.config.sound import Sound
from rearguard.config.track import Track
from rearguard.config.warden import Warden


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings of rearguard."""

    camera: Camera = Camera()
    gyro: Gyro = Gyro()
    detect: Detect = Detect()
    looming: Looming = Looming()
    track: Track = Track()
    judge: Judge = Judge()
    cue: Cue = Cue()
    sound: Sound = Sound()
    warden: Warden = Warden()
    health: Health = Health()
    journal: Journal = Journal()
