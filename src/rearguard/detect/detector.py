"""The detector: a picture in, what it shows out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rearguard.config.detect import Detect
from rearguard.detect.decode import Found, suppress
from rearguard.detect.model import Model, Size
from rearguard.detect.network import Network, network_size
from rearguard.detect.picture import as_bgr
from rearguard.words import Box, Detection

if TYPE_CHECKING:
    from rearguard.words import Image


class Reporter:
    """The rules for what of a network's findings is a detection."""

    def __init__(self, config: Detect, labels: tuple[str, ...]) -> None:
        self._config = config
        self._labels = labels
        self._watched = np.array([label not in config.ignore for label in labels])

    def report(self, found: Found, picture: Size) -> list[Detection]:
        """Watched classes, clipped to the picture (width, height), overlaps removed, best first."""
        boxes, scores, classes = found
        boxes = np.clip(boxes, 0, [*picture, *picture])
        solid = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= 1e-3
        wanted = solid & self._watched[classes]
        boxes, scores, classes = boxes[wanted], scores[wanted], classes[wanted]
        keep = suppress(boxes, scores, classes, self._config.max_overlap, self._config.max_detections)
        return [
            Detection(Box(*box), self._labels[label], score)
            for box, score, label in zip(
                boxes[keep].tolist(), scores[keep].tolist(), classes[keep].tolist(), strict=True
            )
        ]


class Detector:
    """One network over the whole picture; for one thread at a time."""

    def __init__(self, config: Detect, picture: Size = (1280, 720)) -> None:
        """Loads the configured model for pictures of (width, height); raises what `load_model` raises.

        Where the model can, its input takes the pictures' shape; a picture of another shape loads it anew.
        """
        self.config = config
        self._picture = picture
        self._network = Network.load(config, picture)
        self._reporter = Reporter(config, self.model.card.classes.labels)

    @property
    def model(self) -> Model:
        """The model in use."""
        return self._network.model

    def detect(self, image: NDArray[Any]) -> list[Detection]:
        """All detections scoring at least `weak_score`, best first, boxes in picture pixels, clipped to it.

        `image` is BGR uint8 (height, width, 3) of any size; see `as_bgr` for what else is understood and
        what is refused with `BadInput`.
        """
        picture: Image = as_bgr(image)
        size = (picture.shape[1], picture.shape[0])
        self.prepare(size)
        return self._reporter.report(self._network.find(picture, self.config.weak_score), size)

    def prepare(self, picture: Size) -> None:
        """Make ready for pictures of (width, height), so that the first of them takes no longer than the rest."""
        if picture != self._picture:
            self._picture = picture
            if network_size(self.config, picture) != self.model.input_size:
                self._network = Network.load(self.config, picture)
