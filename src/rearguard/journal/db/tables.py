"""The journal's columns, derived from the types: what a table holds is said once, by the type of its rows.

A struct inside a struct is laid flat (a box becomes x0, y0, x1, y1), an optional one that is missing has only NULLs,
a list of words or numbers is one text with spaces. Whatever comes out of a table, or from another device, is built
through the type, which checks it; text is made safe to print on the way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from rearguard.text import clean
from rearguard.types import UNSTORED

T = TypeVar("T", bound=msgspec.Struct)
Row = tuple[Any, ...]

_LONGEST_TEXT = 2000
_DEEPEST = 200  # brackets in one column of JSON; ours has some twenty, and each could be a level deeper


class Column(NamedTuple):
    """One column: its name, where its value lies in the struct, and of what kind it is."""

    name: str
    path: tuple[str, ...]
    kind: type  # int, float, bool, str, or list for words
    optional: bool
    longest: int


@cache
def columns(struct: type[msgspec.Struct]) -> tuple[Column, ...]:
    """The columns a struct is stored in, in the order of its fields."""
    found: list[Column] = []
    for field in msgspec.structs.fields(struct):
        kind, optional, meta = _plain_type(field.type)
        if meta is UNSTORED:
            continue
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found += [c._replace(path=(field.name, *c.path)) for c in columns(kind)]
            continue
        longest = meta.max_length if meta and meta.max_length else _LONGEST_TEXT
        if get_origin(kind) is tuple:
            word = _plain_type(get_args(kind)[0])[0]
            if issubclass(word, msgspec.Struct):
                continue  # it has a table of its own
            kind = list
        elif issubclass(kind, Enum):
            kind = int if issubclass(kind, int) else str
        found.append(Column(field.name, (field.name,), kind, optional, longest))
    return tuple(found)


def names(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of a struct's columns."""
    return tuple(c.name for c in columns(struct))


def to_row(value: msgspec.Struct) -> Row:
    """A struct as a row; one odd number or an endless text must not cost the whole row."""
    return tuple(_stored(_at(value, c.path), c) for c in columns(type(value)))


def named(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as a row with the names of its columns."""
    return dict(zip(names(type(value)), to_row(value), strict=True))


def from_row(struct: type[T], row: Mapping[str, Any], *, verbatim: frozenset[str] = frozenset()) -> T:
    """The struct that a row stands for; of its texts only the `verbatim` ones stay as they are.

    Raises `msgspec.ValidationError` for a row that makes no sense.
    """
    built: dict[str, Any] = {}
    for column in columns(struct):
        value = row[column.name]
        if isinstance(value, str) and column.name not in verbatim:
            value = clean(value, column.longest)
        if column.kind is list:
            value = (value or "").split()
        if value is None and (not column.optional or len(column.path) > 1):
            continue  # a default, a struct that is missing, or refused by the type below
        inner = built
        for part in column.path[:-1]:
            inner = inner.setdefault(part, {})
        inner[column.path[-1]] = value
    for field in _in_order(struct):
        if field in built:
            built[field] = list(built[field].values())
    return msgspec.convert(built, struct, strict=False)


def parse_json(text: str) -> Any:
    """What a column of JSON holds; None for what is no JSON, or nested so deeply that reading it could fail."""
    if text.count("[") + text.count("{") > _DEEPEST:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


@cache
def _in_order(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields whose structs are built from their values in order, not by name."""
    return tuple(
        field.name
        for field in msgspec.structs.fields(struct)
        if isinstance(field.type, type)
        and issubclass(field.type, msgspec.Struct)
        and field.type.__struct_config__.array_like
    )


def _plain_type(kind: Any) -> tuple[Any, bool, msgspec.Meta | None]:
    """A field's type without its bounds, whether it may be None, and the bounds."""
    optional = False
    meta: msgspec.Meta | None = None
    while True:
        if get_origin(kind) in (Union, UnionType):
            (kind,) = (a for a in get_args(kind) if a is not NoneType)
            optional = True
        elif hasattr(kind, "__metadata__"):
            meta, kind = kind.__metadata__[0], kind.__origin__
        else:
            break
    if get_origin(kind) is not tuple and get_args(kind):  # Literal["true", "false"], Literal[0, 1]
        kind = type(get_args(kind)[0])
    return kind, optional, meta


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = None if value is None else getattr(value, part)
    return value


def _stored(value: Any, column: Column) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if column.optional else 0.0
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return " ".join(str(word) for word in value)
    if isinstance(value, str):
        return value[: column.longest]
    return value
