"""One outing, packed to travel: everything of it but the files, which are named with their digests.

`state` is a digest of what may change on the device after it was fetched (a later near miss, a corrected
clock, a mark, an expired picture), cheap enough to ask of every outing each time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from rearguard.errors import BadInput
from rearguard.journal import columns
from rearguard.journal.columns import Media
from rearguard.journal.place import is_clip_name
from rearguard.journal.store import Journal

_OUTING, _NEAR_MISS, _TRACE, _CUE, _FAULT, _MEDIA = (
    kind.__struct_fields__
    for kind in (columns.Outing, columns.NearMiss, columns.Trace, columns.Cue, columns.Fault, Media)
)

Row = tuple[Any, ...]


class PackedNearMiss(msgspec.Struct, frozen=True):
    """A near miss: its columns as in `_NEAR_MISS`, its trace as in `_TRACE`, its files."""

    columns: Row
    trace: list[Row]
    media: list[Media]


class Parcel(msgspec.Struct, frozen=True):
    """An outing with all that belongs to it, and the state it was in."""

    state: str
    outing: Row
    near_misses: list[PackedNearMiss]
    cues: list[Row]
    faults: list[Row]
    marks: list[columns.Nanoseconds]

    @property
    def key(self) -> str:
        """The outing's key, the same wherever the outing is copied to."""
        return str(self.outing[0])


class State(msgspec.Struct, frozen=True):
    """One line of what a device has."""

    key: str
    state: str


class Greeting(msgspec.Struct, frozen=True):
    """The first line of what a device has: which rearguard, and where its clip folder is."""

    rearguard: str
    journal: int
    clips: str


_parcels = msgspec.json.Decoder(Parcel)


def states(journal: Journal) -> Iterable[State]:
    """The state of every outing, newest first."""
    for row in journal.select(
        f"SELECT id, {', '.join(_OUTING)} FROM outing ORDER BY wall_s DESC, id DESC", []
    ):
        outing_id = row.pop("id")
        yield State(str(row["key"]), _state(journal, outing_id, tuple(row.values())))


def pack(journal: Journal, key: str) -> Parcel | None:
    """An outing to travel, or None when there is none of this key (any more)."""
    found = journal.select(f"SELECT id, {', '.join(_OUTING)} FROM outing WHERE key = ?", [key])
    if not found:
        return None
    outing_id = found[0].pop("id")
    outing = tuple(found[0].values())
    near_misses = []
    for row in journal.select(
        f"SELECT id, {', '.join(_NEAR_MISS)} FROM near_miss WHERE outing = ? ORDER BY number", [outing_id]
    ):
        near_miss_id = row.pop("id")
        trace = _rows(journal, _TRACE, "trace WHERE near_miss = ? ORDER BY n", near_miss_id)
        media = _rows(journal, _MEDIA, "media WHERE near_miss = ? ORDER BY kind", near_miss_id)
        near_misses.append(PackedNearMiss(tuple(row.values()), trace, [Media(*m) for m in media]))
    return Parcel(
        _state(journal, outing_id, outing),
        outing,
        near_misses,
        _rows(journal, _CUE, "cue WHERE outing = ? ORDER BY id", outing_id),
        _rows(journal, _FAULT, "fault WHERE outing = ? ORDER BY id", outing_id),
        [
            row["at_ns"]
            for row in journal.select("SELECT at_ns FROM mark WHERE outing = ? ORDER BY id", [outing_id])
        ],
    )


def unpack(line: bytes) -> Parcel:
    """A parcel as it arrived. Raises `BadInput` when it is not one, or not whole, or names files it may not."""
    try:
        parcel = _parcels.decode(line)
        _check(parcel)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BadInput(f"the other side sent an outing that makes no sense: {e}") from e
    for media in (m for n in parcel.near_misses for m in n.media):
        if not is_clip_name(media.file) or not media.file.startswith(f"{parcel.key}-"):
            raise BadInput(f"outing {parcel.key}: the other side named a file that is no clip")
    if digest(parcel) != parcel.state:
        raise BadInput(f"outing {parcel.key}: arrived damaged; try again")
    return parcel


def _check(parcel: Parcel) -> None:
    """Raise `msgspec.ValidationError` for a value that a reader of the journal could not take."""
    kinds: list[tuple[type[msgspec.Struct], list[Row]]] = [
        (columns.Outing, [parcel.outing]),
        (columns.NearMiss, [n.columns for n in parcel.near_misses]),
        (columns.Trace, [t for n in parcel.near_misses for t in n.trace]),
        (columns.Cue, parcel.cues),
        (columns.Fault, parcel.faults),
    ]
    for kind, rows in kinds:
        for row in rows:
            try:
                checked = msgspec.convert(row, kind)
            except msgspec.ValidationError as e:
                raise msgspec.ValidationError(_named(kind, str(e))) from e
            if isinstance(checked, columns.Outing | columns.Trace):
                text = checked.config if isinstance(checked, columns.Outing) else checked.reasons
                if columns.too_deep(text):
                    raise msgspec.ValidationError("its settings or reasons are nested too deeply")


