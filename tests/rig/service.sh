#!/bin/bash
# service.sh ROOT [RIG]   proves the unit under a real systemd: boots ROOT (amd64, rearguard installed, with a drop-in that
# gives it the rig's camera; see the README here) in systemd-nspawn and watches the service.
# Prints one line per claim; exit code 1 if one does not hold.
set -u
ROOT=$(realpath "$1"); HERE=$(cd "$(dirname "$0")" && pwd); RIG=${2:-$(cd "$(dirname "$0")/../../../shared/rig" && pwd)}
LOG=$(mktemp); fail=0
now() { date +%s.%N; }
t0=$(now)
since() { echo "$(now) - $1" | bc | xargs printf %.2f; }
ok() { echo "ok   $(since "$t0") s  $*"; }
bad() { echo "FAIL $(since "$t0") s  $*"; fail=1; }
rm -f "$ROOT/usr/sbin/policy-rc.d" "$ROOT/var/lib/rearguard/freeze" "$ROOT"/etc/systemd/system/rearguard.service.d/zz-*.conf; mkdir -p "$ROOT/var/log/journal"; : >"$ROOT/etc/machine-id"
# libcamera's virtual camera shows each picture four times: at 60 fps the newest one is always another.
printf '[camera]\nfps = 60.0\n[warden]\nrestart_backoff_s = 0.1\nmax_restarts = 5\ntell_giving_up_s = 5.0\n' >"$ROOT/etc/rearguard/rearguard.toml"
"$RIG/systemd/50-nspawn.sh" "$ROOT" </dev/null >"$LOG" 2>&1 &
NS=$!
trap 'kill $NS 2>/dev/null' EXIT
L=
for _ in $(seq 100); do
  L=$(pgrep -P $NS | head -1); [ -n "$L" ] && [ "$(cat /proc/$L/comm 2>/dev/null)" = systemd ] && break
  kill -0 $NS 2>/dev/null || { cat "$LOG"; exit 1; }; L=; sleep .2
done
on() { nsenter -t "$L" -m -u -i -n -p -C -- "$@"; }
prop() { on systemctl show -P "$1" rearguard; }
logged() { on journalctl -b --no-pager -u rearguard -o cat; }
until_is() { # SECONDS PROPERTY VALUE
  for _ in $(seq $(($1 * 10))); do [ "$(prop "$2")" = "$3" ] && return 0; sleep .1; done; return 1
}
watches() { case $(prop ActiveState)/$(prop StatusText) in active/armed | active/watching*) return 0;; esac; return 1; }
armed_again() { # SECONDS OLD-PID
  for _ in $(seq $(($1 * 10))); do [ "$(prop MainPID)" != "$2" ] && watches && return 0; sleep .1; done; return 1
}
vision() { on pgrep -f 'rearguard.vision' | head -1; }

if until_is 120 ActiveState active; then
  a=$(prop ActiveEnterTimestampMonotonic); s=$(prop ExecMainStartTimestampMonotonic); b=$(on cut -d' ' -f1 /proc/uptime)
  ok "armed $(( (a - s) / 1000 )) ms after its start, status: $(prop StatusText)"
else bad "not armed: $(prop ActiveState) $(prop StatusText)"; logged | tail -20; fi
armed_again 20 0 && ok "picamera2 in the sandbox: $(prop StatusText)" || { bad "status $(prop StatusText)"; logged | tail -20; }
on systemctl is-system-running | grep -q running && ok "system is running" || ok "system is $(on systemctl is-system-running): $(on systemctl --failed --no-legend | head -3)"
ok "boot to armed: $(on systemd-analyze critical-chain rearguard.service --no-pager 2>/dev/null | grep -m1 rearguard)"
nices=$(on sh -c 'for p in $(cat /sys/fs/cgroup/system.slice/rearguard.service/cgroup.procs); do for t in /proc/$p/task/*; do sed "s/.*) //" $t/stat | cut -d" " -f17; done; done' | sort -n | uniq -c | tr '\n' ';')
case $nices in *" 10;"*) ok "threads by niceness: $nices the journal's step back";; *) bad "threads by niceness: $nices none steps back";; esac

