"""What is said to ssh and what it says: destinations as people write them, options, and failures in plain words."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from typing import NamedTuple

from rearguard.errors import BadInput
from rearguard.text import clean

# Whatever the user's own configuration says of these, a program talks to a program here: no terminal, no command of
# its own, nothing forwarded, no connection shared that another may hold open or have lost, and no greeting.
_PLAIN = (
    "RequestTTY=no", "RemoteCommand=none", "PermitLocalCommand=no", "ClearAllForwardings=yes", "ForwardX11=no",
    "ForwardAgent=no", "ControlMaster=no", "ControlPath=none", "VisualHostKey=no", "LogLevel=ERROR",
    "ConnectTimeout=20", "ConnectionAttempts=1", "ServerAliveInterval=15", "ServerAliveCountMax=4",
)  # fmt: skip
_PLAIN_SINCE_8_7 = ("StdinNull=no", "ForkAfterAuthentication=no")
_SESSION_SINCE_8_7 = "SessionType=default"  # sftp sets its own
_WANTS_PORT = "say USER@HOST, HOST:PORT, ssh://USER@HOST:PORT, or a name from your ssh configuration"


class Destination(NamedTuple):
    """Where to go: `host` as ssh takes it, with the user before it where one was named, and a port or None."""

    host: str
    port: int | None


def destination(word: str) -> Destination:
    """USER@HOST, HOST:PORT, [IPv6]:PORT or ssh://USER@HOST:PORT. Raises `BadInput` in one line."""
    shown = repr(clean(word, 200))
    text, uri = word, False
    if re.match(r"(?i)ssh://", word):
        text, uri = word[6:].rstrip("/"), True
    elif "://" in word:
        raise BadInput(f"{shown}: rearguard pulls over ssh only; {_WANTS_PORT}")
    if not text or text.startswith("-") or any(c.isspace() or not c.isprintable() for c in text):
        raise BadInput(f"{shown}: not a host; {_WANTS_PORT}")
    if "/" in text:
        raise BadInput(f"{shown}: a host has no folder; name the journal's with --remote-journal")
    user, at, place = text.rpartition("@")
    port: str | None = None
    if bracketed := re.fullmatch(r"\[([0-9A-Fa-f:.%\w]+)\](?::(.*))?", place):
        place, port = bracketed[1], bracketed[2]
    elif place.count(":") == 1 or (uri and ":" in place):
        place, _, port = place.rpartition(":")
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise BadInput(f"{shown}: {clean(port, 40)!r} is no port; {_WANTS_PORT}")
    if not place or place.startswith("-") or (at and not user):
        raise BadInput(f"{shown}: not a host; {_WANTS_PORT}")
    return Destination(f"{user}{at}{place}", None if port is None else int(port))


def options(port: int | None, *, sftp: bool, batch: bool) -> list[str]:
    """What makes ssh or sftp behave whatever the user's configuration says; `batch`: nobody is there to be asked."""
    wanted = [*_PLAIN]
    if _version() >= (8, 7):
        wanted += [*_PLAIN_SINCE_8_7, *([] if sftp else [_SESSION_SINCE_8_7])]
    if batch:
        wanted.append("BatchMode=yes")
    if port is not None:
        wanted.append(f"Port={port}")
    return [part for option in wanted for part in ("-o", option)]


@cache
def _version() -> tuple[int, int]:
    """OpenSSH's version; (0, 0) for what does not say."""
    try:
        said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, timeout=10, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def quoted(word: str) -> str:
    """A word for the shell there; a `~` at its beginning stays that shell's to expand."""
    home = re.match(r"~[A-Za-z0-9_.-]*(/|\Z)", word)
    if not home:
        return shlex.quote(word)
    rest = word[home.end() :]
    return home[0] + (shlex.quote(rest) if rest else "")


