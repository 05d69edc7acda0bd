"""What the documents say is so: links lead somewhere, paths exist, and every command is there and runs."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from documents import DOCUMENTS, ROOT, TARGETS, Command, anchors, commands, links, paths
from journal_kit import MONO_NS, WALL_S, a_near_miss, a_start, a_writer

import rearguard
from rearguard.cli.main import COMMANDS, cli
from rearguard.clock import Stamp
from rearguard.journal.media.snapshot import Snapshot
from rearguard.types import Box

PACKAGE = Path(rearguard.__file__).parent
ALL = commands()

# Paths that belong to no checkout: what is made, examples, a journal's folder, another root, the network's package.
ELSEWHERE = ("out/", "path/to/", "traces/", "ROOT/", "models/centernet.json")

# Commands that a test cannot run here, by how they begin once `sudo` and `ssh` are off, and what shows them instead.
NOT_RUN = {
    "make": "other tests see that the target is there",
    "rearguard demo": "tests/cli/test_demo.py",
    "rearguard review": "a terminal program: tests/review/test_app.py",
    "rearguard pull": "with a real sshd: tests/review/test_pull.py",
    "rearguard sync": "with a real sshd: tests/review/test_pull.py",
    "rearguard run --source webcam:0": "needs a camera",
    "rearguard run --source sim:stand?fault": "half a minute each: tests/lab/world/test_camera_faults.py",
    "rearguard run --source outing.mp4 --lens": "needs a lens: tests/camera/test_lens.py",
    "rearguard calibrate": "needs pictures of a board: tests/doctor/test_calibrate.py",
    "rearguard model add": "needs a model: tests/detect/test_adopt.py",
    "rearguard aim": "needs a camera: tests/doctor/test_aim.py",
    "rearguard doctor": "measures the board it runs on: tests/doctor/test_doctor.py",
    "rearguard scenarios": "5000 runs: tests/lab/scenarios",
    "rearguard evaluate": "needs labelled pictures: tests/lab/evaluate",
    "rearguard share last": "needs a clip: tests/cli/test_share.py",
    "rearguard collect": "needs a film: tests/lab/collect",
    "rearguard score": "needs labelled recordings: tests/lab/score",
    "rearguard trackers": "needs labelled recordings: tests/lab/score/test_trackers.py",
    "rearguard bench": "tests/lab/evaluate/test_bench.py",
    "rearguard replay": "needs a recording; told as a name only: tests/lab/replay",
    "rearguard report": "tests/review/test_report.py",
    "python": "a script of the project: its path is tested",
    "pip": "installs",
    "git clone": "fetches",
    "apt-get": "installs",
    "install -D": "changes the machine",
    "pre-commit": "installs",
    "systemctl": "needs systemd: tests/rig/service.sh",
    "adduser": "changes the machine",
    "sqlite3": "another program",
    "pytest": "runs tests",
}


def is_run(command: Command) -> bool:
    """Whether it is a whole command, none of those, and not only the name of one that wants more words."""
    if not command.local or "..." in command.line or " ".join(command.local).startswith(tuple(NOT_RUN)):
        return False
    named = cli.get_command(click.Context(cli), command.local[-1]) if len(command.local) == 2 else None
    return not (named and any(p.required for p in named.params))


RUN = list({tuple(c.local): c for c in ALL if is_run(c)}.values())


def ids(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name) if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_every_path_exists(document: Path) -> None:
    places = (ROOT, PACKAGE, PACKAGE.parent, document.parent)
    missing = [name for name in paths(document) if not any((place / name).exists() for place in places)]
    assert [name for name in missing if not name.startswith(ELSEWHERE)] == []


def test_the_architecture_shows_every_package() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = [p.parent.relative_to(PACKAGE) for p in PACKAGE.rglob("__init__.py") if p.parent != PACKAGE]
    top = [path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    wanted = [f"{package}/" for package in packages if str(package) != "lab"] + top
    assert [name for name in wanted if f"`{name}`" not in text] == []


def test_every_decision_has_its_parts_and_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    index = (folder / "README.md").read_text(encoding="utf-8")
    for path in records:
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        assert f"[{title}]({path.name})" in index
        parts = re.findall(r"^(?:## (.*)|(Status): .+)$", text, re.M)
        assert ["".join(part) for part in parts] == [
            "Status", "Context", "Decision", "Consequences", "What would change it",
        ]  # fmt: skip


def examples() -> list[Command]:
    """The examples in every command's --help."""
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        epilog = getattr(command, "epilog", None) or ""
        for line in epilog.splitlines():
            if re.match(r" +(ssh \S+ |sudo (-u \S+ )?)?rearguard ", line):
                shown = re.split(r"\s{2,}| \| | > ", line.strip())[0]
                found.append(Command(Path("--help"), shown))
    return found


