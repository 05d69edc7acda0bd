"""One outing, packed to travel: everything of it but the files, which are named with their digests.

`state` is a digest of what may change on the device after it was fetched (a later near miss, a corrected
clock, a mark, an expired picture), cheap enough to ask of every outing each time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

from rearguard.errors import BadInput
from rearguard.journal.db import insert
from rearguard.journal.db.rows import MediaRecord, NearMissRecord, OutingRecord, TraceRecord
from rearguard.journal.db.store import Journal
from rearguard.journal.db.tables import named, parse_json
from rearguard.journal.paths import is_clip_name
from rearguard.types import Cue, FaultSpan, MarkKind, Nanoseconds, Passage


class PackedNearMiss(msgspec.Struct, frozen=True):
    """A near miss, its trace and its files."""

    record: NearMissRecord
    trace: list[TraceRecord]
    media: list[MediaRecord]


class Parcel(msgspec.Struct, frozen=True):
    """An outing with all that belongs to it, and the state it was in."""

    state: str
    outing: OutingRecord
    near_misses: list[PackedNearMiss]
    cues: list[Cue]
    faults: list[FaultSpan]
    marks: list[Nanoseconds]
    passages: list[Passage] = []
    falls: list[Nanoseconds] = []  # which of the marks were falls

    @property
    def key(self) -> str:
        """The outing's key, the same wherever the outing is copied to."""
        return self.outing.key


class State(msgspec.Struct, frozen=True):
    """One line of what a device has."""

    key: str
    state: str


class Greeting(msgspec.Struct, frozen=True):
    """The first line of what a device has: which rearguard, and where its clips and its traces are.

    `traces` is empty of a rearguard that keeps none.
    """

    rearguard: str
    journal: int
    clips: str
    traces: str = ""


class TraceEntry(msgspec.Struct, frozen=True):
    """One line of the traces that a device has; a trace only ever grows."""

    name: str
    bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 30)]


_parcels = msgspec.json.Decoder(Parcel)


def states(journal: Journal) -> Iterable[State]:
    """The state of every outing, newest first."""
    for row in journal.select("SELECT * FROM outing ORDER BY wall_s DESC, id DESC", []):
        outing = journal.build(OutingRecord, row)
        yield State(outing.key, _state(journal, row["id"], outing))


def pack(journal: Journal, key: str) -> Parcel | None:
    """An outing to travel, or None when there is none of this key (any more)."""
    found = journal.select("SELECT * FROM outing WHERE key = ?", [key])
    if not found:
        return None
    outing_id, outing = found[0]["id"], journal.build(OutingRecord, found[0])
    near_misses = [
        PackedNearMiss(
            journal.build(NearMissRecord, row),
            journal.trace(row["id"]),
            [media for _, media in sorted(journal.media(row["id"]).items())],
        )
        for row in journal.select("SELECT * FROM near_miss WHERE outing = ? ORDER BY number", [outing_id])
    ]
    marks = journal.marks(outing_id)
    return Parcel(
        _state(journal, outing_id, outing),
        outing,
        near_misses,
        journal.cues(outing_id),
        journal.faults(outing_id),
        [mark.at_ns for mark in marks],
        journal.passages(outing_id),
        [mark.at_ns for mark in marks if mark.kind is MarkKind.FALL],
    )


def unpack(line: bytes) -> Parcel:
    """A parcel as it arrived. Raises `BadInput` when it is not one, or not whole, or names files it may not."""
    try:
        parcel = _parcels.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BadInput(f"the other side sent an outing that makes no sense: {e}") from e
    if parse_json(parcel.outing.config) is None:
        raise BadInput(f"outing {parcel.key}: the other side sent settings that make no sense")
    for media in (m for n in parcel.near_misses for m in n.media):
        if not is_clip_name(media.file) or not media.file.startswith(f"{parcel.key}-"):
            raise BadInput(f"outing {parcel.key}: the other side named a file that is no clip")
    if digest(parcel) != parcel.state:
        raise BadInput(f"outing {parcel.key}: arrived damaged; try again")
    return parcel


def digest(parcel: Parcel) -> str:
    """The state of a parcel's content, to compare with the one it says."""
    near_misses = [n.record for n in parcel.near_misses]
    media = [m for n in parcel.near_misses for m in n.media]
    traced = sum(len(n.trace) for n in parcel.near_misses)
    counts = [traced, len(parcel.cues), len(parcel.marks), len(parcel.passages)]
    return _digest(parcel.outing, near_misses, media, parcel.faults, counts)


