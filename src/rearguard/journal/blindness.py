"""How long rearguard could not protect: the time in which it said BLIND or FAULT, from the fault episodes."""

from __future__ import annotations

from collections.abc import Iterable

from rearguard.cue.table import FAULTS
from rearguard.types import CueName

_CANNOT_PROTECT = {t.value for t, row in FAULTS.items() if row.cue in (CueName.BLIND, CueName.FAULT)}


def episodes(outings: int) -> str:
    """SQL for the fault episodes of that many outings, whose ids are its values; see `blindness`.

    An episode without an end lasts as long as the outing was worn.
    """
    return f"""SELECT f.outing, f.fault, CAST(f.began_ns AS INTEGER) AS began_ns,
          CAST(coalesce(f.ended_ns, o.origin_ns + CAST(o.worn_s * 1e9 AS INTEGER)) AS INTEGER) AS ended_ns
        FROM fault f JOIN outing o ON o.id = f.outing
        WHERE f.outing IN ({",".join("?" * outings)}) ORDER BY f.began_ns"""


def blindness(
    outing_ids: Iterable[int], found: Iterable[tuple[int, str, int, int]]
) -> dict[int, tuple[int, float]]:
    """By outing: how many of the episodes found, and the seconds covered by those in which it could not protect."""
    sums: dict[int, tuple[int, list[tuple[int, int]]]] = {i: (0, []) for i in outing_ids}
    for outing, fault, began_ns, ended_ns in found:
        count, spans = sums[outing]
        if fault in _CANNOT_PROTECT:
            spans.append((began_ns, ended_ns))
        sums[outing] = count + 1, spans
    return {i: (count, _covered_s(spans)) for i, (count, spans) in sums.items()}


def _covered_s(spans: list[tuple[int, int]]) -> float:
    """Seconds in at least one of the spans, which are in the order of their beginnings."""
    covered = until = 0
    for from_ns, to_ns in spans:
        covered += max(0, to_ns - max(from_ns, until))
        until = max(until, to_ns)
    return covered / 1e9
