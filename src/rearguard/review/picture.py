"""The picture at the lower right of `review`: real pixels where the terminal can, else half blocks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rich.text import Text
from textual.app import ComposeResult, ScreenStackError
from textual.containers import Vertical
from textual.widgets import Static

from rearguard.journal.media.thumbnails import Thumb
from rearguard.review.image import best_way, block_pixels


class Picture(Vertical):
    """One picture under its title, a film, or a text in their place.

    `pixels` is the widget of textual-image that the terminal understands, from `pixel_widget`.
    """

    DEFAULT_CSS = """
    Picture { height: 1fr; }
    Picture #picture { height: 1fr; }
    Picture #frame { display: none; height: 1fr; }
    Picture #pixels { width: auto; height: auto; }
    Picture.pixels #picture { height: 1; }
    Picture.pixels #frame { display: block; }
    """

    def __init__(self, pixels: type[Any] | None) -> None:
        super().__init__()
        self._pixels = pixels
        self._film: Iterator[tuple[Thumb, float]] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="picture")
        if self._pixels is not None:
            with Vertical(id="frame"):  # the largest size that fits into it is what it gets
                yield self._pixels(id="pixels")

    @property
    def plays(self) -> bool:
        return self._film is not None

    def tell(self, text: Text) -> None:
        """A text in place of a picture."""
        self._film = None
        self.remove_class("pixels")
        self.query_one("#picture", Static).update(text)

    def show(self, thumb: Thumb, title: str, width: int, height: int) -> None:
        """A picture, at most `width` x `height` characters large."""
        self._film = None
        self._draw(thumb, title, width, height)

    def play(self, film: Iterator[tuple[Thumb, float]]) -> None:
        """Show one picture after another, each for its seconds, until something else is shown or another screen is in
        front. At the end the last one stays."""
        self._film = film
        self._play_on(film)

    def _play_on(self, film: Iterator[tuple[Thumb, float]]) -> None:
        try:
            stopped = film is not self._film or not self.screen.is_current
        except ScreenStackError:  # left while it played
            stopped = True
        shown = None if stopped else next(film, None)
        if shown is None:
            self._film = None if film is self._film else self._film
            return
        thumb, for_s = shown
        self._draw(thumb, f"▶ {thumb.offset_s:.1f} s", self.size.width, self.size.height - 1)
        self.set_timer(for_s, lambda: self._play_on(film))

    def _draw(self, thumb: Thumb, title: str, width: int, height: int) -> None:
        head = Text(f"{title}\n", "dim", no_wrap=True)
        fits = height > 0 and width > 0
        if self._pixels is None or not fits:
            self.query_one("#picture", Static).update(_blocks(head, thumb, width, height) if fits else head)
            return
        from PIL import Image

        self.add_class("pixels")
        self.query_one("#picture", Static).update(head)
        pixels = Image.frombytes("RGB", (thumb.width_px, thumb.height_px), thumb.rgb)
        self.query_one("#pixels", self._pixels).image = pixels


def pixel_widget() -> type[Any] | None:
    """The widget for pictures in pixels that this terminal understands; None where it understands none, or where
    textual-image is not installed. To be asked before Textual reads the keyboard."""
    if best_way() not in ("kitty", "sixel"):
        return None
    try:
        from textual_image import renderable, widget
    except ImportError:
        return None
    known: type[Any] | None = {
        renderable.SixelImage: widget.SixelImage,
        renderable.TGPImage: widget.TGPImage,
    }.get(renderable.Image)
    _forget_answers()
    return known


def _forget_answers() -> None:
    """What a slow terminal answers late is no key."""
    import termios

    try:
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except (termios.error, OSError, ValueError):
        return


def _blocks(head: Text, thumb: Thumb, width: int, height: int) -> Text:
    for line in block_pixels(thumb, width, height):
        for up, down in line:
            head.append("▀", f"rgb({up[0]},{up[1]},{up[2]}) on rgb({down[0]},{down[1]},{down[2]})")
        head.append("\n")
    return head
