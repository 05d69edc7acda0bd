"""The journal as CSV, JSON Lines or Parquet: flat tables that DuckDB, pandas or Spark read directly.

Every row names its outing by `outing_key`, which is the same on the device and wherever it was copied to.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from rearguard.errors import BadInput, PartFailed
from rearguard.journal.columns import plain_json
from rearguard.journal.rows import Filter
from rearguard.journal.store import Journal, damaged
from rearguard.review.text import clean

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 10_000  # per Parquet row group
_FORMULA = ("=", "+", "-", "@")

_OUTING = "o.key AS outing_key, o.device"
_NEAR_MISS = "near_miss n JOIN outing o ON o.id = n.outing"

# table → (columns, from, wall time of a row, does a near miss's filter fit)
TABLES: dict[str, tuple[str, str, str, bool]] = {
    "near_misses": (
        f"{_OUTING}, n.number, n.wall_s, n.clock_synced, n.wall_corrected, n.mono_ns, n.boot_id, n.label, n.kind, "
        "n.side, n.level, n.min_ttc_s, n.range_m, n.lead_time_s, n.first_ns - n.worst_ns AS first_ns, "
        "n.warned_ns - n.worst_ns AS warned_ns, n.released_ns - n.worst_ns AS released_ns, n.track, n.worst_seq, "
        "n.flagged, n.verdict, n.note, o.source, o.model, o.model_digest, o.config_digest, o.version",
        _NEAR_MISS,
        "n.wall_s",
        True,
    ),
    "trace": (
        f"{_OUTING}, n.number, t.n, t.t_ns - n.worst_ns AS t_ns, t.seq, t.x0, t.y0, t.x1, t.y1, t.ttc_s, "
        "t.ttc_sd_s, t.range_m, t.miss_m, t.level, t.reasons",
        f"trace t JOIN {_NEAR_MISS.replace('JOIN', 'ON n.id = t.near_miss JOIN')}",
        "n.wall_s",
        True,
    ),
    "outings": (
        f"{_OUTING}, o.wall_s, o.clock_synced, o.wall_corrected, o.mono_ns, o.boot_id, o.source, o.realtime, "
        "o.ended, o.frames, o.late, o.worn_s, o.blind_s, o.model, o.model_digest, o.config_digest, o.config, o.version",
        "outing o",
        "o.wall_s",
        False,
    ),
    "cues": (
        f"{_OUTING}, (c.at_ns - o.origin_ns) / 1e9 AS t_s, c.cue, c.side, c.track, c.ttc_s, c.reason",
        "cue c JOIN outing o ON o.id = c.outing",
        "o.wall_s + (c.at_ns - o.origin_ns) / 1e9",
        False,
    ),
    "faults": (
        f"{_OUTING}, f.trouble, (f.began_ns - o.origin_ns) / 1e9 AS began_s, "
        "(f.ended_ns - o.origin_ns) / 1e9 AS ended_s",
        "fault f JOIN outing o ON o.id = f.outing",
        "o.wall_s + (f.began_ns - o.origin_ns) / 1e9",
        False,
    ),
}
_BOOLEAN = {"clock_synced", "wall_corrected", "flagged", "realtime"}
_WHOLE = {"number", "mono_ns", "level", "first_ns", "warned_ns", "released_ns", "track", "worst_seq"}
_WHOLE |= {"n", "t_ns", "seq", "frames", "late"}
_REAL = {
    "wall_s",
    "min_ttc_s",
    "range_m",
    "lead_time_s",
    "x0",
    "y0",
    "x1",
    "y1",
    "ttc_s",
    "ttc_sd_s",
    "miss_m",
}
_REAL |= {"worn_s", "blind_s", "t_s", "began_s", "ended_s"}


Row = dict[str, Any]


def names(table: str) -> list[str]:
    """The columns of a table, in order; `when` is ISO 8601 in UTC."""
    columns = TABLES[table][0]
    return ["when", *(c.split(" AS ")[-1].split(".")[-1].strip() for c in columns.split(", "))]


def rows(journal: Journal, table: str, wanted: Filter) -> Iterator[Row]:
    """Rows of a table, oldest first, one at a time. Raises `BadInput` for a filter that does not fit it."""
    where, values = _where(table, wanted)  # now, before anything is written
    return _rows(journal, table, where, values)


def _rows(journal: Journal, table: str, where: str, values: list[Any]) -> Iterator[Row]:
    columns, source, wall, _ = TABLES[table]
    order = f"{wall}, {'t.near_miss, t.n' if table == 'trace' else source.split()[1] + '.id'}"
    try:
        cursor = journal.db.execute(
            f"SELECT {wall}, {columns} FROM {source} WHERE {where} ORDER BY {order}", values
        )
        keys = names(table)
        for row in cursor:
            yield {key: _plain(key, value) for key, value in zip(keys, (_iso(row[0]), *row[1:]), strict=True)}
    except sqlite3.Error as e:
        if damaged(e):
            raise BadInput(
                f"{journal.folder}: the journal is damaged ({e}); what fits is not all there"
            ) from e
        raise PartFailed(f"{journal.folder}: cannot read the journal: {e}") from e


def count(journal: Journal, table: str, wanted: Filter) -> int:
    """How many rows there will be. Raises `BadInput` for a filter that does not fit it."""
    where, values = _where(table, wanted)
    (row,) = journal.select(f"SELECT count(*) AS rows FROM {TABLES[table][1]} WHERE {where}", values)
    return int(row["rows"])


def _where(table: str, wanted: Filter) -> tuple[str, list[Any]]:
    """A filter as SQL with its values."""
    _, _, wall, fits = TABLES[table]
    if not fits and (wanted.label is not None or wanted.level is not None):
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


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, 100_000) if key != "config" else value
    return bool(value) if key in _BOOLEAN else value


def _iso(wall_s: float) -> str:
    try:
        return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def write_csv(table: str, found: Iterable[Row], out: TextIO) -> int:
    """Write a table as CSV with a header; the number of rows.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    writer, written = csv.writer(out, lineterminator="\n"), 0
    writer.writerow(names(table))
    for row in found:
        writer.writerow(
            [f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for v in row.values()]
        )
        written += 1
    return written


def write_jsonl(found: Iterable[Row], out: TextIO) -> int:
    """Write rows as JSON Lines; their number."""
    written = 0
    for row in found:
        if "reasons" in row:
            row["reasons"] = _list(row["reasons"])
        out.write(json.dumps(row) + "\n")
        written += 1
    return written


def _list(text: str) -> list[str]:
    found = plain_json(text)
    return [str(item) for item in found] if isinstance(found, list) else [text]


def write_parquet(table: str, found: Iterable[Row], out: BinaryIO) -> int:
    """Write a table as Parquet (zstd); the number of rows. Raises `BadInput` where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as e:
        raise BadInput(
            "Parquet needs pyarrow: pip install 'rearguard[export]'; csv and jsonl need nothing"
        ) from e
    schema, written = _schema(pa, table), 0
    batch: list[Row] = []
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for row in found:
            row["when"] = datetime.fromisoformat(row["when"]) if row["when"] else None
            if "reasons" in row:
                row["reasons"] = _list(row["reasons"])
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


def _schema(pa: Any, table: str) -> pa.Schema:
    def kind(name: str) -> Any:
        if name == "when":
            return pa.timestamp("ms", tz="UTC")
        if name == "reasons":
            return pa.list_(pa.string())
        if name in _BOOLEAN:
            return pa.bool_()
        return pa.int64() if name in _WHOLE else pa.float64() if name in _REAL else pa.string()

    return pa.schema([(name, kind(name)) for name in names(table)])
