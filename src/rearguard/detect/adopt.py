"""A model of one's own: find out what a `.tflite` file is, and write the card rearguard loads it by."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rearguard.detect.card import Boxes, Card, Classes, Input, Scores
from rearguard.detect.labels import fit_labels, read_labels
from rearguard.detect.model import read_model, runtime_class, without_chatter
from rearguard.detect.tflite_file import EDGE_TPU, POSTPROCESS, Tensor, TfliteFile, read_tflite
from rearguard.errors import BadInput

_STRIDES = (
    (8, 16, 32),
    (16, 32),
    (4, 8, 16, 32),
    (8, 16, 32, 64),
)  # usual, tiny, for small things, for large input
_YOLO5_BOXES_A_CELL = 3
_ROW = 6  # of a YOLO with its own NMS: a box, a score, a class
_MOST_THINGS = 1000
_COARSEST = 0.1  # steps of an 8-bit score that can still be compared with a threshold
_SIDES = range(32, 4097)
_NEEDS_LABELS = "give its labels with --labels FILE, one name a line in the order of its classes"


@dataclass(frozen=True, slots=True)
class Adopted:
    """A card, the model it is for, and what had to be taken for granted, in words."""

    card: Card
    content: bytes
    assumed: tuple[str, ...]


def adopt(path: Path, labels: Path | None = None, name: str | None = None) -> Adopted:
    """Look into a `.tflite` file and make its card.

    SSD and EfficientDet-Lite with TensorFlow's post-processing, YOLOv5, YOLOv8 and YOLO11; float32, uint8 or int8.
    Raises `BadInput` in one line for anything else, with what to do.
    """
    if path.suffix.lower() != ".tflite":
        raise BadInput(f"{path}: not a .tflite file; export the model as TFLite (Ultralytics: format=tflite)")
    content = read_model(path)
    file = read_tflite(content, str(path))
    if any(operation == EDGE_TPU for operation, _ in file.operations):
        raise BadInput(
            f"{path}: compiled for the Edge TPU, which rearguard does not use; take the CPU file it was made from "
            "(the name without _edgetpu)"
        )
    if file.task not in (None, "detect"):
        raise BadInput(
            f"{path}: made for the task {file.task!r}, not to detect; take the model without that suffix"
        )
    name = name or _name(path.stem)
    given = read_labels(labels) if labels is not None else file.labels
    source = f"labels of {labels.name}" if labels is not None else "labels in the file"
    shaped = _Shaped(path, content, file)
    fit, assumed = _input(path, shaped, file)
    post = file.of(POSTPROCESS)
    if post is not None:
        decoder, classes, scores, boxes, tensors = _post_processed(path, shaped, post, file)
    else:
        decoder, classes, scores, boxes, tensors = _yolo(path, shaped, fit, file)
        if decoder != "yolo-nms":  # there the decoder sees it for itself
            unit = "shares of the input" if boxes.unit == "share" else "input pixels"
            assumed += (f"boxes are told as {unit}",)
    if not given:
        raise BadInput(f"{path}: there are no labels in the file; {_NEEDS_LABELS}")
    named = fit_labels(given, classes)
    if classes is not None and len([n for n in given if n]) < classes - 1:
        assumed += (f"only {len(given)} of {classes} classes have {source}; the rest are passed over",)
    elif classes is not None and len(given) > classes + 1:
        assumed += (f"{len(given)} {source} for {classes} classes; are they those of this network?",)
    card = Card(
        name=name,
        file=f"{name}.tflite",
        sha256=hashlib.sha256(content).hexdigest(),
        decoder=decoder,
        origin=f"added by its user as {re.sub(r'[^ -~]', '?', path.name)}",
        licence="not known to rearguard",
        input=fit,
        scores=scores,
        boxes=boxes,
        classes=Classes(named),
        tensors=tensors,
    )
    return Adopted(card, content, assumed)


def card_toml(card: Card) -> str:
    """The card as the file that `read_card` reads."""
    lines = ["# Model card, written by `rearguard model add`."]
    tables: list[tuple[str, dict[str, Any]]] = []
    for key in card.__struct_fields__:
        value = getattr(card, key)
        if hasattr(value, "__struct_fields__"):
            tables.append((key, {k: getattr(value, k) for k in value.__struct_fields__}))
        else:
            lines.append(f"{key} = {_toml(value)}")
    for title, rows in tables:
        lines += ["", f"[{title}]", *(f"{k} = {_toml(v)}" for k, v in rows.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # JSON's strings, numbers and lists are TOML's, but for the numbers JSON shortens to whole ones.
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _name(stem: str) -> str:
    name = re.sub(r"[^a-z0-9.-]+", "-", stem.lower()).strip("-.")
    return name or "model"


class _Shaped:
    """The tensors as they are when it runs: a file need not say the shapes of what it gives."""

    def __init__(self, path: Path, content: bytes, file: TfliteFile) -> None:
        _, interpreter = runtime_class("auto")
        try:
            with without_chatter():
                self._net = interpreter(model_content=content, num_threads=2)
                self._net.allocate_tensors()
            self.inputs = self._net.get_input_details()
            for d in self.inputs:
                self._net.set_tensor(d["index"], np.full(d["shape"], 100).astype(d["dtype"]))
            self._net.invoke()
            self._shapes = {
                d["index"]: tuple(self._net.get_tensor(d["index"]).shape)
                for d in self._net.get_output_details()
            }
        except (ValueError, RuntimeError) as e:
            known = {name for name, _ in file.operations if name and name != POSTPROCESS}
            also = f" (it needs the operations {', '.join(sorted(known))})" if known else ""
            line = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
            raise BadInput(f"{path}: cannot be run here{also}: {line}") from e

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        return tuple(map(int, self._shapes.get(tensor.index, ())))

    def outputs(self) -> list[int]:
        return list(self._shapes)

    def step(self, index: int, file: TfliteFile) -> float:
        """By how much two values of an output differ at the least; 0 where it was never quantised."""
        before = file.unpacked.get(index)
        if before is not None:
            return before.scale if before.type in ("int8", "uint8") else 0.0
        return float(
            next(d for d in self._net.get_output_details() if d["index"] == index)["quantization"][0]
        )

    def value(self, index: int) -> np.ndarray[Any, Any]:
        """What an output is for a grey picture, in its own unit."""
        found: np.ndarray[Any, Any] = self._net.get_tensor(index).astype(np.float64)
        details = next(d for d in self._net.get_output_details() if d["index"] == index)
        scale, zero = details["quantization"]
        return (found - zero) * scale if scale else found


def _input(path: Path, shaped: _Shaped, file: TfliteFile) -> tuple[Input, tuple[str, ...]]:
    if len(file.inputs) != 1:
        raise BadInput(f"{path}: has {len(file.inputs)} inputs; a detector of pictures has one")
    tensor = file.inputs[0]
    shape = tuple(map(int, shaped.inputs[0]["shape"]))
    channels_first = len(shape) == 4 and shape[1] == 3 and shape[3] != 3  # as litert-torch exports
    if channels_first:
        shape = (shape[0], shape[2], shape[3], shape[1])
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or shape[1] not in _SIDES or shape[2] not in _SIDES:
        raise BadInput(f"{path}: its input is {shape}, not one colour picture (1, height, width, 3)")
    if tensor.type not in ("float32", "uint8", "int8"):
        raise BadInput(f"{path}: its input is {tensor.type}; float32, uint8 and int8 can be fed")
    post = file.of(POSTPROCESS) is not None
    if file.normal is not None:
        mean, scale = file.normal
        told: tuple[str, ...] = ()
    elif tensor.type != "float32" and tensor.scale:
        # The pixels as they are: value = (pixel − zero) · scale is what the quantisation itself says.
        mean, scale = (tensor.zero if tensor.type == "uint8" else tensor.zero + 128), tensor.scale
        told = ()
    elif post:
        mean, scale = 127.5, 1 / 127.5
        told = ("the file does not say how it wants its pictures; -1 to 1 is assumed, as SSDs have it",)
    else:
        mean, scale, told = 0.0, 1 / 255, ()
        if file.task is None:  # who writes a task, Ultralytics, has it so
            told = ("the file does not say how it wants its pictures; 0 to 1 is assumed, as YOLOs have it",)
    if tensor.type != "float32" and tensor.scale <= 0:
        raise BadInput(f"{path}: its input is {tensor.type} without a scale; export it again")
    fit = Input(
        width_px=shape[2],
        height_px=shape[1],
        colour="rgb",
        channels_first=channels_first,
        mean=float(mean),
        scale=float(scale),
        type=tensor.type,  # type: ignore[arg-type]
        quant_scale=tensor.scale if tensor.type != "float32" else 0.0,
        quant_zero=tensor.zero if tensor.type != "float32" else 0,
    )
    return fit, told


_Head = tuple[Any, int | None, Scores, Boxes, tuple[int, ...]]


def _post_processed(path: Path, shaped: _Shaped, post: tuple[Tensor, ...], file: TfliteFile) -> _Head:
    if len(post) != 4 or not {t.index for t in post} <= set(shaped.outputs()):
        raise BadInput(f"{path}: its post-processing does not give boxes, classes, scores and count")
    boxes, scores = shaped.shape(post[0]), shaped.shape(post[2])
    if len(boxes) != 3 or boxes[2] != 4 or scores != boxes[:2] or shaped.shape(post[1]) != scores:
        raise BadInput(
            f"{path}: its post-processing gives boxes {boxes} and scores {scores}, which do not fit"
        )
    numbers = tuple(t.index for t in post)
    return "postprocess", file.num_classes, Scores(scores, "probability"), Boxes(boxes, unit="share"), numbers


def _yolo(path: Path, shaped: _Shaped, fit: Input, file: TfliteFile) -> _Head:
    """Which YOLO head, by how many boxes there are for the size of its input."""
    found = [t for t in file_outputs(shaped) if len(t[1]) == 3 and t[1][0] == 1]
    if len(shaped.outputs()) == 1 and found:
        index, shape = found[0]
        _check_steps(path, shaped.step(index, file))
        for strides in _STRIDES:
            cells = sum((fit.width_px // s) * (fit.height_px // s) for s in strides)
            if shape[1] == _YOLO5_BOXES_A_CELL * cells and shape[2] > 5:
                return "yolov5", shape[2] - 5, *_one(shaped, index, shape, last=True)
            if shape[2] == cells and shape[1] > 4:
                return "yolov8", shape[1] - 4, *_one(shaped, index, shape, last=False)
        if shape[2] == _ROW and _ROW < shape[1] <= _MOST_THINGS:
            return "yolo-nms", None, Scores(shape, "probability"), Boxes(shape), (index,)
    shapes = ", ".join(str(shape) for _, shape in file_outputs(shaped))
    raise BadInput(
        f"{path}: no kind of detector that rearguard knows: it gives {shapes}; it takes SSD and EfficientDet-Lite with "
        "TFLite_Detection_PostProcess, YOLOv5, YOLOv8 to YOLO26"
    )


def _check_steps(path: Path, step: float) -> None:
    """An exporter that puts boxes in pixels and scores into one 8-bit tensor rounds all scores to nothing."""
    if step > _COARSEST:
        raise BadInput(
            f"{path}: its boxes in pixels and its scores were rounded together to 8 bits, in steps of {step:.2g}: no "
            "score is left; take the float export, or one with int8 weights only"
        )


def file_outputs(shaped: _Shaped) -> list[tuple[int, tuple[int, ...]]]:
    """Number and shape of each output."""
    return [(index, shaped.shape(Tensor(index, "", (), ""))) for index in shaped.outputs()]


def _one(
    shaped: _Shaped, index: int, shape: tuple[int, ...], *, last: bool
) -> tuple[Scores, Boxes, tuple[int, ...]]:
    given = shaped.value(index)[0]
    sides = given[:, :4] if last else given[:4].T
    # Shares stay near 0..1 for any picture; in pixels the centres of the cells reach over the whole input.
    unit = "px" if float(np.nanmax(np.abs(sides[:, :2]), initial=0.0)) > 4.0 else "share"
    return Scores(shape, "probability"), Boxes(shape, unit=unit), (index,)  # type: ignore[arg-type]
