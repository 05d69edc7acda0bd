"""The other side of `pull`, over the system's own ssh and sftp: keys, hosts and settings as the user has them."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rearguard.errors import BadInput, PartFailed

_MAX_LINE = 256 << 20
_SSH_FAILED, _NOT_FOUND = 255, 127
_ALIVE = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")


@dataclass(frozen=True)
class Remote:
    """A device: `host` as ssh takes it, its rearguard command, and what ssh needs to reach it."""

    host: str
    command: str = "rearguard"
    journal: str | None = None
    ssh_config: Path | None = None

    def __post_init__(self) -> None:
        if (
            not self.host
            or self.host.startswith("-")
            or any(c.isspace() or not c.isprintable() for c in self.host)
        ):
            raise BadInput(f"{self.host!r}: not a host; say USER@HOST, or a name from your ssh configuration")
        try:
            shlex.split(self.command)
        except ValueError as e:
            raise BadInput(f"--command {self.command}: quoted in a way no shell takes: {e}") from e
        if shutil.which("ssh") is None:
            raise BadInput("ssh is not installed; on Debian: apt install openssh-client")

    def lines(self, args: list[str], feed: str = "") -> Iterator[bytes]:
        """What `rearguard ARGS` there prints, line by line; `feed` goes to its standard input.

        Raises `PartFailed` when the connection or the command fails, after the lines before.
        """
        words = [*shlex.split(self.command), *args, *(["--journal", self.journal] if self.journal else [])]
        command = ["ssh", *self._options(), "-T", "--", self.host, shlex.join(words)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # its exit code says what is wrong, below
                process.stdin.write(feed.encode())
                process.stdin.close()
            while (line := process.stdout.readline(_MAX_LINE)).endswith(b"\n"):
                yield line
            process.stdout.close()  # so that one that would go on for ever ends as well
            code = process.wait()
        finally:  # also when the caller takes no more lines
            process.stdout.close()
            if process.poll() is None:
                process.terminate()
                process.wait()
        self._check(code)

    def fetch(self, folder: str, names: list[str], to: Path, tick: Callable[[], None]) -> None:
        """Fetch files of a folder there into `to`, going on where an earlier attempt was cut.

        What is no longer there is passed over; the caller checks what came. Raises `PartFailed` when the
        connection fails.
        """
        if any(not c.isprintable() for c in folder):
            raise BadInput(f"{self.host}: names a clip folder that makes no sense")
        batch = "".join(f"-reget {_quoted(f'{folder}/{name}')} {_quoted(str(to / name))}\n" for name in names)
        command = ["sftp", *self._options(), "-q", "-b", "-", "--", self.host]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            said = _talk(process, batch, tick)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode == _SSH_FAILED:
            raise PartFailed(
                f"{self.host}: the connection was lost while fetching pictures{said}; run it again"
            )

    def _options(self) -> list[str]:
        return [*(["-F", str(self.ssh_config)] if self.ssh_config else []), *_ALIVE]

    def _check(self, code: int) -> None:
        if code == _SSH_FAILED:
            raise PartFailed(f"{self.host}: ssh could not connect, or the connection was lost; run it again")
        if code == _NOT_FOUND:
            raise BadInput(
                f"{self.host}: no {self.command!r} there; say where with --command /path/to/rearguard"
            )
        if code != 0:
            raise PartFailed(f"{self.host}: rearguard failed there with exit code {code}")


def _talk(process: subprocess.Popen[str], batch: str, tick: Callable[[], None]) -> str:
    """Feed sftp and wait for it; the last thing it said."""
    said: str | None = None
    feed: str | None = batch
    while True:
        try:
            _, said = process.communicate(feed, timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            feed = None
            tick()
    tick()
    lines = [line for line in (said or "").splitlines() if line.strip()]
    return f" ({lines[-1].strip()})" if lines else ""


def _quoted(path: str) -> str:
    """A path for an sftp batch file; sftp also expands wildcards unless they are escaped."""
    return '"' + "".join(f"\\{c}" if c in '"\\*?[]' else c for c in path) + '"'
