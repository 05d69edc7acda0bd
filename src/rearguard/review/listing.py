"""The list of near misses on the left of `review`: its columns, its rows, and its own keys."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from rearguard.journal.db.rows import NearMissRow
from rearguard.review.plot import STYLE
from rearguard.review.text import local, seconds
from rearguard.text import clean
from rearguard.types import Level

_MARK = {"true": "✓", "false": "✗", None: " "}
_COLUMNS = (("id", 5), ("when", 13), ("level", 9), ("what", 9), ("TTC", 6))


class List(DataTable[Text]):
    """Left and right belong to the pictures, Home and End to the rows. `wide` has room for side, and for the device
    where there are several."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.step(-1)", show=False),
        Binding("right", "app.step(1)", show=False),
        Binding("home", "app.newest", show=False),
        Binding("end", "app.oldest", show=False),
    ]
    wide = False
    several_devices = False

    def lay_out(self, wide: bool, several_devices: bool) -> None:
        """Begin anew with the columns there is room for."""
        self.wide, self.several_devices = wide, several_devices
        self.clear(columns=True)
        self.add_column(" ", width=2, key="said")
        for name, width in _COLUMNS:
            self.add_column(name, width=width)
        if wide:
            self.add_column("side", width=7)
            if several_devices:
                self.add_column("device", width=9)

    def add_near_miss(self, row: NearMissRow) -> None:
        cells = _cells(row)
        if self.wide:
            cells.append(Text(clean(row.side, 6)))
            if self.several_devices:
                cells.append(Text(clean(row.device, 9)))
        self.add_row(*cells, key=str(row.id))

    def update_said(self, row: NearMissRow) -> None:
        """Show anew what its wearer says of one."""
        self.update_cell(str(row.id), "said", _said(row))


def _cells(row: NearMissRow) -> list[Text]:
    level = Level(row.level) if row.level in Level._value2member_map_ else Level.CLEAR
    at = local(row.wall_s)
    this_year = at.year == datetime.now().year
    return [
        _said(row),
        Text(str(row.id)),
        Text(f"{at:%d %b %H:%M}" if this_year else f"{at:%d %b %Y}"),
        Text(row.level_name, STYLE[level]),
        Text(clean(row.label, 8)),
        Text(seconds(row.min_ttc_s)),
    ]


def _said(row: NearMissRow) -> Text:
    return Text(_MARK.get(row.verdict, "?") + ("★" if row.flagged else ""))
