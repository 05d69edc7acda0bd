"""The journal's tables, and the steps that bring an older file up to date.

`PRAGMA user_version` says how many of `MIGRATIONS` a file has had. A step, once released, is never edited:
a change is a new step. Every time `*_ns` is on the frames' clock of its outing (`outing.origin_ns` is that
clock at the outing's stamp); `mono_ns`, `boot_id`, `wall_s` and `clock_synced` stamp the same moment.
"""

from __future__ import annotations

import sqlite3

from rearguard.errors import BadInput

MIGRATIONS: tuple[str, ...] = (
    # 1: outings, near misses with trace and pictures, cues, faults, marks.
    """
    CREATE TABLE outing (
      id INTEGER PRIMARY KEY,
      key TEXT NOT NULL UNIQUE,             -- random, the same wherever the outing is copied to
      device TEXT NOT NULL,
      source TEXT NOT NULL,
      realtime INTEGER NOT NULL,            -- frames carried CLOCK_MONOTONIC
      origin_ns INTEGER NOT NULL,
      mono_ns INTEGER NOT NULL,
      boot_id TEXT NOT NULL,
      wall_s REAL NOT NULL,
      clock_synced INTEGER NOT NULL,
      wall_corrected INTEGER NOT NULL DEFAULT 0,
      ended TEXT CHECK (ended IN ('stopped', 'cut')),   -- NULL while it lasts
      model TEXT NOT NULL,
      model_digest TEXT NOT NULL,
      config_digest TEXT NOT NULL,
      config TEXT NOT NULL,                 -- JSON
      version TEXT NOT NULL,
      frames INTEGER NOT NULL DEFAULT 0,
      late INTEGER NOT NULL DEFAULT 0,      -- frames dropped because a newer one was there
      worn_s REAL NOT NULL DEFAULT 0,
      blind_s REAL NOT NULL DEFAULT 0
    );
    CREATE INDEX outing_by_time ON outing (wall_s, id);
    CREATE INDEX outing_by_boot ON outing (boot_id);
    CREATE TABLE near_miss (
      id INTEGER PRIMARY KEY,
      outing INTEGER NOT NULL REFERENCES outing ON DELETE CASCADE,
      number INTEGER NOT NULL,              -- 1, 2, ... within the outing
      track INTEGER NOT NULL,
      label TEXT NOT NULL,
      kind TEXT NOT NULL,
      side TEXT NOT NULL,
      level INTEGER NOT NULL,
      min_ttc_s REAL,
      range_m REAL,
      lead_time_s REAL,
      first_ns INTEGER NOT NULL,
      warned_ns INTEGER NOT NULL,
      worst_ns INTEGER NOT NULL,
      released_ns INTEGER NOT NULL,
      worst_seq INTEGER NOT NULL,
      mono_ns INTEGER NOT NULL,             -- of the worst moment, as the next three
      boot_id TEXT NOT NULL,
      wall_s REAL NOT NULL,
      clock_synced INTEGER NOT NULL,
      wall_corrected INTEGER NOT NULL DEFAULT 0,
      UNIQUE (outing, number)
    );
    CREATE INDEX near_miss_by_time ON near_miss (wall_s, id);
    CREATE INDEX near_miss_by_level ON near_miss (level, wall_s, id);
    CREATE INDEX near_miss_by_label ON near_miss (label, wall_s, id);
    CREATE INDEX near_miss_by_outing ON near_miss (outing, wall_s, id);
    CREATE TABLE trace (
      near_miss INTEGER NOT NULL REFERENCES near_miss ON DELETE CASCADE,
      n INTEGER NOT NULL,
      t_ns INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,
      ttc_s REAL, ttc_sd_s REAL, range_m REAL, miss_m REAL,
      level INTEGER NOT NULL,
      reasons TEXT NOT NULL,                -- JSON list
      PRIMARY KEY (near_miss, n)
    ) WITHOUT ROWID;
    CREATE TABLE media (
      id INTEGER PRIMARY KEY,
      near_miss INTEGER NOT NULL REFERENCES near_miss ON DELETE CASCADE,
      kind TEXT NOT NULL CHECK (kind IN ('picture', 'strip', 'clip')),
      file TEXT NOT NULL UNIQUE,            -- a bare name in the clip folder
      bytes INTEGER NOT NULL,
      sha256 TEXT NOT NULL,
      redacted INTEGER NOT NULL,
      UNIQUE (near_miss, kind)
    );
    CREATE TABLE cue (
      id INTEGER PRIMARY KEY,
      outing INTEGER NOT NULL REFERENCES outing ON DELETE CASCADE,
      at_ns INTEGER NOT NULL,
      cue TEXT NOT NULL,
      side TEXT NOT NULL,
      seq INTEGER, track INTEGER, ttc_s REAL,
      reason TEXT NOT NULL
    );
    CREATE INDEX cue_by_outing ON cue (outing, at_ns);
    CREATE TABLE fault (
      id INTEGER PRIMARY KEY,
      outing INTEGER NOT NULL REFERENCES outing ON DELETE CASCADE,
      trouble TEXT NOT NULL,
      began_ns INTEGER NOT NULL,
      ended_ns INTEGER,                     -- NULL while it lasts
      UNIQUE (outing, trouble, began_ns)
    );
    CREATE TABLE mark (
      id INTEGER PRIMARY KEY,
      outing INTEGER NOT NULL REFERENCES outing ON DELETE CASCADE,
      at_ns INTEGER NOT NULL,
      UNIQUE (outing, at_ns)
    );
    """,
    # 2: what the wearer says of a near miss, and how long things are kept.
    """
    ALTER TABLE near_miss ADD COLUMN flagged INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE near_miss ADD COLUMN verdict TEXT CHECK (verdict IN ('true', 'false'));
    ALTER TABLE near_miss ADD COLUMN note TEXT NOT NULL DEFAULT '';
    ALTER TABLE near_miss ADD COLUMN media_gone TEXT CHECK (media_gone IN ('expired', 'purged'));
    -- Where the device's clock was never right, ages count from when a right clock first saw the outing.
    ALTER TABLE outing ADD COLUMN kept_from_s REAL;
    """,
    # 3: journals fetched from other devices.
    """
    -- What was fetched from other devices, as it was there: what has not changed since is not fetched again.
    CREATE TABLE pulled (outing_key TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
    """,
)

VERSION = len(MIGRATIONS)


def version(db: sqlite3.Connection) -> int:
    """How many migrations the file has had."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def check_version(db: sqlite3.Connection, name: str) -> int:
    """The file's version; raises `BadInput` when a newer rearguard wrote it."""
    found = version(db)
    if found > VERSION:
        raise BadInput(f"{name}: written by a newer rearguard (journal version {found}); update this one")
    return found


def migrate(db: sqlite3.Connection, name: str) -> None:
    """Bring the file up to `VERSION`, one transaction per step, so that a cut leaves a valid version.

    Raises `BadInput` when a newer rearguard wrote it, `sqlite3.Error` when it cannot be written.
    """
    for step in range(check_version(db, name), VERSION):
        db.execute("BEGIN IMMEDIATE")
        try:
            if version(db) == step:  # another process may have been quicker
                for statement in _statements(MIGRATIONS[step]):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {step + 1}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _statements(script: str) -> list[str]:
    """The statements of a script; `executescript` would commit the transaction around them."""
    found, rest = [], ""
    for piece in script.split(";"):
        rest += piece + ";"
        if sqlite3.complete_statement(rest):
            if rest.strip(" \n;"):
                found.append(rest)
            rest = ""
    return found
