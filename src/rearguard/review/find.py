"""What somebody types to find near misses again, as a filter: levels, verdicts, dates, devices, and any other words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rearguard.errors import BadInput
from rearguard.journal.db.rows import Filter
from rearguard.review.text import parse_moment
from rearguard.types import Level

HELP = (
    "critical, caution · true, false (as marked), flagged · a device's name · since: 7d, yesterday or 2026-11-21 · "
    "until:DATE · any other word is looked for in label and note"
)


def parse(text: str, devices: Collection[str]) -> Filter:
    """The filter that words stand for; no words, all near misses. Raises `BadInput` for a date that is none."""
    found: dict[str, Any] = {}
    rest: list[str] = []
    for word in text.split():
        small = word.lower()
        if small in ("critical", "caution"):
            found["level"] = Level[small.upper()]
        elif small in ("true", "false"):
            found["verdict"] = small
        elif small == "flagged":
            found["flagged"] = True
        elif small.startswith(("since:", "until:")):
            name, _, moment = small.partition(":")
            found[f"{name}_s"] = parse_moment(moment)
        elif word in devices:
            found["device"] = word
        elif (moment_s := _moment(small)) is not None:
            found["since_s"] = moment_s
        else:
            rest.append(small)
    if rest:
        found["text"] = " ".join(rest)
    return Filter(**found)


def _moment(word: str) -> float | None:
    if word[:1].isdigit() or word in ("today", "yesterday"):
        try:
            return parse_moment(word)
        except BadInput:
            return None
    return None
