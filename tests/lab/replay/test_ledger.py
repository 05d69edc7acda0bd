"""The golden ledger: short recordings of rendered worlds, and the cues that they must lead to.

    pytest tests/lab/replay/test_ledger.py --update-ledger

writes the ledgers anew, which is a deliberate act: read the difference before committing it. The detections
themselves are only made where their file is missing; delete it first to see with a newer detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from rearguard.config import Config
from rearguard.config.looming import Looming
from rearguard.lab.replay.recording import Recording, read, write
from rearguard.lab.replay.rejudge import Replayed, replay

FOLDER = Path(__file__).parents[2] / "data" / "ledger"
FPS = 10.0


@dataclass(frozen=True)
class Row:
    """A recording by name, the world it is of, and what its ledger must have at any rate, or must not."""

    name: str
    world: str
    must: str = ""
    never: str = ""
    low: bool = False  # seen with `looming.low`
    of_figures: bool = True


ROWS = (
    Row("stand", "sim:stand?start=13", must="CRITICAL"),
    Row("cross", "sim:cross?start=13", must="CRITICAL"),
    Row("pass-by", "sim:pass-by?lateral=1.2&start=18", never="CRITICAL"),
    Row("hurdle", "sim:hurdle?start=11", must="CRITICAL", of_figures=False),
    Row("kerb", "sim:kerb?start=10&seed=1", must="LOW", never="CRITICAL", low=True, of_figures=False),
)


def recording(row: Row) -> Recording:
    return read(FOLDER / f"{row.name}.jsonl")


def text(replayed: Replayed) -> str:
    """One line a cue, and a last one that counts the frames."""
    return "".join(f"{cue.text}\n" for cue in replayed.cues) + f"{replayed.frames} frames\n"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_same_recording_leads_to_the_same_cues(row: Row, request: pytest.FixtureRequest) -> None:
    golden, seen = FOLDER / f"{row.name}.txt", FOLDER / f"{row.name}.jsonl"
    if request.config.getoption("--update-ledger"):
        if not seen.exists():
            from rearguard.lab.replay.record import record

            FOLDER.mkdir(exist_ok=True)
            write(seen, record(row.world, Config(looming=Looming(low=row.low)), fps=FPS))
        golden.write_text(text(replay(recording(row), Config())))
    replayed = replay(recording(row), Config())
    # A replay of nothing would agree with an empty ledger.
    assert replayed.frames >= 30
    assert sum(len(frame.detections) for frame in recording(row).seen) >= 15 or not row.of_figures
    assert replayed.cues or row.never
    assert text(replayed) == golden.read_text(), "cues changed; if that is meant, run with --update-ledger"
    named = {cue.cue for cue in replayed.cues}
    assert row.must in {"", *named}
    assert row.never not in named


def test_the_recordings_stay_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 100_000


def test_a_ledger_notices_other_rules() -> None:
    from rearguard.config.judge import Judge

    later = replay(recording(ROWS[0]), Config(judge=Judge(critical_ttc_s=1.2)))
    assert text(later) != (FOLDER / "stand.txt").read_text()
