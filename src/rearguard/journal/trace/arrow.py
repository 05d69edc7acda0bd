"""Structs as rows of a Parquet table, with the columns that their type has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rearguard.journal.trace.columns import Shape

if TYPE_CHECKING:
    import pyarrow as pa


def plain(value: Any) -> Any:
    """Structs as objects with the names of their fields, enums as their values."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return msgspec.to_builtins(value)


def arrow_type(arrow: Any, shape: Shape) -> pa.DataType:
    """The Parquet type of a column; `arrow` is pyarrow, which is imported only where it is needed."""
    if isinstance(shape, str):
        known = {"int": arrow.int64(), "float": arrow.float64(), "bool": arrow.bool_()}
        return known.get(shape, arrow.string())
    if "maybe" in shape:
        return arrow_type(arrow, shape["maybe"])
    if "each" in shape:
        return arrow.list_(arrow_type(arrow, shape["each"]))
    return arrow.struct([(name, arrow_type(arrow, inner)) for name, inner in shape["struct"].items()])
