"""Frames by columns: a list of structs of one type as a few arrays of numbers, and back, exactly.

What a struct holds is read off its type, so that a field that is added needs nothing here. A shape says in plain
JSON what the columns are; it is stored with them, and a reader of another version takes the fields it knows by
their names, drops those it does not, and leaves new ones at their defaults.

======================  ==================================================================================
shape                   column
======================  ==================================================================================
``"int"``               differences or values, whichever are smaller, less their least one
``"float"``             whole numbers of a power of ten where that is exact, else 64 bits
``"bool"``, ``"str"``   bytes; numbers into a list of the words there are
``{"maybe": s}``        a mask, then the values that are there
``{"each": s}``         how many, then all of them in one row
``{"struct": {…}}``     one column a field
``"json"``              whatever else, as JSON text
======================  ==================================================================================
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from itertools import accumulate, pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

Shape = str | dict[str, Any]

_DECIMALS = 9  # the finest that anything is rounded to
_EXACT = 2.0**53
_RAW = 255  # a column of floats that no power of ten makes whole
_HEAD = struct.Struct("<BBBq")  # decimals or _RAW, differences or not, bytes a value, the least value
_LENGTH = struct.Struct("<I")
_MOST = 1 << 22  # values in one column of one block


class Damaged(ValueError):
    """Bytes that are no columns of this shape."""


@cache
def shape_of(kind: Any) -> Any:
    """The shape in which values of a type are stored."""
    if get_origin(kind) is Annotated:
        return shape_of(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        inner = [a for a in get_args(kind) if a is not NoneType]
        if len(inner) == 1:
            return {"maybe": shape_of(inner[0])}
    elif get_origin(kind) in (tuple, list) and len(_items(kind)) == 1:
        return {"each": shape_of(_items(kind)[0])}
    elif isinstance(kind, type):
        if issubclass(kind, msgspec.Struct):
            return {"struct": {f.name: shape_of(f.type) for f in msgspec.structs.fields(kind)}}
        if issubclass(kind, Enum):
            return "int" if issubclass(kind, int) else "str"
        for plain in (bool, int, float, str):
            if kind is plain:
                return plain.__name__
    return "json"


def _items(kind: Any) -> list[Any]:
    args = get_args(kind)
    return [args[0]] if get_origin(kind) is list or args[-1:] == (Ellipsis,) else list(args)


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────


class _Streams(list[bytes]):
    """The columns so far; `rest` is called after each, for a writer that must not hold up others."""

    def __init__(self, rest: Callable[[], None]) -> None:
        self._rest = rest

    def append(self, stream: bytes) -> None:
        super().append(stream)
        self._rest()


def encode(shape: Shape, values: list[Any], rest: Callable[[], None] = lambda: None) -> bytes:
    """Values of the type the shape was made of; `rest` is called after each column."""
    out = _Streams(rest)
    _encode(shape, values, out)
    return b"".join(part for stream in out for part in (_LENGTH.pack(len(stream)), stream))


def _encode(shape: Shape, values: list[Any], out: list[bytes]) -> None:
    if isinstance(shape, str):
        _LEAVES[shape](values, out)
    elif "maybe" in shape:
        there = [v for v in values if v is not None]
        out.append(_ints([v is not None for v in values]))
        _encode(shape["maybe"], there, out)
    elif "each" in shape:
        out.append(_ints([len(v) for v in values]))
        _encode(shape["each"], [item for v in values for item in v], out)
    else:
        for name, inner in shape["struct"].items():
            _encode(inner, [getattr(v, name) for v in values], out)


def _ints(values: list[Any]) -> bytes:
    return _whole(np.array(values, np.int64), 0)


def _floats(values: list[float]) -> bytes:
    a = np.array(values, np.float64)
    if not a.size:
        return _whole(a.astype(np.int64), 0)
    for decimals in range(_DECIMALS + 1):
        scaled = np.rint(a * 10.0**decimals)
        if np.abs(scaled).max() >= _EXACT or not np.isfinite(scaled).all():
            break
        if np.array_equal(scaled / 10.0**decimals, a) and not np.signbit(a[a == 0]).any():
            return _whole(scaled.astype(np.int64), decimals)
    return _HEAD.pack(_RAW, 0, 8, 0) + _planes(a.view(np.uint64), 8)


def _whole(a: NDArray[np.int64], decimals: int) -> bytes:
    if not a.size:
        return b""
    steps = np.diff(a, prepend=np.int64(0))
    steps[0] = 0
    differ = a.size > 1 and int(np.ptp(steps[1:])) < int(np.ptp(a)) // 2
    first = int(a[0])
    stored = steps if differ else a
    if differ:
        stored = stored[1:]
    least = int(stored.min())
    from_least = (stored - least).astype(np.uint64)
    most = int(from_least.max())
    size = 0 if most == 0 else (most.bit_length() + 7) // 8
    head = _HEAD.pack(decimals, 2 if differ else 1, size, least)
    return head + (struct.pack("<q", first) if differ else b"") + _planes(from_least, size)


def _planes(a: NDArray[np.uint64], size: int) -> bytes:
    """The values' first bytes, then their second ones, ...: alike stands beside alike."""
    return a.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :size].T.tobytes()


def _words(values: list[str], out: list[bytes]) -> None:
    known = {word: n for n, word in enumerate(dict.fromkeys(map(str, values)))}
    out.append(msgspec.json.encode(list(known)))
    out.append(_ints([known[str(v)] for v in values]))


_LEAVES: dict[str, Callable[[list[Any], list[bytes]], None]] = {
    "int": lambda values, out: out.append(_ints(values)),
    "bool": lambda values, out: out.append(_ints(values)),
    "float": lambda values, out: out.append(_floats(values)),
    "str": _words,
    "json": lambda values, out: out.append(msgspec.json.encode(values)),
}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────


