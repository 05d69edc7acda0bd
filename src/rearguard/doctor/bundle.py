"""What a bug report needs, in one file: versions, findings, settings, the last outings and their faults.

No picture, no note, no near miss is in it, and names (of this machine, its user, of devices and files) are replaced.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import platform
import re
import socket
import zipfile
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec

from rearguard import __version__
from rearguard.doctor.finding import CheckContext
from rearguard.doctor.table import CHECKS, examine
from rearguard.journal.db.store import Journal

_OUTINGS = 10
_PACKAGES = (
    "ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless", "opencv-python", "lapx", "gpiozero", "lgpio",
    "picamera2", "msgspec", "click", "rich", "textual", "av", "pyarrow",
)  # fmt: skip


def bundle(who: CheckContext, journal: Journal | None) -> bytes:
    """The file's bytes (zip). `journal` None: there is none that can be read."""
    names = Names()
    parts: dict[str, Any] = {
        "versions.json": _versions(),
        "doctor.json": [asdict(finding) for finding in examine(who, tuple(CHECKS))],
        "settings.json": msgspec.to_builtins(who.config),
        "outings.json": _outings(journal, names) if journal is not None else "the journal cannot be read",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, json.dumps(names.hidden(content), indent=2, ensure_ascii=False))
    return file.getvalue()


class Names:
    """Replaces what says whose this is: the machine's name, the user's (also behind sudo), their home, and devices."""

    def __init__(self) -> None:
        known = {str(Path.home()): "~", socket.gethostname(): "MACHINE"}
        users = {getpass.getuser(), os.environ.get("SUDO_USER", ""), os.environ.get("LOGNAME", "")}
        known |= dict.fromkeys(users - {"root", "rearguard"}, "USER")
        # Longest first; whole words only: a user called `run` is no part of `runtime`.
        names = sorted((name for name in known if len(name) > 2), key=len, reverse=True)
        self._known = [
            (re.compile(rf"(?<![\w]){re.escape(n)}(?![\w])", re.IGNORECASE), known[n]) for n in names
        ]
        self._devices: dict[str, str] = {}

    def device(self, name: str) -> str:
        """A device by its number in this file."""
        return self._devices.setdefault(name, f"device-{len(self._devices) + 1}")

    def hidden(self, content: Any) -> Any:
        """What is told, without those names in any of its texts."""
        if isinstance(content, dict):
            return {key: self.hidden(value) for key, value in content.items()}
        if isinstance(content, (list, tuple)):
            return [self.hidden(value) for value in content]
        return content if isinstance(content, (int, float)) or content is None else self.hide(str(content))

    def hide(self, text: str) -> str:
        """The text without those names, and without those of anybody's home."""
        for name, word in self._known:
            text = name.sub(word, text)
        return re.sub(r"/home/(?!USER\b)[^/\s\"',:;]+", "/home/USER", text)


def _versions() -> dict[str, Any]:
    found = {d.metadata["Name"].lower(): d.version for d in distributions() if d.metadata["Name"]}
    return {
        "rearguard": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: found[name] for name in _PACKAGES if name in found},
    }


def _kind_of(source: str) -> str:
    """What a source is; the lasting name of a webcam has its serial number in it."""
    if source.startswith("webcam:/"):
        return "webcam by name"
    return source if source.startswith(("sim:", "webcam:", "picamera2")) else "a file"


def _outings(journal: Journal, names: Names) -> list[dict[str, Any]]:
    """The last outings: how they went and which faults stood; of where they were seen from only the kind."""
    from rearguard.journal.trends import tallies

    rows = journal.outings(_OUTINGS)
    counted = tallies(journal, [row.id for row in rows])
    return [
        {
            "device": names.device(row.device),
            "source": _kind_of(row.source),
            "version": row.version,
            "model": f"{row.model} {row.model_digest[:12]}",
            "ended": row.ended,
            "frames": row.frames,
            "late": row.late,
            "worn_s": row.worn_s,
            "blind_s": row.blind_s,
            "near_misses": counted[row.id].near_misses,
            "cues": counted[row.id].cues,
            "faults": [
                {
                    "fault": f.fault,
                    "began_s": (f.began_ns - row.origin_ns) / 1e9,
                    "ended_s": None if f.ended_ns is None else (f.ended_ns - row.origin_ns) / 1e9,
                }
                for f in journal.faults(row.id)
            ],
        }
        for row in rows
    ]
