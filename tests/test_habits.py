"""What the project's own files say of each other: versions, tools, targets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from documents import ROOT, TARGETS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CI = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXTRAS = PROJECT["optional-dependencies"]


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower()


def test_hosted_ci_runs_on_every_python_that_is_promised() -> None:
    promised = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert re.findall(r'"(3\.\d+)"', CI) == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_hosted_ci_has_as_long_as_ci_run_takes_at_most() -> None:
    minutes = int(re.search(r"timeout-minutes: (\d+)", CI)[1])  # type: ignore[index]
    own = int(re.search(r"SECONDS \+ (\d+) \* 60", (ROOT / ".ci/run").read_text())[1])  # type: ignore[index]
    assert own < minutes <= 90


def test_ci_run_makes_targets_that_there_are() -> None:
    steps = re.findall(r"^ *step .*\bmake ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.M)
    assert {"check", "test", "scenarios", "faults"} <= set(steps) <= TARGETS


@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy", "codespell"])
def test_before_a_commit_the_same_tools_run_as_in_make_check(tool: str) -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert f"entry: .venv/bin/{tool}\n" in hooks
    check = MAKEFILE[MAKEFILE.index("\ncheck:") : MAKEFILE.index("\nformat:")]
    assert f"$(BIN)/{tool}" in check


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *EXTRAS["review"], *EXTRAS["dev"]])
def test_every_dependency_of_a_checkout_has_the_version_that_was_tested(requirement: str) -> None:
    pins = {name_of(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert name_of(requirement) in pins


def test_every_target_is_phony_or_a_file_and_says_what_it_does() -> None:
    phony = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split())  # type: ignore[index]
    assert phony == TARGETS
    told = set(re.findall(r"^([a-z-]+):.* ## \w", MAKEFILE, re.M))
    assert told == TARGETS


@pytest.fixture
def ci(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`.ci/run` with a `make` that writes down what it was asked for, and fails at one target, or takes its time."""

    def run(also: str = "", fail: str = "-", minutes: str = "85") -> subprocess.CompletedProcess[str]:
        here = tmp_path / "checkout"
        (here / ".ci").mkdir(parents=True)
        script = (ROOT / ".ci/run").read_text().replace("85 * 60", minutes)
        (here / ".ci/run").write_text(script)
        (here / ".ci/packages").write_text("")
        tools = {
            "make": f'echo "make $*"; [ "$1" != "{fail}" ] || exit 2; sleep {5 if minutes == "0" else 0}',
            "apt-get": "exit 1",
        }
        for name, body in tools.items():
            tool = tmp_path / name
            tool.write_text(f"#!/bin/sh\n{body}\n")
            tool.chmod(0o755)
        env = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "ALSO": also,
            "PYTHON": sys.executable,
        }
        return subprocess.run(
            ["bash", str(here / ".ci/run")], env=env, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_ci_run_goes_on_to_its_end_and_says_how_long_each_step_took(ci) -> None:
    done = ci()
    assert done.returncode == 0, done.stderr
    asked = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")]
    assert asked[:2] == ["check", "test"]
    assert asked[-1] == "faults"
    assert len(re.findall(r"^── .*: \d+ s$", done.stdout, re.M)) == len(asked)


@pytest.mark.skipif(sys.version_info[:2] == (3, 13), reason="this Python is the other one")
def test_ci_run_tests_under_the_other_python_as_well(ci) -> None:
    assert (
        "make test-parallel AGAIN=1 VENV=.venv-3.13 PYTHON=/opt/3.13/python"
        in ci(also="/opt/3.13/python").stdout
    )


def test_ci_run_stops_at_the_step_that_fails_and_names_it(ci) -> None:
    done = ci(fail="test")
    assert done.returncode == 1
    assert "── test: failed after" in done.stderr
    assert "make scenarios" not in done.stdout


def test_ci_run_gives_up_in_time(ci) -> None:
    done = ci(minutes="0")
    assert done.returncode == 1
    assert "── check: failed" in done.stderr
