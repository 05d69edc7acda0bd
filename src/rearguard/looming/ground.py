"""The ground, and what stands on it: points told apart by how near they are for their place below the horizon.

On flat ground nearness is proportional to the tangent below the horizon, k = g·down with g = s/h: one number
for the whole picture, the step length over the lens's height. A point that is nearer than the ground behind it
would be stands up from it, by h·(1 - g·down/k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rearguard.looming.parallax import Parallax

Flags = NDArray[np.bool_]
# Of the usual g. Who stands sways, and steps back.
_GRID = np.concatenate([[-0.3, -0.1, -0.03, -0.01, 0.0], np.exp(np.linspace(np.log(0.01), np.log(3.0), 86))])
_NO_GRADE = 1e-9  # what does not move forward has no logarithm
_LEAST_DOWN = 0.06
_MOST_ACROSS_PX = 1.5
_USUAL_SD, _BEFORE_SD = 0.5, 0.15  # of ln g about the usual one and about what it was
_HORIZON_SD = 0.02  # rad: attitude is known this well
_LEAST_POINTS = 8
_LEAST_EXTENT = 0.05  # rad: smaller is a spot, most likely one corner followed badly by several points
_BEHIND = 0.7
_BAND = 1.6  # half widths: what stands in the path goes on beside it, and more points know its depth better
_LEAST_IN_PATH = 3
_ANY_PACE = 0.25  # what a vote against both still counts: wearers walk and stand, too


def grade(seen: Parallax, usual: float, before: float) -> tuple[float, float] | None:
    """g by the vote of all points below the horizon, 0 when standing or going back, and how many points are for it;
    None where too few say anything.

    `usual` is g at the usual pace, `before` what it was last: votes are weighed towards the latter.
    """
    low = (seen.down > _LEAST_DOWN) & (np.abs(seen.across_px) < _MOST_ACROSS_PX)
    if int(low.sum()) < _LEAST_POINTS:
        return None
    k, down = seen.nearness[low], seen.down[low]
    guess = usual * _GRID
    forward = np.maximum(guess, _NO_GRADE)
    spread = np.hypot(seen.sd[low][:, None], (0.04 * down[:, None] + _HORIZON_SD) * np.abs(guess[None]))
    off = (k[:, None] - guess[None] * down[:, None]) / spread
    # Things may stand before the ground, nothing is behind it: such points speak against a g, not for none.
    vote = (1.0 / (1.0 + off**2)).sum(axis=0) - _BEHIND * (off < -2.0).sum(axis=0)
    vote = np.maximum(vote, 0.0)
    prior = np.exp(
        -0.5
        * (
            (np.log(forward / max(before, 1e-3 * usual)) / _BEFORE_SD) ** 2
            + (np.log(forward / usual) / _USUAL_SD) ** 2
        )
    )
    vote *= _ANY_PACE + (1 - _ANY_PACE) * prior
    best = int(vote.argmax())
    if vote[best] < _LEAST_POINTS / 2:
        return None
    g = float(guess[best])
    for _ in range(3):
        error = k - g * down
        weight = 1.0 / (1.0 + (error / np.hypot(seen.sd[low], g * _HORIZON_SD)) ** 2) ** 2
        g = float((weight * k * down).sum() / (weight * down * down).sum())
    supports = np.abs(error) < 2.0 * np.hypot(seen.sd[low], g * _HORIZON_SD)
    return max(g, 0.0), float((weight * supports).sum())


@dataclass(frozen=True, slots=True)
class Cluster:
    """Points that stand up from the ground at one depth: nearness with sd, which points, and how many count."""

    nearness: float
    sd: float
    members: Flags
    left_m: float
    right_m: float
    support: float


def standing(
    seen: Parallax, g: float, height_m: float, *, half_width_m: float, least: float
) -> list[Cluster]:
    """What stands up from the ground within `half_width_m` of the path, nearest first.

    `least` is the nearness below which things are too far away to matter.
    """
    k, sd = seen.nearness, seen.sd
    above = k - g * np.maximum(seen.down, 0.0)
    safe = np.maximum(k, 1e-6)
    offset = seen.side * g * height_m / safe
    up = height_m * (1.0 - g * seen.down / safe)
    left = (
        (k > least)
        & (k > 2.5 * sd)
        & (above > 2.0 * np.hypot(sd, g * _HORIZON_SD))
        & (up > 0.2)
        & (up < 2.1)
        & (np.abs(offset) < _BAND * half_width_m)
        & (np.abs(seen.across_px) < _MOST_ACROSS_PX)
    )
    found = []
    for _ in range(3):
        index = np.nonzero(left)[0]
        if len(index) < 4:
            break
        ki, si = k[index], np.hypot(sd[index], 0.06 * k[index])
        vote = np.exp(-0.5 * ((ki[:, None] - ki[None]) / si[None]) ** 2).sum(axis=1)
        centre = float(ki[vote.argmax()])
        near = np.abs(ki - centre) < 2.5 * si
        weight = 1.0 / si[near] ** 2
        mean = float((weight * ki[near]).sum() / weight.sum())
        chi2 = float((weight * (ki[near] - mean) ** 2).mean())
        members = np.zeros(len(k), bool)
        members[index[near]] = True
        left &= ~members
        x = offset[members]
        x = x[np.abs(x) < half_width_m]
        if len(x) < _LEAST_IN_PATH:
            continue
        if float(np.ptp(seen.side[members]) + np.ptp(seen.down[members])) < _LEAST_EXTENT:
            continue
        found.append(
            Cluster(
                mean,
                float(np.sqrt(max(1.0, chi2) / weight.sum())),
                members,
                float(np.percentile(x, 10)),
                float(np.percentile(x, 90)),
                float(vote.max()),
            )
        )
    return sorted(found, key=lambda c: -c.nearness)
