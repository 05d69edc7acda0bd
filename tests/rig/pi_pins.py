"""Runs in the rig's emulated Raspberry Pi as root: the real program on a real gpiochip, its pins read from outside.

    SCRIPT=tests/rig/pi_pins.py ../shared/rig/70-emulated-pi.sh ROOT WORK

ROOT is an arm64 root file system with rearguard in /opt/rearguard/current, its unit with a drop-in that runs the
warden over a stand-in for vision that reports CRITICAL for ever (/opt/pi_warden.py), and lgpio. Levels come from
the kernel's own table (/sys/kernel/debug/gpio), read by this process, which never touches a pin.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

REARGUARD = "/opt/rearguard/current/bin/rearguard"
PYTHON = "/opt/rearguard/current/bin/python"
TABLE = "/sys/kernel/debug/gpio"
failed = False


def say(good, text):
    global failed
    failed = failed or not good
    print("ok  " if good else "FAIL", f"{time.monotonic():6.1f} s", text, flush=True)


def pin(number=18):
    """(who holds it or '', 'in'/'out'/'', 'hi'/'lo'/'') of one pin, as the kernel tells it."""
    with open(TABLE) as file:
        for line in file:
            found = re.search(rf"\(GPIO{number}\s*\|?\s*([^)]*)\)\s*(in|out)?\s*(hi|lo)?", line)
            if found:
                return found[1].strip(), found[2] or "", found[3] or ""
    return "", "", ""


def watch(seconds, until=None):
    """Levels of GPIO 18 as (time, is it high?), as fast as the kernel's table can be read."""
    seen, began = [], time.monotonic()
    while time.monotonic() - began < seconds and not (until and until()):
        seen.append((time.monotonic() - began, pin()[2] == "hi"))
    return seen


def pulses(seen, gap_s=0.045):
    """Pulses as (start, length): PWM's own lows are shorter than `gap_s`."""
    found, start, last = [], None, None
    for t, high in seen:
        if high:
            start, last = (t if start is None else start), t
        elif start is not None and t - last > gap_s:
            found.append((start, last - start))
            start = None
    return found


