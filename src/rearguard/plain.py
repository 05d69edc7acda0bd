"""Text on a terminal that is not UTF-8, or not there: a plain drawing, or nothing, instead of an error.

    make_streams_plain()     # once, where a program begins

What the terminal's character set lacks is written as the nearest that it has, one character for one, so that
columns stay columns: a dash for a dash, `#` for a full block, dots for the dots of a plot, `e` for `é`.
"""

from __future__ import annotations

import codecs
import contextlib
import sys
import unicodedata
from encodings import ascii as ascii_codec
from typing import TextIO

_HANDLER = "rearguard.plain"
_ASCII = (
    "plain_ascii"  # ASCII by another name: click takes a stream of that for a mistake, and writes UTF-8 to it
)
_PROBE = "–→…─▀⣿"
_LIKE = {
    "–": "-", "—": "-", "‐": "-", "−": "-", "‑": "-", "…": ".", "·": ".", "•": "*", "×": "x", "±": "~", "°": "o",
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "≤": "<", "≥": ">", "≈": "~", "≠": "!", "→": ">", "←": "<",
    "↑": "^", "↓": "v", "⇒": ">", "✓": "+", "✔": "+", "✗": "x", "✘": "x", "▲": "^", "▼": "v", "►": ">", "◄": "<",
    "▶": ">", "◀": "<", "●": "o", "○": "o", "◆": "*", "★": "*", "⚑": "!", "²": "2", "³": "3", "µ": "u", "μ": "u",
    "█": "#", "▓": "#", "▒": "+", "░": ".", "▀": " ", "▄": "_", "▌": "|", "▐": "|", "■": "#", "□": "o",
}  # fmt: skip


def print_line(text: str) -> None:
    """Print one line on stderr, if it is still open."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"rearguard: {text}", file=sys.stderr, flush=True)


def make_streams_plain() -> None:
    """Let standard output and error write what their character set lacks as the nearest it has."""
    for stream in (sys.stdout, sys.stderr):
        if not draws(stream):
            with contextlib.suppress(AttributeError, ValueError):  # a stand-in of somebody's, or closed
                ascii_only = codecs.lookup(stream.encoding).name == "ascii"
                stream.reconfigure(  # type: ignore[union-attr]
                    encoding=_ASCII if ascii_only else stream.encoding, errors=_HANDLER
                )


def draws(stream: TextIO | None) -> bool:
    """Whether a stream can write lines, blocks and dots."""
    try:
        _PROBE.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def as_written(text: str, stream: TextIO) -> str:
    """The text as a stream writes it, for what goes to the terminal by another way: a pager."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text if draws(stream) else text.encode(encoding, _HANDLER).decode(encoding)


def _nearest(character: str) -> str:
    """One ASCII character that looks or means like another."""
    if character in _LIKE:
        return _LIKE[character]
    code = ord(character)
    if 0x2800 <= code < 0x2900:  # braille: how many of its eight dots are set
        return " .::oo##@"[(code & 0xFF).bit_count()]
    if 0x2500 <= code < 0x2580:
        name = unicodedata.name(character, "")
        across, down = "HORIZONTAL" in name, "VERTICAL" in name
        return "+" if across == down else "-" if across else "|"
    if 0x2581 <= code <= 0x2588:  # blocks that rise
        return "_..-==##"[code - 0x2581]
    base = unicodedata.normalize("NFKD", character)[:1]
    return base if base.isascii() and base.isprintable() else "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_nearest, error.object[error.start : error.end])), error.end


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    found = ascii_codec.getregentry()
    return codecs.CodecInfo(
        found.encode,
        found.decode,
        found.streamreader,
        found.streamwriter,
        found.incrementalencoder,
        found.incrementaldecoder,
        name=_ASCII,
    )


codecs.register_error(_HANDLER, _replace)
codecs.register(_find_codec)
