"""Films as they are collected: every picture at its own time, heads pixelated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import msgspec

from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.errors import BadInput
from rearguard.journal.media.faces import find_faces
from rearguard.journal.media.jpeg import to_jpeg
from rearguard.journal.media.redact import head
from rearguard.types import Box, Image

_MILLI = Fraction(1, 1000)  # Matroska's usual clock
_QUALITY = 92
_SPREAD_S = 0.4  # heads are hidden for so long before and after they were found: a detector misses some
_SAME_HEIGHT, _SAME_HEIGHTS_OFF = 1.4, 1.5  # the same person a picture on, in a camera that shakes
_DOUBT_PER_S = 1.5  # how far a head may be by then, in widths of the body


class FilmWriter:
    """Writes JPEGs into a Matroska file."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self._stream: Any = None
        self._last = -1

    def add(self, image: Image, t_s: float) -> None:
        """One picture, later than the one before."""
        import av

        if self._stream is None:
            self._stream = self._container.add_stream("mjpeg", rate=30)
            self._stream.height, self._stream.width = image.shape[:2]
            self._stream.pix_fmt, self._stream.time_base = "yuvj420p", _MILLI
        try:
            packet: Any = av.Packet(to_jpeg(image, _QUALITY))
        except ValueError as e:
            raise BadInput(str(e)) from e
        packet.stream, packet.time_base, packet.is_keyframe = self._stream, _MILLI, True
        self._last = packet.pts = packet.dts = max(round(t_s * 1000), self._last + 1)
        self._container.mux(packet)


@contextmanager
def film_writer(file: BinaryIO | Path) -> Iterator[FilmWriter]:
    """A film to write; whole when left."""
    import av

    target: Any = str(file) if isinstance(file, Path) else file
    with av.open(target, "w", format="matroska") as container:
        yield FilmWriter(container)


class Heads:
    """Where heads are in each picture of a film: told picture by picture, asked once all are told."""

    def __init__(self, config: Detect) -> None:
        # One look at everything: what a closer look finds depends on where it looked before.
        self._detector = Detector(msgspec.structs.replace(config, closer_share=0.0))
        self._sure = config.min_score
        self._times_s: list[float] = []
        self._weak: list[list[Box]] = []
        self._strong: list[list[Box]] = []
        self._faces: list[list[Box]] = []

    def find_people(self, image: Image, t_s: float) -> None:
        """Find the people, doubtful ones too, and the faces that no body was found to."""
        people = [d for d in self._detector.detect(image) if d.label == "person"]
        self._times_s.append(t_s)
        self._strong.append([d.box for d in people if d.score >= self._sure])
        self._weak.append([d.box for d in people if d.score < self._sure])
        self._faces.append(find_faces(image))

    def areas(self, agreed: Mapping[int, float] = MappingProxyType({})) -> list[list[Box]]:
        """What to hide in each picture: the heads found in it, and those of people who were lost for a moment.

        `agreed`: pictures in which who was walked at is left as they are, and how tall they are there, in pixels.
        """
        self._trust_what_goes_on()
        people = [[*strong, *weak] for strong, weak in zip(self._strong, self._weak, strict=True)]
        kept = {number: _tallest(people[number], tall) for number, tall in agreed.items()}
        found = [[head(p) for p in in_it if p is not kept.get(n)] for n, in_it in enumerate(people)]
        for number, strong in enumerate(self._strong):
            for person in strong:
                if person is kept.get(number):
                    continue
                for lost, box, doubt in self._lost(number, person):
                    found[lost].append(head(box, doubt))
        for number, faces in enumerate(self._faces):
            theirs = kept.get(number)
            told = found[number] if theirs is None else [*found[number], head(theirs)]
            for face in (f for f in faces if not _covered(f, told)):
                for near in self._near(number):
                    doubt = _DOUBT_PER_S * abs(self._times_s[near] - self._times_s[number])
                    found[near].append(_grown(face, doubt))
        return found

    def _trust_what_goes_on(self) -> None:
        """Who is doubtful in one picture and sure in the next is sure in both."""
        order = range(len(self._times_s))
        for step, numbers in ((1, order[1:]), (-1, order[-2::-1])):
            for number in numbers:
                sure = self._strong[number - step]
                trusted = [box for box in self._weak[number] if _same(box, sure) is not None]
                self._strong[number] += trusted
                self._weak[number] = [box for box in self._weak[number] if box not in trusted]

    def _lost(self, number: int, person: Box) -> Iterator[tuple[int, Box, float]]:
        """(picture, box, doubt) of each that lost somebody seen in `number`: until found again, in between."""
        for step in (1, -1):
            missing: list[int] = []
            for other in self._near(number)[::step]:
                if (other - number) * step <= 0:
                    continue
                again = _same(person, self._strong[other])
                if again is not None:
                    break
                missing.append(other)
            else:
                again = None
            for place, lost in enumerate(missing, 1):
                doubt = _DOUBT_PER_S * abs(self._times_s[lost] - self._times_s[number])
                share = place / (len(missing) + 1)
                yield lost, person if again is None else _between(person, again, share), doubt

    def _near(self, number: int) -> list[int]:
        """The pictures of up to `_SPREAD_S` before and after, in order, itself included."""
        now_s = self._times_s[number]
        first = last = number
        while first and now_s - self._times_s[first - 1] <= _SPREAD_S:
            first -= 1
        while last + 1 < len(self._times_s) and self._times_s[last + 1] - now_s <= _SPREAD_S:
            last += 1
        return list(range(first, last + 1))


def _tallest(people: Sequence[Box], tall_px: float) -> Box | None:
    """Who is seen tallest, if that is about how tall the one must be who was walked at."""
    found = max(people, key=lambda p: p.height, default=None)
    fits = found is not None and tall_px / _SAME_HEIGHT < found.height < tall_px * _SAME_HEIGHT
    return found if fits else None


def _same(person: Box, others: Sequence[Box]) -> Box | None:
    """Who of the others is the same person: nearest, about as tall, no further off than a running camera shakes."""

    def off(other: Box) -> float:
        return abs(other.cx - person.cx) + abs(other.cy - person.cy)

    alike = [o for o in others if 1 / _SAME_HEIGHT < o.height / person.height < _SAME_HEIGHT]
    return min((o for o in alike if off(o) < _SAME_HEIGHTS_OFF * person.height), key=off, default=None)


def _between(a: Box, b: Box, share: float) -> Box:
    x0, y0, x1, y1 = (
        u + share * (v - u) for u, v in ((a.x0, b.x0), (a.y0, b.y0), (a.x1, b.x1), (a.y1, b.y1))
    )
    return Box(x0, y0, x1, y1)


def _covered(face: Box, areas: Sequence[Box]) -> bool:
    """Whether its middle is hidden already."""
    x, y = (face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2
    return any(a.x0 <= x <= a.x1 and a.y0 <= y <= a.y1 for a in areas)


def _grown(face: Box, doubt: float) -> Box:
    by = doubt * face.width
    return Box(face.x0 - by, face.y0 - by, face.x1 + by, face.y1 + by)
