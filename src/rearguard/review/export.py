"""The journal as CSV, JSON Lines or Parquet: flat tables that DuckDB, pandas or Spark read directly.

Every row names its outing by `outing_key`, which is the same on the device and wherever it was copied to.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import msgspec

from rearguard.errors import BadInput, PartFailed
from rearguard.journal.db.rows import Filter, NearMissRecord, OutingRecord, TraceRecord
from rearguard.journal.db.store import Journal, damaged
from rearguard.journal.db.tables import columns
from rearguard.review.columns import MEANING, Row
from rearguard.review.text import iso
from rearguard.text import clean
from rearguard.types import Cue, Level, Passage

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 10_000  # per Parquet row group
FRAMES = "frames"  # the one table that is not in the database: the traces
_FORMULA = ("=", "+", "-", "@")

_NEAR_MISS = "near_miss n JOIN outing o ON o.id = n.outing"
_ABOUT = (
    "source",
    "model",
    "model_digest",
    "config_digest",
    "version",
)  # of its outing, beside each near miss
_FROM_WORST = {"first_ns", "warned_ns", "released_ns", "t_ns"}  # these count from the worst moment


@dataclass(frozen=True)
class Table:
    """A table to export: its columns as (name, SQL, kind), where they come from, the wall time of a row, the order
    of rows, and whether a near miss's filter fits."""

    columns: tuple[tuple[str, str, type], ...]
    source: str
    wall: str
    order: str
    of_near_misses: bool = False

    @property
    def names(self) -> list[str]:
        return ["when", "when_local", *(name for name, _, _ in self.columns)]


def _columns(kind: type[msgspec.Struct], of: str, *without: str) -> list[tuple[str, str, type]]:
    return [
        (c.name, f"{of}.{c.name} - n.worst_ns" if c.name in _FROM_WORST else f"{of}.{c.name}", c.kind)
        for c in columns(kind)
        if c.name not in without
    ]


def _seconds(name: str, of: str) -> tuple[str, str, type]:
    return name, f"({of} - o.origin_ns) / 1e9", float


def _level(of: str) -> tuple[str, str, type]:
    words = " ".join(f"WHEN {level.value} THEN '{level.name}'" for level in Level)
    return "level_name", f"CASE {of}.level {words} END", str


_KEY: list[tuple[str, str, type]] = [("outing_key", "o.key", str), ("device", "o.device", str)]

TABLES: dict[str, Table] = {
    "near_misses": Table(
        (
            ("id", "n.id", int),
            *_KEY,
            *_columns(NearMissRecord, "n", "worst_ns"),
            _level("n"),
            *((name, f"o.{name}", str) for name in _ABOUT),
        ),
        _NEAR_MISS,
        "n.wall_s",
        "n.id",
        True,
    ),
    "trace": Table(
        (("id", "n.id", int), *_KEY, ("number", "n.number", int), *_columns(TraceRecord, "t"), _level("t")),
        f"trace t JOIN {_NEAR_MISS.replace('JOIN', 'ON n.id = t.near_miss JOIN')}",
        "n.wall_s",
        "t.near_miss, t.n",
        True,
    ),
    "outings": Table(
        (*_KEY, *_columns(OutingRecord, "o", "key", "device", "origin_ns")), "outing o", "o.wall_s", "o.id"
    ),
    "cues": Table(
        (*_KEY, _seconds("t_s", "c.at_ns"), *_columns(Cue, "c", "at_ns")),
        "cue c JOIN outing o ON o.id = c.outing",
        "o.wall_s + (c.at_ns - o.origin_ns) / 1e9",
        "c.id",
    ),
    "passages": Table(
        (*_KEY, _seconds("t_s", "p.at_ns"), *_columns(Passage, "p", "at_ns"), _level("p")),
        "passage p JOIN outing o ON o.id = p.outing",
        "o.wall_s + (p.at_ns - o.origin_ns) / 1e9",
        "p.id",
    ),
    "faults": Table(
        (
            *_KEY,
            ("fault", "f.fault", str),
            _seconds("began_s", "f.began_ns"),
            _seconds("ended_s", "f.ended_ns"),
        ),
        "fault f JOIN outing o ON o.id = f.outing",
        "o.wall_s + (f.began_ns - o.origin_ns) / 1e9",
        "f.id",
    ),
}


def names(table: str) -> list[str]:
    """The columns of a table, in order; `when` is ISO 8601 in UTC."""
    if table == FRAMES:
        from rearguard.review.export_frames import shapes

        return ["when", *shapes()]
    return TABLES[table].names


