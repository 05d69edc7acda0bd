"""`rearguard buzz`: feel the cues one by one, and learn them."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from rearguard.cli.options import PLACE
from rearguard.cli.values import cues
from rearguard.clock import NS_PER_S
from rearguard.config import Config, load
from rearguard.cue.motors import Motors, Player, open_motors, say_if_absent
from rearguard.cue.table import CUES, CueRow, Kind
from rearguard.errors import BadInput
from rearguard.types import Cue, CueName, Side
from rearguard.warden.sound_process import SoundGuard

_PAUSE_S = 0.6
_CELL_S = 0.05  # one character of the rhythm shown in the terminal
_LEARNED = [CueName.NOTICE, CueName.CAUTION, CueName.CRITICAL, CueName.LOW, CueName.BLIND, CueName.FAULT,
            CueName.DEGRADED, CueName.READY, CueName.ALIVE]  # fmt: skip
_SOUND_STARTS_S = 5.0
_SOUND_ENDS_S = 0.15  # what the device still has in its buffers
_MOVED = ", ".join(row.name for row in CUES.values() if row.moved)


@click.command(
    epilog="Examples:\n\n\b\n  rearguard buzz\n  rearguard buzz CAUTION --side left\n  rearguard buzz --all\n"
    "  rearguard buzz --learn"
)
@click.argument("cue", required=False, shell_complete=cues)
@click.option("--all", "every", is_flag=True, help="Play them all, one after the other, to test the motors.")
@click.option(
    "--side", type=click.Choice([s.value for s in Side]), default="centre", help="Where it is felt."
)
@click.option("--moved", is_flag=True, help="As it is felt elsewhere while the motor of its side is broken.")
@click.option(
    "--times", type=click.IntRange(1, 100), default=1, show_default=True, help="How often to play it."
)
@click.option("--learn", is_flag=True, help="Teach the cues one by one, then quiz.")
@click.option("--config", "config_path", type=PLACE, help="Configuration file.")
@click.option("--json", "as_json", is_flag=True, help="Print what there is, or what was played, as JSON.")
def buzz(
    cue: str | None,
    every: bool,
    side: str,
    moved: bool,
    times: int,
    learn: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Feel the cues, one by one, to learn them; with sound.enabled, hear them too.

    Without CUE, list them with what each means. With CUE, play it on the motors; on a machine without GPIO
    its rhythm is shown in the terminal, # for strong, + for soft, one character per 50 ms.
    """
    if learn and (cue or as_json):
        raise BadInput("buzz: --learn takes neither a cue nor --json")
    if moved and not cue:
        raise BadInput(f"buzz: --moved needs a cue: {_MOVED}")
    if every and (cue or as_json or learn):
        raise BadInput("buzz: --all takes neither a cue nor --learn nor --json")
    if learn:
        _learn(load(config_path))
    elif every:
        _play_all(load(config_path), Side(side), times)
    elif cue is None:
        _list(as_json)
    else:
        row = _row(cue)
        if moved and not row.moved:
            raise BadInput(f"buzz: {row.name} is felt on every motor; --moved is for {_MOVED}")
        felt = row.elsewhere if moved else row
        _play_on_motors(load(config_path), felt, Side(side), times, show=not as_json)
        if as_json:
            click.echo(msgspec.json.encode({**_facts(row), "side": side, "times": times}).decode())


def rhythm(row: CueRow) -> str:
    """The pattern as text, one character per 50 ms: # strong, + soft, . off."""
    return "".join(
        ("+" if p.soft else "#") * max(1, round(p.on_s / _CELL_S)) + "." * round(p.off_s / _CELL_S)
        for p in row.pattern
    )


def _row(word: str) -> CueRow:
    name = word.upper().replace("-", "_")
    if name not in CueName.__members__:
        raise BadInput(f"{word}: no such cue; there are {', '.join(CueName)}")
    return CUES[CueName[name]]


def _pulses(row: CueRow) -> list[list[object]]:
    return [[p.on_s, p.off_s, "soft" if p.soft else "strong"] for p in row.pattern]


def _facts(row: CueRow) -> dict[str, object]:
    return {
        "cue": row.name,
        "kind": row.kind,
        "priority": row.priority,
        "length_s": round(row.length_s, 3),
        "pattern": _pulses(row),
        "sided": row.sided,
        "moved": _pulses(row.elsewhere) if row.moved else None,
        "meaning": row.meaning,
    }


def _list(as_json: bool) -> None:
    rows = sorted(CUES.values(), key=lambda row: -row.priority)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode([_facts(row) for row in rows])).decode())
        return
    for kind, title in ((Kind.THREAT, "Threats"), (Kind.FAULT, "Faults"), (Kind.INFO, "News")):
        click.echo(f"{title} (one character is 50 ms, # strong, + soft, . off)")
        for row in rows:
            if row.kind is kind:
                click.echo(f"  {row.name:<10} {rhythm(row)}\n  {'':<10} {row.meaning}")
                if row.moved:
                    click.echo(f"  {'':<10} {rhythm(row.elsewhere)}  elsewhere, its motor being broken")