def _state(journal: Journal, outing_id: int, outing: OutingRecord) -> str:
    rows = journal.select("SELECT * FROM near_miss WHERE outing = ? ORDER BY number", [outing_id])
    near_misses = [journal.build(NearMissRecord, row) for row in rows]
    joined = "media m JOIN near_miss n ON n.id = m.near_miss WHERE n.outing = ? ORDER BY n.number, m.kind"
    rows = journal.select(f"SELECT m.* FROM {joined}", [outing_id])
    media = [journal.build(MediaRecord, row) for row in rows]
    (counts,) = journal.select(
        """SELECT (SELECT count(*) FROM near_miss n JOIN trace t ON t.near_miss = n.id WHERE n.outing = :outing) AS t,
             (SELECT count(*) FROM cue WHERE outing = :outing) AS c,
             (SELECT count(*) FROM mark WHERE outing = :outing) AS m,
             (SELECT count(*) FROM passage WHERE outing = :outing) AS p""",
        {"outing": outing_id},
    )
    return _digest(outing, near_misses, media, journal.faults(outing_id), list(counts.values()))


def _digest(*content: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def merge(journal: Journal, parcel: Parcel, device: str | None = None) -> dict[str, tuple[int, MediaRecord]]:
    """Put an outing into this journal, or bring it up to date; what was said of it here is kept.

    `device` replaces the name it gives itself. Gives the files that are not here yet, by name, with the near
    miss each belongs to. Raises `sqlite3.IntegrityError` for values that no journal takes, `sqlite3.Error`
    when it cannot be written.
    """
    outing = msgspec.structs.replace(parcel.outing, device=device or parcel.outing.device)
    with journal.transaction(durable=True) as db:
        _upsert(db, "outing", named(outing), ("key",))
        (outing_id,) = db.execute("SELECT id FROM outing WHERE key = ?", (parcel.key,)).fetchone()
        missing: dict[str, tuple[int, MediaRecord]] = {}
        for near_miss in parcel.near_misses:
            missing |= _merge_near_miss(db, outing_id, near_miss)
        told: dict[str, Sequence[msgspec.Struct]]
        told = {"cue": parcel.cues, "fault": parcel.faults, "passage": parcel.passages}
        for table, rows in told.items():
            db.execute(f"DELETE FROM {table} WHERE outing = ?", (outing_id,))
            for row in rows:
                _upsert(db, table, {"outing": outing_id, **named(row)})
        falls = set(parcel.falls)
        for at_ns in parcel.marks:
            insert.mark(db, outing_id, at_ns, MarkKind.FALL if at_ns in falls else MarkKind.BUTTON)
    return missing


def _merge_near_miss(
    db: sqlite3.Connection, outing_id: int, packed: PackedNearMiss
) -> dict[str, tuple[int, MediaRecord]]:
    """Put a near miss in; the files of it to fetch, none where its pictures were deleted here."""
    number = packed.record.number
    _upsert(db, "near_miss", {"outing": outing_id, **named(packed.record)}, ("outing", "number"))
    near_miss_id, gone = db.execute(
        "SELECT id, media_gone FROM near_miss WHERE outing = ? AND number = ?", (outing_id, number)
    ).fetchone()
    for point in packed.trace:
        _upsert(db, "trace", {"near_miss": near_miss_id, **named(point)}, ("near_miss", "n"))
    here = dict(db.execute("SELECT file, sha256 FROM media WHERE near_miss = ?", (near_miss_id,)))
    return {m.file: (near_miss_id, m) for m in packed.media if here.get(m.file) != m.sha256 and gone is None}


# Columns of which a value set here wins over what arrives: what the wearer said at home.
_OURS = {
    "verdict": "coalesce(near_miss.verdict, excluded.verdict)",
    "note": "CASE WHEN near_miss.note <> '' THEN near_miss.note ELSE excluded.note END",
    "flagged": "max(near_miss.flagged, excluded.flagged)",
    "media_gone": "near_miss.media_gone",
}


def _upsert(db: sqlite3.Connection, table: str, row: dict[str, Any], key: tuple[str, ...] = ()) -> None:
    """Insert a row, or bring the one of the same key up to date."""
    updates = ", ".join(f"{c} = {_OURS.get(c, f'excluded.{c}')}" for c in row if c not in key)
    insert.row(db, table, row, f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}" if key else "")
