"""What a `.tflite` file says of itself, read without running it: tensors, operations, labels, normalisation.

A TFLite file is a FlatBuffer (schema: tensorflow/lite/schema/schema.fbs); its labels lie in a zip archive behind the
end, and how to feed it in a second FlatBuffer (tflite-support, metadata_schema.fbs). Field numbers are the schemas'.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rearguard.detect.labels import by_number, notation, parse_labels
from rearguard.errors import BadInput

_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 9: "int8", 7: "int16"}
_MOST = 100_000  # items of any vector; a hostile file may say anything
_MAX_LABEL_BYTES = 1 << 20
_MOST_BEHIND = 20  # files
_DEQUANTIZE = 6  # its number among the builtin operations
POSTPROCESS = "TFLite_Detection_PostProcess"
EDGE_TPU = "edgetpu-custom-op"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its number in the file, name, shape and type; value = (stored − zero) · scale, as it is for 0."""

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    scale: float = 0.0
    zero: int = 0


@dataclass(frozen=True, slots=True)
class TfliteFile:
    """`operations`: each one's own name (custom ones; "" for builtin) and the tensors it gives.

    `labels`: from the file's own metadata, empty where it has none. `normal`: (mean, scale) for pixels of 0..255 from
    there, or None. `num_classes`: what the post-processing was made for, or None. `task`: what Ultralytics wrote that a
    YOLO is for ("detect", "pose" …), or None. `unpacked`: by the number of a tensor that is made float again, the one
    that it was before.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: tuple[tuple[str, tuple[Tensor, ...]], ...]
    labels: tuple[str, ...]
    normal: tuple[float, float] | None
    num_classes: int | None
    task: str | None = None
    unpacked: dict[int, Tensor] = field(default_factory=dict)

    def of(self, custom: str) -> tuple[Tensor, ...] | None:
        """What the custom operation of this name gives, in its order; None without such an operation."""
        return next((outputs for name, outputs in self.operations if name == custom), None)


def read_tflite(content: bytes, name: str) -> TfliteFile:
    """Read a file's structure. Raises `BadInput`, naming it `name`, for anything that is no TFLite model."""
    if content[4:8] != b"TFL3":
        kind = (
            "an ONNX or PyTorch file"
            if content[:2] in (b"\x08\x03", b"PK", b"\x80\x02")
            else "something else"
        )
        raise BadInput(f"{name}: not a TFLite model ({kind}); export it as .tflite")
    try:
        return _read(content)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError, OverflowError) as e:
        raise BadInput(f"{name}: a damaged TFLite model: {e}") from e


class _Table:
    """One table of a FlatBuffer; fields by their number."""

    def __init__(self, data: bytes, at: int) -> None:
        if not 0 <= at <= len(data) - 4:
            raise ValueError(f"a part lies at byte {at}, outside the file")
        self._data, self._at = data, at
        self._vtable = at - struct.unpack_from("<i", data, at)[0]
        if not 0 <= self._vtable <= len(data) - 4:
            raise ValueError("its structure points outside the file")
        self._size = struct.unpack_from("<H", data, self._vtable)[0]

    def _field(self, number: int) -> int | None:
        slot = 4 + 2 * number
        if slot + 2 > self._size:
            return None
        offset = struct.unpack_from("<H", self._data, self._vtable + slot)[0]
        return self._at + offset if offset else None

    def number(self, number: int, code: str, default: int = 0) -> int:
        at = self._field(number)
        return default if at is None else int(struct.unpack_from(f"<{code}", self._data, at)[0])

    def _target(self, number: int) -> int | None:
        at = self._field(number)
        return None if at is None else at + struct.unpack_from("<I", self._data, at)[0]

    def table(self, number: int) -> _Table | None:
        at = self._target(number)
        return None if at is None else _Table(self._data, at)

    def _vector(self, number: int, each: int) -> tuple[int, int]:
        """Where the items begin, and how many there are."""
        at = self._target(number)
        if at is None:
            return 0, 0
        (count,) = struct.unpack_from("<I", self._data, at)
        if at + 4 + count * each > len(self._data):
            raise ValueError("a list in it is longer than the file")
        return at + 4, count

    def numbers(self, number: int, code: str) -> tuple[float, ...]:
        start, count = self._vector(number, struct.calcsize(f"<{code}"))
        if count > _MOST:
            raise ValueError("a list in it is senselessly long")
        return struct.unpack_from(f"<{count}{code}", self._data, start)

    def bytes(self, number: int) -> bytes:
        start, count = self._vector(number, 1)
        return self._data[start : start + count]

    def text(self, number: int) -> str:
        return self.bytes(number).decode("utf-8", "replace")

    def tables(self, number: int, make: Callable[[_Table], T]) -> list[T]:
        start, count = self._vector(number, 4)
        if count > _MOST:
            raise ValueError("a list in it is senselessly long")
        places = (start + 4 * i for i in range(count))
        return [make(_Table(self._data, p + struct.unpack_from("<I", self._data, p)[0])) for p in places]