@dataclass(frozen=True, slots=True)
class _Outputs:
    """Where cues are played: the motors, and the sound process where there is one."""

    config: Config
    motors: Motors
    sound: SoundGuard | None


@contextmanager
def _outputs(config: Config) -> Iterator[_Outputs]:
    """The motors and the sound, with a line on stderr for what is not there."""
    with open_motors(config.cue) as motors, ExitStack() as stack:
        say_if_absent(motors)
        for why in motors.broken.values():
            click.echo(f"rearguard: {why}", err=True)
        sound = stack.enter_context(_sound(config)) if config.sound.enabled else None
        yield _Outputs(config, motors, sound)


@contextmanager
def _sound(config: Config) -> Iterator[SoundGuard | None]:
    """The sound process, ready; None when it does not get ready, which it has said on stderr. Quiet hours are not for
    somebody who asks to hear a cue."""
    guard = SoundGuard(msgspec.structs.replace(config.sound, quiet_hours=""))
    guard.start(time.monotonic_ns())
    try:
        ends = time.monotonic() + _SOUND_STARTS_S
        while not guard.ready and not guard.check(time.monotonic_ns()) and time.monotonic() < ends:
            time.sleep(0.02)
        if not guard.ready and not guard.why:
            click.echo("rearguard: sound: not ready in time; see `rearguard doctor sound`", err=True)
        yield guard if guard.ready else None
        if guard.ready:
            time.sleep(_SOUND_ENDS_S)
    finally:
        guard.close()


def _play_on_motors(config: Config, row: CueRow, side: Side, times: int, *, show: bool) -> None:
    with _outputs(config) as outputs:
        for _ in range(times):
            _play(outputs, row, side, show=show)


def _play_all(config: Config, side: Side, times: int) -> None:
    """Every cue with its meaning, `times` times each, with a pause to tell them apart."""
    with _outputs(config) as outputs:
        for row in CUES.values():
            click.echo(f"{row.name}: {row.meaning}")
            for _ in range(times):
                _play(outputs, row, side, show=bool(outputs.motors.absent))
            time.sleep(_PAUSE_S)


def _play(outputs: _Outputs, row: CueRow, side: Side, *, show: bool, named: bool = False) -> None:
    """Play one cue in real time, its rhythm growing in the terminal as it is felt; `named`: its name is said, too."""
    motors = outputs.motors
    player = Player(motors, outputs.config.cue)
    text = rhythm(row)
    began_ns = time.monotonic_ns()
    due_ns: int | None = player.play(row, side, began_ns)
    if outputs.sound is not None:
        outputs.sound.play(Cue(at_ns=began_ns, cue=row.name, side=side), began_ns, named=named)
    shown = 0
    if show:
        click.echo(f"{row.name:<10} ", nl=False)
    while due_ns is not None or shown < len(text):
        now_ns = time.monotonic_ns()
        if due_ns is not None and now_ns >= due_ns:
            due_ns = player.tick(now_ns)
        cells = min(len(text), int((now_ns - began_ns) / NS_PER_S / _CELL_S) + 1)
        if show and cells > shown:
            click.echo(text[shown:cells], nl=False)
            sys.stdout.flush()
        shown = max(shown, cells)
        time.sleep(0.002)
    if show:
        click.echo(f"  {_where(motors, row, side)}")


def _where(motors: Motors, row: CueRow, side: Side) -> str:
    if not row.sided or len(motors) == 1:
        return "all motors" if len(motors) > 1 else "the motor"
    return f"{side} side"


def _learn(config: Config) -> None:
    """Teach, then ask until each cue was told apart once, or the learner leaves with an empty line."""
    with _outputs(config) as outputs:
        click.echo("Each cue plays twice. Press Enter for the next.")
        for name in _LEARNED:
            row = CUES[name]
            click.echo(f"\n{name}: {row.meaning}")
            for number in range(2):
                shown = bool(outputs.motors.absent)
                _play(outputs, row, Side.CENTRE, show=shown, named=number == 1)
                time.sleep(0.4)
            if not _read_answer(""):
                break
        _quiz(outputs)


def _read_answer(prompt: str) -> str | None:
    """A line from the learner, stripped; None at the end of input."""
    click.echo(prompt, nl=False)
    line = sys.stdin.readline()
    return line.strip() or "." if line else None


def _quiz(outputs: _Outputs) -> None:
    names = _LEARNED.copy()
    random.shuffle(names)
    click.echo("\nQuiz: which cue is it? Type its name, or its number; Enter alone ends.")
    for i, name in enumerate(_LEARNED, 1):
        click.echo(f"  {i} {name}")
    right = asked = 0
    for name in names:
        if outputs.motors.absent:
            click.echo(f"  {rhythm(CUES[name])}")  # without the name
        _play(outputs, CUES[name], Side.CENTRE, show=False)
        answer = _read_answer("? ")
        if answer is None or answer == ".":
            break
        asked += 1
        if answer.upper() == name or answer == str(_LEARNED.index(name) + 1):
            right += 1
            click.echo("Yes.")
        else:
            click.echo(f"That was {name}: {CUES[name].meaning}")
    click.echo(f"{right} of {asked} right." if asked else "No question answered.")