def _named(kind: type[msgspec.Struct], message: str) -> str:
    """msgspec's message about `$[5]` with the column's name in front."""
    said, _, at = message.partition(" - at `$[")
    number = at.rstrip("`]")
    column = kind.__struct_fields__[int(number)] if number.isdecimal() else "its columns"
    return f"{kind.__name__} {column}: {said}"


def digest(parcel: Parcel) -> str:
    """The state of a parcel's content, to compare with the one it says."""
    near_misses = [n.columns for n in parcel.near_misses]
    media = [m for n in parcel.near_misses for m in n.media]
    counts = [sum(len(n.trace) for n in parcel.near_misses), len(parcel.cues), len(parcel.marks)]
    return _digest(
        parcel.outing, near_misses, [msgspec.structs.astuple(m) for m in media], parcel.faults, counts
    )


def _state(journal: Journal, outing_id: int, outing: Row) -> str:
    near_misses = _rows(journal, _NEAR_MISS, "near_miss WHERE outing = ? ORDER BY number", outing_id)
    columns = tuple(f"m.{name}" for name in _MEDIA)
    joined = "media m JOIN near_miss n ON n.id = m.near_miss WHERE n.outing = ? ORDER BY n.number, m.kind"
    media = _rows(journal, columns, joined, outing_id)
    faults = _rows(journal, _FAULT, "fault WHERE outing = ? ORDER BY id", outing_id)
    (counts,) = journal.select(
        """SELECT (SELECT count(*) FROM near_miss n JOIN trace t ON t.near_miss = n.id WHERE n.outing = ?1) AS t,
             (SELECT count(*) FROM cue WHERE outing = ?1) AS c, (SELECT count(*) FROM mark WHERE outing = ?1) AS m""",
        [outing_id],
    )
    return _digest(outing, near_misses, media, faults, list(counts.values()))


def _digest(*content: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def _rows(journal: Journal, columns: tuple[str, ...], source: str, value: int) -> list[Row]:
    return [
        tuple(row.values()) for row in journal.select(f"SELECT {', '.join(columns)} FROM {source}", [value])
    ]


def merge(journal: Journal, parcel: Parcel, device: str | None = None) -> dict[str, tuple[int, Media]]:
    """Put an outing into this journal, or bring it up to date; what was said of it here is kept.

    `device` replaces the name it gives itself. Gives the files that are not here yet, by name, with the near
    miss each belongs to. Raises `sqlite3.IntegrityError` for values that no journal takes, `sqlite3.Error`
    when it cannot be written.
    """
    with journal.transaction(durable=True) as db:
        outing = list(parcel.outing)
        outing[1] = device or outing[1]
        db.execute(_upsert("outing", _OUTING, ("key",)), outing)
        (outing_id,) = db.execute("SELECT id FROM outing WHERE key = ?", (parcel.key,)).fetchone()
        missing: dict[str, tuple[int, Media]] = {}
        for near_miss in parcel.near_misses:
            missing |= _merge_near_miss(db, outing_id, near_miss)
        for table, columns, rows in (("cue", _CUE, parcel.cues), ("fault", _FAULT, parcel.faults)):
            db.execute(f"DELETE FROM {table} WHERE outing = ?", (outing_id,))
            db.executemany(
                f"INSERT INTO {table} (outing, {', '.join(columns)}) VALUES ({_marks(len(columns) + 1)})",
                [(outing_id, *row) for row in rows],
            )
        marks = [(outing_id, at_ns) for at_ns in parcel.marks]
        db.executemany("INSERT OR IGNORE INTO mark (outing, at_ns) VALUES (?, ?)", marks)
    return missing


def _merge_near_miss(
    db: sqlite3.Connection, outing_id: int, packed: PackedNearMiss
) -> dict[str, tuple[int, Media]]:
    """Put a near miss in; the files of it to fetch, none where its pictures were deleted here."""
    db.execute(
        _upsert("near_miss", ("outing", *_NEAR_MISS), ("outing", "number")), (outing_id, *packed.columns)
    )
    near_miss_id, gone = db.execute(
        "SELECT id, media_gone FROM near_miss WHERE outing = ? AND number = ?", (outing_id, packed.columns[0])
    ).fetchone()
    db.executemany(
        f"INSERT OR REPLACE INTO trace (near_miss, {', '.join(_TRACE)}) VALUES ({_marks(len(_TRACE) + 1)})",
        [(near_miss_id, *row) for row in packed.trace],
    )
    here = dict(db.execute("SELECT file, sha256 FROM media WHERE near_miss = ?", (near_miss_id,)))
    return {m.file: (near_miss_id, m) for m in packed.media if here.get(m.file) != m.sha256 and gone is None}


# Columns of which a value set here wins over what arrives: what the wearer said at home.
_OURS = {
    "verdict": "coalesce(near_miss.verdict, excluded.verdict)",
    "note": "CASE WHEN near_miss.note <> '' THEN near_miss.note ELSE excluded.note END",
    "flagged": "max(near_miss.flagged, excluded.flagged)",
    "media_gone": "near_miss.media_gone",
}


def _upsert(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    updates = [f"{c} = {_OURS.get(c, f'excluded.{c}')}" for c in columns if c not in key]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({_marks(len(columns))}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(updates)}"
    )


def _marks(count: int) -> str:
    return ", ".join("?" * count)
