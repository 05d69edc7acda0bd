"""What a writer puts right when it opens a journal: half-written files, outings that were cut short."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from rearguard.journal.db.store import Journal
from rearguard.journal.paths import CLIPS, is_clip_name

_LOCK = ".lock"


class WriterLock:
    """Held while an outing, or what was fetched, is written.

    The first writer of a folder tidies up; a second one leaves it alone.
    """

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this is the only writer; inside, no other can begin. Afterwards the lock is shared."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            self.share()  # waits while another tidies, which is short

    def share(self) -> None:
        """Share it with other writers, so that none tidies up meanwhile."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def release(self) -> None:
        """Release it; the system does so too when the process dies."""
        os.close(self._fd)


def tidy(journal: Journal) -> None:
    """End outings that a kill or a pulled battery cut, and delete files that no row names.

    Only for a writer that is alone. Raises OSError or `sqlite3.Error`.
    """
    with journal.transaction(durable=False) as db:
        db.execute("UPDATE outing SET ended = 'cut' WHERE ended IS NULL")
        db.execute(
            """UPDATE fault SET ended_ns = (SELECT max(f.began_ns, o.origin_ns + CAST(o.worn_s * 1e9 AS INTEGER))
                 FROM outing o, fault f WHERE o.id = fault.outing AND f.id = fault.id)
               WHERE ended_ns IS NULL AND outing IN (SELECT id FROM outing WHERE ended = 'cut')"""
        )
    sweep(journal)


def sweep(journal: Journal, outing_key: str = "") -> None:
    """Delete files that no row names, or only those of one outing, which its own writer may do at any time.

    A disk that is full takes a picture and then not its row, and the room is wanted. Raises OSError or `sqlite3.Error`.
    """
    known = {name for (name,) in journal.db.execute("SELECT file FROM media")}
    folder = journal.folder / CLIPS
    for entry in os.scandir(folder):
        half_written = entry.name.startswith(".") and entry.name.endswith(".tmp")
        unnamed = is_clip_name(entry.name) and entry.name not in known
        if (half_written or unnamed) and entry.name.removeprefix(".").startswith(outing_key):
            (folder / entry.name).unlink(missing_ok=True)