def rows(journal: Journal, table: str, wanted: Filter) -> Iterator[Row]:
    """Rows of a table, oldest first, one at a time. Raises `BadInput` for a filter that does not fit it."""
    if table == FRAMES:
        from rearguard.review import export_frames

        return export_frames.rows(journal, wanted)
    where, values = _where(table, wanted)  # now, before anything is written
    return _rows(journal, table, where, values)


def _rows(journal: Journal, table: str, where: str, values: list[Any]) -> Iterator[Row]:
    t = TABLES[table]
    columns = ", ".join(sql for _, sql, _ in t.columns)
    kinds = [str, str, *(kind for _, _, kind in t.columns)]
    try:
        cursor = journal.db.execute(
            f"SELECT {t.wall}, {columns} FROM {t.source} WHERE {where} ORDER BY {t.wall}, {t.order}", values
        )
        for row in cursor:
            cells = zip(t.names, kinds, (iso(row[0]), iso(row[0], here=True), *row[1:]), strict=True)
            yield {key: _plain(key, kind, value) for key, kind, value in cells}
    except sqlite3.Error as e:
        if damaged(e):
            raise BadInput(
                f"{journal.folder}: the journal is damaged ({e}); what fits is not all there"
            ) from e
        raise PartFailed(f"{journal.folder}: cannot read the journal: {e}") from e


def count(journal: Journal, table: str, wanted: Filter) -> int:
    """How many rows there will be. Raises `BadInput` for a filter that does not fit it."""
    if table == FRAMES:
        from rearguard.review import export_frames

        return export_frames.count(journal, wanted)
    where, values = _where(table, wanted)
    (row,) = journal.select(f"SELECT count(*) AS rows FROM {TABLES[table].source} WHERE {where}", values)
    return int(row["rows"])


def _where(table: str, wanted: Filter) -> tuple[str, list[Any]]:
    """A filter as SQL with its values."""
    wall = TABLES[table].wall
    if not TABLES[table].of_near_misses and (wanted.label is not None or wanted.level is not None):
        raise BadInput(f"{table}: has no label or level to filter by")
    asked = [
        (f"{wall} >= ?", wanted.since_s),
        (f"{wall} < ?", wanted.until_s),
        ("o.id = ?", wanted.outing),
        ("o.device = ?", wanted.device),
        ("n.level >= ?", wanted.level),
        ("n.label = ?", wanted.label),
    ]
    where = " AND ".join(sql for sql, value in asked if value is not None) or "1"
    return where, [value for _, value in asked if value is not None]


def _plain(key: str, kind: type, value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, 100_000) if key != "config" else value
    return bool(value) if kind is bool and value is not None else value


def write_csv(table: str, found: Iterable[Row], out: TextIO) -> int:
    """Write a table as CSV with a header; the number of rows.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    writer, written = csv.writer(out, lineterminator="\n"), 0
    writer.writerow(names(table))
    for row in found:
        writer.writerow([_cell(v) for v in row.values()])
        written += 1
    return written


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_jsonl(found: Iterable[Row], out: TextIO) -> int:
    """Write rows as JSON Lines; their number."""
    written = 0
    for row in found:
        out.write(json.dumps(row) + "\n")
        written += 1
    return written


def write_parquet(table: str, found: Iterable[Row], out: BinaryIO) -> int:
    """Write a table as Parquet (zstd); the number of rows. Raises `BadInput` where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as e:
        raise BadInput(
            "Parquet needs pyarrow: pip install 'rearguard[export]'; csv and jsonl need nothing"
        ) from e
    schema, written = parquet_schema(pa, table), 0
    batch: list[Row] = []
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for row in found:
            row["when"] = datetime.fromisoformat(row["when"]) if row["when"] else None
            batch.append(row)
            if len(batch) == _ROWS:
                written += _flush(pa, writer, batch, schema)
        written += _flush(pa, writer, batch, schema)
    return written


def _flush(pa: Any, writer: Any, batch: list[dict[str, Any]], schema: pa.Schema) -> int:
    count = len(batch)
    if count:
        writer.write_table(pa.Table.from_pylist(batch, schema=schema))
        batch.clear()
    return count


def parquet_schema(pa: Any, table: str) -> pa.Schema:
    """The columns of a table as Parquet has them, with their meanings; `pa` is pyarrow."""
    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    wall = ("when", pa.timestamp("ms", tz="UTC"))
    if table == FRAMES:
        from rearguard.journal.trace.arrow import arrow_type
        from rearguard.review.export_frames import shapes

        return pa.schema([wall, *((name, arrow_type(pa, shape)) for name, shape in shapes().items())])
    told = {"when_local": str, **{name: kind for name, _, kind in TABLES[table].columns}}
    return pa.schema(
        [
            pa.field(name, kind, metadata={"description": MEANING[name]})
            for name, kind in (wall, *((n, kinds.get(k, pa.string())) for n, k in told.items()))
        ]
    )