p=$(prop MainPID); t=$(now); on kill -STOP "$p"
armed_again 40 "$p" && ok "SIGSTOP of the warden: killed by the watchdog and armed again after $(since "$t") s" || bad "after SIGSTOP: $(prop ActiveState) $(prop StatusText)"
logged | grep -q 'Watchdog timeout' && ok "systemd's log says: $(logged | grep -m1 'Watchdog timeout')" || bad "no watchdog timeout logged"

p=$(prop MainPID); t=$(now); on kill -KILL "$p"
armed_again 40 "$p" && ok "SIGKILL of the warden: armed again after $(since "$t") s, vision left over: $(on pgrep -cf rearguard.vision)" || bad "after SIGKILL: $(prop ActiveState)"

n=$(prop NRestarts); t=$(now); killed=0
for _ in $(seq 400); do v=$(vision); if [ -n "$v" ]; then on kill -KILL "$v" 2>/dev/null && killed=$((killed + 1)); fi; [ $killed -ge 20 ] && break; sleep .3; done
[ $killed -eq 20 ] && ok "vision killed 20 times in a row in $(since "$t") s" || bad "killed $killed times only"
for _ in $(seq 600); do watches && break; sleep .1; done
watches && ok "armed again after $(since "$t") s, the warden gave up and was started anew $(( $(prop NRestarts) - n )) times" || bad "after 20 kills: $(prop ActiveState) $(prop StatusText)"

t=$(now); touch "$ROOT/var/lib/rearguard/freeze"; s=
for _ in $(seq 50); do s=$(prop StatusText); case $s in armed | watching*) ;; *) break;; esac; sleep .1; done
watches || ok "camera frozen: after $(since "$t") s the status is '$s'"; watches && bad "a frozen camera goes unnoticed"
sleep 4; rm "$ROOT/var/lib/rearguard/freeze"; t=$(now)
for _ in $(seq 600); do watches && break; sleep .1; done
watches && ok "camera back: armed $(since "$t") s later" || bad "camera back, but: $(prop StatusText)"

p=$(prop MainPID); echo 'judge = 3' >>"$ROOT/etc/rearguard/rearguard.toml"
on systemctl reload rearguard 2>/dev/null && bad "reload took a broken configuration" || ok "reload refuses a broken configuration"
sleep 1; [ "$(prop MainPID)" = "$p" ] && [ "$(prop ActiveState)" = active ] && ok "and the running one goes on" || bad "pid $(prop MainPID) was $p, $(prop ActiveState)"
printf '[warden]\nrestart_backoff_s = 0.1\n[camera]\nfps = 50.0\n' >"$ROOT/etc/rearguard/rearguard.toml"; t=$(now)
on systemctl reload rearguard && armed_again 40 "$p" && ok "reload with a sound one: armed again after $(since "$t") s" || bad "reload: $(prop ActiveState) $(prop StatusText)"

# From here on with the motor's pin written down; everything else is as installed.
PIN=/var/lib/rearguard/pin
drop_in() { printf '[Service]\n%s\n' "$2" >"$ROOT/etc/systemd/system/rearguard.service.d/zz-$1.conf"; on systemctl daemon-reload; }
lift() { rm -f "$ROOT/etc/systemd/system/rearguard.service.d/zz-$1.conf"; on systemctl daemon-reload; }
recorded() { on /opt/rearguard/current/bin/python /opt/recorded_pins.py "$@"; }
status_of() { on systemctl status --no-pager -n 20 rearguard 2>/dev/null; }
start_watching() { rm -f "$ROOT/var/lib/rearguard/freeze"; on systemctl start rearguard; for _ in $(seq 300); do watches && return 0; sleep .1; done; bad "not armed: $(prop StatusText)"; return 1; }
on systemctl stop rearguard; rm -f "$ROOT$PIN"
cp "$HERE/recorded_pins.py" "$ROOT/opt/"
drop_in pins "$(printf 'ExecStart=\nExecStart=/opt/rearguard/current/bin/python /opt/recorded_pins.py run %s run --source picamera2' $PIN)"
printf '[warden]\nrestart_backoff_s = 0.1\nmax_restarts = 3\ntell_giving_up_s = 5.0\n[camera]\nfps = 60.0\n' >"$ROOT/etc/rearguard/rearguard.toml"