def decode(shape: Shape, data: bytes, count: int, kind: Any) -> list[Any]:
    """`count` values of the type `kind` from what `encode` made under `shape`, perhaps that of another version.

    Raises `Damaged` for bytes that are nothing of the kind.
    """
    try:
        return _decode(shape, _streams(data), count, kind)
    except (ValueError, TypeError, LookupError, OverflowError, struct.error, msgspec.MsgspecError) as e:
        raise Damaged(f"not frames of a trace: {e}") from e
    except StopIteration as e:
        raise Damaged("not frames of a trace: a column is missing") from e


def _streams(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            raise Damaged("a column is cut short")
        yield data[at : at + length]
        at += length


def _decode(shape: Shape, streams: Iterator[bytes], count: int, kind: Any) -> list[Any]:
    """`kind` is None for what this version does not know: its columns are passed over."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if isinstance(shape, str):
        return _leaf(shape, streams, count, kind)
    if "maybe" in shape:
        there = _read_numbers(next(streams), count)
        found = iter(_decode(shape["maybe"], streams, sum(there), _not_none(kind)))
        return [next(found) if is_there else None for is_there in there]
    if "each" in shape:
        counts = _read_numbers(next(streams), count)
        if not any(counts):
            for _ in range(_leaves(shape["each"])):
                next(streams)
            return [()] * count
        if any(n < 0 for n in counts) or sum(counts) > _MOST:
            raise Damaged("a column that no frame has")
        inner = _items(kind)[0] if kind is not None and get_origin(kind) in (tuple, list) else None
        flat = _decode(shape["each"], streams, sum(counts), inner)
        ends = [0, *accumulate(counts)]
        return [tuple(flat[a:b]) for a, b in pairwise(ends)]
    return _struct(shape["struct"], streams, count, kind)


def _leaves(shape: Shape) -> int:
    """How many streams values of a shape have."""
    if isinstance(shape, str):
        return 2 if shape == "str" else 1
    if "struct" in shape:
        return sum(map(_leaves, shape["struct"].values()))
    return 1 + _leaves(shape["maybe"] if "maybe" in shape else shape["each"])


def _struct(fields: dict[str, Shape], streams: Iterator[bytes], count: int, kind: Any) -> list[Any]:
    known = _known(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else {}
    columns = {}
    for name, inner in fields.items():
        column = _decode(inner, streams, count, known[name].type if name in known else None)
        if name in known:
            columns[name] = column
    if not known:
        return [None] * count
    missing = [f.name for f in known.values() if f.name not in columns and f.required]
    if missing:
        raise Damaged(f"{kind.__name__} has no {', '.join(missing)}: written by another version")
    if list(columns) == _positional(kind)[: len(columns)]:
        return list(map(kind, *columns.values()))
    names = list(columns)
    return [kind(**dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True)]


@cache
def _known(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """A struct's fields by name; asking msgspec each time takes longer than the rest of a block."""
    return {f.name: f for f in msgspec.structs.fields(kind)}


@cache
def _positional(kind: type) -> list[str]:
    parameters = inspect.signature(kind).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def _leaf(shape: str, streams: Iterator[bytes], count: int, kind: Any) -> list[Any]:
    if shape == "str":
        words: list[Any] = msgspec.json.decode(next(streams), type=list[str])
        if isinstance(kind, type) and issubclass(kind, Enum):
            words = [kind(word) for word in words]
        return [words[n] for n in _read_numbers(next(streams), count)]
    if shape == "json":
        found: list[Any] = msgspec.json.decode(next(streams))
        return msgspec.convert(found, list if kind is None else list[kind])
    numbers = _read_numbers(next(streams), count)
    if shape == "float":
        return list(map(float, numbers))
    if shape == "bool":
        return list(map(bool, numbers))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(map(kind, numbers))
    return numbers


def _not_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return next((a for a in get_args(kind) if a is not NoneType), None)
    return kind


def _read_numbers(data: bytes, count: int) -> list[Any]:
    """A column of numbers; most are constant, or one byte a value, and take the shortest way."""
    if not count:
        return []
    decimals, mode, size, least = _HEAD.unpack_from(data)
    at = _HEAD.size
    if decimals == _RAW:
        return _unplaned(data[at:], count, 8).view(np.float64).tolist()  # type: ignore[no-any-return]
    if decimals > _DECIMALS or size > 8 or mode not in (1, 2) or count > _MOST:
        raise Damaged("a column of no known kind")
    if mode == 2:
        (first,) = struct.unpack_from("<q", data, at)
        steps = _unplaned(data[at + 8 :], count - 1, size) + least
        whole = np.cumsum(np.concatenate([np.array([first], np.int64), steps]))
    elif size == 0:
        if len(data) != at:
            raise Damaged("a column of another length")
        return [least / 10.0**decimals if decimals else least] * count
    else:
        whole = _unplaned(data[at:], count, size) + least
    return (whole / 10.0**decimals if decimals else whole).tolist()  # type: ignore[no-any-return]


def _unplaned(data: bytes, count: int, size: int) -> NDArray[np.int64]:
    """Values from their first bytes, second bytes, ...; 64 bits wrap around, as they did when they were written."""
    if len(data) != count * size or count > _MOST:
        raise Damaged("a column of another length")
    if size == 0:
        return np.zeros(count, np.int64)
    planes = np.frombuffer(data, np.uint8).reshape(size, count)
    found: NDArray[np.int64] = planes[0].astype(np.int64)
    for place in range(1, size):
        found |= planes[place].astype(np.int64) << (8 * place)
    return found
