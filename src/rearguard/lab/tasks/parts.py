"""Results on the disk: one Parquet file a task, named by a digest of all that its result depends on.

A file is there whole or not at all. What is there is not computed again, so that running the same command again goes
on where it stopped, and the folders of two machines are merged by copying one into the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

import rearguard
from rearguard.config.detect import Detect
from rearguard.detect.model import card_of
from rearguard.errors import BadInput
from rearguard.journal.trace.arrow import arrow_type, plain
from rearguard.journal.trace.columns import shape_of
from rearguard.output import output

R = TypeVar("R", bound=msgspec.Struct)

_KEY_CHARS = 32
# Pyarrow's own errors are among these.
_DAMAGED = (OSError, ValueError, TypeError, KeyError, msgspec.MsgspecError)


@cache
def program_digest() -> str:
    """A digest of the program's own code: a part computed by other code is another part."""
    folder = Path(rearguard.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def model_digest(detect: Detect) -> str:
    """The digest of the network that these settings name."""
    return card_of(detect.model).sha256


def task_key(kind: str, *what: Any) -> str:
    """The key of a task of a kind: the program, and what it is of (msgspec structs, and what they may hold)."""
    text = msgspec.json.encode([kind, program_digest(), *what], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:_KEY_CHARS]


class Parts(Generic[R]):
    """The results in a folder, each a list of structs of one type. Raises `BadInput` where nothing can be kept."""

    def __init__(self, folder: Path, row: type[R]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as e:
            raise BadInput("--out needs pyarrow: pip install 'rearguard[export]'") from e
        self._pa, self._pq = pa, pq
        self._folder, self._row = folder, row
        shapes = shape_of(row)["struct"]
        self._schema = pa.schema([(name, arrow_type(pa, shape)) for name, shape in shapes.items()])
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise BadInput(f"{folder}: cannot keep results there: {e.strerror or e}") from e

    def path(self, key: str) -> Path:
        """Where the part of a task is, or will be."""
        return self._folder / f"{key}.parquet"

    def read(self, key: str) -> list[R] | None:
        """The result of a task; None where there is none, or none that can be read, and it must be computed."""
        path = self.path(key)
        if not path.exists():
            return None
        try:
            rows = self._pq.ParquetFile(path).read().to_pylist()
            return msgspec.convert(rows, list[self._row], strict=False)  # type: ignore[name-defined]
        except _DAMAGED:
            return None

    def write(self, key: str, rows: Sequence[R]) -> None:
        """Keep the result of a task. Raises `BadInput` where it cannot be written."""
        table = self._pa.Table.from_pylist([plain(row) for row in rows], schema=self._schema)
        with output(self.path(key)) as file:
            self._pq.write_table(table, file, compression="zstd")
