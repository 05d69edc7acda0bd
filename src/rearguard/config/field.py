"""Shorthand for a bounded, described setting."""

from __future__ import annotations

import msgspec


def within(low: float, high: float, why: str) -> msgspec.Meta:
    """A number from `low` to `high`, with one line on the trade-off."""
    return msgspec.Meta(ge=low, le=high, description=why)


def about(why: str, pattern: str | None = None) -> msgspec.Meta:
    """A value with one line on what it is for, and, for text, the pattern it must match."""
    return msgspec.Meta(description=why, pattern=pattern)
