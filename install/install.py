#!/usr/bin/env python3
"""Installs rearguard as a service on Raspberry Pi OS, and takes it away again. Standard library only.

    sudo make install      sudo make uninstall

Every version lives in a folder of its own below /opt/rearguard/versions, and /opt/rearguard/current points
at the one in use, so that a version whose self-test fails never replaces one that works. What pip fetched is
kept in /opt/rearguard/wheels: an upgrade with unchanged dependencies needs no network. A second run of the
same version changes nothing. The configuration and the journal are never overwritten.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
PREFIX = Path("/opt/rearguard")
LINK = Path("/usr/local/bin/rearguard")
CONFIG = Path("/etc/rearguard/rearguard.toml")
MANUAL = Path("/usr/local/share/man/man1")
DROP_INS, SYSTEM_CONF = Path("/etc/systemd/system/rearguard.service.d"), Path("/etc/systemd/system.conf.d")
STATE = Path("/var/lib/rearguard")
UNIT = "rearguard.service"
KEEP = 2  # versions: the one in use and the one before
READY_S = 100  # longer than the unit's own start timeout
ARMED = ("armed", "watching again")  # how the warden's status begins when the wearer is served

# Debian's, because they belong to the system's libcamera and kernel: pip's would not fit.
APT = ("python3-venv", "python3-picamera2", "python3-lgpio")
# What is copied where, from the checkout.
FILES = {
    "systemd/rearguard.service": "/etc/systemd/system/rearguard.service",
    "systemd/rearguard.sysusers": "/etc/sysusers.d/rearguard.conf",
    "systemd/rearguard.tmpfiles": "/etc/tmpfiles.d/rearguard.conf",
    "systemd/rearguard-watchdog.conf": "/etc/systemd/system.conf.d/rearguard-watchdog.conf",
}
# What a version is made from: its name is a digest of these.
MADE_OF = ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "src", "models")


class Failed(Exception):
    """One line for the user."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="install.py", description=__doc__, formatter_class=_Plain)
    parser.add_argument("action", choices=["install", "uninstall"])
    parser.add_argument("--no-start", action="store_true", help="enable the service, but do not start it now")
    parser.add_argument("--no-apt", action="store_true", help="take the Debian packages as they are")
    args = parser.parse_args(argv)
    try:
        if os.geteuid() != 0:
            raise Failed(f"needs root: sudo make {args.action}")
        changes = (
            install(start=not args.no_start, apt=not args.no_apt) if args.action == "install" else uninstall()
        )
    except Failed as e:
        print(f"rearguard: {e}", file=sys.stderr)
        return 1
    for line in changes:
        print(line)
    print("nothing to change" if not changes else f"{args.action}ed")
    return 0


# ── install ─────────────────────────────────────────────────────────────────────────────────────────────


def install(*, start: bool, apt: bool) -> list[str]:
    """Install or upgrade; what changed, one line each. Raises `Failed`; the version in use then stays."""
    if sys.version_info[:2] < (3, 11) or sys.maxsize <= 2**32:
        raise Failed(f"needs a 64-bit system with Python 3.11 or newer, not {sys.version.split()[0]}")
    changes = install_apt() if apt else []
    name = version_name(SOURCE)
    home = PREFIX / "versions" / name
    before = current()
    if not (home / ".complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        try:
            build(home)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        changes.append(f"built {home}")
    changes += put_files(SOURCE, Path("/"))
    changes += accounts()
    if before != home:
        try:
            self_test(home)
        except Failed:
            shutil.rmtree(home, ignore_errors=True)
            raise
        (home / ".complete").touch()
        switch(home)
        changes.append(f"{PREFIX}/current is {name}")
    changes += link()
    changes += manual()
    changes += enable(start=start, renewed=bool(changes), before=before)
    changes += [f"removed {old}" for old in forget(keep={home, before} - {None})]
    return changes


def install_apt() -> list[str]:
    """Debian's packages that are missing; nothing is asked of the network when none is."""
    missing = [name for name in APT if not _installed(name)]
    if not missing:
        return []
    for name in list(missing):
        if name != "python3-venv" and not _available(name):
            if is_pi():
                raise Failed(f"apt knows no {name}: is this Raspberry Pi OS, and did `apt-get update` work?")
            print(
                f"rearguard: no package {name} here, going on without: this is not a Raspberry Pi",
                file=sys.stderr,
            )
            missing.remove(name)
    if missing:
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], "apt", env=_quiet_apt())
    return [f"apt: {name}" for name in missing]


