"""Sound beside vibration."""

from datetime import time
from typing import Annotated, Literal

import msgspec

from rearguard.config.field import about, within


def parse_hours(text: str) -> tuple[time, time] | None:
    """`"22:00-06:30"` as its two local times; None for an empty text. Raises `ValueError`."""
    if not text:
        return None
    begins, ends = text.split("-")
    return time.fromisoformat(begins.strip()), time.fromisoformat(ends.strip())


class Sound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same cues, heard: an addition to the motors, which never wait for it."""

    enabled: Annotated[
        bool, about("play each cue as a sound too; more is noticed, and less is heard of the world around")
    ] = False
    device: Annotated[
        str,
        about(
            "output, by its name or a part of it, as `rearguard doctor sound` lists them; empty: the system's"
        ),
    ] = ""
    volume_db: Annotated[
        float, within(-40.0, 0.0, "0 is as loud as the device can; too loud drowns what comes from behind")
    ] = -12.0
    quiet_hours: Annotated[
        str,
        about(
            'only CRITICAL is heard then, as "22:00-06:30", by local time while the clock is known to be right; '
            "empty: never"
        ),
    ] = ""
    words: Annotated[
        Literal["none", "espeak", "recorded"],
        about("say after its cue what a new fault is: by espeak-ng, or from the files in words_folder"),
    ] = "none"
    words_folder: Annotated[
        str,
        about(
            "recorded speech: WAV files named after faults and cues, such as camera_lost.wav, critical.wav"
        ),
    ] = ""
    latency_s: Annotated[
        float, within(0.01, 0.2, "sound kept ready for the device; less is heard sooner and crackles sooner")
    ] = 0.03
