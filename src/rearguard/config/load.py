"""Reading a configuration file, which is hostile until checked."""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path

import msgspec

from rearguard.config.explain import explain, line_of
from rearguard.config.root import Config
from rearguard.config.sense import Problem, problems
from rearguard.errors import BadInput

SYSTEM_FILE = Path("/etc/rearguard/rearguard.toml")
_MAX_BYTES = 256 * 1024


def search_path() -> list[Path]:
    """Files looked for when none is named, first found wins."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [home / "rearguard" / "rearguard.toml", SYSTEM_FILE]


def found() -> Path | None:
    """The file that is used when none is named; None where there is none."""
    return next((path for path in search_path() if path.is_file()), None)


def load(path: Path | None = None) -> Config:
    """The configuration from `path`, or from the first file of `search_path`, or the defaults.

    Raises `BadInput` naming the file and the field: missing file, bad TOML, unknown key, out of bounds,
    settings that together cannot start or protect.
    """
    path = path or found()
    if path is None:
        return Config()
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as e:
        raise BadInput(f"{path}: cannot read the configuration: {e.strerror}") from e
    if len(raw) > _MAX_BYTES:
        raise BadInput(f"{path}: larger than {_MAX_BYTES // 1024} KiB, not a rearguard configuration")
    text, config = _parsed(path, raw)
    for problem in problems(config):
        raise BadInput(told(path, text, problem))
    return config


def all_problems(path: Path) -> list[str]:
    """Every clash of settings in a file, a line each; none of a file that cannot be read to its end."""
    try:
        text, config = _parsed(path, path.read_bytes()[:_MAX_BYTES])
    except (OSError, BadInput):
        return []
    return [told(path, text, problem) for problem in problems(config)]


def told(path: Path, text: str, problem: Problem) -> str:
    """A problem with its file and line."""
    line = line_of(text, problem.section, problem.key)
    return f"{path}{f':{line}' if line else ''}: {problem}"


def _parsed(path: Path, raw: bytes) -> tuple[str, Config]:
    """The file's text and what it sets; raises `BadInput`."""
    try:
        text = raw.decode("utf-8")
        return text, msgspec.convert(tomllib.loads(text), Config)
    except msgspec.ValidationError as e:
        line, words = explain(text, e)
        where = f"{path}:{line}" if line else str(path)
        raise BadInput(f"{where}: {words}; see `rearguard config show`") from e
    except ValueError as e:  # also of bytes that are no text, and of a number with thousands of digits
        raise BadInput(f"{path}: not valid TOML: {e}") from e
    except RecursionError as e:
        raise BadInput(f"{path}: nested too deeply, not a rearguard configuration") from e


def digest(config: Config) -> str:
    """SHA-256 over all settings, so that a logged near miss names what judged it."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()
