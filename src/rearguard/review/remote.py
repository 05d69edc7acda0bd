"""The other side of `pull`, over the system's own ssh and sftp: keys, hosts and settings as the user has them.

Every wait has a limit, and what the user's configuration asks for between people (a terminal, a command, a shared
connection, a greeting) is switched off: see `ssh_words`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import IO

from rearguard.errors import BadInput, PartFailed, RearguardError
from rearguard.review import through_shell
from rearguard.review.ssh_words import (
    GREETS,
    NO_SFTP,
    Destination,
    destination,
    last_line,
    meaning,
    of_the_account,
    options,
    quoted,
)

_MAX_LINE = 256 << 20
_MAX_NOISE = 1 << 20  # greetings and the like, around what was asked for
_MAX_TOLD = 400
_OBJECT = b'{"'  # so begins what its rearguard says
_SSH_FAILED, _NOT_FOUND, _NOT_EXECUTABLE = 255, 127, 126
_SILENT_S = 120.0  # nothing comes: a Pi Zero with a large journal needs some 20 s for its first line
_LEAVES_S = 10.0  # after its last word
_HEARD = 200  # lines of standard error that are kept


@dataclass(frozen=True)
class Remote:
    """A device: `host` as people write it, its rearguard command, and what ssh needs to reach it.

    A `~` at the beginning of a word of `command` or of `journal` is the home there. `notes`: what its owner may want
    to change there, though it worked.
    """

    host: str
    command: str = "rearguard"
    journal: str | None = None
    ssh_config: Path | None = None
    notes: set[str] = field(default_factory=set, compare=False)

    def __post_init__(self) -> None:
        destination(self.host)
        try:
            shlex.split(self.command)
        except ValueError as e:
            raise BadInput(f"--command {self.command}: quoted in a way no shell takes: {e}") from e
        if shutil.which("ssh") is None:
            raise BadInput("ssh is not installed; on Debian: apt install openssh-client")

    def lines(self, args: list[str], feed: str = "") -> Iterator[bytes]:
        """The JSON objects that `rearguard ARGS` there prints, one a line; `feed` goes to its standard input.

        What else its shell prints is passed over. Raises `PartFailed` when the connection or the command fails,
        after the lines before.
        """
        words = [*shlex.split(self.command), *args, *(["--journal", self.journal] if self.journal else [])]
        process = self._start(" ".join(map(quoted, words)))
        assert process.stdin is not None
        assert process.stdout is not None
        ear = _Ear(process.stderr)
        try:
            with contextlib.suppress(BrokenPipeError):  # its exit code says what is wrong, below
                process.stdin.write(feed.encode())
                process.stdin.close()
            noise, other = 0, b""
            for line in _lines(process.stdout.fileno(), self.host):
                at = line.find(_OBJECT)
                if at >= 0:
                    yield line[at:]
                else:
                    noise, other = noise + len(line), line.strip()[:_MAX_TOLD] or other
                if noise > _MAX_NOISE:
                    raise BadInput(
                        f"{self.host}: its shell prints without end; is something else installed there?"
                    )
            process.stdout.close()  # so that one that would go on for ever ends as well
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVES_S)
        finally:  # also when the caller takes no more lines
            process.stdout.close()
            _end(process)
        said = ear.heard()
        self._check(process.returncode, said if said.strip() else other.decode(errors="replace"))

    def fetch(self, folder: str, names: list[str], to: Path, tick: Callable[[], None]) -> None:
        """Fetch files of a folder there into `to`, going on where an earlier attempt was cut.

        What is no longer there is passed over; the caller checks what came. Where there is no sftp, or a greeting
        breaks it, they come through the shell. Raises `PartFailed` when the connection fails, or the disk here is full.
        """
        if any(not c.isprintable() for c in folder):
            raise BadInput(f"{self.host}: names a clip folder that makes no sense")
        if shutil.which("sftp") is None:
            raise BadInput("sftp is not installed; on Debian: apt install openssh-client")
        here = to.absolute()  # a name that begins with a dash is an option
        batch = "".join(
            f"-reget {_for_sftp(f'{folder}/{name}')} {_for_sftp(str(here / name))}\n" for name in names
        )
        command = ["sftp", *self._options(sftp=True), "-q", "-b", "-", "--", _bracketed(self._to.host)]
        process = subprocess.Popen(command, stdin=PIPE, stdout=subprocess.DEVNULL, stderr=PIPE)
        ear, files = _Ear(process.stderr), [to / name for name in names]
        before = sum(map(_size, files))
        feeder = threading.Thread(target=_feed, args=(process.stdin, batch.encode()), daemon=True)
        feeder.start()
        try:
            self._wait_while_it_grows(process, files, tick)
        finally:
            _end(process)
        said = ear.heard()
        told = meaning(self._to.host, self._to.port, said)
        if process.returncode == _SSH_FAILED:
            closed = last_line(said) == "Connection closed" and said.count("\n") < 2
            if closed and sum(map(_size, files)) == before:
                told = NO_SFTP
            if told in (NO_SFTP, GREETS):
                self._through_shell(folder, names, to, tick)
                self.notes.add(told)
                return
            why = told or f"the connection was lost while fetching pictures ({last_line(said)})"
            raise PartFailed(f"{self.host}: {why}")
        if told is not None and "disk is full" in told:
            raise PartFailed(f"{to}: {told}")

    def _through_shell(self, folder: str, names: list[str], to: Path, tick: Callable[[], None]) -> None:
        token = secrets.token_hex(16)
        asked = "".join(f"{_size(to / name)} {name}\n" for name in names)
        process = self._start(through_shell.command(folder, token))
        assert process.stdout is not None
        ear, file = _Ear(process.stderr), process.stdout.fileno()
        threading.Thread(target=_feed, args=(process.stdin, asked.encode()), daemon=True).start()
        try:
            whole = through_shell.receive(
                lambda: _read(file, self.host), token, set(names), to, tick, greets_s=_SILENT_S
            )
            process.stdout.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVES_S)
        except BadInput as e:
            raise BadInput(f"{self.host}: {e}") from e
        finally:
            process.stdout.close()
            _end(process)
        if not whole:
            self._check(process.returncode, ear.heard())
            raise PartFailed(f"{self.host}: the connection was lost while fetching pictures; run it again")

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        """A command for the shell there."""
        return subprocess.Popen(
            ["ssh", *self._options(sftp=False), "-T", "--", self._to.host, command],
            stdin=PIPE, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip

    def _wait_while_it_grows(
        self, process: subprocess.Popen[bytes], files: list[Path], tick: Callable[[], None]
    ) -> None:
        """Wait for sftp as long as something comes."""
        grown, since = -1, time.monotonic()
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            tick()
            size = sum(map(_size, files))
            if size != grown:
                grown, since = size, time.monotonic()
            elif time.monotonic() - since > _SILENT_S:
                raise PartFailed(
                    f"{self.host}: no more of the pictures has come for {_SILENT_S:.0f} s; what came is kept, run it "
                    "again"
                )
        tick()

    @property
    def _to(self) -> Destination:
        return destination(self.host)

    def _options(self, *, sftp: bool) -> list[str]:
        file = ["-F", str(self.ssh_config)] if self.ssh_config else []
        return [*file, *options(self._to.port, sftp=sftp, batch=not _somebody_is_there())]

    def _check(self, code: int, said: str) -> None:
        if code == 0:
            return
        if code == _NOT_FOUND:
            raise BadInput(
                f"{self.host}: no {self.command!r} there; say where with --command /path/to/rearguard"
            )
        if code == _NOT_EXECUTABLE:
            raise BadInput(
                f"{self.host}: {self.command!r} there is no program that may be run; see --command"
            )
        last = last_line(said)
        told = last.removeprefix("rearguard: ")
        if "no such command" in last.lower():
            raise BadInput(
                f"{self.host}: its rearguard is too old to be pulled from ({told}); update it there"
            )
        if code != _SSH_FAILED and (why := of_the_account(said)):
            raise PartFailed(f"{self.host}: {why}")
        if code != _SSH_FAILED:
            raise _there(code)(
                f"{self.host}: rearguard failed there with exit code {code}: {told or 'no reason given'}"
            )
        known = meaning(self._to.host, self._to.port, said)
        why = (
            f"ssh could not connect: {known}"
            if known
            else "ssh could not connect, or the connection was lost"
        )
        if not known:
            why += f" ({last}); run it again" if last else ", without a word; run it again"
        raise PartFailed(f"{self.host}: {why}")


def _there(code: int) -> type[RearguardError]:
    return BadInput if code == BadInput.exit_code else PartFailed


class _Ear:
    """Hears standard error to its end without ever making the other side wait; remembers the last of it."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._lines: deque[bytes] = deque(maxlen=_HEARD)
        self._thread = threading.Thread(target=self._hear, args=(stream,), daemon=True)
        self._thread.start()

    def _hear(self, stream: IO[bytes] | None) -> None:
        if stream is not None:
            with contextlib.suppress(OSError, ValueError), stream:
                while line := stream.readline(4096):
                    self._lines.append(line)

    def heard(self) -> str:
        self._thread.join(1.0)  # something left behind over there may hold it open
        return b"".join(self._lines.copy()).decode(errors="replace")


