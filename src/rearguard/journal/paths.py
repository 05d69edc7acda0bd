"""Where the journal lives, and files nobody else may read."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

from rearguard.config.journal import Journal as Settings
from rearguard.errors import BadInput, PartFailed

DATABASE = "journal.db"
CLIPS = "clips"
SYSTEM_FOLDER = Path("/var/lib/rearguard")
FOLDER_MODE = 0o750
FILE_MODE = 0o640

_CLIP_NAME = re.compile(r"[a-z0-9]{1,40}-[0-9]{1,9}[a-z]?\.(jpg|strip|avi|mp4)")


def journal_folder(settings: Settings, *, reading: bool = False) -> Path:
    """The folder of the configuration, else systemd's state folder, else the user's data folder.

    A reader over SSH finds the service's journal where there is one, even without permission to read it: the error then
    says who may, instead of showing an empty journal.
    """
    if settings.folder:
        return Path(settings.folder).expanduser()
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if state:
        return Path(state)
    if reading and is_there(SYSTEM_FOLDER / DATABASE):
        return SYSTEM_FOLDER
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "share") / "rearguard"


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; True where permission to look is missing."""
    try:
        return path.exists()
    except OSError:
        return True


def make_inner_folder(folder: Path) -> None:
    """Make a folder within the journal's, for owner and group only. Raises `BadInput` where a link is, OSError."""
    refuse_link(folder)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def refuse_link(path: Path) -> None:
    """Raises `BadInput` when `path` is a link: what is written through it may land anywhere.

    The journal's folder itself may be one: its owner chose where it leads.
    """
    if path.is_symlink():
        raise BadInput(f"{path}: a link; put the file or folder itself there, or set journal.folder")


def make_folder(folder: Path) -> None:
    """Make the journal's folder and its clip folder, readable by owner and group only.

    Raises `BadInput` when something else is in the way, `PartFailed` when it cannot be made.
    """
    refuse_link(folder / CLIPS)
    for path in (folder, folder / CLIPS):
        try:
            path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            if path.stat().st_uid == os.geteuid():
                path.chmod(FOLDER_MODE)
        except FileExistsError as e:
            raise BadInput(f"{path}: not a folder; move it away or set journal.folder") from e
        except OSError as e:
            raise PartFailed(
                f"{path}: cannot make the journal folder: {e.strerror}; set journal.folder"
            ) from e


def create_private(path: Path) -> None:
    """Make an empty file with `FILE_MODE` unless it exists (SQLite gives its -wal and -shm the same mode).

    Raises OSError.
    """
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            os.fchmod(fd, FILE_MODE)
        finally:
            os.close(fd)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there wholly or not at all, even if the battery is pulled: temp, fsync, rename.

    Raises OSError.
    """
    temp = path.with_name(f".{path.name}.tmp")
    fd = os.open(temp, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        try:
            os.fchmod(fd, FILE_MODE)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        temp.rename(path)
        sync_folder(path.parent)
    except OSError:
        temp.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk: those made, renamed or removed. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_clip_name(name: str) -> bool:
    """Whether a name is one that the journal gives to its pictures: no folder, no dots, nothing hidden."""
    return _CLIP_NAME.fullmatch(name) is not None


def read_clip(folder: Path, name: str, max_bytes: int = 64 << 20) -> bytes | None:
    """A picture or clip by the name the database gives, or None when it is gone or is no such thing.

    Only a regular file in the clip folder itself is opened, whatever the database says.
    """
    if not is_clip_name(name):
        return None
    try:
        fd = os.open(folder / CLIPS / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_size > max_bytes:
            return None
        try:
            return file.read(max_bytes)
        except OSError:
            return None


def move_aside(database: Path) -> Path:
    """Move a damaged database with its -wal and -shm out of the way, under a free name; nothing is deleted.

    Raises OSError.
    """
    number = 1
    while (aside := database.with_name(f"{database.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        old = database.with_name(database.name + suffix)
        if old.exists():
            old.rename(aside.with_name(aside.name + suffix))
    sync_folder(database.parent)
    return aside