NO_SFTP = (
    "it serves no sftp, so the files came through its shell; `apt install openssh-sftp-server` there, and a line "
    "`Subsystem sftp internal-sftp` in its sshd_config, mend that"
)
GREETS = (
    "its login shell prints a greeting, on which sftp breaks, so the files came through the shell; let ~/.bashrc there "
    "print only where `[ -t 1 ]`"
)
# What ssh or sftp says → what it means and what to do; the first that fits. {host} is the destination.
_MEANINGS: tuple[tuple[str, str], ...] = (
    (r"IDENTIFICATION HAS CHANGED|host key .{0,80}has changed",
     "its host key has changed: another machine, or a newly installed one; if that is so, forget the old key with "
     "`ssh-keygen -R {name}` and try `ssh {host}`"),
    (r"Host key verification failed|key fingerprint|host key is known",
     "it is not known here yet: run `ssh {host}` once and confirm its key"),
    (r"UNPROTECTED PRIVATE KEY|bad permissions",
     "your key file can be read by others, so ssh does not use it: chmod 600 it"),
    (r"Too many authentication failures",
     "it was offered too many keys: set IdentitiesOnly yes and the right IdentityFile in your ssh configuration"),
    (r"Permission denied",
     "it does not let you in: put your key there with `ssh-copy-id {host}`, or name the right user as USER@HOST"),
    (r"Could not resolve hostname",
     "no machine of this name is found: is it switched on and in the same network? try its address, or NAME.local"),
    (r"Connection refused",
     "nothing answers on its ssh port: is ssh switched on there (raspi-config, or `systemctl enable --now ssh`)?"),
    (r"timed out|No route to host|Network is unreachable|Host is down|Connection closed by UNKNOWN",
     "it cannot be reached: is it switched on and in the same network?"),
    (r"banner line contains invalid|Protocol major versions differ|Bad packet length|invalid protocol identifier",
     "what answers there is no ssh server of today ({said}): is the port the right one?"),
    (r"(?:kex|ssh)_exchange_identification",
     "what answers there hangs up at once: it is no ssh server (is the port the right one?), or lets nobody in after "
     "too many attempts (wait some minutes)"),
    (r"no matching|Unable to negotiate",
     "the two sides have no way of talking in common: update the older one's ssh"),
    (r"Bad configuration option|bad configuration options|Bad owner or permissions",
     "your ssh configuration has a mistake: {said}"),
    (r"subsystem request failed|sftp-server: (?:No such|not found)|not found: sftp|This service allows sftp",
     NO_SFTP),
    (r"Received message too long|Ensure the remote shell produces no output", GREETS),
    (r"No space left on device|Disk quota exceeded",
     "the disk is full: {said}; make room and run it again"),
    (r"Connection reset|Broken pipe|closed by remote host|Connection closed|not responding",
     "the connection was lost ({said}); run it again"),
)  # fmt: skip


def meaning(host: str, port: int | None, said: str) -> str | None:
    """In plain words what ssh or sftp said; None where nothing is known of it."""
    flat = " ".join(said.split())
    for pattern, words in _MEANINGS:
        if re.search(pattern, flat, re.IGNORECASE):
            name = host.rpartition("@")[2]
            name = name if port is None else shlex.quote(f"[{name}]:{port}")
            where = host if port is None else f"-p {port} {host}"
            return words.format(host=where, name=name, said=last_line(said))
    return None


def of_the_account(said: str) -> str | None:
    """In plain words why a login there runs no command, where what it said tells."""
    for pattern, words in (
        (r"not a terminal|be connected to a terminal|missing or unsuitable terminal",
         "its login starts something that wants a terminal ({said}); let ~/.bashrc there start it only where "
         "`[ -t 1 ]`"),
        (r"account is currently not available",
         "its user may not run commands ({said}); name another as USER@HOST, or give it a shell with `chsh` there"),
        (r"allows sftp connections only",
         "its user may only copy files ({said}), and rearguard runs a command there; name another as USER@HOST"),
    ):  # fmt: skip
        if re.search(pattern, said, re.IGNORECASE):
            return words.format(said=last_line(said))
    return None


def last_line(said: str) -> str:
    """The last thing that was said, safe to print."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return clean(lines[-1], 200) if lines else ""