def run(command, user=None, env=None, cwd="/"):
    prefix = ["runuser", "-u", user, "--"] if user else []
    done = subprocess.run(
        [*prefix, *command], capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=cwd
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def unit(word):
    return run(["systemctl", "show", "-P", word, "rearguard"])[1]


def until_low(limit_s):
    """Seconds until GPIO 18 has been low, or nobody's, for 0.3 s on end."""
    began = low_since = time.monotonic()
    while time.monotonic() - began < limit_s:
        now = time.monotonic()
        if pin()[2] == "hi":
            low_since = None
        elif low_since is None:
            low_since = now
        elif now - low_since > 0.3:
            return low_since - began
    return None


os.environ.pop("LG_WD", None)  # as a user's shell has none
print(
    "model",
    pathlib.Path("/proc/device-tree/model").read_text().strip("\0"),
    "| kernel",
    os.uname().release,
    flush=True,
)
rate = watch(1.0)
print(f"     the table is read {len(rate)} times a second; at rest: {pin()}", flush=True)

code, out, err = run([REARGUARD, "doctor", "board", "pins", "permissions"], user="rearguard")
print("\n".join("     " + line for line in out.splitlines()))
say(code == 0 and re.search(r"ok +pins", out), f"doctor: pins, code {code} {err[-200:]}")


# A cue of the real command, measured on the pin.
def felt(cue, want, gap_s):
    """Play a cue and read its pin; again, up to four times, when a busy host left too few readings."""
    for _ in range(4):
        command = ["runuser", "-u", "rearguard", "--", REARGUARD, "buzz", cue]
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seen = watch(300, until=lambda p=p: p.poll() is not None)
        got = pulses(seen, gap_s)
        high = [
            h for t, h in seen if any(s + 0.06 <= t <= s + n for s, n in got)
        ]  # after the kick at full duty
        duty = sum(high) / len(high) if high else 0.0
        told = f"buzz {cue}: {len(got)} pulses of {' '.join(f'{n:.2f}' for _, n in got)} s (asked {want[0]:.2f}), "
        told += f"duty {duty:.2f} from {len(high)} readings {p.stderr.read().decode()[-200:]}"
        if p.returncode == 0 and len(got) == len(want):
            break
        print("     not clear:", told, flush=True)
    say(p.returncode == 0 and len(got) == len(want), told)
    say(pin()[2] != "hi", f"after it the pin is {pin()}")


felt("CRITICAL", [0.10] * 4, 0.03)
felt("BLIND", [0.40] * 3, 0.1)

# Refusals, one line each.
hold = "import lgpio as g, time; g.gpio_claim_output(g.gpiochip_open(0), 18, 0); print(1, flush=True); time.sleep(999)"
holder = subprocess.Popen([PYTHON, "-c", hold], stdout=subprocess.PIPE, cwd="/tmp")
holder.stdout.readline()
code, out, err = run([REARGUARD, "buzz", "CAUTION"], user="rearguard")
say(code == 3 and "GPIO 18" in err and "\n" not in err, f"busy pin: code {code}: {err}")
holder.kill()
holder.wait()
code, out, err = run([REARGUARD, "buzz", "CAUTION"], user="nobody", env={"HOME": "/tmp"})
say(code == 3 and "permission" in err and "\n" not in err, f"no permission: code {code}: {err}")
pathlib.Path("/tmp/pin40.toml").write_text("[cue]\npins = [40]\n")
code, out, err = run([REARGUARD, "buzz", "CAUTION", "--config", "/tmp/pin40.toml"], user="rearguard")
say(code == 2 and "pins" in err and "\n" not in err, f"wrong pin: code {code}: {err}")
code, out, err = run([REARGUARD, "buzz", "ALIVE"], user="rearguard", env={"HOME": "/nonexistent"}, cwd="/")
say(code == 0 or "\n" not in err, f"from a folder that can't be written: code {code}: {err}")

# The service: armed, buzzing, killed, stopped. Motors must be silent each time.
began = time.monotonic()
code, out, err = run(["systemctl", "start", "rearguard"])
say(
    code == 0 and unit("ActiveState") == "active",
    f"service armed after {time.monotonic() - began:.1f} s: {unit('StatusText')} {err}",
)
seen = watch(4.0)
share = sum(h for _, h in seen) / len(seen)
say(
    share > 0.2,
    f"CRITICAL for ever: the pin is high {share:.2f} of the time, {len(pulses(seen, 0.02))} pulses in 4 s",
)
main = int(unit("MainPID"))
os.kill(main, signal.SIGSTOP)  # frozen in whatever it drives: lgpio's PWM thread stands still, too
time.sleep(0.5)
print("     frozen:", pin(), flush=True)
run(["systemctl", "kill", "--kill-whom=all", "-s", "KILL", "rearguard"])
took = until_low(30)
say(
    took is not None,
    f"SIGKILL: the pin is low after {took} s: {pin()}; {unit('ActiveState')}/{unit('SubState')}",
)
for _ in range(600):
    if unit("ActiveState") == "active":
        break
    time.sleep(0.2)
say(unit("ActiveState") == "active", f"started anew: {unit('StatusText')}, {unit('NRestarts')} restarts")
for _ in range(200):
    if pin()[2] == "hi":
        break
os.kill(
    int(unit("MainPID")), signal.SIGTERM
)  # what systemctl stop sends, without its own way through a slow machine
took = until_low(30)
say(took is not None and took < 1.0, f"SIGTERM in the middle of a buzz: low after {took} s")
for _ in range(600):
    if unit("ActiveState") == "active":
        break
    time.sleep(0.2)
for _ in range(200):
    if pin()[2] == "hi":
        break
began = time.monotonic()
stop = subprocess.Popen(["systemctl", "stop", "rearguard"])
took = until_low(30)
stop.wait()
say(
    took is not None,
    f"systemctl stop: low after {took} s, done after {time.monotonic() - began:.1f} s; {pin()}",
)
left = list(pathlib.Path("/run").glob("**/.lgd*"))
say(not left and unit("Result") == "success", f"result {unit('Result')}, pipes left: {left}")
log = run(["journalctl", "-u", "rearguard", "-o", "cat", "--no-pager"])[1]
print(
    "\n".join(
        "     log: " + line
        for line in log.splitlines()
        if "rearguard:" in line and "unit" not in line.lower()
    )[:1500]
)
print("PINS", "FAILED" if failed else "PROVED", flush=True)
sys.exit(failed)
