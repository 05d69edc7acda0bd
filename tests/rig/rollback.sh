#!/bin/bash
# rollback.sh ROOT [RIG]   an upgrade that passes its self-test but never gets armed: in a booted ROOT (as for service.sh, the checkout at
# /root/rearguard), the installer must bring back the version before, and that must be armed again.
set -u
ROOT=$(realpath "$1"); RIG=${2:-$(cd "$(dirname "$0")/../../../shared/rig" && pwd)}; fail=0
ok() { echo "ok   $*"; }
bad() { echo "FAIL $*"; fail=1; }
rm -f "$ROOT/usr/sbin/policy-rc.d" "$ROOT/var/lib/rearguard/freeze"; : >"$ROOT/etc/machine-id"
printf '[camera]\nfps = 60.0\n[warden]\nrestart_backoff_s = 0.1\nmax_restarts = 2\ntell_giving_up_s = 5.0\n' >"$ROOT/etc/rearguard/rearguard.toml"
"$RIG/systemd/50-nspawn.sh" "$ROOT" </dev/null >/dev/null 2>&1 &
NS=$!
trap 'kill $NS 2>/dev/null' EXIT
for _ in $(seq 100); do L=$(pgrep -P $NS | head -1); [ -n "$L" ] && [ "$(cat /proc/$L/comm 2>/dev/null)" = systemd ] && break; sleep .2; done
on() { nsenter -t "$L" -m -u -i -n -p -C -- "$@"; }
armed() { for _ in $(seq 600); do case $(on systemctl show -P StatusText rearguard) in armed | watching*) return 0;; esac; sleep .1; done; return 1; }
for _ in $(seq 100); do on systemctl is-active -q rearguard && break; sleep .3; done
armed && ok "armed with $(on readlink /opt/rearguard/current)" || bad "not armed at first"
before=$(on readlink /opt/rearguard/current)
echo 'raise SystemExit(3)' >>"$ROOT/root/rearguard/src/rearguard/vision/outing.py"
out=$(on env -C /root/rearguard python3 install/install.py install --no-apt 2>&1) && bad "installed a version that does not get armed: $out" || ok "$(echo "$out" | grep rearguard: | tail -1 | cut -c1-150)"
[ "$(on readlink /opt/rearguard/current)" = "$before" ] && ok "in use: $before" || bad "in use: $(on readlink /opt/rearguard/current)"
armed && ok "and armed again" || bad "not armed again: $(on systemctl show -P StatusText rearguard)"
on ls /opt/rearguard/versions | grep -vq "${before#versions/}" && [ "$(on ls /opt/rearguard/versions | wc -l)" -gt 2 ] && bad "left over: $(on ls /opt/rearguard/versions | paste -sd' ')"
on systemctl poweroff; wait $NS
for c in /sys/fs/cgroup/unified/rig.*; do [ -d "$c" ] && find "$c" -depth -type d -exec rmdir {} \; 2>/dev/null; done
exit $fail
