"""A real OpenSSH server on loopback, on a free port, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import rearguard

# The code under test, also where another is installed.
REARGUARD = f"env PYTHONPATH={Path(rearguard.__file__).parents[1]} {sys.executable} -m rearguard"


@dataclass(frozen=True)
class Server:
    """`config` is for `ssh -F`; the host is called `device`."""

    folder: Path
    config: Path

    def ssh(self, *command: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ssh", "-F", str(self.config), "device", *command],
            capture_output=True, text=True, timeout=60, check=False, **options,  # type: ignore[call-overload]
        )  # fmt: skip

    def authorise(self, options: str = "") -> None:
        """Let the key in, with options as in authorized_keys."""
        key = (self.folder / "user.pub").read_text()
        (self.folder / "authorized_keys").write_text(f"{options} {key}" if options else key)


def start(folder: Path, *, sftp: bool = True) -> tuple[Server, subprocess.Popen[bytes]]:
    """Start sshd, or skip where it is not installed."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
    for tool, found in (("sshd", sshd), ("ssh", shutil.which("ssh")), ("sftp", shutil.which("sftp"))):
        if not found:
            pytest.skip(f"{tool} is not installed (packages openssh-server, openssh-client)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = f"SetEnv PYTHONPATH={Path(rearguard.__file__).parents[1]}\n"  # there runs what is tested here
    (folder / "sshd_config").write_text(
        f"{ours}"
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"{'Subsystem sftp internal-sftp' if sftp else ''}\nBanner {folder}/banner\n"
    )
    (folder / "banner").write_text("*** Authorised runners only {not json} ***\n")
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "ssh_config").write_text(
        f"Host device\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  IdentityAgent none\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  StrictHostKeyChecking yes\n  BatchMode yes\n"
    )
    server = Server(folder, folder / "ssh_config")
    server.authorise()
    log = (folder / "log").open("wb")
    process = subprocess.Popen([str(sshd), "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    log.close()
    end = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, process
        if process.poll() is not None or time.monotonic() > end:
            pytest.skip(f"sshd does not start here: {(folder / 'log').read_text()[-300:]}")
        time.sleep(0.05)
