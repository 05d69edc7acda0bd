"""`review`: near misses with the keyboard, in 80x24, over a slow link, in tmux.

Left the list, newest first, read a page at a time; right the story, the curve and the pictures of the one
under the cursor, drawn once the cursor rests.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import DataTable, Footer, Input, Static

from rearguard.errors import RearguardError
from rearguard.journal import insert
from rearguard.journal.rows import Filter, NearMissRow
from rearguard.journal.store import Journal
from rearguard.journal.strip import Thumb
from rearguard.review.image import block_pixels
from rearguard.review.plot import STYLE, plot
from rearguard.review.story import Story, read
from rearguard.review.text import clean, local, seconds, sentence
from rearguard.words import Level

PAGE = 100
_REST_S = 0.08  # drawn when the cursor has rested for this long: holding a key down must not fall behind
_LEVELS = (None, Level.CRITICAL)
_MARK = {"true": "✓", "false": "✗", None: " "}


class Note(ModalScreen[str | None]):
    """Asks for a few words; escape leaves them as they were."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "leave it")]
    DEFAULT_CSS = "Note { align: center middle; } Note Input { width: 70%; }"

    def __init__(self, before: str) -> None:
        super().__init__()
        self._before = before

    def compose(self) -> ComposeResult:
        yield Input(self._before, placeholder="a note; Enter keeps it, Escape leaves it", max_length=500)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(clean(event.value))


