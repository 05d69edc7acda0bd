"""Text for people: what comes from elsewhere made safe to print, and reasons in words.

Text from a journal, a video or another device is hostile until it has been through `clean`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from rearguard.types import Cue, Reason, ReasonCode


def clean(text: str, most: int = 500) -> str:
    """Text that cannot move the cursor, recolour or reorder what the terminal shows.

    Control characters (escape, C1), and format characters such as bidirectional overrides, become U+FFFD.
    """
    if text.isprintable():  # nearly always, and quick to tell
        return text[:most]
    return "".join("\ufffd" if unicodedata.category(c)[0] == "C" else c for c in text[:most])


def one_line(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def explain(reason: Reason | None) -> str:
    """A reason in words, for people only: no program may depend on them."""
    return "; ".join(_parts(reason)) if reason is not None else ""


def explain_cue(cue: Cue) -> str:
    """Why a cue was felt, in words."""
    return explain(cue.reason) if cue.reason is not None else ", ".join(cue.faults)


def _parts(reason: Reason) -> Iterator[str]:
    if reason.code is ReasonCode.OLDER:
        yield clean(reason.told)
        return
    yield _what(reason)
    if reason.limit_s is not None or reason.code in (ReasonCode.CLOSING_IN, ReasonCode.PASSES):
        yield _where(reason)
    if reason.lost:
        yield "lost from sight, held"
    elif reason.held_s is not None:
        yield f"an earlier level is held for {reason.held_s:g} s"


def _what(reason: Reason) -> str:
    match reason.code:
        case ReasonCode.NOT_CLOSING:
            return "not closing"
        case ReasonCode.NOT_CLOSING_YET:
            return "not closing so far"
        case ReasonCode.VERY_NEAR | ReasonCode.CLOSING_IN:
            return f"closing in at {_m(reason.range_m)}, nearer than {_m(reason.limit_m)}"
    if reason.code is ReasonCode.SOON and reason.probability is not None and reason.limit_s is not None:
        left = "" if reason.ttc_s is None else f" (TTC {reason.ttc_s:.1f} s)"
        return f"contact within {reason.limit_s:.1f} s is {reason.probability:.0%} probable{left}"
    if reason.ttc_s is None:
        return "TTC ? s" if reason.limit_s is None else f"TTC ? s, within {reason.limit_s:.1f} s"
    if reason.limit_s is None:
        return f"TTC {reason.ttc_s:.1f} s"
    if reason.ttc_s <= reason.limit_s:
        return f"TTC {reason.ttc_s:.1f} s within {reason.limit_s:.1f} s"
    # In doubt the level comes sooner: what was estimated is more than the limit, what may be is not.
    return f"TTC {reason.ttc_s:.1f} s, perhaps {reason.limit_s:.1f} s"


def _where(reason: Reason) -> str:
    if reason.miss_m is None:
        return "offset unknown: taken as in the path"
    sd = "" if reason.miss_sd_m is None else f" ± {reason.miss_sd_m:.1f}"
    likely = ""
    if reason.code is not ReasonCode.SOON and reason.probability is not None:
        likely = f", {reason.probability:.0%} probable in the corridor"
    ends = {ReasonCode.PASSES: ": not in the path", ReasonCode.MAY_PASS: ": NOTICE at most"}
    return f"passes {abs(reason.miss_m):.1f}{sd} m off{likely}{ends.get(reason.code, '')}"


def _m(metres: float | None) -> str:
    return "? m" if metres is None else f"{metres:.1f} m"
