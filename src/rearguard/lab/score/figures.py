"""What a corpus comes to, in the field's figures.

Rates have the exact interval of a Poisson count (Garwood 1936). Times to collision are compared in MiD (see `mid`) and
by their relative error, in bins of the true time. Average precision is over stretches of 2 s that end 0.5, 1 and 1.5 s
before contact, against stretches of the same length in which nothing was due, ranked by how urgent they were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from rearguard.lab.score.mid import BINS_S, mid
from rearguard.lab.score.run import Estimate, RecordingScore, Window
from rearguard.types import Level

_CONFIDENCE = 0.95


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """So many in so many hours, an hour, with the interval in which the true rate lies with 95 %."""

    count: int
    hours: float
    per_hour: float
    low: float
    high: float


class TtcBin(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one bin of true times; `failed` is the share of frames in which no time was told."""

    from_s: float
    to_s: float
    frames: int
    mid: float | None
    error_median: float | None
    error_p90: float | None
    bias: float | None
    failed: float


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """Average precision so long before contact."""

    ahead_s: float
    positives: int
    negatives: int
    ap: float | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A corpus, all recordings together."""

    recordings: int
    hours: float
    due: int
    warned: int
    in_time: int
    lead_median_s: float | None
    lead_least_s: float | None
    caution: Rate
    critical: Rate
    ttc: list[TtcBin]
    ap: list[Precision]


def figures(found: Sequence[RecordingScore]) -> Figures:
    """The figures of all recordings together."""
    due = [d for r in found for d in r.due]
    alarms = [a for r in found for a in r.false_alarms]
    leads = sorted(d.lead_s for d in due if d.lead_s is not None)
    estimates = [e for r in found for e in r.estimates]
    windows = [w for r in found for w in r.windows]
    aheads = sorted({w.ahead_s for w in windows if w.ahead_s is not None})
    criticals = sum(a.level >= Level.CRITICAL for a in alarms)
    cautions = sum(a.level == Level.CAUTION for a in alarms)
    return Figures(
        recordings=len(found),
        hours=round(sum(r.duration_s for r in found) / 3600, 6),
        due=len(due),
        warned=sum(d.warned_s is not None for d in due),
        in_time=sum(d.in_time for d in due),
        lead_median_s=leads[len(leads) // 2] if leads else None,
        lead_least_s=leads[0] if leads else None,
        caution=rate(cautions, sum(r.caution_hours for r in found)),
        critical=rate(criticals, sum(r.critical_hours for r in found)),
        ttc=[ttc_bin(estimates, low, high) for low, high in BINS_S],
        ap=[precision(windows, ahead) for ahead in aheads],
    )


def rate(count: int, hours: float) -> Rate:
    """A count as a rate with its exact interval; without time there is no rate, and the interval is all there is."""
    tail = (1 - _CONFIDENCE) / 2
    low = 0.0 if count == 0 else _poisson_mean(count - 1, 1 - tail)
    high = _poisson_mean(count, tail)
    per = 1 / hours if hours > 0 else math.inf
    return Rate(
        count=count,
        hours=round(hours, 6),
        per_hour=count * per if hours > 0 else 0.0,
        low=low * per if hours > 0 else 0.0,
        high=high * per,
    )


def _poisson_mean(count: int, share: float) -> float:
    """The mean under which a share of counts is at most `count`, by bisection."""
    low, high = 0.0, count + 20.0 + 10 * math.sqrt(count + 1)
    for _ in range(80):
        mean = 0.5 * (low + high)
        if _poisson_cdf(count, mean) > share:
            low = mean
        else:
            high = mean
    return 0.5 * (low + high)


def _poisson_cdf(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    logs = (n * math.log(mean) - mean - math.lgamma(n + 1) for n in range(count + 1))
    return min(1.0, math.fsum(math.exp(v) for v in logs))


def ttc_bin(estimates: Sequence[Estimate], low: float, high: float) -> TtcBin:
    """Errors of the true times above `low` and up to `high` seconds."""
    inside = [e for e in estimates if low < e.true_s <= high]
    told = [(e.true_s, e.told_s) for e in inside if e.told_s is not None and e.told_s > 0]
    errors = sorted(abs(t - true) / true for true, t in told)
    signed = sorted((t - true) / true for true, t in told)
    return TtcBin(
        from_s=low,
        to_s=high,
        frames=len(inside),
        mid=_mean([mid(t, true) for true, t in told]),
        error_median=_quantile(errors, 0.5),
        error_p90=_quantile(errors, 0.9),
        bias=_quantile(signed, 0.5),
        failed=1 - len(told) / len(inside) if inside else 0.0,
    )


def precision(windows: Sequence[Window], ahead_s: float) -> Precision:
    """The average precision; of stretches that are equally urgent, those without a cause rank first."""
    positives = [w.urgency for w in windows if w.ahead_s == ahead_s]
    negatives = [w.urgency for w in windows if w.ahead_s is None]
    ranked = sorted([(-u, 1) for u in positives] + [(-u, 0) for u in negatives])
    hits, total = 0, 0.0
    for place, (_, positive) in enumerate(ranked, 1):
        if positive:
            hits += 1
            total += hits / place
    return Precision(
        ahead_s=ahead_s,
        positives=len(positives),
        negatives=len(negatives),
        ap=total / len(positives) if positives and negatives else None,
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