class List(DataTable[Text]):
    """The list; left and right belong to the pictures, Home and End to the rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.step(-1)", "pictures"),
        Binding("right", "app.step(1)", show=False),
        Binding("home", "scroll_top", show=False),
        Binding("end", "scroll_bottom", show=False),
    ]


class Review(App[RearguardError]):
    """The program. `journal` is open for reading; marks open it for writing, each time anew.

    It gives what ended it when the journal can no longer be read.
    """

    TITLE = "rearguard review"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #list { width: 40; height: 1fr; scrollbar-size: 0 1; }
    #right { width: 1fr; padding: 0 0 0 1; }
    #story { height: auto; max-height: 6; }
    #plot { height: auto; }
    #picture { height: 1fr; }
    .wide #list { width: 44; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("t", "say('true')", "true alarm"),
        Binding("f", "say('false')", "false alarm"),
        Binding("u", "say('')", "unsay"),
        Binding("n", "note", "note"),
        Binding("s", "flag", "flag"),
        Binding("l", "level", "level"),
        Binding("w", "why", "why"),
        Binding("r", "reload", show=False),
        Binding("j", "cursor(1)", show=False),
        Binding("k", "cursor(-1)", show=False),
    ]

    def __init__(self, journal: Journal, wanted: Filter) -> None:
        super().__init__()
        self.animation_level = "none"
        self._journal, self._wanted = journal, wanted
        self._rows: list[NearMissRow] = []
        self._ended = False
        self._story: Story | None = None
        self._thumbs: list[Thumb] = []
        self._thumb = 0
        self._why = False
        self._level = 0
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield List(id="list", cursor_type="row", cell_padding=0)
            with Vertical(id="right"):
                yield Static(id="story")
                yield Static(id="plot")
                yield Static(id="picture")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        table = self._table
        table.add_column(" ", width=2, key="said")
        table.add_column("when", width=13)
        table.add_column("level", width=9)
        table.add_column("what", width=9)
        table.add_column("TTC", width=6)
        table.focus()
        self._reload()

    @property
    def _table(self) -> List:
        return self.query_one("#list", List)

    def _reload(self) -> None:
        """Begin the list anew."""
        self._rows, self._ended, self._story = [], False, None
        self._table.clear()
        self._more()
        if not self._rows:
            self._show_nothing()

    def _more(self) -> None:
        """The next page, which begins behind the last row: as quick at the end of the list as at its start."""
        if self._ended:
            return
        after = self._rows[-1] if self._rows else None
        try:
            page = self._journal.near_misses(self._wanted, PAGE, after)
        except RearguardError as e:
            self._ended = True
            self.exit(e, return_code=e.exit_code)
            return
        self._ended = len(page) < PAGE
        self._rows += page
        for row in page:
            self._table.add_row(*_cells(row), key=str(row.id))

    def _show_nothing(self) -> None:
        self.query_one("#story", Static).update(
            Text(f"No near misses in {self._journal.folder} fit. Press l for all levels, q to leave.")
        )
        for name in ("#plot", "#picture"):
            self.query_one(name, Static).update("")

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        if event.cursor_row >= len(self._rows) - PAGE // 4:
            self._more()
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_REST_S, self._open)

    def on_resize(self, event: events.Resize) -> None:
        self.screen.set_class(event.size.width >= 110, "wide")
        self.call_after_refresh(self._draw)

    def _here(self) -> NearMissRow | None:
        index = self._table.cursor_row
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def _open(self) -> None:
        """Read the near miss under the cursor, whole, and draw it."""
        row = self._here()
        if row is None:
            return
        try:
            self._story = read(self._journal, row.id)
        except RearguardError as e:
            self._story = None
            self.notify(str(e), severity="error")
            return
        self._thumbs = sorted(self._story.thumbs(), key=lambda t: t.offset_s)
        largest = max(range(len(self._thumbs)), key=lambda i: self._thumbs[i].width_px, default=0)
        self._thumb = largest
        self._draw()

    def _draw(self) -> None:
        try:
            right = self.query_one("#right", Vertical)
        except NoMatches:  # a dialog is in front
            return
        story = self._story
        if story is None:
            return
        width, height = right.content_size.width, right.content_size.height
        head = Text(sentence(story.row, story.mount))
        if story.row.note:
            head.append(f" Note: {clean(story.row.note)}", "italic")
        if story.row.flagged:
            head.append(" ★ flagged", "yellow")
        self.query_one("#story", Static).update(head)
        used = min(6, len(head.wrap(self.console, max(10, width))))
        self.query_one("#plot", Static).update(_curve(story, width, max(5, (height - used) // 2 - 3)))
        left = height - used - max(5, (height - used) // 2 - 3) - 3
        lower = _reasons(story, left) if self._why else self._picture(width, left - 1)
        self.query_one("#picture", Static).update(lower)

    def _picture(self, width: int, height: int) -> Text:
        if not self._thumbs:
            gone = self._story.row.media_gone if self._story else None
            return Text(f"the picture has {gone}" if gone == "expired" else "no picture", "dim")
        thumb = self._thumbs[self._thumb]
        place = f"{self._thumb + 1}/{len(self._thumbs)}  {thumb.offset_s:+.1f} s"
        out = Text(f"◀ {place} ▶\n" if len(self._thumbs) > 1 else f"{place}\n", "dim", no_wrap=True)
        if height > 0:
            for line in block_pixels(thumb, width, height):
                for up, down in line:
                    out.append("▀", f"rgb({up[0]},{up[1]},{up[2]}) on rgb({down[0]},{down[1]},{down[2]})")
                out.append("\n")
        return out

    def action_cursor(self, by: int) -> None:
        table = self._table
        table.move_cursor(row=max(0, min(len(self._rows) - 1, table.cursor_row + by)))

    def action_step(self, by: int) -> None:
        if self._thumbs and isinstance(self.focused, List):
            self._why = False
            self._thumb = (self._thumb + by) % len(self._thumbs)
            self._draw()

    def action_why(self) -> None:
        self._why = not self._why
        self._draw()

    def action_reload(self) -> None:
        self._reload()

    def action_level(self) -> None:
        self._level = (self._level + 1) % len(_LEVELS)
        self._wanted = msgspec.structs.replace(self._wanted, level=_LEVELS[self._level])
        self._reload()
        self.notify("critical ones only" if _LEVELS[self._level] else "all levels", timeout=2)

    def action_say(self, verdict: str) -> None:
        self._change(lambda db, row: insert.say(db, row.id, verdict=verdict))

    def action_flag(self) -> None:
        self._change(lambda db, row: insert.say(db, row.id, flagged=not row.flagged))

    def action_note(self) -> None:
        row = self._here()
        if row is None:
            return

        def keep(note: str | None) -> None:
            if note is not None:
                self._change(lambda db, row: insert.say(db, row.id, note=note))

        self.push_screen(Note(clean(row.note)), keep)

    def _change(self, change: Callable[[sqlite3.Connection, NearMissRow], Any]) -> None:
        """Write what the wearer says, and show it; whoever may not write is told who may."""
        row, index = self._here(), self._table.cursor_row
        if row is None:
            return
        try:
            with Journal.change(self._journal.folder) as writable:
                with writable.transaction(durable=True) as db:
                    change(db, row)
                fresh = writable.near_miss(row.id)
        except (RearguardError, sqlite3.Error) as e:
            self.notify(str(e), severity="error", timeout=6)
            return
        if fresh is None:
            self.notify("it was deleted meanwhile", severity="warning")
            return
        self._rows[index] = fresh
        self._table.update_cell(str(row.id), "said", _said(fresh))
        self._open()


def _cells(row: NearMissRow) -> list[Text]:
    level = Level(row.level) if row.level in Level._value2member_map_ else Level.CLEAR
    return [
        _said(row),
        Text(f"{local(row.wall_s):%d %b %H:%M}"),
        Text(row.level_name, STYLE[level]),
        Text(clean(row.label, 8)),
        Text(seconds(row.min_ttc_s)),
    ]


def _said(row: NearMissRow) -> Text:
    return Text(_MARK.get(row.verdict, "?") + ("★" if row.flagged else ""))


def _curve(story: Story, width: int, height: int) -> Text:
    lines = plot(story.samples, story.thresholds, story.events, max(20, width), height)
    out = Text("\n", no_wrap=True).join(lines[: height + 3])
    out.no_wrap = True
    return out


def _reasons(story: Story, height: int) -> Text:
    out = Text()
    for t_s, number, reasons in story.reasons()[: max(1, height)]:
        level = Level(min(3, max(0, number)))
        out.append(f"{t_s:+5.1f} s ").append(f"{level.name:<9}", STYLE[level])
        out.append(clean("; ".join(reasons)) + "\n")
    return out
