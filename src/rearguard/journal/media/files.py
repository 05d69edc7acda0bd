"""The files of a near miss: written whole, then named by a row; a file that no row names is swept away."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import replace

from rearguard.journal.db import insert
from rearguard.journal.db.rows import MediaKind, MediaRecord
from rearguard.journal.db.store import Journal
from rearguard.journal.media.avi import mux
from rearguard.journal.media.clips import Cut
from rearguard.journal.media.faces import hide_faces
from rearguard.journal.media.jpeg import from_jpeg
from rearguard.journal.media.snapshot import Encoded, to_thumb
from rearguard.journal.media.thumbnails import SMALL_WIDTH_PX, pack
from rearguard.journal.paths import CLIPS, is_clip_name, write_whole

SUFFIX = {"picture": "jpg", "strip": "strip", "clip": "avi"}
_SMALL_PICTURES = 8


def store(
    journal: Journal, near_miss_id: int, stem: str, files: dict[MediaKind, bytes], *, redacted: bool
) -> None:
    """Write files (kind → bytes) of a near miss and their rows, in place of those of the same kind.

    `stem` must be new: a file that a row names is never written again, so that a kill between file and row
    leaves the old pair. Raises OSError or `sqlite3.Error`.
    """
    rows = []
    for kind, data in files.items():
        name = f"{stem}.{SUFFIX[kind]}"
        write_whole(journal.folder / CLIPS / name, data)
        digest = hashlib.sha256(data).hexdigest()
        rows.append(MediaRecord(kind=kind, file=name, bytes=len(data), sha256=digest, redacted=redacted))
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


def picture_files(picture: Encoded) -> dict[MediaKind, bytes]:
    """What is written of one picture."""
    return {"picture": picture.jpeg, "strip": picture.strip}


def clip_files(cut: Cut, *, with_picture: bool, faces_s: float | None) -> dict[MediaKind, bytes]:
    """What is written of a clip: the clip, a strip with pictures from before and after, and, unless there is
    a better one already, the picture of the worst moment. Empty when nothing was gathered.

    `faces_s` are the seconds to look for faces that nobody told of; None leaves all as it is.
    """
    sizes = [(s.width_px, s.height_px) for s in cut.stills]
    stills = [s for s, size in zip(cut.stills, sizes, strict=True) if size == sizes[0]]
    if not stills:
        return {}
    if faces_s is not None:
        first = min(range(len(stills)), key=lambda n: abs(stills[n].t_ns - cut.worst_ns))
        hidden = hide_faces([(s.t_ns, s.jpeg) for s in stills], first, faces_s)
        stills = [replace(s, jpeg=jpeg) for s, jpeg in zip(stills, hidden, strict=True)]
        cut.stills = stills
    files: dict[MediaKind, bytes] = {
        "clip": mux([s.jpeg for s in stills], cut.fps, stills[0].width_px, stills[0].height_px)
    }
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
