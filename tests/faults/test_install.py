"""Every fault of the table finds the part it breaks: a rename must not leave `make faults` without its faults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EACH = """
import vision_with_faults as faults
faults.watch_judged()
for name, install in faults.FAULTS.items():
    try:
        install()
    except AttributeError as error:
        raise SystemExit(f"{name}: {error}")
print(len(faults.FAULTS))
"""


def test_every_fault_can_be_installed(tmp_path: Path) -> None:
    env = {**os.environ, "REARGUARD_FAULT": "none", "REARGUARD_FAULT_AFTER_S": "1",
           "REARGUARD_FAULT_TRACE": str(tmp_path / "trace")}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", EACH], cwd=HERE, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 25
