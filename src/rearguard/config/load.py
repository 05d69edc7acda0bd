"""Reading a configuration file, which is hostile until checked."""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path

import msgspec

from rearguard.config.root import Config
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

    Raises `BadInput` naming the file and the field: missing file, bad TOML, unknown key, out of bounds.
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
    try:
        config = msgspec.convert(tomllib.loads(raw.decode("utf-8")), Config)
    except msgspec.ValidationError as e:
        raise BadInput(f"{path}: {_plain(str(e))}; see `rearguard config show`") from e
    except ValueError as e:  # also of bytes that are no text, and of a number with thousands of digits
        raise BadInput(f"{path}: not valid TOML: {e}") from e
    except RecursionError as e:
        raise BadInput(f"{path}: nested too deeply, not a rearguard configuration") from e
    _check_order(path, config)
    return config


def digest(config: Config) -> str:
    """SHA-256 over all settings, so that a logged near miss names what judged it."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()


def _plain(message: str) -> str:
    """msgspec's message with its `$.judge.caution_ttc_s` path moved to the front as `judge.caution_ttc_s`."""
    text, _, where = message.partition(" - at `$")
    where = where.strip("`. ")
    return f"{where}: {text[:1].lower()}{text[1:]}" if where else text[:1].lower() + text[1:]


def _check_order(path: Path, config: Config) -> None:
    """Bounds that span fields."""
    judge = config.judge
    if not judge.notice_ttc_s >= judge.caution_ttc_s >= judge.critical_ttc_s:
        raise BadInput(
            f"{path}: judge: notice_ttc_s, caution_ttc_s and critical_ttc_s must fall in that order, "
            f"not {judge.notice_ttc_s:g}, {judge.caution_ttc_s:g}, {judge.critical_ttc_s:g}"
        )
    if config.detect.weak_score > config.detect.min_score:
        raise BadInput(f"{path}: detect: weak_score must not exceed min_score")