@pytest.mark.parametrize("command", [*ALL, *examples()], ids=str)
def test_every_command_is_there_with_all_its_options(command: Command) -> None:
    program, *words = command.local or ["ssh"]
    assert program != "?", "no shell takes it"
    if program == "make":
        targets = [word for word in words if "=" not in word and not word.startswith("-")]
        assert set(targets) <= TARGETS
    elif program == "python" and words[0] == "-c":
        compile(words[1], str(command.document), "exec")
    elif program == "python" and words[0] != "-m":
        assert (ROOT / words[0]).exists()
    elif program == "rearguard":
        here: click.Command = cli
        context = click.Context(cli)
        while isinstance(here, click.Group) and words and not words[0].startswith("-"):
            found = here.get_command(context, words[0])
            if found is None:
                break
            here, words = found, words[1:]
        assert here is not cli or words[:1] == ["--help"], "no such command"
        here.make_parser(click.Context(here, resilient_parsing=True)).parse_args(words)


def test_the_documents_were_read() -> None:
    assert len(DOCUMENTS) >= 15
    assert len(ALL) >= 60
    assert len(RUN) >= 20
    assert len(examples()) >= 30
    assert all(
        any(c.local[:1] == ["rearguard"] and c.local[1:2] == [n] for c in ALL)
        for n in COMMANDS
        if n not in ("demo", "sync")
    )


def test_what_is_not_run_names_tests_that_there_are() -> None:
    named = [path for why in NOT_RUN.values() for path in re.findall(r"tests/[\w./]+", why)]
    assert len(named) >= 8
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a journal of twelve outings, a film, a configuration, and an `ssh` that leads to itself."""
    home = tmp_path_factory.mktemp("device")
    journal = home / "data" / "rearguard"
    image = np.full((180, 320, 3), 90, np.uint8)
    for n in range(12):
        writer = a_writer(journal, start=a_start(stamp=Stamp(MONO_NS, f"boot-{n}", WALL_S + 60 * n, True)))
        label = "bicycle" if n == 11 else "person"
        writer.near_miss(a_near_miss(10.0, label=label), Snapshot(image, (Box(100, 20, 160, 170),)))
        assert writer.close(10)
    film = cv2.VideoWriter(str(home / "outing.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (320, 180))
    for n in range(8):
        film.write(np.full((180, 320, 3), 60 + 9 * n, np.uint8))
    film.release()
    (home / "etc/rearguard").mkdir(parents=True)
    (home / "etc/rearguard/rearguard.toml").write_text("[cue]\npins = [18]\n")
    (home / "out").mkdir()
    (home / "out/demo").symlink_to(journal)
    tools = {
        "rearguard": f'exec {sys.executable} -m rearguard "$@"',
        "sudo": '[ "$1" = -u ] && shift 2; exec "$@"',
        "ssh": 'while case $1 in -*) true;; *) false;; esac; do shift; done; shift; [ $# = 0 ] || exec "$@"',
    }
    for name, body in tools.items():
        for folder in ("bin", ".venv/bin"):
            tool = home / folder / name
            tool.parent.mkdir(parents=True, exist_ok=True)
            tool.write_text(f"#!/bin/sh\n{body}\n")
            tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return home


@pytest.mark.parametrize("command", RUN, ids=str)
def test_the_command_runs(command: Command, device: Path, tmp_path: Path) -> None:
    """In a shell, as it stands there; only what belongs to the machine lies in the home instead."""
    shutil.copytree(device / "data", tmp_path / "data")  # it may delete
    line = command.line.replace("/etc/rearguard", str(device / "etc/rearguard"))
    line = line.replace("/opt/rearguard/current/bin/", "")
    done = subprocess.run(
        line,
        shell=True,
        cwd=device,
        env=os.environ | {
            "HOME": str(device), "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(device / "none"),
            "PATH": f"{device / 'bin'}:{os.environ['PATH']}", "GPIOZERO_PIN_FACTORY": "mock", "COLUMNS": "100",
        },
        input="y\n",  # yes, delete it
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert done.stdout or done.stderr or command.line.startswith("ssh runner@pi")
    assert "Traceback" not in done.stderr
