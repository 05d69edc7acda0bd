"""Journals as large as a club's: written straight into the tables, because 100 000 fsyncs would take an hour."""

from __future__ import annotations

import random
from pathlib import Path

from rearguard.journal.db.store import Journal

LABELS = ("person", "bicycle", "dog", "car", "looming")
WEIGHTS = (80, 12, 4, 3, 1)
NEWEST_S = 1_790_000_000.0


def generate(folder: Path, near_misses: int, outings: int, *, trace: int = 12, seed: int = 1) -> None:
    """A season: `outings` over two years, with `near_misses` shared out among them, `trace` frames each."""
    rng = random.Random(seed)
    with Journal.open(folder) as journal, journal.transaction(durable=True) as db:
        db.executemany(
            """INSERT INTO outing (id, key, device, source, realtime, origin_ns, mono_ns, boot_id, wall_s,
                 clock_synced, ended, model, model_digest, config_digest, config, version, frames, worn_s)
               VALUES (?, ?, ?, 'picamera2', 1, 0, 0, ?, ?, 1, 'stopped', 'm', 'd', 'c', '{}', '1', 27000, 1800)""",
            [
                (n, f"{n:016x}", f"pi-{n % 4}", f"boot-{n}", NEWEST_S - (outings - n) * 730 * 86400 / outings)
                for n in range(1, outings + 1)
            ],
        )
        rows, traces, media = [], [], []
        for n in range(1, near_misses + 1):
            outing = 1 + (n - 1) * outings // near_misses
            wall_s = NEWEST_S - (outings - outing) * 730 * 86400 / outings + rng.uniform(0, 1800)
            label = rng.choices(LABELS, WEIGHTS)[0]
            level = 3 if rng.random() < 0.3 else 2
            side = rng.choice(("left", "right", "centre"))
            ttc_s = rng.uniform(0.8, 3.0)
            rows.append((n, outing, n, label, side, level, ttc_s, ttc_s + 0.5, wall_s))
            traces += [(n, k, k * 66_000_000, k, ttc_s + (trace - k) * 0.1, level) for k in range(trace)]
            media.append((n, f"{outing:016x}-{n}.jpg"))
        db.executemany(
            """INSERT INTO near_miss (id, outing, number, track, label, kind, side, level, min_ttc_s, range_m,
                 lead_time_s, first_ns, warned_ns, worst_ns, released_ns, worst_seq,
                 mono_ns, boot_id, wall_s, clock_synced)
               VALUES (?, ?, ?, 1, ?, 'detected', ?, ?, ?, 3.0, ?, 0, 1, 2, 3, 4, 5, 'boot', ?, 1)""",
            rows,
        )
        db.executemany(
            """INSERT INTO trace (near_miss, n, t_ns, seq, x0, y0, x1, y1, ttc_s, ttc_sd_s, range_m, miss_m,
                 level, code)
               VALUES (?, ?, ?, ?, 10, 10, 50, 120, ?, 0.2, 4.0, 0.1, ?, 'soon')""",
            traces,
        )
        db.executemany(
            """INSERT INTO media (near_miss, kind, file, bytes, sha256, redacted)
               VALUES (?, 'picture', ?, 1, hex(zeroblob(32)), 1)""",
            media,
        )
