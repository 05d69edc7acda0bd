"""A model card: all the program must know to feed a model and to read its answer."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rearguard.errors import BadInput

_MAX_BYTES = 64 * 1024
_Side = Annotated[int, Meta(ge=32, le=4096)]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The input tensor, (1, height, width, 3): value = (pixel − mean) · scale, pixel 0..255.

    `sizes_at`: where the file holds the (rows, columns) of its internal resizes, as two little-endian
    int32 at each byte offset; rewriting them lets the model run at other multiples of 32. Empty: it cannot.
    """

    width_px: _Side
    height_px: _Side
    colour: Literal["bgr", "rgb"]
    mean: float = 0.0
    scale: float = 1.0
    sizes_at: tuple[int, ...] = ()


class Scores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output with one score per class; `kind` says whether its sigmoid is still to be taken."""

    shape: tuple[int, ...]
    kind: Literal["logit", "probability"]


class Boxes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output with four numbers per cell; `stride_px` is a cell's size in input pixels."""

    shape: tuple[int, ...]
    stride_px: Annotated[int, Meta(ge=1, le=128)] = 4


class Classes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Labels in the order of the scores' last axis."""

    labels: tuple[str, ...]


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model; see models/README.md for where the weights come from and what was measured."""

    name: str
    file: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+\.tflite$")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    decoder: Literal["centernet", "ssd"]
    origin: str
    licence: str
    input: Input
    scores: Scores
    boxes: Boxes
    classes: Classes

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
    if not card.scores.shape or card.scores.shape[-1] != len(card.classes.labels):
        raise BadInput(
            f"{path}: {len(card.classes.labels)} labels do not fit scores of shape {card.scores.shape}"
        )
    return card
