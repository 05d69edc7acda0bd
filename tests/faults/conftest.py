"""The fault suite takes minutes: only when it is asked for."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "faults" in config.getoption("markexpr"):
        return
    mine = [item for item in items if item.get_closest_marker("faults")]
    config.hook.pytest_deselected(items=mine)
    items[:] = [item for item in items if item not in mine]
