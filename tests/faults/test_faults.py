"""Each fault, driven into the real two-process program. Run with `make faults`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from fault_cases import CASES, Case
from fault_harness import memory_folder, run_case

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_wearer_is_told(case: Case) -> None:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        outcome = run_case(case, Path(folder) / case.name)
    assert not outcome.wrong, f"{outcome.row()}\n{outcome.stderr}"
