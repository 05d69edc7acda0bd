"""Fixtures every test may use."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from hypothesis import settings

# Machines that run tests are busy; what takes long is not wrong.
settings.register_profile("rearguard", deadline=None)
settings.load_profile("rearguard")

# What a script starts in the background ignores these, and so would every program that a test starts and ends by them.
if threading.current_thread() is threading.main_thread():
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real footage beside the checkout; a stranger's clone has none."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return SHARED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-ledger", action="store_true", help="write the golden cue ledgers anew")
