"""Small TFLite models, written field by field: a picture in, and outputs that are always the same."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers

_TYPE = {np.dtype(np.float32): 0, np.dtype(np.int32): 2, np.dtype(np.uint8): 3, np.dtype(np.int8): 9}
_DEQUANTIZE, _RESHAPE, _CUSTOM = 6, 22, 32


class _Writer:
    def __init__(self) -> None:
        self.b = flatbuffers.Builder(1024)

    def vector(self, items: Sequence[int], width: int, put: str) -> int:
        self.b.StartVector(width, len(items), width)
        for item in reversed(items):
            getattr(self.b, put)(item)
        return int(self.b.EndVector())

    def ints(self, items: Sequence[int]) -> int:
        return self.vector(list(items), 4, "PrependInt32")

    def offsets(self, items: Sequence[int]) -> int:
        return self.vector(list(items), 4, "PrependUOffsetTRelative")

    def table(self, slots: int, fields: dict[int, tuple[str, int]]) -> int:
        self.b.StartObject(slots)
        for slot, (kind, value) in fields.items():
            if kind == "offset":
                self.b.PrependUOffsetTRelativeSlot(slot, value, 0)
            else:
                getattr(self.b, f"Prepend{kind}Slot")(slot, value, 0)
        return int(self.b.EndObject())


def constant_model(
    outputs: Sequence[np.ndarray],
    *,
    input_shape: Sequence[int] = (1, 64, 64, 3),
    input_type: type = np.float32,
    input_scale: tuple[float, int] | None = None,
    output_scale: tuple[float, int] | None = None,
    custom: str | None = None,
    labels: str | None = None,
    unpacked: bool = False,
) -> bytes:
    """A model that answers every picture with `outputs`; `custom`: an operation of this name in it that nobody has;
    `unpacked`: its quantised outputs are made float again at the end."""
    w = _Writer()
    buffers: list[bytes] = [b""]
    tensors: list[int] = []

    def tensor(
        name: str, shape: Sequence[int], kind: np.dtype, data: bytes | None, scale: tuple[float, int] | None
    ) -> int:
        number = 0
        if data is not None:
            buffers.append(data)
            number = len(buffers) - 1
        quantised = 0
        if scale is not None:
            scales = w.vector([scale[0]], 4, "PrependFloat32")  # type: ignore[list-item]
            zeros = w.vector([scale[1]], 8, "PrependInt64")
            quantised = w.table(7, {2: ("offset", scales), 3: ("offset", zeros)})
        shaped, named = w.ints(shape), w.b.CreateString(name)
        fields = {
            0: ("offset", shaped),
            1: ("Int8", _TYPE[np.dtype(kind)]),
            2: ("Uint32", number),
            3: ("offset", named),
        }
        if quantised:
            fields[4] = ("offset", quantised)
        tensors.append(w.table(10, fields))
        return len(tensors) - 1

    picture = tensor("picture", input_shape, np.dtype(input_type), None, input_scale)
    operators, given = [], []
    for n, output in enumerate(outputs):
        source = tensor(f"constant{n}", output.shape, output.dtype, output.tobytes(), output_scale)
        shape = tensor(
            f"shape{n}", [output.ndim], np.dtype(np.int32), np.array(output.shape, np.int32).tobytes(), None
        )
        given.append(tensor(f"output{n}", output.shape, output.dtype, None, output_scale))
        ins, outs = w.ints([source, shape]), w.ints([given[-1]])
        operators.append(w.table(9, {0: ("Uint32", 0), 1: ("offset", ins), 2: ("offset", outs)}))
        if unpacked:
            whole = tensor(f"float{n}", output.shape, np.dtype(np.float32), None, None)
            ins, outs = w.ints([given[-1]]), w.ints([whole])
            operators.append(w.table(9, {0: ("Uint32", 1), 1: ("offset", ins), 2: ("offset", outs)}))
            given[-1] = whole
    codes = [w.table(4, {0: ("Int8", _RESHAPE), 2: ("Int32", 1), 3: ("Int32", _RESHAPE)})]
    if unpacked:
        codes.append(w.table(4, {0: ("Int8", _DEQUANTIZE), 2: ("Int32", 2), 3: ("Int32", _DEQUANTIZE)}))
    if custom is not None:
        name = w.b.CreateString(custom)
        codes.append(
            w.table(4, {0: ("Int8", _CUSTOM), 1: ("offset", name), 2: ("Int32", 1), 3: ("Int32", _CUSTOM)})
        )
        ins, outs = w.ints([picture]), w.ints([given[0]])
        operators[0] = w.table(9, {0: ("Uint32", 1), 1: ("offset", ins), 2: ("offset", outs)})
    lists = [w.offsets(tensors), w.ints([picture]), w.ints(given), w.offsets(operators)]
    graph = w.table(5, {i: ("offset", at) for i, at in enumerate(lists)})
    made = []
    for data in buffers:
        at = w.b.CreateByteVector(data) if data else 0
        made.append(w.table(3, {0: ("offset", at)} if data else {}))
    parts = [w.offsets(codes), w.offsets([graph]), w.b.CreateString("constant"), w.offsets(made)]
    fields = {0: ("Uint32", 3), **{i + 1: ("offset", at) for i, at in enumerate(parts)}}
    w.b.Finish(w.table(8, fields), b"TFL3")
    return _with_labels(bytes(w.b.Output()), labels)


def post_processed(
    things: Sequence[tuple[int, float, tuple[float, float, float, float]]],
    classes: int,
    *,
    order: Sequence[int] = (0, 1, 2, 3),
    labels: str | None = None,
    normal: tuple[float, float] | None = None,
    most: int = 10,
) -> bytes:
    """A model that ends in TensorFlow's own post-processing: (class, score, (left, top, right, bottom) as shares).

    `order`: in which the file lists boxes, classes, scores and count; `normal`: mean and deviation in its metadata.
    """
    w = _Writer()
    buffers: list[bytes] = [b""]
    tensors: list[int] = []

    def tensor(name: str, shape: Sequence[int], data: np.ndarray | None) -> int:
        if data is not None:
            buffers.append(data.astype(np.float32).tobytes())
        number = len(buffers) - 1 if data is not None else 0
        shaped, named = w.ints(shape), w.b.CreateString(name)
        fields = {0: ("offset", shaped), 1: ("Int8", 0), 2: ("Uint32", number), 3: ("offset", named)}
        tensors.append(w.table(10, fields))
        return len(tensors) - 1

    # Each thing has an anchor of its own, its box in the middle of it: nothing is left to decode.
    anchors = np.array(
        [[(y0 + y1) / 2, (x0 + x1) / 2, y1 - y0, x1 - x0] for _, _, (x0, y0, x1, y1) in things]
    )
    scores = np.zeros((1, len(things), classes + 1))
    for at, (number, score, _) in enumerate(things):
        scores[0, at, number + 1] = score  # the first is the background
    picture = tensor("picture", (1, 64, 64, 3), None)
    inputs = [
        tensor("encodings", (1, len(things), 4), np.zeros((1, len(things), 4))),
        tensor("scores", scores.shape, scores),
        tensor("anchors", anchors.shape, anchors),
    ]
    names = (
        "StatefulPartitionedCall:31",
        "StatefulPartitionedCall:32",
        "StatefulPartitionedCall:33",
        "Identity",
    )
    given = [tensor(name, (), None) for name in names]
    options = flexbuffers.Builder()
    with options.Map():
        for key, value in (
            ("max_detections", most),
            ("max_classes_per_detection", 1),
            ("num_classes", classes),
        ):
            options.Int(key, value)
        options.Float("nms_score_threshold", 0.01)
        options.Float("nms_iou_threshold", 0.6)
        for key in ("y_scale", "x_scale"):
            options.Float(key, 10.0)
        for key in ("h_scale", "w_scale"):
            options.Float(key, 5.0)
        options.Bool("use_regular_nms", False)
    custom = w.b.CreateByteVector(bytes(options.Finish()))
    ins, outs = w.ints(inputs), w.ints(given)
    operator = w.table(9, {1: ("offset", ins), 2: ("offset", outs), 5: ("offset", custom)})
    name = w.b.CreateString("TFLite_Detection_PostProcess")
    code = w.table(4, {0: ("Int8", _CUSTOM), 1: ("offset", name), 2: ("Int32", 1), 3: ("Int32", _CUSTOM)})
    lists = [w.offsets(tensors), w.ints([picture]), w.ints([given[i] for i in order]), w.offsets([operator])]
    graph = w.table(5, {i: ("offset", at) for i, at in enumerate(lists)})
    extra = {}
    if normal is not None:
        buffers.append(_metadata(normal))
        titled = w.b.CreateString("TFLITE_METADATA")
        entry = w.table(2, {0: ("offset", titled), 1: ("Uint32", len(buffers) - 1)})
        extra[6] = ("offset", w.offsets([entry]))
    made = []
    for data in buffers:
        at = w.b.CreateByteVector(data) if data else 0
        made.append(w.table(3, {0: ("offset", at)} if data else {}))
    parts = [w.offsets([code]), w.offsets([graph]), w.b.CreateString("ssd"), w.offsets(made)]
    fields = {0: ("Uint32", 3), **{i + 1: ("offset", at) for i, at in enumerate(parts)}, **extra}
    w.b.Finish(w.table(8, fields), b"TFL3")
    return _with_labels(bytes(w.b.Output()), labels)


def _metadata(normal: tuple[float, float]) -> bytes:
    """Model metadata that says how the input is to be normalised."""
    w = _Writer()
    mean, deviation = (w.vector([value], 4, "PrependFloat32") for value in normal)  # type: ignore[list-item]
    options = w.table(2, {0: ("offset", mean), 1: ("offset", deviation)})
    unit = w.table(2, {0: ("Uint8", 1), 1: ("offset", options)})
    units = w.offsets([unit])
    tensor = w.table(7, {4: ("offset", units)})
    tensors = w.offsets([tensor])
    graph = w.table(8, {2: ("offset", tensors)})
    graphs = w.offsets([graph])
    w.b.Finish(w.table(8, {3: ("offset", graphs)}), b"M001")
    return bytes(w.b.Output())


def _with_labels(content: bytes, labels: str | None) -> bytes:
    if labels is None:
        return content
    behind = io.BytesIO()
    with zipfile.ZipFile(behind, "w") as archive:
        archive.writestr("labelmap.txt", labels)
    return content + behind.getvalue()


CELLS_64 = 8 * 8 + 4 * 4 + 2 * 2  # of a 64x64 input at strides 8, 16, 32


def yolo5(
    classes: int, found: Sequence[tuple[int, float, tuple[float, float, float, float]]], unit: float = 1.0
) -> np.ndarray:
    """What a YOLOv5 gives: (class, score, (x, y, width, height) as shares) at the first cells, nothing elsewhere."""
    rows = np.zeros((1, 3 * CELLS_64, 5 + classes), np.float32)
    rows[0, :, :4] = np.array([0.9, 0.9, 0.1, 0.1]) * unit
    for at, (number, score, box) in enumerate(found):
        rows[0, at, :4] = np.array(box) * unit
        rows[0, at, 4] = 0.95
        rows[0, at, 5 + number] = score / 0.95
    return rows


def yolo8(
    classes: int, found: Sequence[tuple[int, float, tuple[float, float, float, float]]], unit: float = 1.0
) -> np.ndarray:
    """The same of a YOLOv8 or 11."""
    rows = np.zeros((1, 4 + classes, CELLS_64), np.float32)
    rows[0, :4] = (np.array([0.9, 0.9, 0.1, 0.1]) * unit)[:, None]
    for at, (number, score, box) in enumerate(found):
        rows[0, :4, at] = np.array(box) * unit
        rows[0, 4 + number, at] = score
    return rows
