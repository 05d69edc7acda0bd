"""A real sshd on loopback, one for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ssh_kit import Server, start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found, process = start(tmp_path_factory.mktemp("ssh"))
    yield found
    process.terminate()
    process.wait(10)
