"""The detector: a picture in, what it shows out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rearguard.config.detect import Detect
from rearguard.detect.classes import hides
from rearguard.detect.decode import Found, suppress
from rearguard.detect.foveate import Hints, Memory, Sight, aim, merge
from rearguard.detect.model import Model, Size, load_model
from rearguard.detect.network import Network, input_size_for, network_size
from rearguard.detect.picture import as_bgr
from rearguard.types import Box, Detection

if TYPE_CHECKING:
    from rearguard.types import Image

# The closer look must show things at least this much larger than the whole frame does.
WORTH_IT = 0.75
MOVERS = frozenset({"person", "bicycle", "motorcycle", "car"})  # what may come up from far away
_SHAPE = (3, 2)
_LEAST_PX = 96 * 64


class Reporter:
    """The rules for what of a network's findings is a detection."""

    def __init__(self, config: Detect, labels: tuple[str, ...]) -> None:
        self._config = config
        self._labels = labels
        self._hides = np.array([[hides(a, b) for b in labels] for a in labels])
        self._watched = np.array([label not in config.ignore for label in labels])

    def report(self, found: Found, picture: Size) -> list[Detection]:
        """Watched classes, clipped to the picture (width, height), overlaps removed, best first."""
        boxes, scores, classes = found
        boxes = np.clip(boxes, 0, [*picture, *picture])
        solid = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= 1e-3
        wanted = solid & self._watched[classes]
        boxes, scores, classes = boxes[wanted], scores[wanted], classes[wanted]
        config = self._config
        keep = suppress(boxes, scores, classes, self._hides, config.max_overlap, config.max_detections)
        return [
            Detection(Box(*box), self._labels[label], score)
            for box, score, label in zip(
                boxes[keep].tolist(), scores[keep].tolist(), classes[keep].tolist(), strict=True
            )
        ]


class Detector:
    """The configured network over the whole picture, and a closer look at a part of it; for one thread at a time."""

    def __init__(self, config: Detect, picture: Size = (1280, 720)) -> None:
        """Loads the configured model for pictures of (width, height); raises what `load_model` raises.

        Where the model can, its input takes the pictures' shape; a picture of another shape loads it anew.
        """
        self.config = config
        self.invoke_s = 0.0  # the interpreter's own time in the last frame
        self._picture = picture
        self._network = Network.load(config, picture)
        self._closer = _closer(config, self._network.model)
        self._memory = Memory()
        self._reporter = Reporter(config, self.model.card.classes.labels)

    @property
    def model(self) -> Model:
        """The model in use."""
        return self._network.model

    def detect(
        self, image: NDArray[Any], hints: Callable[[], Hints] | Hints | None = None
    ) -> list[Detection]:
        """All detections scoring at least `weak_score`, best first, boxes in picture pixels, clipped to it.

        `image` is BGR uint8 (height, width, 3) of any size; see `as_bgr` for what else is understood and
        what is refused with `BadInput`. With `hints` the closer look goes where they lead; without, it
        searches on its own. They may be a function, called when the whole frame has been looked at, and
        only if a closer look is worth it: not for pictures the network sees at nearly their own size.
        """
        picture: Image = as_bgr(image)
        size = (picture.shape[1], picture.shape[0])
        self.prepare(size)
        found = self._network.find(picture, self.config.weak_score)
        self.invoke_s = self.model.invoke_s
        shrunk = min(self.model.input_size[0] / size[0], self.model.input_size[1] / size[1])
        if self._closer is not None and shrunk < WORTH_IT * self.config.closer_scale:
            found = self._look_closer(self._closer, picture, found, _told(hints), shrunk)
        return self._reporter.report(found, size)

    def forget(self) -> None:
        """Look at the next picture as if it were the first: the closer look remembers where it was."""
        self._memory = Memory()

    def prepare(self, picture: Size) -> None:
        """Make ready for pictures of (width, height), so that the first of them takes no longer than the rest."""
        if picture != self._picture:
            self._picture = picture
            if network_size(self.config, picture) != self.model.input_size:
                self._network = Network.load(self.config, picture)

    def _look_closer(
        self, network: Network, picture: Image, found: Found, hints: Hints, shrunk: float
    ) -> Found:
        size = (picture.shape[1], picture.shape[0])
        reported = [d for d in self._reporter.report(found, size) if not hints.own.holds(d.box)]
        sight = Sight(
            [d.box for d in reported if d.score >= self.config.min_score],
            [d.box for d in reported if d.score < self.config.min_score and d.label in MOVERS],
        )
        self._memory, place = aim(
            self._memory, hints, sight, size, network.model.input_size, shrunk, self.config.closer_scale
        )
        if place is None:
            return found
        part = picture[place.y : place.y + place.height, place.x : place.x + place.width]
        closer = network.find(part, self.config.weak_score)
        self.invoke_s += network.model.invoke_s
        return merge(found, closer, place, size)


def _told(hints: Callable[[], Hints] | Hints | None) -> Hints:
    if hints is None:
        return Hints()
    return hints if isinstance(hints, Hints) else hints()


def _closer(config: Detect, model: Model) -> Network | None:
    """The network for the closer look, wide as the horizon is; None where none is wanted or possible."""
    budget_px = round(config.closer_share * config.input_px)
    if budget_px < _LEAST_PX or not model.card.input.sizes_at:
        return None
    size = input_size_for(_SHAPE, budget_px)
    return Network(load_model(config.model, runtime=config.runtime, threads=config.threads, size=size))