def _lines(file: int, host: str) -> Iterator[bytes]:
    """Whole lines as they come. Raises `PartFailed` when nothing comes for too long, or nothing but greetings."""
    held = bytearray()
    searched, since = 0, time.monotonic()
    while True:
        end = held.find(b"\n", searched)
        if end >= 0:
            line = bytes(held[: end + 1])
            del held[: end + 1]
            searched, since = 0, time.monotonic() if _OBJECT in line else since
            yield line
            continue
        if time.monotonic() - since > _SILENT_S and _OBJECT not in held:
            raise PartFailed(
                f"{host}: for {_SILENT_S:.0f} s its shell does not come to the point; try `ssh {host}`"
            )
        searched = len(held)
        if len(held) > _MAX_LINE:
            raise BadInput(f"{host}: sent a line without end")
        data = _read(file, host)
        if not data:
            return
        held += data


def _read(file: int, host: str) -> bytes:
    """The next bytes, none at the end. Raises `PartFailed` when nothing comes for too long."""
    if not select.select([file], [], [], _SILENT_S)[0]:
        raise PartFailed(f"{host}: nothing has come from there for {_SILENT_S:.0f} s; try `ssh {host}`")
    return os.read(file, 1 << 16)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_LEAVES_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _feed(stream: IO[bytes] | None, data: bytes) -> None:
    if stream is not None:
        with contextlib.suppress(OSError), stream:
            stream.write(data)


def _somebody_is_there() -> bool:
    """Whether ssh can ask for a password or about a host: it does so on the terminal."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _bracketed(host: str) -> str:
    """sftp takes what follows a colon for a path, unless an IPv6 address stands in brackets."""
    user, at, place = host.rpartition("@")
    return f"{user}{at}[{place}]" if ":" in place else host


def _for_sftp(path: str) -> str:
    """A path for an sftp batch file, which also expands wildcards; not in quotes, where sftp escapes them once more."""
    return "".join(c if c.isalnum() or c in "/._-" else f"\\{c}" for c in path)
