"""The files of a near miss: written whole, then named by a row; a file that no row names is swept away."""

from __future__ import annotations

import hashlib
import sqlite3

from rearguard.journal import insert
from rearguard.journal.avi import mux
from rearguard.journal.clips import Cut
from rearguard.journal.picture import Encoded, from_jpeg, to_thumb
from rearguard.journal.place import CLIPS, is_clip_name, write_whole
from rearguard.journal.rows import MediaRow
from rearguard.journal.store import Journal
from rearguard.journal.strip import SMALL_WIDTH_PX, pack

SUFFIX = {"picture": "jpg", "strip": "strip", "clip": "avi"}
_SMALL_PICTURES = 8


def store(journal: Journal, near_miss_id: int, stem: str, files: dict[str, bytes], *, redacted: bool) -> None:
    """Write files (kind → bytes) of a near miss and their rows, in place of those of the same kind.

    `stem` must be new: a file that a row names is never written again, so that a kill between file and row
    leaves the old pair. Raises OSError or `sqlite3.Error`.
    """
    rows = []
    for kind, data in files.items():
        name = f"{stem}.{SUFFIX[kind]}"
        write_whole(journal.folder / CLIPS / name, data)
        digest = hashlib.sha256(data).hexdigest()
        rows.append(MediaRow(kind=kind, file=name, bytes=len(data), sha256=digest, redacted=redacted))
    try:
        with journal.transaction(durable=True) as db:
            found = db.execute("SELECT kind, file FROM media WHERE near_miss = ?", (near_miss_id,))
            replaced = [file for kind, file in found if kind in files]
            for row in rows:
                insert.media(db, near_miss_id, row)
    except sqlite3.IntegrityError:  # purged meanwhile: then its pictures must go as well
        for row in rows:
            (journal.folder / CLIPS / row.file).unlink(missing_ok=True)
        raise
    for name in filter(is_clip_name, replaced):
        (journal.folder / CLIPS / name).unlink(missing_ok=True)


def picture_files(picture: Encoded) -> dict[str, bytes]:
    """What is written of one picture."""
    return {"picture": picture.jpeg, "strip": picture.strip}


def clip_files(cut: Cut, *, with_picture: bool) -> dict[str, bytes]:
    """What is written of a clip: the clip, a strip with pictures from before and after, and, unless there is
    a better one already, the picture of the worst moment. Empty when nothing was gathered."""
    stills = [
        s
        for s in cut.stills
        if (s.width_px, s.height_px) == (cut.stills[0].width_px, cut.stills[0].height_px)
    ]
    if not stills:
        return {}
    files = {"clip": mux([s.jpeg for s in stills], cut.fps, stills[0].width_px, stills[0].height_px)}
    worst = cut.nearest()
    if worst is None:
        return files
    if with_picture:
        files["picture"] = worst.jpeg
    step = max(1, len(stills) // _SMALL_PICTURES)
    small = [
        to_thumb(from_jpeg(still.jpeg), (still.t_ns - cut.worst_ns) / 1e9, SMALL_WIDTH_PX)
        for still in stills[step // 2 :: step]
    ]
    return {**files, "strip": pack([to_thumb(from_jpeg(worst.jpeg), 0.0), *small])}
