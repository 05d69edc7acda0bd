"""What a shell may complete: the words that options and arguments take, each read from its own table when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Picture sources: simulated worlds, cameras, and files."""
    from rearguard.lab.world.catalogue import WORLDS

    named = {f"sim:{name}": world.about for name, world in WORLDS.items()}
    named |= {"picamera2": "the Raspberry Pi's camera", "webcam:0": "the first USB camera"}
    found = [CompletionItem(word, help=about) for word, about in named.items() if word.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def _of(words: Callable[[], Iterable[str]]) -> Completer:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        wanted = incomplete.lower()
        return [CompletionItem(word) for word in words() if word.lower().startswith(wanted)]

    return complete


def _labels() -> Iterable[str]:
    from rearguard.detect.classes import COCO

    return [*COCO, "obstacle"]


def _cues() -> Iterable[str]:
    from rearguard.types import CueName

    return [name.value for name in CueName]


def _scenarios() -> Iterable[str]:
    from rearguard.lab.scenarios.table import SCENARIOS

    return [s.name for s in SCENARIOS]


labels, cues, scenarios = _of(_labels), _of(_cues), _of(_scenarios)