def version_name(source: Path) -> str:
    """`0.1.0-1a2b3c4d`: the version, and a digest of all it is made from."""
    found = re.search(r'^version = "([^"]+)"', (source / "pyproject.toml").read_text(), re.MULTILINE)
    if found is None:
        raise Failed(f"{source}/pyproject.toml: no version")
    digest = hashlib.sha256()
    for path in _made_of(source):
        digest.update(
            str(path.relative_to(source)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest()
        )
    return f"{found[1]}-{digest.hexdigest()[:8]}"


def _made_of(source: Path) -> Iterator[Path]:
    for name in MADE_OF:
        top = source / name
        if top.is_file():
            yield top
        for path in sorted(top.rglob("*")) if top.is_dir() else ():
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                yield path


def build(home: Path) -> None:
    """A virtual environment that sees Debian's packages, with rearguard and what it needs in it.

    Debian's NumPy is pinned: picamera2's compiled parts are made for it, and another in front breaks them.
    """
    wheels = PREFIX / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "venv", "--system-site-packages", str(home)], "venv")
    pins = home / "limits.txt"
    pins.write_text(limits((SOURCE / "constraints.txt").read_text(), debian_pins()))
    pip = [str(home / "bin/python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    ours = home / "wheel"
    wish = [*pip, "wheel", "--wheel-dir", str(ours), "--no-deps", str(SOURCE)]
    within = ["-c", str(pins)]
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    if not _try(wish, offline) or not _try([*pip, "install", *within, _extra(ours)], offline):
        run([*pip, "download", "-d", str(wheels), "hatchling>=1.26"], "pip (build tool)")
        run(wish, "pip (building rearguard)", env={"PIP_FIND_LINKS": str(wheels)})
        run([*pip, "wheel", "-w", str(wheels), *within, _extra(ours)], "pip (fetching)")
        run([*pip, "install", *within, _extra(ours)], "pip (installing)", env=offline)
        for wheel in wheels.glob("rearguard-*.whl"):
            wheel.unlink()  # ours is built anew each time
    shutil.rmtree(ours)


def _extra(folder: Path) -> str:
    [wheel] = folder.glob("rearguard-*.whl")
    return f"rearguard[review] @ file://{wheel}"


def limits(constraints: str, pins: dict[str, str]) -> str:
    """Our tested versions as pip's constraints, but Debian's for the packages in `pins`."""
    ours = [line for line in constraints.splitlines() if re.split(r"[=<>;! ]", line)[0].lower() not in pins]
    return "\n".join([*ours, *(f"{name}=={version}" for name, version in pins.items())]) + "\n"


def debian_pins() -> dict[str, str]:
    """Versions of Debian's own Python packages that must not be shadowed, where they are installed."""
    code = "import importlib.metadata as m, numpy; print(m.version('numpy'), numpy.__file__)"
    done = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=False)
    version, _, where = done.stdout.strip().partition(" ")
    return {"numpy": version} if "/dist-packages/" in where else {}


def put_files(source: Path, root: Path) -> list[str]:
    """Copy the service's files, and the configuration where there is none. Returns what changed."""
    changed = []
    for name, target in FILES.items():
        if _write(root / target.lstrip("/"), (source / name).read_bytes()):
            changed.append(f"wrote {target}")
    config = root / str(CONFIG).lstrip("/")
    if not config.exists():
        _write(config, (source / "install/rearguard.toml").read_bytes())
        changed.append(f"wrote {CONFIG}")
    return changed


def _write(path: Path, content: bytes) -> bool:
    """Write a whole file, if it differs; survives a pulled plug."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.new")
    with temp.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temp.chmod(0o644)
    temp.replace(path)
    return True


def accounts() -> list[str]:
    """The user and its groups, the folders, and the right of whoever called sudo to review the journal."""
    new = not _has_user("rearguard")
    run(["systemd-sysusers", "rearguard.conf"], "sysusers")
    run(["systemd-tmpfiles", "--create", "rearguard.conf"], "tmpfiles")
    changed = ["made the user rearguard"] if new else []
    owner = os.environ.get("SUDO_USER", "")
    if owner and owner != "root" and _has_user(owner):
        groups = subprocess.run(
            ["id", "-nG", owner], capture_output=True, text=True, check=False
        ).stdout.split()
        if "rearguard" not in groups:
            run(["usermod", "-aG", "rearguard", owner], "usermod")
            changed.append(f"{owner} may review the journal from the next login on")
    return changed


def self_test(home: Path) -> None:
    """The new version must load its libraries and its model, and find people's settings sound, as the service's
    user, before anything is switched."""
    doctor = [str(home / "bin/rearguard"), "doctor", "--quick", "config", "runtime", "model"]
    done = subprocess.run(
        ["runuser", "-u", "rearguard", "--", *doctor], capture_output=True, text=True, cwd="/", check=False
    )
    if done.returncode != 0:
        raise Failed(
            f"self-test of {home.name} failed; the version in use stays\n{done.stdout}{done.stderr}".rstrip()
        )


def current() -> Path | None:
    """The version in use."""
    pointer = PREFIX / "current"
    return pointer.resolve() if pointer.is_symlink() else None


def switch(home: Path) -> None:
    """Point `current` at a version, in one step."""
    temp = PREFIX / ".current.new"
    temp.unlink(missing_ok=True)
    temp.symlink_to(home.relative_to(PREFIX))
    temp.replace(PREFIX / "current")


def link() -> list[str]:
    """The command on everyone's path."""
    target = PREFIX / "current/bin/rearguard"
    if LINK.is_symlink() and LINK.readlink() == target:
        return []
    LINK.unlink(missing_ok=True)
    LINK.parent.mkdir(parents=True, exist_ok=True)
    LINK.symlink_to(target)
    return [f"linked {LINK}"]


def enable(*, start: bool, renewed: bool, before: Path | None) -> list[str]:
    """Enable the service and, where systemd runs, (re)start it; back to the version before if it gets worse."""
    changed = []
    if _systemctl("is-enabled", "--quiet", UNIT) != 0:
        run(["systemctl", "enable", "-q", UNIT], "systemctl enable")
        changed.append(f"enabled {UNIT}")
    if not Path("/run/systemd/system").is_dir() or not start:
        return changed
    was_active = _systemctl("is-active", "--quiet", UNIT) == 0
    if was_active and not renewed:
        return changed
    run(["systemctl", "daemon-reload"], "daemon-reload")
    if restart_armed():
        return [*changed, f"started {UNIT}: armed"]
    now = current()
    if was_active and before is not None and before != now and (before / ".complete").exists():
        switch(before)
        restart_armed()
        if now is not None:
            shutil.rmtree(now, ignore_errors=True)
        raise Failed(f"the new version did not get armed; back to {before.name}: journalctl -u {UNIT} -n 50")
    print(
        f"rearguard: not armed yet: `rearguard doctor` tells what is missing; journalctl -u {UNIT}",
        file=sys.stderr,
    )
    return changed


def restart_armed() -> bool:
    """Start the service anew and wait until it says that it is armed. Being up is not enough: it stays up to tell a
    fault, too."""
    until = time.monotonic() + READY_S
    if _systemctl("restart", UNIT, timeout=READY_S) != 0:
        return False
    while time.monotonic() < until:
        asked = ["systemctl", "show", "-P", "StatusText", UNIT]
        status = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if status.startswith(ARMED):
            return True
        if status.startswith("FAULT"):
            return False
        time.sleep(0.5)
    return False


def forget(keep: set[Path | None]) -> list[Path]:
    """Remove versions older than the one in use and the one before."""
    versions = PREFIX / "versions"
    others = [path for path in versions.iterdir() if path.is_dir() and path not in keep]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    old = others[max(0, KEEP - len(keep)) :]
    for path in old:
        shutil.rmtree(path)
    return old


def manual() -> list[str]:
    """The manual pages; a convenience, so that nothing fails without them."""
    before = {path: path.read_bytes() for path in MANUAL.glob("rearguard*.1")}
    if not _try([str(LINK), "man", str(MANUAL)], {}):
        print(
            "rearguard: the manual pages could not be written; rearguard COMMAND --help tells all",
            file=sys.stderr,
        )
        return []
    after = {path: path.read_bytes() for path in MANUAL.glob("rearguard*.1")}
    return [f"wrote the manual pages in {MANUAL}"] if before != after else []


# ── uninstall ───────────────────────────────────────────────────────────────────────────────────────────


def uninstall() -> list[str]:
    """Take everything away but the journal, settings that somebody changed, and Debian's packages; what changed, one
    line each."""
    changed = []
    if _systemctl("is-enabled", "--quiet", UNIT) == 0:
        _systemctl("disable", "-q", UNIT)
    _systemctl("stop", UNIT, timeout=20)
    if _changed_settings():
        print(
            f"your settings stay in {CONFIG}: a new installation goes on with them; sudo rm {CONFIG} forgets them"
        )
    elif CONFIG.exists():
        CONFIG.unlink()
        changed.append(f"removed {CONFIG}")
    for target in FILES.values():
        path = Path(target)
        if path.exists():
            path.unlink()
            changed.append(f"removed {target}")
    pages = list(MANUAL.glob("rearguard*.1"))
    for page in pages:
        page.unlink()
    if pages:
        changed.append(f"removed the manual pages from {MANUAL}")
    for folder in (PREFIX, DROP_INS):
        if folder.exists():
            shutil.rmtree(folder)
            changed.append(f"removed {folder}")
    for empty in (CONFIG.parent, SYSTEM_CONF):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()
    if LINK.is_symlink():
        LINK.unlink()
        changed.append(f"removed {LINK}")
    if STATE.is_dir():
        run(["chown", "-R", "root:root", str(STATE)], "chown")
        print(f"the journal stays in {STATE}; sudo rm -r {STATE} forgets it")
    if _has_user("rearguard"):
        run(["userdel", "rearguard"], "userdel")
        subprocess.run(["groupdel", "rearguard"], capture_output=True, check=False)
        changed.append("removed the user rearguard")
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "daemon-reload"], "daemon-reload")
    return changed


