"""Real recordings cost no more misses and false alarms than they ever did: the budget beside their labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rearguard.cli.main import cli

CORPUS = Path(__file__).parents[2] / "data" / "corpus"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_real_recordings_stay_within_the_budget(shared_data: Path) -> None:
    words = ["score", str(CORPUS), "--pictures", str(shared_data), "--budget", str(CORPUS / "budget.toml")]
    done = CliRunner().invoke(cli, words, env={"COLUMNS": "140"})
    print(done.output)
    assert done.exit_code == 0, done.output
