"""The documents as tests read them: their commands, links and paths."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "models/*.md", "tests/rig/*.md")
    for path in ROOT.glob(pattern)
    if not path.is_relative_to(ROOT / "out")
)
TARGETS = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_FIRST = r"(?:sudo |ssh |rearguard |make |\.venv/|python |pre-commit |pip |systemctl |sqlite3 )"


@dataclass(frozen=True)
class Command:
    """One command as a document shows it, without its comment."""

    document: Path
    line: str

    def __str__(self) -> str:
        return f"{self.document.name}: {self.line}"

    @property
    def words(self) -> list[str]:
        """The words of the shell, without the dots that stand for more of them."""
        try:
            return [word for word in shlex.split(self.line, comments=True) if word not in ("...", "…")]
        except ValueError:
            return ["?"]  # no shell takes it

    @property
    def local(self) -> list[str]:
        """The words of what is run in the end: behind `sudo`, `sudo -u NAME`, `ssh [-t] HOST`; the program first."""
        words = self.words
        if words[:1] == ["ssh"]:
            words = words[1:]
            while words and words[0].startswith("-"):
                words = words[1:]
            words = words[1:]
        if words[:1] == ["sudo"]:
            words = words[3:] if words[1:2] == ["-u"] else words[1:]
        return [Path(words[0]).name if "/" in words[0] else words[0], *words[1:]] if words else []


def commands() -> list[Command]:
    """Every command of every document: in shell fences, indented, or quoted in a sentence."""
    return [Command(path, line) for path in DOCUMENTS for line in dict.fromkeys(_lines(path)) if _whole(line)]


def _whole(line: str) -> bool:
    """Whether its quotes end where they began: a script of several lines is no command to test."""
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True


def _lines(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for language, body in _FENCE.findall(text):
        if language == "sh":
            yield from _whole(body)
    text = _FENCE.sub("", text)
    for body in re.findall(r"((?:^    .*\n?)+)", text, re.M):
        yield from (line for line in _whole(textwrap.dedent(body)) if re.match(_FIRST, line))
    yield from (" ".join(quoted.split()) for quoted in re.findall(rf"`({_FIRST}[^`]*)`", text))


def _whole(body: str) -> Iterator[str]:
    """The commands of a shell fence: lines, joined where a quotation or a backslash goes on."""
    line = ""
    for part in body.splitlines():
        line += part if line else part.split("  #")[0].strip()
        try:
            open_ = line.endswith("\\") or not shlex.split(line, comments=True)
        except ValueError:
            line += "\n"
            continue
        if not open_:
            yield line
        line = line.removesuffix("\\") if line.endswith("\\") else ""


def links(path: Path) -> list[str]:
    """What a document links to inside the project."""
    found = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def paths(path: Path) -> list[str]:
    """Every path of the project that a document quotes: `judge/judge.py`, `tests/cue`, `docs/`."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    named = re.findall(r"`([\w.-]+/(?:[\w.-]+/?)*)`", text)
    file = re.compile(
        r"\.(py|toml|md|sh|service|yml|yaml|txt|tflite)$|/$|^(tests|docs|src|models|lab|install|systemd)/"
    )
    return [name for name in named if file.search(name)]


def anchors(path: Path) -> set[str]:
    """The anchors that headings of a document make."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
