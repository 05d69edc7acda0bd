"""`review`: near misses with the keyboard, in 80x24, over a slow link, in tmux.

Left the list, newest first, read a page at a time; right the story, the curve and the pictures of the one
under the cursor, drawn once the cursor rests.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.timer import Timer
from textual.widgets import DataTable, Footer, Static

from rearguard.errors import RearguardError
from rearguard.journal.db import insert
from rearguard.journal.db.rows import Filter, NearMissRow
from rearguard.journal.db.store import Journal
from rearguard.journal.media.thumbnails import MAX_WIDTH_PX, SMALL_WIDTH_PX, Thumb
from rearguard.journal.paths import read_clip
from rearguard.review import find
from rearguard.review.listing import List
from rearguard.review.picture import Picture
from rearguard.review.plot import STYLE, plot
from rearguard.review.screens import Ask, Help
from rearguard.review.story import Story, read
from rearguard.review.text import what_happened
from rearguard.text import clean
from rearguard.types import Level

PAGE = 100
_NARROW, _WIDE = 70, 110  # columns of the terminal: one above the other, and room for side and device
# A film's pictures a second, and how wide they are: in pixels each is some 100 kB over the line.
_PLAY_BLOCKS, _PLAY_PIXELS = (8.0, SMALL_WIDTH_PX), (4.0, MAX_WIDTH_PX)
_AT_ONCE = 5000  # rows read when somebody goes to the end of a large journal
_STORY, _LEAST_CURVE, _LEAST_PICTURE = 8, 5, 6  # lines
_REST_S = 0.08  # draw when the cursor has rested for this long, so that holding a key down stays quick
_LEVELS = (None, Level.CRITICAL)


class Review(App[RearguardError]):
    """The program. `journal` is open for reading; marks open it for writing, each time anew.

    It gives what ended it when the journal can no longer be read.
    """

    TITLE = "rearguard review"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #main { height: 1fr; }
    #list { width: 44; height: 1fr; scrollbar-size: 0 1; }
    #right { width: 1fr; padding: 0 0 0 1; }
    #story { height: auto; }
    #plot { height: auto; }
    .wide #list { width: 60; }
    .narrow #main { layout: vertical; }
    .narrow #list { width: 1fr; height: 7; }
    .narrow #right { padding: 0; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("question_mark", "help", "help"),
        Binding("slash", "find", "find"),
        Binding("t", "say('true')", "true"),
        Binding("f", "say('false')", "false"),
        Binding("n", "note", "note"),
        Binding("s", "flag", "flag"),
        Binding("w", "why", "why"),
        Binding("p", "play", "play"),
        Binding("l", "level", "level"),
        Binding("u", "say('')", show=False),
        Binding("o", "film", show=False),
        Binding("r", "reload", show=False),
        Binding("j", "cursor(1)", show=False),
        Binding("k", "cursor(-1)", show=False),
    ]

    def __init__(self, journal: Journal, wanted: Filter, pixels: type[Any] | None = None) -> None:
        super().__init__()
        self._pixels = pixels
        self.animation_level = "none"
        self._journal, self._wanted = journal, wanted
        self._rows: list[NearMissRow] = []
        self._ended = False
        self._story: Story | None = None
        self._thumbs: list[Thumb] = []
        self._thumb = 0
        self._why = False
        self._instead = False
        self._level = 0
        self._rest: Timer | None = None
        self._devices: list[str] = []
        self._wide = False
        self._asked = ""

    def compose(self) -> ComposeResult:
        with Horizontal(id="main"):
            yield List(id="list", cursor_type="row", cell_padding=0)
            with Vertical(id="right"):
                story = Static(id="story")
                story.styles.max_height = _STORY
                yield story
                yield Static(id="plot")
                yield Picture(self._pixels)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self._devices = self._known_devices()
        self._lay_out(self.size.width)
        self._table.focus()
        self.action_reload()

    def _known_devices(self) -> list[str]:
        try:
            rows = self._journal.select("SELECT DISTINCT device FROM outing", [])
            return [str(row["device"]) for row in rows]
        except RearguardError:
            return []  # the list will say what is wrong

    def _lay_out(self, width: int) -> None:
        """The columns there is room for: the device where there are several, the year where it is another."""
        self._wide = width >= _WIDE
        self.screen.set_class(self._wide, "wide")
        self.screen.set_class(width < _NARROW, "narrow")
        self._table.lay_out(self._wide, len(self._devices) > 1)

    @property
    def _table(self) -> List:
        return self.query_one("#list", List)

    @property
    def _picture(self) -> Picture:
        return self.query_one(Picture)

    def action_reload(self) -> None:
        """Begin the list anew."""
        self._rows, self._ended, self._story = [], False, None
        self._table.clear()
        self._more()
        if not self._rows:
            self._show_nothing()

    def _more(self, count: int = PAGE) -> None:
        """The next page, which begins behind the last row: as quick at the end of the list as at its start."""
        if self._ended:
            return
        after = self._rows[-1] if self._rows else None
        try:
            page = self._journal.near_misses(self._wanted, count, after)
        except RearguardError as e:
            self._ended = True
            self.exit(e, return_code=e.exit_code)
            return
        self._ended = len(page) < count
        self._rows += page
        for row in page:
            self._table.add_near_miss(row)

    def _show_nothing(self) -> None:
        self.query_one("#story", Static).update(
            Text(f"No near misses in {self._journal.folder} fit. Press / to look for others, q to leave.")
        )
        self.query_one("#plot", Static).update("")
        self._picture.tell(Text(""))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        if event.cursor_row >= len(self._rows) - PAGE // 4:
            self._more()
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_REST_S, self._open)

    def on_resize(self, event: events.Resize) -> None:
        narrow = event.size.width < _NARROW
        if (event.size.width >= _WIDE) != self._wide or narrow != self.screen.has_class("narrow"):
            here = self._table.cursor_row
            self._lay_out(event.size.width)
            for row in self._rows:
                self._table.add_near_miss(row)
            self._table.move_cursor(row=here)
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
        self._instead = self._why
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
        head = Text("★ flagged. " if story.row.flagged else "", "dark_orange3")
        if story.row.note:
            head.append(f"{clean(story.row.note)}. ", "italic")
        head.append(f"{story.marked} " if story.marked else "", "italic")
        head.append(what_happened(story.row, story.mount))  # when it was stands in the list
        self.query_one("#story", Static).update(head)
        rest = height - min(_STORY, len(head.wrap(self.console, max(10, width))))
        high = max(_LEAST_CURVE, rest // 2 - 3)
        left = rest - high - 3
        # Where there is no room for both, what was asked for last is shown in place of the curve.
        instead = left < _LEAST_PICTURE and self._instead
        self.query_one("#plot", Static).update("" if instead else _curve(story, width, high))
        left = rest if instead else left
        if self._why:
            self._picture.tell(_reasons(story, left))
        elif not self._thumbs:
            gone = story.row.media_gone
            self._picture.tell(Text(f"the picture has {gone}" if gone == "expired" else "no picture", "dim"))
        else:
            thumb = self._thumbs[self._thumb]
            place = f"{self._thumb + 1}/{len(self._thumbs)}  {thumb.offset_s:+.1f} s"
            title = f"◀ {place} ▶" if len(self._thumbs) > 1 else place
            self._picture.show(thumb, title, width, left - 1)

    def action_cursor(self, by: int) -> None:
        table = self._table
        table.move_cursor(row=max(0, min(len(self._rows) - 1, table.cursor_row + by)))

    def action_step(self, by: int) -> None:
        if self._thumbs and isinstance(self.focused, List):
            self._why, self._instead = False, True
            self._thumb = (self._thumb + by) % len(self._thumbs)
            self._draw()

    def action_why(self) -> None:
        self._why = self._instead = not self._why
        self._draw()

    def action_level(self) -> None:
        self._level = (self._level + 1) % len(_LEVELS)
        self._wanted = msgspec.structs.replace(self._wanted, level=_LEVELS[self._level])
        self.action_reload()
        self.notify("critical ones only" if _LEVELS[self._level] else "all levels", timeout=2)

    def action_say(self, verdict: str) -> None:
        self._change(lambda db, row: insert.store_opinion(db, row.id, verdict=verdict))

    def action_flag(self) -> None:
        self._change(lambda db, row: insert.store_opinion(db, row.id, flagged=not row.flagged))

    def action_note(self) -> None:
        row = self._here()
        if row is None:
            return

        def keep(note: str | None) -> None:
            if note is not None:
                self._change(lambda db, row: insert.store_opinion(db, row.id, note=note))

        self.push_screen(Ask(clean(row.note), "a note; Enter keeps it, Escape leaves it"), keep)

    def action_help(self) -> None:
        self.push_screen(Help(find.HELP))

    def action_find(self) -> None:
        def search(words: str | None) -> None:
            if words is None:
                return
            try:
                self._wanted = find.parse(words, self._devices)
            except RearguardError as e:
                self.notify(str(e), severity="error", timeout=6)
                return
            self._asked, self._level = words, 0
            self.action_reload()
            self.notify(f"found by: {words}" if words.strip() else "all near misses", timeout=2, markup=False)

        self.push_screen(
            Ask(self._asked, "find: critical, person, false, 7d, a device ... empty: all"), search
        )

    def action_newest(self) -> None:
        self._table.move_cursor(row=0)

    def action_oldest(self) -> None:
        """The last row of all: what is not read yet is read now, in large pages."""
        while not self._ended:
            self._more(_AT_ONCE)
        self._table.move_cursor(row=len(self._rows) - 1)

    def action_play(self) -> None:
        """Play the clip where the picture is; again, or any move, stops it."""
        if self._picture.plays:
            self._draw()
            return
        media = self._story.media.get("clip") if self._story else None
        data = read_clip(self._journal.folder, media.file) if media else None
        if data is None:
            self.notify("there is no clip of it", severity="warning", timeout=3)
            return
        from rearguard.review.clip import thumbs

        self._why, self._instead = False, True
        self._draw()
        self.call_after_refresh(
            self._picture.play, thumbs(data, *(_PLAY_PIXELS if self._pixels else _PLAY_BLOCKS))
        )

    def action_film(self) -> None:
        """Write the clip as a film and open it; over ssh there is no screen to do that on."""
        if self._story is None:
            return
        import os
        import shutil
        import subprocess
        import tempfile

        opener = shutil.which("xdg-open") or shutil.which("open")
        if opener is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            self.notify(f"no screen here: rearguard share {self._story.row.id} writes a film", timeout=6)
            return
        from rearguard.review.share import as_film

        try:
            film = as_film(self._story)
            path = Path(tempfile.mkdtemp(prefix="rearguard-")) / f"near-miss-{self._story.row.id}.mp4"
            path.write_bytes(film)
            subprocess.Popen([opener, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (RearguardError, OSError) as e:
            self.notify(str(e), severity="error", timeout=6)
            return
        self.notify(str(path), timeout=8, markup=False)

    def _change(self, change: Callable[[sqlite3.Connection, NearMissRow], Any]) -> None:
        """Store what the wearer says, and show it. Without permission to write, say who has it."""
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
        self._table.update_said(fresh)
        self._open()


def _curve(story: Story, width: int, height: int) -> Text:
    lines = plot(story.samples, story.thresholds, story.events, max(20, width), height)
    out = Text("\n", no_wrap=True).join(lines[: height + 3])
    out.no_wrap = True
    return out


def _reasons(story: Story, height: int) -> Text:
    out = Text()
    for turn in story.turns()[: max(1, height)]:
        out.append(f"{turn.t_s:+5.1f} s ").append(f"{turn.level.name:<9}", STYLE[turn.level])
        out.append(turn.words + "\n")
    return out
