"""tmux, driven as somebody at its keyboard would."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Tmux:
    """A tmux server of its own, one window of 80x24."""

    def __init__(self, folder: Path, command: str) -> None:
        self._socket = str(folder / "tmux")
        self("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", f"{command}; sleep 60")

    def __call__(self, *args: str) -> str:
        command = ["tmux", "-S", self._socket, *args]
        env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=30, check=True).stdout

    def until(self, what: str, seconds: float = 40.0) -> str:
        """The screen once it shows something."""
        end = time.monotonic() + seconds
        while True:
            screen = self("capture-pane", "-p")
            if what in screen:
                return screen
            assert time.monotonic() < end, screen
            time.sleep(0.1)

    def stop(self) -> None:
        self("kill-server")


@pytest.fixture(name="tmux")
def tmux_fixture(tmp_path: Path) -> Iterator[Callable[[str], Tmux]]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    started: list[Tmux] = []

    def start(command: str) -> Tmux:
        started.append(Tmux(tmp_path, command))
        return started[-1]

    yield start
    for one in started:
        one.stop()
