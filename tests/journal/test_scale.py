"""A season of a club: 100 000 near misses in 2 000 outings read as quickly as 100."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from journal_generator import NEWEST_S, generate

from rearguard.cli.main import cli
from rearguard.journal.db.rows import Filter
from rearguard.journal.db.store import Journal
from rearguard.journal.retention import expire
from rearguard.types import Level

MOST = 1.5
SMALL, LARGE = (100, 10), (100_000, 2_000)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    small, large = tmp_path_factory.mktemp("small"), tmp_path_factory.mktemp("large")
    generate(small, *SMALL)
    generate(large, *LARGE)
    return small, large


def log(*args: str) -> Callable[[Path], object]:
    def run(folder: Path) -> object:
        done = CliRunner().invoke(cli, ["log", *args, "--journal", str(folder)], env={"COLUMNS": "120"})
        assert done.exit_code == 0
        return done.output

    return run


def pages(folder: Path) -> object:
    """The last page of the list, reached through a key as deep as there are rows."""
    with Journal.open(folder, readonly=True) as journal:
        (oldest,) = journal.near_misses(Filter(until_s=NEWEST_S - 500 * 86400), 1)
        return "\n" * len(journal.near_misses(Filter(), 10, oldest))


def review(folder: Path) -> object:
    """Until the newest near miss is told."""
    pytest.importorskip("textual", reason="Textual is not installed (extra 'review')")
    from textual.widgets import Static

    from rearguard.review.app import Review

    async def run() -> None:
        with Journal.open(folder, readonly=True) as opened:
            app = Review(opened, Filter())
            async with app.run_test(size=(80, 24)) as pilot:
                while "came close" not in str(app.query_one("#story", Static).render()):
                    await pilot.pause(0.005)

    asyncio.run(run())
    return None


QUESTIONS: dict[str, Callable[[Path], object]] = {
    "the newest 20": log(),
    "as JSON": log("--json"),
    "critical ones": log("--level", "critical"),
    "one kind": log("--label", "bicycle", "--limit", "5"),
    "critical ones of a kind": log("--level", "critical", "--label", "person"),
    "of the last month": log("--since", "2026-08-21", "--limit", "5"),
    "of a device": log("--device", "pi-1"),
    "of an outing": log("--outing", "3", "--limit", "10"),
    "a page far down": pages,
    "review": review,
}


def cpu_s(question: Callable[[Path], object], folder: Path) -> float:
    begun = time.process_time()
    question(folder)
    return time.process_time() - begun


@pytest.mark.timing
@pytest.mark.parametrize("name", list(QUESTIONS))
def test_a_large_journal_answers_as_quickly(journals: tuple[Path, Path], name: str) -> None:
    """CPU time, the least of several in turn, so that what else the machine does does not count."""
    small, large = journals
    question = QUESTIONS[name]
    shape = [str(question(folder)).count("\n") for folder in journals]
    assert shape[0] == shape[1], "the two answer the same amount"
    times: list[tuple[float, float]] = []
    for _ in range(12):
        times.append((cpu_s(question, small), cpu_s(question, large)))
        least = min(a for a, _ in times), min(b for _, b in times)
        if len(times) >= 4 and least[1] <= 1.25 * least[0]:
            break
    print(f"\n{name}: {least[0] * 1000:.1f} ms with 100, {least[1] * 1000:.1f} ms with 100 000")
    assert least[1] <= MOST * least[0]


def test_every_answer_is_right(journals: tuple[Path, Path]) -> None:
    """The index that makes it quick must not make it wrong."""
    _, large = journals
    with Journal.open(large, readonly=True) as journal:
        for wanted in (
            Filter(),
            Filter(level=Level.CRITICAL),
            Filter(label="dog"),
            Filter(label="car", level=3),
        ):
            everything = journal.db.execute(
                "SELECT id, level, label FROM near_miss ORDER BY wall_s DESC, id DESC"
            )
            right = [
                i
                for i, level, label in everything
                if (wanted.level is None or level >= wanted.level) and wanted.label in (None, label)
            ]
            found = [row.id for row in journal.near_misses(wanted, 300)]
            assert found == right[:300]


def test_no_question_reads_the_whole_table(journals: tuple[Path, Path]) -> None:
    _, large = journals
    with Journal.open(large, readonly=True) as journal:
        for condition in ("", "WHERE n.level = 3", "WHERE n.label = 'dog'", "WHERE n.outing = 3"):
            sql = f"SELECT * FROM near_miss n {condition} ORDER BY n.wall_s DESC, n.id DESC LIMIT 20"
            plan = " ".join(row[3] for row in journal.db.execute(f"EXPLAIN QUERY PLAN {sql}"))
            assert "USING INDEX near_miss_by" in plan, plan
            assert "TEMP B-TREE" not in plan, plan


def test_outings_and_stats_stay_quick_enough_to_wait_for(journals: tuple[Path, Path]) -> None:
    _, large = journals
    rows = json.loads(CliRunner().invoke(cli, ["outings", "--json", "--journal", str(large)]).output)
    assert len(rows) == 20
    assert sum(row["near_misses"] for row in rows) == 1000
    everything = CliRunner().invoke(cli, ["outings", "--json", "--limit", "1000000", "--journal", str(large)])
    assert sum(row["near_misses"] for row in json.loads(everything.output)) == 100_000
    weeks = json.loads(
        CliRunner().invoke(cli, ["stats", "--json", "--weeks", "110", "--journal", str(large)]).output
    )
    assert 95_000 < sum(week["near_misses"] for week in weeks) <= 100_000


def test_expiring_a_season_at_once_does_not_lock_out_a_writer_for_long(tmp_path: Path) -> None:
    from rearguard.config.journal import Journal as Settings

    generate(tmp_path, 5_000, 100, trace=3)
    with Journal.open(tmp_path) as journal:
        held = []
        transaction = journal.transaction

        def timed(*, durable: bool):  # type: ignore[no-untyped-def]
            held.append(1)
            return transaction(durable=durable)

        journal.transaction = timed  # type: ignore[method-assign]
        gone = expire(journal, Settings(), NEWEST_S + 200 * 86400, synced=True)
        assert gone.near_misses == 5_000
        assert len(held) >= 10, "in several transactions, between which a near miss gets in"