for n in 1 2 3 4 5; do # READY is felt once it is armed
  rm -f "$ROOT$PIN"; on systemctl start --no-block rearguard
  s=$(recorded stop $PIN) && ok "stop $n while READY is felt: $s" || bad "stop $n while READY is felt: $s"
done
for n in 1 2 3 4 5; do # the worst moment: libcamera is stuck, too
  start_watching || break
  sleep 2; touch "$ROOT/var/lib/rearguard/freeze"; sleep 1.5
  s=$(recorded stop $PIN) && ok "stop $n while BLIND is felt, camera frozen: $s" || bad "stop $n while BLIND is felt: $s"
done
rm -f "$ROOT/var/lib/rearguard/freeze"

# No camera at all, from the start on.
drop_in camera 'Environment=LIBCAMERA_PIPELINES_MATCH_LIST=none'
rm -f "$ROOT$PIN"; n=$(logged | grep -c 'vision left with code 3'); r=$(prop NRestarts); t=$(now)
on systemctl start --no-block rearguard
for _ in $(seq 300); do [ -s "$ROOT$PIN" ] && break; sleep .1; done
[ -s "$ROOT$PIN" ] && ok "no camera: felt $(since "$t") s after the start" || bad "no camera: nothing is felt"
for _ in $(seq 100); do status_of | grep 'Status:' | grep -q 'no camera found' && break; sleep .1; done
status_of | grep 'Status:' | grep -q 'no camera found' && ok "systemctl status: $(status_of | grep -m1 'Status:' | xargs)" || bad "status line does not say why: $(status_of | grep -m1 'Status:' | xargs)"
status_of | grep -v Status: | grep -q 'no camera found' && ok "its log: $(logged | grep 'no camera found' | tail -1)" || bad "systemctl status shows no log of why"
f=$(recorded felt $PIN 45); f=($f)
[ "${f[0]}" -gt 10 ] && [ "$(echo "${f[1]} < 10" | bc)" = 1 ] && ok "45 s without a camera: ${f[0]} pulses, never more than ${f[1]} s without one, looked for it $(( $(logged | grep -c 'vision left with code 3') - n )) times" || bad "${f[0]} pulses, ${f[1]} s in silence"
ok "the warden gave up and was started anew $(( $(prop NRestarts) - r )) times: $(prop ActiveState), $(prop StatusText)"
[ "$(logged | grep -c 'GAVE_UP\|giving up after')" -gt 0 ] && [ "$(prop ActiveState)" != failed ] || bad "no giving up in the log, or failed for good: $(prop ActiveState)"
lift camera; t=$(now)
for _ in $(seq 900); do watches && break; sleep .1; done
watches && ok "camera there: armed $(since "$t") s later, without anybody's help" || bad "camera there, but: $(prop ActiveState) $(prop StatusText)"

# The same, plugged in while the service runs: libcamera reads its list of cameras at each start of vision.
on systemctl stop rearguard
drop_in camera 'Environment=LIBCAMERA_VIRTUAL_CONFIG=/var/lib/rearguard/cameras.yaml'
sed -i 's/max_restarts = 3/max_restarts = 100/' "$ROOT/etc/rearguard/rearguard.toml"
on systemctl start --no-block rearguard; sleep 8; p=$(prop MainPID)
cp "$ROOT/opt/lc/virtual.yaml" "$ROOT/var/lib/rearguard/cameras.yaml"; chmod a+r "$ROOT/var/lib/rearguard/cameras.yaml"; t=$(now)
for _ in $(seq 900); do watches && break; sleep .1; done
watches && [ "$(prop MainPID)" = "$p" ] && ok "camera plugged in: armed $(since "$t") s later by the same warden" || bad "camera plugged in: $(prop StatusText), pid $p -> $(prop MainPID)"
lift camera; rm -f "$ROOT/var/lib/rearguard/cameras.yaml"

