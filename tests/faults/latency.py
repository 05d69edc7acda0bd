"""How long from the judge's message, and from the camera's exposure, to the motor's pin, with vision at full load.

    python tests/faults/latency.py [--seconds 40] [--fps 15]

The real program on a simulated outing; only the level in every sixteenth verdict is overwritten with CRITICAL, so
that there are enough cues to count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fault_harness import memory_folder

HERE = Path(__file__).parent


def measure(seconds: float, fps: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as name:
        trace = Path(name) / "trace.jsonl"
        env = os.environ | {
            "REARGUARD_FAULT": "alternate_levels", "REARGUARD_FAULT_AFTER_S": "0",
            "REARGUARD_FAULT_TRACE": str(trace), "REARGUARD_FAULT_JOURNAL": name,
            "GPIOZERO_PIN_FACTORY": "mock", "HOME": name,
        }  # fmt: skip
        source = f"sim:empty?duration={seconds:g}"
        command = [
            sys.executable, str(HERE / "run_with_faults.py"), "run", "--source", source, "--fps", f"{fps:g}",
            "--realtime", "--json", "--journal", name + "/journal",
        ]  # fmt: skip
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        events = [json.loads(line) for line in trace.read_text().splitlines()]
    judged = {e["seq"]: e for e in events if e["what"] == "judged" and e.get("level") == 3}
    felt = {
        e["t"]: e["seq"] for e in events if e["what"] == "felt" and e["cue"] == "CRITICAL" and not e["repeat"]
    }
    driven = sorted(e["t"] for e in events if e["what"] == "pin" and e["on"])
    from_judge, from_camera = [], []
    for at, seq in felt.items():
        pin = max((t for t in driven if t <= at), default=None)  # the pin is driven first, then told
        if pin is None or seq not in judged:
            continue
        from_judge.append((pin - judged[seq]["sent"]) / 1e6)
        from_camera.append((pin - judged[seq]["captured_ns"]) / 1e6)
    took = json.loads(done.stdout).get("took_ms", {}) if done.stdout.strip() else {}
    return {
        "cues": len(from_judge),
        "judge_to_pin_ms": spread(from_judge),
        "camera_to_pin_ms": spread(from_camera),
        "stages_ms": took,
        "load": [round(x, 1) for x in os.getloadavg()],
    }


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    at = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)  # noqa: E731
    return {"median": at(0.5), "p95": at(0.95), "worst": round(ordered[-1], 2)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--fps", type=float, default=15.0)
    args = parser.parse_args()
    print(json.dumps(measure(args.seconds, args.fps)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
