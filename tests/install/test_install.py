"""The installer's own decisions; the whole of it is proved in clean root file systems by tests/rig/installer.sh."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rearguard.config import load

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("installer", ROOT / "install" / "install.py")
assert _spec is not None
assert _spec.loader is not None
installer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(installer)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small copy of what a version is made from."""
    home = tmp_path / "checkout"
    for name in ("systemd", "install", "src/rearguard/config"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", home)
    return home


def test_a_version_is_named_by_what_it_is_made_from(checkout):
    name = installer.version_name(checkout)
    version = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["version"]
    assert name.startswith(f"{version}-")
    assert installer.version_name(checkout) == name
    cache = checkout / "src/rearguard/__pycache__"
    cache.mkdir()
    (cache / "x.cpython-311.pyc").write_bytes(b"compiled")
    assert installer.version_name(checkout) == name  # running it makes no other version
    (checkout / "src/rearguard/config/cue.py").write_text("# changed")
    assert installer.version_name(checkout) != name


def test_files_are_put_once_and_the_configuration_is_kept(checkout, tmp_path):
    root = tmp_path / "root"
    changed = installer.put_files(checkout, root)
    assert sorted(changed) == sorted(
        f"wrote {path}" for path in [*installer.FILES.values(), str(installer.CONFIG)]
    )
    assert installer.put_files(checkout, root) == []
    config = root / "etc/rearguard/rearguard.toml"
    config.write_text("[camera]\nheight_m = 1.2\n")
    (checkout / "install/rearguard.toml").write_text("# other defaults")
    (checkout / "systemd/rearguard.service").write_text("[Unit]\n")
    assert installer.put_files(checkout, root) == ["wrote /etc/systemd/system/rearguard.service"]
    assert config.read_text() == "[camera]\nheight_m = 1.2\n"
    assert not list(root.rglob(".*.new"))


def test_the_configuration_it_leaves_is_valid():
    path = ROOT / "install" / "rearguard.toml"
    assert load(path) == load(Path(os.devnull))
    uncommented = "\n".join(
        line.removeprefix("# ").partition("#")[0] if " = " in line else line
        for line in path.read_text().splitlines()
    )
    assert tomllib.loads(uncommented)["camera"]["hfov_deg"] == 66.0


def test_every_example_in_the_configuration_is_accepted(tmp_path):
    lines = (ROOT / "install" / "rearguard.toml").read_text().splitlines()
    active = [line.removeprefix("# ") if " = " in line else line for line in lines]
    (tmp_path / "all.toml").write_text("\n".join(active))
    assert load(tmp_path / "all.toml").cue.pins == [18]


def test_the_switch_is_one_step_and_old_versions_go(tmp_path, monkeypatch):
    monkeypatch.setattr(installer, "PREFIX", tmp_path)
    homes = []
    for n in range(4):
        home = tmp_path / "versions" / f"0.1.0-{n}"
        home.mkdir(parents=True)
        os.utime(home, (n, n))
        homes.append(home)
    assert installer.current() is None
    installer.switch(homes[2])
    assert installer.current() == homes[2]
    installer.switch(homes[3])
    assert installer.current() == homes[3]
    assert os.readlink(tmp_path / "current") == "versions/0.1.0-3"
    assert installer.forget(keep={homes[3], homes[2]}) == [homes[1], homes[0]]
    assert sorted(path.name for path in (tmp_path / "versions").iterdir()) == ["0.1.0-2", "0.1.0-3"]


def test_a_failed_command_is_one_line(monkeypatch):
    monkeypatch.chdir("/")
    with pytest.raises(installer.Failed, match=r"^apt failed: no such package$"):
        installer.run(["sh", "-c", "echo no such package >&2; exit 4"], "apt")


@pytest.mark.skipif(os.geteuid() == 0, reason="needs to be someone else than root")
def test_it_asks_for_root():
    done = subprocess.run(
        [sys.executable, ROOT / "install/install.py", "install"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "rearguard: needs root: sudo make install\n"


def test_it_needs_nothing_but_the_standard_library():
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "install/install.py"), "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "uninstall" in done.stdout


def test_debians_own_numpy_wins_over_the_tested_one():
    ours = '# tested\nclick==8.5.1\nnumpy==1.26.4; python_version < "3.12"\nnumpydoc==1.0\n'
    assert installer.limits(ours, {"numpy": "1.24.2"}) == (
        "# tested\nclick==8.5.1\nnumpydoc==1.0\nnumpy==1.24.2\n"
    )
    assert installer.limits(ours, {}) == ours


@pytest.mark.parametrize("edited", [True, False])
def test_uninstalling_keeps_settings_that_somebody_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], edited: bool
) -> None:
    config = tmp_path / "etc/rearguard.toml"
    config.parent.mkdir()
    config.write_bytes((ROOT / "install/rearguard.toml").read_bytes() + (b"# mine\n" if edited else b""))
    for name in ("PREFIX", "LINK", "STATE", "DROP_INS", "SYSTEM_CONF", "MANUAL"):
        monkeypatch.setattr(installer, name, tmp_path / name)
    monkeypatch.setattr(installer, "CONFIG", config)
    monkeypatch.setattr(installer, "FILES", {})
    monkeypatch.setattr(installer, "_systemctl", lambda *_, **__: 1)
    monkeypatch.setattr(installer, "_has_user", lambda _: False)
    monkeypatch.setattr(installer, "run", lambda *_, **__: None)
    monkeypatch.setattr(installer, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    changed = installer.uninstall()
    assert config.exists() == edited
    assert (f"removed {config}" in changed) != edited
    assert ("your settings stay" in capsys.readouterr().out) == edited


def test_the_manual_pages_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "rearguard"
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rearguard "$@"\n')
    own.chmod(0o755)
    monkeypatch.setattr(installer, "LINK", own)
    monkeypatch.setattr(installer, "MANUAL", tmp_path / "man1")
    assert installer.manual() == [f"wrote the manual pages in {tmp_path / 'man1'}"]
    assert installer.manual() == []
    assert (tmp_path / "man1/rearguard-log.1").is_file()
