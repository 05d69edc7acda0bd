"""Words and numbers for the terminal."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer

from rearguard.clock import Stamp
from rearguard.errors import BadInput
from rearguard.journal.db.store import Journal
from rearguard.journal.trends import weeks
from rearguard.review.text import minutes, parse_moment, sentence
from rearguard.text import clean


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks go forward on 29 March 2026 and back on 25 October."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")  # needs no tables of the machine
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = datetime(2026, 11, 22, 15, 30).astimezone()


@given(st.text(max_size=600))
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    out = clean(text)
    assert len(out) == min(len(text), 500)
    assert all(unicodedata.category(c)[0] != "C" for c in out)
    assert [a for a, b in zip(text, out, strict=False) if b != "\ufffd"] == [b for b in out if b != "\ufffd"]


@pytest.mark.parametrize("text", ["person", "Fußgänger", "自転車", "x" * 500])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("today", datetime(2026, 11, 22).astimezone()),
        ("yesterday", datetime(2026, 11, 21).astimezone()),
        ("90m", NOW - timedelta(minutes=90)),
        ("12h", NOW - timedelta(hours=12)),
        ("7d", NOW - timedelta(days=7)),
        ("2W", NOW - timedelta(weeks=2)),
        ("2026-11-20T08:00+00:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20 08:00", datetime(2026, 11, 20, 8).astimezone()),
        ("2026-11-20", datetime(2026, 11, 20).astimezone()),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment.timestamp()


@pytest.mark.parametrize(
    ("noon", "text", "moment"),
    [
        (datetime(2026, 3, 29, 10, tzinfo=UTC), "today", "2026-03-29T00:00+01:00"),
        (datetime(2026, 3, 30, 10, tzinfo=UTC), "yesterday", "2026-03-29T00:00+01:00"),
        (datetime(2026, 10, 25, 11, tzinfo=UTC), "today", "2026-10-25T00:00+02:00"),
        (datetime(2026, 10, 26, 11, tzinfo=UTC), "yesterday", "2026-10-25T00:00+02:00"),
    ],
)
@pytest.mark.usefixtures("berlin")
def test_a_day_begins_at_midnight_also_when_the_clocks_change(noon: datetime, text: str, moment: str) -> None:
    assert parse_moment(text, noon.astimezone()) == datetime.fromisoformat(moment).timestamp()


@pytest.mark.usefixtures("berlin")
def test_weeks_begin_at_midnight_in_summer_and_in_winter(tmp_path: Path) -> None:
    """A run at half past eleven on Sunday evening is last week's, whatever the clocks did since."""
    for n, moment in enumerate(("2026-03-22T23:30+01:00", "2026-03-23T00:30+01:00")):
        stamp = Stamp(MONO_NS, f"boot-{n}", datetime.fromisoformat(moment).timestamp(), True)
        writer = a_writer(tmp_path, start=msgspec.structs.replace(a_start(), stamp=stamp))
        writer.near_miss(a_near_miss(1.0)).result(5)
        assert writer.close(5)
    with Journal.open(tmp_path, readonly=True) as journal:
        found = weeks(journal, 3, datetime.fromisoformat("2026-04-01T12:00+02:00"))
    assert [(week.monday, week.near_misses) for week in found] == [
        ("2026-03-16", 1),
        ("2026-03-23", 1),
        ("2026-03-30", 0),
    ]


@pytest.mark.parametrize("text", ["", "soon", "7", "99999999d", "2026-13-01", "\x1b[2J"])
def test_what_is_no_moment_is_one_plain_line(text: str) -> None:
    with pytest.raises(BadInput, match="no date; try") as said:
        parse_moment(text, NOW)
    assert "\x1b" not in str(said.value)


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3570, "1 h 00 min"), (3900, "1 h 05 min"), (-3, "0 s")],
)
def test_durations(value_s: float, text: str) -> None:
    assert minutes(value_s) == text


@pytest.mark.parametrize(
    ("pass_m", "sd_m", "told"),
    [
        (0.42, 0.2, "It passed about 0.4 m from your middle."),
        (0.42, 1.3, "Where it passed is unsure: 0.4 ± 1.3 m from your middle."),
        (None, None, ""),
    ],
)
def test_the_story_tells_where_it_passed_and_when_that_is_unsure(
    tmp_path: Path, pass_m: float | None, sd_m: float | None, told: str
) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss(pass_m=pass_m, pass_sd_m=sd_m))
    assert writer.close()
    with Journal.open(tmp_path, readonly=True) as journal:
        (row,) = journal.near_misses()
    assert (row.pass_m, row.pass_sd_m) == (pass_m, sd_m)
    words = sentence(row)
    assert told in words
    assert ("passed" in words) == bool(told)
