"""The journal's tables, and the steps that bring an older file up to date.

`PRAGMA user_version` says how many of `MIGRATIONS` a file has had. A step, once released, is never edited:
a change is a new step. Every time `*_ns` is on the frames' clock of its outing (`outing.origin_ns` is that
clock at the outing's stamp); `mono_ns`, `boot_id`, `wall_s` and `clock_synced` stamp the same moment.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

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
    # 4: reasons are numbers; those of older versions stay as they were told. A trouble is called a fault.
    """
    ALTER TABLE fault RENAME COLUMN trouble TO fault;
    ALTER TABLE trace ADD COLUMN code TEXT NOT NULL DEFAULT 'older';
    ALTER TABLE trace ADD COLUMN limit_s REAL;
    ALTER TABLE trace ADD COLUMN limit_m REAL;
    ALTER TABLE trace ADD COLUMN miss_sd_m REAL;
    ALTER TABLE trace ADD COLUMN probability REAL;
    ALTER TABLE trace ADD COLUMN held_s REAL;
    ALTER TABLE trace ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE trace ADD COLUMN told TEXT NOT NULL DEFAULT '';
    UPDATE trace SET told = CASE WHEN json_valid(reasons)
      THEN coalesce((SELECT group_concat(value, '; ') FROM json_each(reasons)), '') ELSE reasons END;
    ALTER TABLE trace DROP COLUMN reasons;
    ALTER TABLE cue ADD COLUMN code TEXT;              -- NULL where no threat was told of
    ALTER TABLE cue ADD COLUMN ttc_sd_s REAL;
    ALTER TABLE cue ADD COLUMN limit_s REAL;
    ALTER TABLE cue ADD COLUMN range_m REAL;
    ALTER TABLE cue ADD COLUMN limit_m REAL;
    ALTER TABLE cue ADD COLUMN miss_m REAL;
    ALTER TABLE cue ADD COLUMN miss_sd_m REAL;
    ALTER TABLE cue ADD COLUMN probability REAL;
    ALTER TABLE cue ADD COLUMN held_s REAL;
    ALTER TABLE cue ADD COLUMN lost INTEGER;
    ALTER TABLE cue ADD COLUMN told TEXT;
    ALTER TABLE cue ADD COLUMN faults TEXT NOT NULL DEFAULT '';
    UPDATE cue SET code = 'older', told = reason, lost = 0 WHERE reason <> '';
    ALTER TABLE cue DROP COLUMN reason;
    """,
    # 5: whether a thing was seen in a frame, or only expected.
    """
    ALTER TABLE trace ADD COLUMN seen INTEGER NOT NULL DEFAULT 1;
    UPDATE trace SET seen = 0 WHERE lost;
    """,
    # 6: how far from the wearer's middle a thing passed.
    """
    ALTER TABLE near_miss ADD COLUMN pass_m REAL;
    ALTER TABLE near_miss ADD COLUMN pass_sd_m REAL;
    """,
    # 7: what was taken for granted of a recording, its lens and its times, in words.
    """
    ALTER TABLE outing ADD COLUMN assumed TEXT NOT NULL DEFAULT '';
    """,
    # 8: which tracks a near miss was, all that passed, and the journal as people read it.
    """
    ALTER TABLE near_miss ADD COLUMN tracks TEXT NOT NULL DEFAULT '';
    CREATE TABLE passage (
      id INTEGER PRIMARY KEY,
      outing INTEGER NOT NULL REFERENCES outing ON DELETE CASCADE,
      at_ns INTEGER NOT NULL,               -- when it was nearest
      label TEXT NOT NULL,
      kind TEXT NOT NULL,
      side TEXT NOT NULL,
      level INTEGER NOT NULL,               -- the highest it had
      range_m REAL NOT NULL,
      pass_m REAL
    );
    CREATE INDEX passage_by_outing ON passage (outing, at_ns);
    CREATE VIEW near_misses AS
      SELECT n.id, n.outing, o.device, strftime('%Y-%m-%dT%H:%M:%SZ', n.wall_s, 'unixepoch') AS at_utc,
        CASE WHEN n.wall_corrected THEN 'corrected' WHEN n.clock_synced THEN 'synced' ELSE 'unsure' END AS clock,
        CASE n.level WHEN 3 THEN 'CRITICAL' WHEN 2 THEN 'CAUTION' WHEN 1 THEN 'NOTICE' ELSE 'CLEAR' END AS level,
        n.label, n.side, round(n.min_ttc_s, 2) AS min_ttc_s, round(n.range_m, 2) AS range_m,
        round(n.pass_m, 2) AS pass_m, round(n.pass_sd_m, 2) AS pass_sd_m,
        round(n.lead_time_s, 2) AS lead_time_s, round((n.released_ns - n.warned_ns) / 1e9, 2) AS lasted_s,
        n.verdict, n.flagged, n.note
      FROM near_miss n JOIN outing o ON o.id = n.outing;
    CREATE VIEW outings AS
      SELECT o.id, o.device, strftime('%Y-%m-%dT%H:%M:%SZ', o.wall_s, 'unixepoch') AS began_utc,
        round(o.worn_s / 60, 1) AS worn_min, round(o.blind_s, 1) AS blind_s, o.ended,
        (SELECT count(*) FROM near_miss n WHERE n.outing = o.id) AS near_misses,
        (SELECT count(*) FROM near_miss n WHERE n.outing = o.id AND n.level = 3) AS critical,
        (SELECT count(*) FROM passage p WHERE p.outing = o.id) AS passages, o.source, o.model, o.version
      FROM outing o;
    CREATE VIEW passages AS
      SELECT p.id, p.outing, o.device,
        strftime('%Y-%m-%dT%H:%M:%SZ', o.wall_s + (p.at_ns - o.origin_ns) / 1e9, 'unixepoch') AS at_utc,
        p.label, p.side, round(p.range_m, 2) AS range_m, round(p.pass_m, 2) AS pass_m,
        CASE p.level WHEN 3 THEN 'CRITICAL' WHEN 2 THEN 'CAUTION' WHEN 1 THEN 'NOTICE' ELSE 'CLEAR' END AS level
      FROM passage p JOIN outing o ON o.id = p.outing;
    """,
    # 9: what a moment was marked for: a press of the button, or a fall.
    """
    ALTER TABLE mark ADD COLUMN kind TEXT NOT NULL DEFAULT 'button';
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


@contextlib.contextmanager
def atomic(db: sqlite3.Connection) -> Iterator[None]:
    """Everything inside is written or nothing is. Raises `sqlite3.Error` when writing fails."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise


def migrate(db: sqlite3.Connection, name: str) -> None:
    """Bring the file up to `VERSION`, one transaction per step, so that a cut leaves a valid version.

    Raises `BadInput` when a newer rearguard wrote it, `sqlite3.Error` when it cannot be written.
    """
    for step in range(check_version(db, name), VERSION):
        with atomic(db):
            if version(db) == step:  # another process may have been quicker
                for statement in _statements(MIGRATIONS[step]):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {step + 1}")


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
