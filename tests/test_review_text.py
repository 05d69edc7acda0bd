"""Words and numbers for the terminal."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.errors import BadInput
from rearguard.review.text import clean, minutes, parse_moment

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=timezone(timedelta(hours=1)))


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
        ("today", datetime(2026, 11, 22, tzinfo=NOW.tzinfo)),
        ("yesterday", datetime(2026, 11, 21, tzinfo=NOW.tzinfo)),
        ("90m", NOW - timedelta(minutes=90)),
        ("12h", NOW - timedelta(hours=12)),
        ("7d", NOW - timedelta(days=7)),
        ("2W", NOW - timedelta(weeks=2)),
        ("2026-11-20T08:00+00:00", datetime(2026, 11, 20, 9, tzinfo=NOW.tzinfo)),
        ("2026-11-20 08:00", datetime(2026, 11, 20, 8).astimezone()),
        ("2026-11-20", datetime(2026, 11, 20).astimezone()),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment.timestamp()


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
