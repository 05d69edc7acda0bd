"""What stands in front of the list for a moment: a line to type into, and the help."""

from __future__ import annotations

from textwrap import fill
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from rearguard.text import clean

_KEYS = (
    ("up/down, j/k", "the next one; Home and End: the newest and the oldest"),
    ("left/right", "pictures before and after"),
    ("p", "play the clip here; p again stops it"),
    ("o", "write the clip as a film and open it, where there is a screen"),
    ("t f u", "a true alarm, a false alarm, say nothing of it"),
    ("n", "a note"),
    ("s", "flag: keep it beyond the usual time"),
    ("w", "why it warned"),
    ("l", "all levels, or only critical ones"),
    ("/", "find: {find}"),
    ("r", "read the list anew"),
    ("q", "leave"),
)
_WIDEST, _AROUND, _KEY = 76, 6, 13  # columns


class Ask(ModalScreen[str | None]):
    """Asks for a few words; escape leaves things as they were."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "leave it")]
    DEFAULT_CSS = "Ask { align: center middle; } Ask Input { width: 90%; max-width: 70; }"

    def __init__(self, before: str, placeholder: str) -> None:
        super().__init__()
        self._before, self._placeholder = before, placeholder

    def compose(self) -> ComposeResult:
        yield Input(self._before, placeholder=self._placeholder, max_length=500)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(clean(event.value))


class Help(ModalScreen[None]):
    """Every key and what it does; any key leaves."""

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help VerticalScroll {
        width: 90%; max-width: 76; height: auto; max-height: 90%; padding: 1 2; background: $surface;
    }
    """

    def __init__(self, find: str) -> None:
        super().__init__()
        self._find = find

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            width = min(_WIDEST, self.app.size.width * 9 // 10) - _AROUND
            yield Static(Text("\n".join(_line(k, says.format(find=self._find), width) for k, says in _KEYS)))

    def on_key(self) -> None:
        self.dismiss(None)


def _line(key: str, says: str, width: int) -> str:
    return fill(says, max(_KEY + 10, width), initial_indent=f"{key:<{_KEY}}", subsequent_indent=" " * _KEY)