def _root(data: bytes) -> _Table:
    return _Table(data, struct.unpack_from("<I", data, 0)[0])


def _read(content: bytes) -> TfliteFile:
    model = _root(content)
    customs = model.tables(1, lambda t: t.text(1))
    graphs = model.tables(2, lambda t: t)
    if not graphs:
        raise ValueError("no network in it")
    graph = graphs[0]
    raw = graph.tables(0, lambda t: t)
    tensors = [_tensor(i, table) for i, table in enumerate(raw)]
    operations: list[tuple[str, tuple[Tensor, ...]]] = []
    codes = model.tables(1, lambda t: max(t.number(0, "b"), t.number(3, "i")))
    unpacked: dict[int, Tensor] = {}
    num_classes: int | None = None
    for operator in graph.tables(3, lambda t: t):
        number = operator.number(0, "I")
        custom = customs[number]
        given = tuple(tensors[int(i)] for i in operator.numbers(2, "i") if i >= 0)
        operations.append((custom, given))
        if codes[number] == _DEQUANTIZE and given:
            for i in operator.numbers(1, "i")[:1]:
                unpacked[given[0].index] = tensors[int(i)]
        if custom == POSTPROCESS:
            num_classes = _classes_of(operator.bytes(5))
    buffers = model.tables(4, lambda t: t)
    metadata = dict(model.tables(6, lambda t: (t.text(0), t.number(1, "I"))))
    described = metadata.get("TFLITE_METADATA")
    labels, task = _told_behind(content)
    normal = None
    if described is not None and (data := buffers[described].bytes(0)):
        normal = _normal(_root(data))
    return TfliteFile(
        tuple(tensors[int(i)] for i in graph.numbers(1, "i")),
        tuple(tensors[int(i)] for i in graph.numbers(2, "i")),
        tuple(operations),
        labels,
        normal,
        num_classes,
        task,
        unpacked,
    )


def _tensor(index: int, table: _Table) -> Tensor:
    quantised = table.table(4)
    scales = quantised.numbers(2, "f") if quantised else ()
    zeros = quantised.numbers(3, "q") if quantised else ()
    return Tensor(
        index,
        table.text(3),
        tuple(int(n) for n in table.numbers(0, "i")),
        _TYPES.get(table.number(1, "b"), "another type"),
        float(scales[0]) if len(scales) == 1 else 0.0,
        int(zeros[0]) if len(zeros) == 1 else 0,
    )


def _classes_of(options: bytes) -> int | None:
    """`num_classes` of the post-processing's options, a FlexBuffer map."""
    try:
        from flatbuffers import flexbuffers

        found = flexbuffers.Loads(options).get("num_classes")
    except Exception:  # it is optional, and what a hostile file makes of it is its own affair
        return None
    return found if isinstance(found, int) and 0 < found < 10_000 else None


def _normal(metadata: _Table) -> tuple[float, float] | None:
    """(mean, scale) of the first input's NormalizationOptions, pixels being 0..255."""
    for graph in metadata.tables(3, lambda t: t)[:1]:
        for tensor in graph.tables(2, lambda t: t)[:1]:  # the inputs; 3 are the outputs
            for unit in tensor.tables(4, lambda t: t):
                if unit.number(0, "B") == 1 and (options := unit.table(1)):
                    mean, sd = options.numbers(0, "f"), options.numbers(1, "f")
                    if mean and sd and sd[0] > 0:
                        return float(mean[0]), 1.0 / float(sd[0])
    return None


def _told_behind(content: bytes) -> tuple[tuple[str, ...], str | None]:
    """Labels and task in the zip archive behind the model: a label file, or what YOLO's exporters put there."""
    files: list[tuple[str, str]] = []
    if zipfile.is_zipfile(io.BytesIO(content)):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                files = [
                    (info.filename, archive.read(info).decode("utf-8", "replace"))
                    for info in archive.infolist()[:_MOST_BEHIND]
                    if info.filename.lower().endswith((".txt", ".json"))
                    and info.file_size <= _MAX_LABEL_BYTES
                ]
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error):
            pass
    for _, text in files:
        told = notation(text)
        if isinstance(told, dict) and isinstance(told.get("names"), (dict, list)):
            task = told.get("task")
            return by_number(told["names"]), str(task)[:40] if task else None
    lists = (parse_labels(text) for name, text in files if name.lower().endswith(".txt") and text[:1] != "{")
    return next((found for found in lists if found), ()), None
