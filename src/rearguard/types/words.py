"""The words that all parts share: levels, sides, cues, faults."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How urgent a threat is; comparable, higher is more urgent."""

    CLEAR = 0
    NOTICE = 1
    CAUTION = 2
    CRITICAL = 3

    @classmethod
    def _missing_(cls, value: object) -> Level | None:
        """A level that nobody knows is the nearest one."""
        return None if not isinstance(value, int) else cls.CLEAR if value < 0 else cls.CRITICAL


class Side(StrEnum):
    """Where a threat is, as the *wearer* feels it (a back-plate camera mirrors the picture)."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"

    @classmethod
    def _missing_(cls, value: object) -> Side:  # noqa: ARG003
        """A side that nobody knows is told as the middle."""
        return cls.CENTRE


class CueName(StrEnum):
    """Every vibration pattern there is; `rearguard.cue.table` says what each feels like."""

    CRITICAL = "CRITICAL"
    CAUTION = "CAUTION"
    LOW = "LOW"
    NOTICE = "NOTICE"
    CLEAR = "CLEAR"
    BLIND = "BLIND"
    FAULT = "FAULT"
    DEGRADED = "DEGRADED"
    LOW_POWER = "LOW_POWER"
    SHUTDOWN = "SHUTDOWN"
    MUTED = "MUTED"
    DRIFT = "DRIFT"
    READY = "READY"
    ALIVE = "ALIVE"


class MarkKind(StrEnum):
    """What a moment is marked for: the wearer pressed the button, or fell."""

    BUTTON = "button"
    FALL = "fall"

    @classmethod
    def _missing_(cls, value: object) -> MarkKind:  # noqa: ARG003
        """A kind that nobody knows is told as a press."""
        return cls.BUTTON

    @property
    def did(self) -> str:
        """What the wearer did then, in words."""
        return "fell" if self is MarkKind.FALL else "pressed the button"


class Fault(StrEnum):
    """What can keep rearguard from protecting; `rearguard.cue.table` maps each to a fault cue."""

    NO_FRAME = "no_frame"
    FROZEN_FRAME = "frozen_frame"
    REPEATED_PICTURE = "repeated_picture"
    DARK = "dark"
    DIM = "dim"
    COVERED = "covered"
    PATH_HIDDEN = "path_hidden"
    PART_HIDDEN = "part_hidden"
    BLURRED = "blurred"
    GLARE = "glare"
    OUT_OF_AIM = "out_of_aim"
    WRONG_MOUNT = "wrong_mount"
    NO_TEXTURE = "no_texture"
    GYRO_FAILED = "gyro_failed"
    LOW_FRAME_RATE = "low_frame_rate"
    SLOW_DETECTOR = "slow_detector"
    HOT = "hot"
    THROTTLED = "throttled"
    UNDERVOLTAGE = "undervoltage"
    DISK_FULL = "disk_full"
    JOURNAL_FAILED = "journal_failed"
    SENSORS_SILENT = "sensors_silent"
    CAMERA_LOST = "camera_lost"
    STAGE_FAILED = "stage_failed"
    VISION_SILENT = "vision_silent"
    VISION_DIED = "vision_died"
    GAVE_UP = "gave_up"
    SELF_TEST = "self_test"
    MOTOR_FAILED = "motor_failed"
    SOUND_LOST = "sound_lost"
    SOUND_SILENT = "sound_silent"

    @classmethod
    def _missing_(cls, value: object) -> Fault:  # noqa: ARG003
        """A fault that nobody knows is still a fault."""
        return cls.STAGE_FAILED
