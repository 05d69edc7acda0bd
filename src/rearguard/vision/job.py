"""What the warden's command line asks of vision: plain values that travel as JSON."""

from __future__ import annotations

import msgspec

from rearguard.config import Config


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One outing to see through.

    `source` is a word `rearguard.camera.catalogue.open_source` knows; `fps` overrides a file's own rate;
    `show` draws the outing in the terminal; `summary` says how to print what happened at the end.
    """

    config: Config
    source: str
    fps: float | None = None
    realtime: bool = False
    seed: int = 0
    journal: str = ""
    show: bool = False
    summary: str = "text"  # or "json", "none"

    @classmethod
    def from_json(cls, text: str) -> Job:
        return msgspec.json.decode(text, type=cls)
