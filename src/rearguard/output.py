"""Files that a command is asked to write: checked before the work, there wholly or not at all after it."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rearguard.errors import BadInput


def check_output(path: Path, *, make_folder: bool = False) -> None:
    """Raise `BadInput` with path and reason when `path` cannot be written; changes nothing.

    To be called before long work. `make_folder`: a missing folder is no fault, `output` will make it.
    """
    with _in_one_line(path):
        _place(path, make_folder)


@contextlib.contextmanager
def output(path: Path, *, mode: int = 0o666, make_folder: bool = False) -> Iterator[BinaryIO]:
    """Write bytes to `path`; until all are written, what was there stays.

    A link keeps pointing where it did, and a device, a pipe or the terminal is written to as it is. The file
    gets `mode` less the umask; one that is there keeps what `mode` allows of its own. `make_folder`: make its folder,
    too.
    Raises `BadInput` with path and reason.
    """
    with _in_one_line(path):
        target, before = _place(path, make_folder)
        if target is None:
            with _open_as_it_is(path) as file:
                yield file
            return
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        temp = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            fd = os.open(temp, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            with os.fdopen(fd, "wb") as file:
                if before is not None:
                    with contextlib.suppress(OSError):  # under sudo the file keeps its owner
                        os.fchown(fd, before.st_uid, before.st_gid)
                    os.fchmod(fd, stat.S_IMODE(before.st_mode) & mode)
                yield file
                file.flush()
                os.fsync(fd)
            temp.replace(target)
        finally:
            temp.unlink(missing_ok=True)


def _place(path: Path, make_folder: bool) -> tuple[Path | None, os.stat_result | None]:
    """The file to replace (None: write to `path` as it is) and what is there now. Raises OSError, `BadInput`."""
    if str(path) == "-":
        raise BadInput("-: name a file, or /dev/stdout for standard output")
    before = None
    with contextlib.suppress(FileNotFoundError):
        before = path.stat()
    if before is not None:
        if stat.S_ISDIR(before.st_mode):
            raise BadInput(f"{path}: cannot write: that is a folder; name a file in it")
        if not os.access(path, os.W_OK):
            raise PermissionError(0, "Permission denied")
        if not stat.S_ISREG(before.st_mode) or is_stdout(path):
            return None, before
    target = Path(os.path.realpath(path))
    folder = target.parent
    while make_folder and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise BadInput(f"{path}: cannot write: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(0, f"nothing may be made in {folder}")
    return target, before


def is_stdout(path: Path) -> bool:
    """Whether a file is the one that standard output goes to."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def _open_as_it_is(path: Path) -> BinaryIO:
    """A pipe or device, or standard output: behind what was printed already."""
    if is_stdout(path):
        sys.stdout.flush()
        return os.fdopen(os.dup(1), "wb")
    return path.open("wb")


@contextlib.contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise BadInput(f"{path}: cannot write: {e.strerror or e}") from e