def _changed_settings() -> bool:
    """Whether somebody wrote into the settings since they were laid down."""
    if not CONFIG.is_file():
        return False
    return CONFIG.read_bytes() != (SOURCE / "install/rearguard.toml").read_bytes()


# ── small things ────────────────────────────────────────────────────────────────────────────────────────


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


def run(command: Sequence[str], what: str, env: dict[str, str] | None = None) -> None:
    """Run a command; its last lines are the error if it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd="/", check=False
    )
    if done.returncode != 0:
        tail = " | ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])
        raise Failed(f"{what} failed: {tail}")


def _try(command: Sequence[str], env: dict[str, str]) -> bool:
    done = subprocess.run(command, capture_output=True, env={**os.environ, **env}, cwd="/", check=False)
    return done.returncode == 0


def _systemctl(*words: str, timeout: float = 30) -> int:
    try:
        return subprocess.run(
            ["systemctl", *words], capture_output=True, timeout=timeout, check=False
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return 1


def is_pi() -> bool:
    """Whether the firmware says that this is a Raspberry Pi."""
    try:
        return "Raspberry Pi" in Path("/proc/device-tree/model").read_text(errors="replace")
    except OSError:
        return False


def _installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f=${Status}", package], capture_output=True, text=True, check=False
    )
    return done.stdout == "install ok installed"


def _available(package: str) -> bool:
    return bool(subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).stdout)


def _quiet_apt() -> dict[str, str]:
    return {"DEBIAN_FRONTEND": "noninteractive"}


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
