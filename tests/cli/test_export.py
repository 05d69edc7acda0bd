"""`export`: tables that other programs read without asking."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from journal_kit import MONO_NS, WALL_S, a_near_miss, a_start, a_writer
from msgspec.structs import replace
from trace_kit import a_trace

from rearguard.cli.main import cli
from rearguard.review.columns import MEANING, page
from rearguard.review.export import TABLES, names
from rearguard.types import (
    Cue,
    CueName,
    Fault,
    Level,
    Observation,
    Passage,
    Reason,
    ReasonCode,
    Side,
    Verdict,
)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    writer = a_writer(folder, start=a_start(device="=pi", key="00000000deadbeef"))
    writer.near_miss(a_near_miss(10.0))
    point = a_near_miss().trace[0]
    point = replace(point, reason=replace(point.reason, ttc_s=None))
    writer.near_miss(
        a_near_miss(20.0, label='say "hi",\nthere\x1b', level=Level.CAUTION, range_m=None, trace=(point,))
    )
    writer.cue(
        Cue(
            at_ns=MONO_NS + 9_500_000_000,
            cue=CueName.CAUTION,
            side=Side.LEFT,
            reason=Reason(code=ReasonCode.SOON, ttc_s=2.9),
        )
    )
    writer.passage(
        Passage(at_ns=MONO_NS, label="dog", kind="detected", side=Side.LEFT, level=Level.CLEAR, range_m=2.0)
    )
    writer.fault(Fault.DARK, MONO_NS + 1_000_000_000, None)
    assert writer.close(5)
    return folder


def run(journal: Path, *args: str) -> Result:
    return CliRunner().invoke(cli, ["export", *args, "--journal", str(journal)])


@pytest.mark.parametrize("table", list(TABLES))
def test_csv_and_json_lines_tell_the_same(journal: Path, table: str) -> None:
    from_csv = list(csv.DictReader(io.StringIO(run(journal, table).output)))
    lines = [json.loads(line) for line in run(journal, table, "--format", "jsonl").output.splitlines()]
    assert (
        len(from_csv)
        == len(lines)
        == {"near_misses": 2, "trace": 22, "outings": 1, "cues": 1, "faults": 1, "passages": 1}[table]
    )
    for a, b in zip(from_csv, lines, strict=True):
        assert list(a) == list(b)
        for key, value in b.items():
            if isinstance(value, float):
                assert float(a[key]) == value
            elif value is None:
                assert a[key] == ""


def test_rows_mean_what_they_say(journal: Path) -> None:
    first, second = [json.loads(line) for line in run(journal, "--format", "jsonl").output.splitlines()]
    assert first["when"] == datetime.fromtimestamp(WALL_S + 10, UTC).isoformat(timespec="milliseconds")
    assert (first["outing_key"], first["number"], first["level"]) == ("00000000deadbeef", 1, 3)
    assert (first["warned_ns"], first["min_ttc_s"]) == (-1_100_000_000, 1.6)
    assert second["range_m"] is None
    assert "\x1b" not in second["label"]
    assert "\n" not in second["label"]
    trace = [json.loads(line) for line in run(journal, "trace", "--format", "jsonl").output.splitlines()]
    assert trace[15]["t_ns"] == 0
    assert (trace[15]["code"], trace[15]["limit_s"], trace[15]["lost"]) == ("soon", 2.0, False)
    cue = json.loads(run(journal, "cues", "--format", "jsonl").output)
    assert (cue["t_s"], cue["cue"], cue["ttc_s"]) == (9.5, "CAUTION", 2.9)


def test_no_spreadsheet_takes_text_for_a_formula(journal: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(journal).output)))
    assert {row["device"] for row in rows} == {"'=pi"}


def test_filters(journal: Path) -> None:
    def numbers(*args: str) -> list[int]:
        lines = run(journal, "--format", "jsonl", *args).output.splitlines()
        return [json.loads(line)["number"] for line in lines]

    assert numbers("--level", "critical") == [1]
    assert numbers("--label", "person") == [1]
    assert numbers("--until", "2020-01-01") == []
    assert "no label" in str(run(journal, "cues", "--label", "person").exception)


@pytest.mark.parametrize("table", list(TABLES))
def test_parquet(journal: Path, tmp_path: Path, table: str) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (extra 'export')")
    path = tmp_path / "out.parquet"
    assert run(journal, table, "-o", str(path)).exit_code == 0
    read = pq.read_table(path)
    lines = [json.loads(line) for line in run(journal, table, "--format", "jsonl").output.splitlines()]
    rows = read.to_pylist()
    assert [list(row) for row in rows] == [list(line) for line in lines]
    for row, line in zip(rows, lines, strict=True):
        assert row.pop("when") == datetime.fromisoformat(line.pop("when"))
        assert row == line
    assert [p.name for p in tmp_path.iterdir()] == ["out.parquet"]


def test_without_pyarrow_one_line_says_so(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install" in str(run(journal, "-o", str(tmp_path / "x.parquet")).exception)


def test_what_cannot_be_written_is_one_line(journal: Path, tmp_path: Path) -> None:
    assert "cannot write" in str(run(journal, "-o", str(tmp_path / "none" / "x.csv")).exception)
    assert "cannot tell the format" in str(run(journal, "-o", str(tmp_path / "x.xls")).exception)
    assert "needs a file" in str(run(journal, "--format", "parquet").exception)


# ── frames ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Observation, Verdict]]]:
    folder = tmp_path_factory.mktemp("traced")
    start = a_start(device="=pi", key="00000000deadbeef")
    assert a_writer(folder, start=start).close(5)
    return folder, a_trace(folder, frames=100, device="=pi", key="00000000deadbeef")


def test_every_frame_is_a_row_of_what_was_seen_and_judged(
    traced: tuple[Path, list[tuple[Observation, Verdict]]], tmp_path: Path
) -> None:
    folder, judged = traced
    out = tmp_path / "frames.parquet"
    done = run(folder, "frames", "-o", str(out))
    assert done.exit_code == 0, done.output
    pq = pytest.importorskip("pyarrow.parquet")
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == len(judged) == 100
    for row, (seen, verdict) in zip(rows, judged, strict=True):
        assert (row["seq"], row["level"], row["device"]) == (seen.seq, verdict.level, "=pi")
        assert row["t_s"] == pytest.approx((seen.captured_ns - MONO_NS) / 1e9)
        assert [d["box"]["x1"] for d in row["detections"]] == [d.box.x1 for d in seen.detections]
        assert row["ego"]["quality"] == seen.ego.quality
    assert rows[0]["when"] == datetime.fromtimestamp(WALL_S, UTC)


def test_frames_as_text_tell_the_same(traced: tuple[Path, list[tuple[Observation, Verdict]]]) -> None:
    folder, _ = traced
    lines = [json.loads(line) for line in run(folder, "frames", "--format", "jsonl").output.splitlines()]
    from_csv = list(csv.DictReader(io.StringIO(run(folder, "frames").output)))
    assert len(lines) == len(from_csv) == 100
    assert list(lines[0]) == list(from_csv[0])
    assert json.loads(from_csv[5]["detections"]) == lines[5]["detections"]
    refused = run(folder, "frames", "--level", "caution")
    assert refused.exit_code != 0


def test_the_documents_name_every_column_of_a_frame() -> None:
    text = (Path(__file__).parents[2] / "docs" / "review.md").read_text()
    assert [name for name in names("frames") if f"`{name}`" not in text] == []


def test_the_document_says_what_every_column_means() -> None:
    """Made by `rearguard.review.columns.page`; a new column needs its line there."""
    written = (Path(__file__).parents[2] / "docs/columns.md").read_text(encoding="utf-8")
    assert written == page({table: names(table) for table in TABLES})


def test_parquet_carries_the_meaning_of_its_columns(journal: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "out.parquet"
    assert run(journal, "near_misses", "-o", str(path)).exit_code == 0
    schema = pq.read_schema(path)
    for name in schema.names:
        assert schema.field(name).metadata[b"description"].decode() == MEANING[name]


def test_near_misses_have_their_number_their_level_in_words_and_the_local_time(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "XYZ-5:30")
    time.tzset()
    try:
        rows = [
            json.loads(line) for line in run(journal, "near_misses", "--format", "jsonl").output.splitlines()
        ]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [row["id"] for row in rows] == [1, 2]
    assert [row["level_name"] for row in rows] == ["CRITICAL", "CAUTION"]
    assert rows[0]["when_local"].endswith("+05:30")
    assert datetime.fromisoformat(rows[0]["when_local"]) == datetime.fromisoformat(rows[0]["when"])
