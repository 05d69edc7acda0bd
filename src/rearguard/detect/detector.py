"""The detector: a picture in, what it shows out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rearguard.config.detect import Detect
from rearguard.detect.decode import DECODERS, Found, suppress
from rearguard.detect.letterbox import Letterbox
from rearguard.detect.model import Model, load_model
from rearguard.detect.picture import as_bgr
from rearguard.words import Box, Detection


class Detector:
    """One network, its buffers, and the rules for what counts as a detection; for one thread at a time."""

    def __init__(self, config: Detect, model: Model | None = None) -> None:
        """Loads the configured model unless one is given; raises what `load_model` raises."""
        self.config = config
        self.model = model or load_model(config.model, runtime=config.runtime, threads=config.threads)
        self._letterbox = Letterbox(self.model.input_size)
        self._decode = DECODERS[self.model.card.decoder](self.model.card)
        self._labels = self.model.card.classes.labels
        self._watched = np.array([label not in config.ignore for label in self._labels])

    def detect(self, image: NDArray[Any]) -> list[Detection]:
        """All detections scoring at least `weak_score`, best first, boxes in picture pixels, clipped to it.

        `image` is BGR uint8 (height, width, 3) of any size; see `as_bgr` for what else is understood and
        what is refused with `BadInput`.
        """
        picture = as_bgr(image)
        boxes, scores, classes = self.find(picture)
        return [
            Detection(Box(*map(float, box)), self._labels[label], float(score))
            for box, score, label in zip(boxes, scores, classes, strict=True)
        ]

    def find(self, picture: NDArray[np.uint8]) -> Found:
        """As `detect`, of a BGR uint8 picture, as arrays: boxes (n, 4), scores (n,), class indices (n,)."""
        buffer, fit = self._letterbox.put(picture)
        card = self.model.card.input
        source = buffer if card.colour == "bgr" else buffer[:, :, ::-1]
        view = self.model.input
        if card.mean == 0.0 and card.scale == 1.0:
            np.copyto(view[0], source)
        else:
            np.subtract(source, card.mean, out=view[0], casting="unsafe")
            view *= card.scale
        del view  # the interpreter refuses to run while anyone holds its memory
        self.model.invoke()
        boxes, scores, classes = self._decode(self.model, self.config.weak_score)
        wanted = self._watched[classes]
        boxes = fit.to_picture(boxes[wanted]).astype(np.float32)
        scores, classes = scores[wanted], classes[wanted]
        height, width = picture.shape[:2]
        np.clip(boxes, 0, [width, height, width, height], out=boxes)
        solid = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= 1e-3
        boxes, scores, classes = boxes[solid], scores[solid], classes[solid]
        keep = suppress(boxes, scores, classes, self.config.max_overlap, self.config.max_detections)
        return boxes[keep], scores[keep], classes[keep]
