"""Each fault, driven into the real two-process program. Run with `make faults`."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_cases import CASES, Case
from fault_harness import run_case

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_wearer_is_told(case: Case, tmp_path: Path) -> None:
    outcome = run_case(case, tmp_path)
    assert not outcome.wrong, f"{outcome.row()}\n{outcome.stderr}"
