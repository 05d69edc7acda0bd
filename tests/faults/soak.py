"""`make soak`: one simulated hour through the two-process program on the frames' own time; nothing may grow.

    python tests/faults/soak.py [--seconds 3600] [--fps 10] [--json]

Samples memory, open files and threads of the warden and of vision, and compares the end with the time after the
first tenth, when everything has been loaded once. Exit code 1 if something grew, a cue went missing, or a fault
was told: nothing is wrong in this world.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fault_harness import SMALL

MAY_GROW_MB = 12.0
SHORTEST_S = 300.0  # of less, the first tenth is still the start
CONFIG = f"""{SMALL}
[health]
min_fps = 2
[cue]
alive_every_s = 15
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    at_s: float
    rss_mb: float
    files: int
    threads: int


def measure_process(pid: int, began: float) -> Sample | None:
    proc = Path(f"/proc/{pid}")
    try:
        status = dict(
            line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line
        )
        files = len(list((proc / "fd").iterdir()))
    except OSError:
        return None
    if "VmRSS" not in status:
        return None
    rss_mb = int(status["VmRSS"].split()[0]) / 1024
    return Sample(round(time.monotonic() - began, 1), round(rss_mb, 1), files, int(status["Threads"]))


def child_of(pid: int) -> int | None:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(words[0]) if words else None


def soak(seconds: float, fps: float) -> dict[str, object]:
    """Run the outing and watch it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rearguard.toml").write_text(CONFIG)
        # 3600 s is the longest a world lasts; crowd would end sooner, empty has nothing to warn of
        source = f"sim:empty?duration={seconds:g}"
        command = [
            sys.executable, "-m", "rearguard", "run", "--source", source, "--fps", f"{fps:g}", "--json",
            "--journal", str(folder / "journal"), "--config", str(folder / "rearguard.toml"),
        ]  # fmt: skip
        began = time.monotonic()
        with (folder / "out").open("wb") as out:
            run = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, cwd=folder)
            samples: dict[str, list[Sample]] = {"warden": [], "vision": []}
            while run.poll() is None:
                pids = {"warden": run.pid, "vision": child_of(run.pid) if run.poll() is None else None}
                for who, pid in pids.items():
                    sample = measure_process(pid, began) if pid else None
                    if sample:
                        samples[who].append(sample)
                time.sleep(2.0)
        took_s = time.monotonic() - began
        text = (folder / "out").read_text()
        summary = json.loads(text) if text else {}
        stderr = run.stderr.read().decode() if run.stderr else ""
    return judge(samples, summary, run.returncode, took_s, seconds, stderr)


def judge(
    samples: dict[str, list[Sample]], summary: dict[str, list[dict[str, object]]], code: int, took_s: float,
    seconds: float, stderr: str,
) -> dict[str, object]:  # fmt: skip
    wrong = [] if code == 0 else [f"exit code {code}: {stderr[-300:]}"]
    grown = {}
    for who, all_of_it in samples.items():
        rest = all_of_it[len(all_of_it) // 10 :]
        # vision's very last moments, when it writes its summary, are no steady state
        first, last = rest[0], rest[-3]
        grown[who] = {"after": asdict(first), "end": asdict(last)}
        if last.rss_mb - first.rss_mb > MAY_GROW_MB:
            wrong.append(f"{who} grew from {first.rss_mb} to {last.rss_mb} MB")
        if last.files > first.files or last.threads > first.threads:
            wrong.append(f"{who} keeps files or threads: {first} → {last}")
    alive = [s for s in summary.get("signs", []) if s["cue"] == "ALIVE"]
    late = [
        (a["t_s"], b["t_s"])
        for a, b in itertools.pairwise(alive)
        if float(str(b["t_s"])) - float(str(a["t_s"])) > 15.5
    ]
    faults = [str(f["reason"]) for f in summary.get("faults", [])]
    if faults:
        wrong.append(f"told {len(faults)} faults that are none: {', '.join(sorted(set(faults)))}")
    others = len(faults) + len(summary.get("cues", []))
    if late and not others:
        wrong.append(f"{len(late)} alive ticks came late, first {late[0]}")
    return {
        "simulated_s": seconds, "took_s": round(took_s, 1), "frames": summary.get("frames"),
        "dropped": summary.get("dropped"), "alive_ticks": len(alive), "late_ticks": len(late),
        "cues": len(summary.get("cues", [])), "faults": summary.get("faults"), "processes": grown, "wrong": wrong,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.seconds < SHORTEST_S:
        parser.error(f"--seconds {args.seconds:g}: nothing is settled before {SHORTEST_S:g}")
    result = soak(args.seconds, args.fps)
    print(json.dumps(result, indent=None if args.json else 1))
    return int(bool(result["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
