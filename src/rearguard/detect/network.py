"""A model with its buffers: a picture of any size in, boxes in that picture's pixels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rearguard.config.detect import Detect
from rearguard.detect.card import Card
from rearguard.detect.decode import DECODERS, Found
from rearguard.detect.letterbox import Letterbox
from rearguard.detect.model import Model, Size, card_of, load_model
from rearguard.errors import PartFailed

if TYPE_CHECKING:
    from rearguard.types import Image

_STEP_PX = 32
_MAX_SIDE_PX = 2048


def input_size_for(picture: Size, budget_px: int) -> Size:
    """The input (width, height) of at most `budget_px` pixels that shows a picture of this size largest.

    Sides are multiples of 32. An input of the picture's own shape wastes nothing on borders, so that at
    equal cost all in it is larger: by a third for 16:9 against a square.
    """
    best, best_key = (_STEP_PX, _STEP_PX), (0.0, 0)
    for width in range(_STEP_PX, min(_MAX_SIDE_PX, budget_px // _STEP_PX) + 1, _STEP_PX):
        needed = -(-width * picture[1] // picture[0] // _STEP_PX) * _STEP_PX
        height = max(_STEP_PX, min(budget_px // width // _STEP_PX * _STEP_PX, needed, _MAX_SIDE_PX))
        key = (min(width / picture[0], height / picture[1]), -width * height)
        if key > best_key:
            best, best_key = (width, height), key
    return best


class Network:
    """A loaded model and the buffers for its input size; for one thread at a time."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._letterbox = Letterbox(model.input_size)
        self._table = _table(model.card)
        self._decode = DECODERS[model.card.decoder](model.card, model.input_size)

    @classmethod
    def load(cls, config: Detect, picture: Size) -> Network:
        """The configured model, shaped for pictures of (width, height); raises what `load_model` raises."""
        size = network_size(config, picture)
        return cls(load_model(config.model, runtime=config.runtime, threads=config.threads, size=size))

    def find(self, picture: Image, min_score: float) -> Found:
        """Boxes (n, 4) in picture pixels, not clipped, scores (n,) and class indices (n,) of a BGR picture.

        Raises `PartFailed` when the network answers with numbers that are not finite.
        """
        buffer, fit = self._letterbox.put(picture)
        card = self.model.card.input
        source = buffer if card.colour == "bgr" else buffer[:, :, ::-1]
        view = self.model.input
        if self._table is not None:
            np.take(self._table, source, out=view[0], mode="clip")  # "raise" would copy
        elif card.mean == 0.0 and card.scale == 1.0:
            np.copyto(view[0], source)
        else:
            np.subtract(source, card.mean, out=view[0], casting="unsafe")
            view *= card.scale
        del view  # the interpreter refuses to run while anyone holds its memory
        self.model.invoke()
        if not self.model.finite():  # to drop such boxes silently would be to see nothing
            raise PartFailed(f"detector {self.model.name}: its output is not a number; it is loaded anew")
        boxes, scores, classes = self._decode(self.model, min_score)
        return fit.to_picture(boxes).astype(np.float32), scores, classes


def _table(card: Card) -> NDArray[Any] | None:
    """What is stored for each of a pixel's 256 values where the input is quantised."""
    if card.input.type == "float32":
        return None
    values = (np.arange(256) - card.input.mean) * card.input.scale / card.input.quant_scale
    kind = np.dtype(card.input.type)
    limits = np.iinfo(kind)
    table: NDArray[Any] = np.clip(np.round(values + card.input.quant_zero), limits.min, limits.max).astype(
        kind
    )
    return table


def network_size(config: Detect, picture: Size) -> Size:
    """The input size the configured model takes for pictures of this size."""
    card = card_of(config.model)
    return input_size_for(picture, config.input_px) if card.input.sizes_at else card.input_size
