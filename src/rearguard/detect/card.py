"""A model card: all the program must know to feed a model and to read its answer."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rearguard.errors import BadInput

_MAX_BYTES = 64 * 1024
# decoder → how many output tensors its card names by number
TENSORS = {"centernet": 0, "ssd": 0, "postprocess": 4, "yolov5": 1, "yolov8": 1, "yolo-nms": 1}
_Side = Annotated[int, Meta(ge=32, le=4096)]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The input tensor, (1, height, width, 3), or (1, 3, height, width) if `channels_first`: value =
    (pixel − mean) · scale, pixel 0..255.

    `type`: what the tensor holds; for uint8 and int8 the value is stored as value / `quant_scale` + `quant_zero`.

    `sizes_at`: where the file holds the (rows, columns) of its internal resizes, as two little-endian
    int32 at each byte offset; rewriting them lets the model run at other multiples of 32. Empty: it cannot.
    """

    width_px: _Side
    height_px: _Side
    colour: Literal["bgr", "rgb"]
    channels_first: bool = False
    mean: float = 0.0
    scale: float = 1.0
    sizes_at: tuple[int, ...] = ()
    type: Literal["float32", "uint8", "int8"] = "float32"
    quant_scale: Annotated[float, Meta(ge=0)] = 0.0
    quant_zero: Annotated[int, Meta(ge=-128, le=255)] = 0


class Scores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output with one score per class; `kind` says whether its sigmoid is still to be taken."""

    shape: tuple[int, ...]
    kind: Literal["logit", "probability"]


class Boxes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output with four numbers per cell or box; `stride_px` is a cell's size in input pixels.

    `unit`: whether boxes are told in input pixels or as shares of the input's sides; only YOLO's differ.
    """

    shape: tuple[int, ...]
    stride_px: Annotated[int, Meta(ge=1, le=128)] = 4
    unit: Literal["px", "share"] = "px"


class Classes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Labels in the order of the scores' last axis."""

    labels: tuple[str, ...]


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model; see models/README.md for where the weights come from and what was measured.

    `tensors`: the numbers of the output tensors in the file, for decoders that have several of one shape or one for
    all: of `postprocess` boxes, classes, scores and count, of the YOLOs the only one.
    """

    name: str
    file: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+\.tflite$")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    decoder: Literal["centernet", "ssd", "postprocess", "yolov5", "yolov8", "yolo-nms"]
    origin: str
    licence: str
    input: Input
    scores: Scores
    boxes: Boxes
    classes: Classes
    tensors: tuple[Annotated[int, Meta(ge=0)], ...] = ()

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) in pixels the file was made for."""
        return self.input.width_px, self.input.height_px

    def can_be(self, size: tuple[int, int]) -> bool:
        """Whether the model can run on an input of `size` (width, height) pixels."""
        free = bool(self.input.sizes_at) and all(32 <= side <= 4096 and side % 32 == 0 for side in size)
        return size == self.input_size or free

    def scores_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of the scores at an input of `size`."""
        return self._at(self.scores.shape, size)

    def boxes_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of the boxes at an input of `size`."""
        return self._at(self.boxes.shape, size)

    @property
    def scored_classes(self) -> int | None:
        """How many classes the shape of the scores says there are; None where it says nothing."""
        shape = self.scores.shape
        if self.decoder in ("postprocess", "yolo-nms"):
            return None
        if self.decoder == "yolov8":
            return shape[1] - 4 if len(shape) == 3 else -1
        if self.decoder == "yolov5":
            return shape[2] - 5 if len(shape) == 3 else -1
        return shape[-1] if shape else -1

    def _at(self, shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, ...]:
        if size == self.input_size:
            return shape
        return (1, size[1] // self.boxes.stride_px, size[0] // self.boxes.stride_px, shape[-1])


def read_card(path: Path) -> Card:
    """The card at `path`; raises `BadInput` when it is missing, malformed or contradicts itself."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as e:
        raise BadInput(f"{path}: cannot read the model card: {e.strerror}") from e
    if len(raw) > _MAX_BYTES:
        raise BadInput(f"{path}: larger than {_MAX_BYTES // 1024} KiB, not a model card")
    try:
        card = msgspec.convert(tomllib.loads(raw.decode("utf-8")), Card)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as e:
        raise BadInput(f"{path}: not a model card: {e}") from e
    grids = {len(card.scores.shape), len(card.boxes.shape)}
    if card.input.sizes_at and grids != {4}:
        raise BadInput(f"{path}: sizes_at needs outputs of four dimensions")
    if card.input.type != "float32" and card.input.quant_scale <= 0:
        raise BadInput(f"{path}: an input of {card.input.type} needs quant_scale and quant_zero")
    if len(card.tensors) != TENSORS[card.decoder]:
        raise BadInput(f"{path}: decoder {card.decoder} needs {TENSORS[card.decoder]} numbers in `tensors`")
    scored = card.scored_classes
    if scored is not None and scored != len(card.classes.labels):
        raise BadInput(
            f"{path}: {len(card.classes.labels)} labels do not fit scores of shape {card.scores.shape}"
        )
    return card