# READY=1 means the self-test, however long it has to wait for a picture: the start timeout, here 20 s, must not end
# the telling of BLIND.
on systemctl stop rearguard; touch "$ROOT/var/lib/rearguard/freeze"; rm -f "$ROOT$PIN"
on sh -c 'mkdir -p /run/systemd/system/rearguard.service.d; printf "[Service]\nTimeoutStartSec=20\n" > /run/systemd/system/rearguard.service.d/short.conf'
on systemctl daemon-reload; on systemctl start --no-block rearguard; sleep 50; s=$(prop StatusText)
case $(prop ActiveState)/$(prop NRestarts)/$s in activating/0/BLIND*) ok "camera frozen from the start: after 50 s, with a start timeout of 20, still told: $s";; *) bad "frozen from the start: $(prop ActiveState), restarts $(prop NRestarts), $s";; esac
on rm /run/systemd/system/rearguard.service.d/short.conf
rm -f "$ROOT/var/lib/rearguard/freeze"; t=$(now)
for _ in $(seq 600); do watches && break; sleep .1; done
watches && [ "$(prop NRestarts)" = 0 ] && ok "pictures come: $(prop StatusText) $(since "$t") s later" || bad "pictures come: $(prop ActiveState)/$(prop StatusText), restarts $(prop NRestarts)"
lift pins; rm -f "$ROOT/opt/recorded_pins.py" "$ROOT$PIN"

p=$(prop MainPID)
cat >"$ROOT/root/probe.py" <<'P'
import os, socket
for name, family in (("inet", socket.AF_INET), ("inet6", socket.AF_INET6), ("packet", socket.AF_PACKET), ("unix", socket.AF_UNIX), ("netlink", socket.AF_NETLINK)):
    try: socket.socket(family, socket.SOCK_RAW if name in ("packet", "netlink") else socket.SOCK_STREAM).close(); print(name, "allowed")
    except OSError as e: print(name, "refused")
for path in ("/etc/rearguard/x", "/opt/rearguard/x", "/usr/x", "/var/x", "/home/x", "/var/lib/rearguard/x", "/run/rearguard/x"):
    try: open(path, "w").close(); os.unlink(path); print("write", os.path.dirname(path), "allowed")
    except OSError: print("write", os.path.dirname(path), "refused")
print("uid", os.getuid() != 0 and "not root", "| others' processes seen:", sum(p.isdigit() for p in os.listdir("/proc")) > 3)
P
cp "$ROOT/root/probe.py" "$ROOT/opt/probe.py"
on mkdir -p /run/systemd/system/rearguard.service.d
on sh -c 'printf "[Service]\nExecStartPre=/usr/bin/python3 /opt/probe.py\n" > /run/systemd/system/rearguard.service.d/probe.conf'
on systemctl daemon-reload; on systemctl restart rearguard
logged | grep -E '^(inet|packet|unix|netlink|write|uid)' | tail -13 | paste -sd';' | sed 's/^/     sandbox: /'
logged | grep -cE '^(inet6?|packet) refused' | grep -q 3 && ok "no network family but unix and netlink" || bad "network families"
logged | grep -E '^write' | grep allowed | sort -u | paste -sd, | grep -qx 'write /run/rearguard allowed,write /var/lib/rearguard allowed' && ok "writes only to its own folders" || bad "writes elsewhere"

t=$(now); on systemctl stop rearguard; ok "stopped in $(since "$t") s: $(prop ActiveState)/$(prop Result)"
[ "$(prop Result)" = success ] || bad "stop: $(prop Result)"
logged | grep -iE 'warn|error|trace|unknown' | grep -v Watchdog | sort | uniq -c | sort -rn | head -5 | sed 's/^/     log: /'
on systemctl poweroff; wait $NS
for c in /sys/fs/cgroup/unified/rig.*; do [ -d "$c" ] && find "$c" -depth -type d -exec rmdir {} \; 2>/dev/null; done
rm -f "$LOG" "$ROOT/opt/probe.py" "$ROOT/root/probe.py"
exit $fail
