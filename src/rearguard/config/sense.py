"""Settings that are each within their bounds, and together cannot start or cannot protect: a table of rules.

for problem in problems(config): print(problem)
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

    def __str__(self) -> str:
        return f"{self.section}.{self.key}: {self.text}"


def problems(config: Config) -> Iterator[Problem]:
    """All there are, in the order of the table."""
    for section, key, rule in RULES:
        text = rule(config)
        if text is not None:
            yield Problem(section, key, text)


def _pins(config: Config) -> str | None:
    uses = [(pin, "cue.pins") for pin in config.cue.pins]
    own = {name: getattr(config.warden, name) for name in ("button_pin", "deadman_pin")}
    uses += [(pin, f"warden.{name}") for name, pin in own.items() if pin]
    for pin, count in Counter(pin for pin, _ in uses).items():
        if count > 1:
            where = " and ".join(dict.fromkeys(use for used, use in uses if used == pin))
            return f"GPIO {pin} is used twice, by {where}; give each its own"
    return None


def _boot_pins(config: Config) -> str | None:
    high = [pin for pin in config.cue.pins if pin in PULLED_HIGH]
    if not high:
        return None
    return f"GPIO {high[0]} is pulled high at boot: the motor would run until rearguard starts; use 9 to 27"


def _ignored(config: Config) -> str | None:
    found = [label for label in config.detect.ignore if label.lower() in NEVER_IGNORED]
    return f"{found[0]!r} must not be ignored: nobody would be warned of it" if found else None


def _levels(config: Config) -> str | None:
    judge = config.judge
    if judge.notice_ttc_s >= judge.caution_ttc_s >= judge.critical_ttc_s:
        return None
    return (
        "notice_ttc_s, caution_ttc_s and critical_ttc_s must fall in that order, "
        f"not {judge.notice_ttc_s:g}, {judge.caution_ttc_s:g}, {judge.critical_ttc_s:g}"
    )


def _scores(config: Config) -> str | None:
    fits = config.detect.weak_score <= config.detect.min_score
    return None if fits else "weak_score must not exceed min_score"


def _rates(config: Config) -> str | None:
    fps, least = config.camera.fps, config.health.min_fps
    if fps >= least:
        return None
    return f"{fps:g} is below health.min_fps = {least:g}: every outing would be DEGRADED"


def _heartbeat(config: Config) -> str | None:
    beat_s, gap_s = config.warden.heartbeat_s, 1.5 / config.camera.fps
    if beat_s > gap_s:
        return None
    return (
        f"{beat_s:g} is less than a frame and a half at camera.fps = {config.camera.fps:g}: BLIND all the time; "
        f"at least {gap_s:.2f} is needed"
    )


def _hung(config: Config) -> str | None:
    hung_s, beat_s = config.warden.hung_s, config.warden.heartbeat_s
    if hung_s > beat_s:
        return None
    return f"{hung_s:g} must exceed heartbeat_s = {beat_s:g}, or each hiccup kills vision"


def _exposure(config: Config) -> str | None:
    most_us, dusk_us = config.camera.exposure_max_us, config.camera.exposure_dusk_us
    return f"{most_us} exceeds exposure_dusk_us = {dusk_us}" if most_us > dusk_us else None


def _own_parts(config: Config) -> str | None:
    regions = config.camera.ignore
    for region in regions:
        left, top, right, bottom = region
        if right - left < _LEAST_SIDE or bottom - top < _LEAST_SIDE:
            return (
                f"{list(region)} is no part of the picture: [left, top, right, bottom] grow to the right and down, by "
                f"{_LEAST_SIDE:g} at least"
            )
    if (share := hidden_share(Box(0.0, 0.0, 1.0, 1.0), regions)) > _MOST_IGNORED:
        return f"{share:.0%} of the picture would be ignored, {_MOST_IGNORED:.0%} may be: move your things out of it"
    if (share := hidden_of_path(config.camera, regions)) > MOST_HIDDEN:
        worst = max(regions, key=lambda region: hidden_of_path(config.camera, (region,)))
        return (
            f"{share:.0%} of the path would not be seen, {MOST_HIDDEN:.0%} may be, most of it for {list(worst)}: move "
            "what is there out of the picture, or make the region smaller"
        )
    return None


def _folder(config: Config) -> str | None:
    folder = config.journal.folder
    if folder and not _is_whole(folder):
        return f"{folder!r} {_WHOLE}"
    if "\0" in folder or Path(folder).parts[:2] in (("/", "dev"), ("/", "proc"), ("/", "sys")):
        return f"{folder!r} can hold no journal"
    return None


def _quiet_hours(config: Config) -> str | None:
    text = config.sound.quiet_hours
    try:
        hours = parse_hours(text)
    except ValueError:
        return f'{text!r} is not from one time to another; write "22:00-06:30"'
    if hours is None or hours[0] != hours[1]:
        return None
    return f"{text} is all day; to hear nothing set enabled = false"


def _words(config: Config) -> str | None:
    lacking = config.sound.words == "recorded" and not config.sound.words_folder
    return '"recorded" needs words_folder, where the WAV files are' if lacking else None


def _words_folder(config: Config) -> str | None:
    folder = config.sound.words_folder
    loose = config.sound.words == "recorded" and folder and not _is_whole(folder)
    return f"{folder!r} {_WHOLE}" if loose else None


_WHOLE = "depends on where rearguard is started; give a whole path"


def _is_whole(folder: str) -> bool:
    return folder.startswith(("/", "~"))


RULES: tuple[tuple[str, str, Callable[[Config], str | None]], ...] = (
    ("judge", "notice_ttc_s", _levels),
    ("detect", "weak_score", _scores),
    ("cue", "pins", _pins),
    ("cue", "pins", _boot_pins),
    ("detect", "ignore", _ignored),
    ("camera", "fps", _rates),
    ("warden", "heartbeat_s", _heartbeat),
    ("warden", "hung_s", _hung),
    ("camera", "exposure_max_us", _exposure),
    ("camera", "ignore", _own_parts),
    ("journal", "folder", _folder),
    ("sound", "quiet_hours", _quiet_hours),
    ("sound", "words", _words),
    ("sound", "words_folder", _words_folder),
)
