"""Settings that are each within their bounds, and together cannot start or cannot protect: a table of rules.

for problem in problems(config): print(problem.key, problem.text)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rearguard.config.path import MOST_HIDDEN, hidden_of_path
from rearguard.config.root import Config
from rearguard.config.sound import parse_hours
from rearguard.types import Box, hidden_share

# GPIO 0 to 8 are pulled high from power-on until a program takes them (BCM2835 ARM peripherals, 6.2 table 6-31).
PULLED_HIGH = range(9)
# What moves and hits hardest; whoever ignores one of these is not warned of it.
NEVER_IGNORED = ("person", "bicycle", "motorcycle", "car", "bus", "truck")

# Of the picture: a thinner part hides nothing, and of less than the rest no turn can be told.
_LEAST_SIDE, _MOST_IGNORED = 0.01, 0.4


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: the setting it is told of, as section and key, and one line that says the way out."""

    section: str
    key: str
    text: str


def problems(config: Config) -> Iterator[Problem]:
    """All there are, in the order of the table."""
    for rule in RULES:
        found = rule(config)
        if found is not None:
            yield found


def _pins(config: Config) -> Problem | None:
    uses = [(pin, "cue.pins") for pin in config.cue.pins]
    uses += [
        (pin, f"warden.{name}")
        for name in ("button_pin", "deadman_pin")
        if (pin := getattr(config.warden, name))
    ]
    for pin, count in Counter(pin for pin, _ in uses).items():
        if count > 1:
            where = " and ".join(dict.fromkeys(use for used, use in uses if used == pin))
            return Problem("cue", "pins", f"GPIO {pin} is used twice, by {where}; give each its own")
    return None


def _boot_pins(config: Config) -> Problem | None:
    high = [pin for pin in config.cue.pins if pin in PULLED_HIGH]
    if not high:
        return None
    return Problem(
        "cue",
        "pins",
        f"GPIO {high[0]} is pulled high at boot: the motor would run until rearguard starts; use 9 to 27",
    )


def _ignored(config: Config) -> Problem | None:
    found = [label for label in config.detect.ignore if label.lower() in NEVER_IGNORED]
    if not found:
        return None
    return Problem("detect", "ignore", f"{found[0]!r} must not be ignored: nobody would be warned of it")


def _levels(config: Config) -> Problem | None:
    judge = config.judge
    if judge.notice_ttc_s >= judge.caution_ttc_s >= judge.critical_ttc_s:
        return None
    return Problem(
        "judge", "notice_ttc_s",
        "notice_ttc_s, caution_ttc_s and critical_ttc_s must fall in that order, "
        f"not {judge.notice_ttc_s:g}, {judge.caution_ttc_s:g}, {judge.critical_ttc_s:g}",
    )  # fmt: skip


def _scores(config: Config) -> Problem | None:
    if config.detect.weak_score <= config.detect.min_score:
        return None
    return Problem("detect", "weak_score", "weak_score must not exceed min_score")


def _rates(config: Config) -> Problem | None:
    fps, least = config.camera.fps, config.health.min_fps
    if fps >= least:
        return None
    return Problem(
        "camera", "fps", f"{fps:g} is below health.min_fps = {least:g}: every outing would be DEGRADED"
    )


def _heartbeat(config: Config) -> Problem | None:
    beat_s, gap_s = config.warden.heartbeat_s, 1.5 / config.camera.fps
    if beat_s > gap_s:
        return None
    return Problem(
        "warden", "heartbeat_s",
        f"{beat_s:g} is less than a frame and a half at camera.fps = {config.camera.fps:g}: BLIND all the time; "
        f"at least {gap_s:.2f} is needed",
    )  # fmt: skip


def _hung(config: Config) -> Problem | None:
    hung_s, beat_s = config.warden.hung_s, config.warden.heartbeat_s
    if hung_s > beat_s:
        return None
    return Problem(
        "warden", "hung_s", f"{hung_s:g} must exceed heartbeat_s = {beat_s:g}, or each hiccup kills vision"
    )


def _exposure(config: Config) -> Problem | None:
    camera = config.camera
    if camera.exposure_max_us <= camera.exposure_dusk_us:
        return None
    return Problem(
        "camera",
        "exposure_max_us",
        f"{camera.exposure_max_us} exceeds exposure_dusk_us = {camera.exposure_dusk_us}",
    )


def _own_parts(config: Config) -> Problem | None:
    regions = config.camera.ignore
    for region in regions:
        left, top, right, bottom = region
        if right - left < _LEAST_SIDE or bottom - top < _LEAST_SIDE:
            return Problem(
                "camera", "ignore",
                f"{list(region)} is no part of the picture: [left, top, right, bottom] grow to the right and down, by "
                f"{_LEAST_SIDE:g} at least",
            )  # fmt: skip
    if (share := hidden_share(Box(0.0, 0.0, 1.0, 1.0), regions)) > _MOST_IGNORED:
        return Problem(
            "camera", "ignore",
            f"{share:.0%} of the picture would be ignored, {_MOST_IGNORED:.0%} may be: move your things out of it",
        )  # fmt: skip
    if (share := hidden_of_path(config.camera, regions)) > MOST_HIDDEN:
        worst = max(regions, key=lambda region: hidden_of_path(config.camera, (region,)))
        return Problem(
            "camera", "ignore",
            f"{share:.0%} of the path would not be seen, {MOST_HIDDEN:.0%} may be, most of it for {list(worst)}: move "
            "what is there out of the picture, or make the region smaller",
        )  # fmt: skip
    return None


def _folder(config: Config) -> Problem | None:
    folder = config.journal.folder
    if not folder:
        return None
    if not folder.startswith(("/", "~")):
        return Problem(
            "journal", "folder", f"{folder!r} depends on where rearguard is started; give a whole path"
        )
    if "\0" in folder or Path(folder).parts[:2] in (("/", "dev"), ("/", "proc"), ("/", "sys")):
        return Problem("journal", "folder", f"{folder!r} can hold no journal")
    return None


def _quiet_hours(config: Config) -> Problem | None:
    text = config.sound.quiet_hours
    try:
        hours = parse_hours(text)
    except ValueError:
        return Problem(
            "sound", "quiet_hours", f'{text!r} is not from one time to another; write "22:00-06:30"'
        )
    if hours is None or hours[0] != hours[1]:
        return None
    return Problem("sound", "quiet_hours", f"{text} is all day; to hear nothing set enabled = false")


def _words(config: Config) -> Problem | None:
    sound = config.sound
    if sound.words != "recorded":
        return None
    if not sound.words_folder:
        return Problem("sound", "words", '"recorded" needs words_folder, where the WAV files are')
    if not sound.words_folder.startswith(("/", "~")):
        return Problem(
            "sound",
            "words_folder",
            f"{sound.words_folder!r} depends on where rearguard is started; give a whole path",
        )
    return None


RULES: tuple[Callable[[Config], Problem | None], ...] = (
    _levels, _scores, _pins, _boot_pins, _ignored, _rates, _heartbeat, _hung, _exposure, _own_parts, _folder,
    _quiet_hours, _words,
)  # fmt: skip
