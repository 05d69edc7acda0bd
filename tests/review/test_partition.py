"""`export --partition`: the same rows in a folder that DuckDB, Polars and Spark read, and the queries of the docs."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result
from journal_generator import NEWEST_S, generate
from journal_kit import a_start, a_writer

from rearguard.cli.main import cli
from rearguard.journal.db.store import Journal

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (extra `export`)")
CLUB = Path(__file__).parents[2] / "docs" / "club.md"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    generate(folder, near_misses=400, outings=80, trace=1)
    assert a_writer(folder, start=a_start(device="../Anna's /pi", key="f" * 16)).close(5)
    return folder


def export(journal: Path, table: str, to: Path, *more: str) -> Result:
    return CliRunner().invoke(
        cli, ["export", table, "--partition", "-o", str(to), "--journal", str(journal), *more]
    )


@pytest.mark.parametrize("table", ["near_misses", "outings"])
def test_the_parts_hold_the_rows_of_the_whole_table(journal: Path, tmp_path: Path, table: str) -> None:
    assert export(journal, table, tmp_path / "parts").exit_code == 0
    one = tmp_path / "one.parquet"
    words = ["export", table, "-o", str(one), "--journal", str(journal)]
    assert CliRunner().invoke(cli, words).exit_code == 0
    found = []
    for path in sorted((tmp_path / "parts").rglob("*.parquet")):
        device, month, _ = path.relative_to(tmp_path / "parts").parts
        for row in pq.ParquetFile(path).read().to_pylist():
            assert month == f"month={row['when']:%Y-%m}"
            found.append(row | {"device": unquote(device.removeprefix("device="))})
    whole = pq.read_table(one).to_pylist()
    assert sorted(found, key=str_of) == sorted(whole, key=str_of)
    assert len(found) == {"near_misses": 400, "outings": 81}[table]


def str_of(row: dict[str, Any]) -> str:
    return str(sorted(row.items(), key=lambda item: item[0]))


def test_a_device_with_an_odd_name_gets_one_folder_and_nothing_else(journal: Path, tmp_path: Path) -> None:
    assert export(journal, "outings", tmp_path / "parts", "--device", "../Anna's /pi").exit_code == 0
    assert [p.name for p in (tmp_path / "parts").iterdir()] == ["device=..%2FAnna%27s%20%2Fpi"]
    assert [p.name for p in tmp_path.iterdir()] == ["parts"]


def test_what_is_there_is_not_mixed_with_what_is_new(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    assert export(journal, "outings", tmp_path / "parts").exit_code == 0
    again = export(journal, "outings", tmp_path / "parts")
    assert again.exit_code != 0
    assert "name a new folder" in str(again.exception)
    assert "new folder" in str(export(journal, "outings", tmp_path / "x", "--format", "csv").exception)


def queries() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", CLUB.read_text(), re.DOTALL)


def test_the_documents_queries_answer_as_the_journal_does(journal: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    for table in ("near_misses", "outings"):
        assert export(journal, table, tmp_path / table).exit_code == 0
    runner, weekday, trend = (duckdb.sql(q.replace("season/", f"{tmp_path}/")).fetchall() for q in queries())
    with Journal.open(journal, readonly=True) as opened:
        met = {
            r["device"]: r["n"]
            for r in opened.select(
                "SELECT o.device, count(*) AS n FROM near_miss n JOIN outing o ON o.id = n.outing GROUP BY 1",
                [],
            )
        }
        hours = {
            r["device"]: r["h"]
            for r in opened.select("SELECT device, sum(worn_s) / 3600 AS h FROM outing GROUP BY 1", [])
        }
    assert {row[0]: row[1] for row in runner} == {d: pytest.approx(met[d] / hours[d], abs=0.006) for d in met}
    assert len(weekday) == 7
    assert sum(row[2] for row in weekday) == pytest.approx(sum(hours.values()), abs=1)
    months = [row[0] for row in trend]
    assert months == sorted(months)
    assert len(months) > 12
    assert trend[0][2] is None


@pytest.mark.slow
def test_500_devices_for_a_season_are_answered_in_seconds(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    outings = 500 * 24
    generate(tmp_path / "journal", near_misses=4 * outings, outings=outings, trace=0)
    with Journal.open(tmp_path / "journal") as opened, opened.transaction(durable=True) as db:
        db.execute(
            "UPDATE outing SET device = 'pi-' || (id % 500), wall_s = ? - (? - id) * 180 * 86400.0 / ?",
            (NEWEST_S, outings, outings),
        )
        db.execute(
            "UPDATE near_miss SET wall_s = (SELECT wall_s FROM outing o WHERE o.id = near_miss.outing)"
        )
    for table in ("near_misses", "outings"):
        assert export(tmp_path / "journal", table, tmp_path / table).exit_code == 0
    began = time.process_time()  # of all threads: how busy the machine is does not count
    answers = [duckdb.sql(q.replace("season/", f"{tmp_path}/")).fetchall() for q in queries()]
    took_s = time.process_time() - began
    print(
        f"{4 * outings} near misses, {outings} outings of 500 devices: three answers in {took_s:.2f} s of CPU"
    )
    assert len(answers[0]) == 500
    assert took_s < 30
