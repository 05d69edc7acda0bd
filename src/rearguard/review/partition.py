"""A table in many Parquet files, `device=…/month=…/part.parquet`: what DuckDB, Polars and Spark read as one table, of
which they open only the devices and months that a question is about.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rearguard.errors import BadInput
from rearguard.review.columns import Row
from rearguard.review.export import parquet_schema

_ROWS = 10_000  # kept of a part before they are written
_NO_MONTH = "unknown"  # of a wall time that no calendar knows


def check_folder(folder: Path) -> None:
    """Raise `BadInput` unless `folder` is free: none there, or an empty one."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: there is something in it already; name a new folder")


def write_partitioned(table: str, found: Iterable[Row], folder: Path) -> tuple[int, int]:
    """Write rows, oldest first, by device and month of their wall time (UTC); numbers of rows and of files.

    The folder appears whole or not at all. Raises `BadInput` where pyarrow is not installed or it cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as e:
        raise BadInput("--partition needs pyarrow: pip install 'rearguard[export]'") from e
    check_folder(folder)
    temp = folder.resolve().with_name(f".{secrets.token_hex(8)}.part")
    # Without the columns' descriptions, which docs/columns.md has; the folder names the device.
    told = [pa.field(f.name, f.type) for f in parquet_schema(pa, table) if f.name != "device"]
    parts = _Parts(pa, pq, pa.schema(told), temp)
    try:
        temp.parent.mkdir(parents=True, exist_ok=True)
        temp.mkdir(mode=0o777)
        rows = 0
        for row in found:
            parts.add(row)
            rows += 1
        parts.close()
        if folder.exists():
            folder.rmdir()
        temp.rename(folder.resolve())
    except OSError as e:
        raise BadInput(f"{folder}: cannot write: {e.strerror or e}") from e
    finally:
        parts.abandon()
        shutil.rmtree(temp, ignore_errors=True)
    return rows, parts.files


class _Parts:
    """The files that are being written: those of one month, as rows come in order of time."""

    def __init__(self, pa: Any, pq: Any, schema: Any, folder: Path) -> None:
        self._pa, self._pq, self._schema, self._folder = pa, pq, schema, folder
        self._rows: dict[str, list[Row]] = {}  # by device
        self._writers: dict[str, Any] = {}
        self._month = ""
        self._written: dict[tuple[str, str], int] = {}

    @property
    def files(self) -> int:
        """How many files there are."""
        return sum(self._written.values())

    def add(self, row: Row) -> None:
        """One row, later than those before."""
        month = row["when"][:7] or _NO_MONTH
        if month != self._month:
            self.close()
            self._month = month
        device = row.pop("device") or ""
        row["when"] = datetime.fromisoformat(row["when"]) if row["when"] else None
        rows = self._rows.setdefault(device, [])
        rows.append(row)
        if len(rows) == _ROWS:
            self._flush(device)

    def close(self) -> None:
        """The month is over."""
        for device in list(self._rows):
            self._flush(device)
            self._writers.pop(device).close()
        self._rows.clear()

    def abandon(self) -> None:
        """Let go of what a failed write left open."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _flush(self, device: str) -> None:
        if device not in self._writers:
            self._writers[device] = self._begin(device)
        rows = self._rows[device]
        if rows:
            self._writers[device].write_table(self._pa.Table.from_pylist(rows, schema=self._schema))
            rows.clear()

    def _begin(self, device: str) -> Any:
        """A new file; a month that comes again, after rows out of order, gets another one."""
        number = self._written.get((device, self._month), 0)
        self._written[device, self._month] = number + 1
        of_device = f"device={quote(device, safe='') or '__HIVE_DEFAULT_PARTITION__'}"
        folder = self._folder / of_device / f"month={self._month}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"part-{number}.parquet"
        # Small files: what a query reads of each is mostly its head, so nothing is in it that is the same in all.
        return self._pq.ParquetWriter(folder / name, self._schema, compression="zstd", store_schema=False)
