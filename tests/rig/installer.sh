#!/bin/bash
# installer.sh ROOT [QEMU]   proves the installer inside ROOT, a clean Debian root file system in which the checkout
# lies at /root/rearguard. Run it through the rig's in-chroot.sh:
#   ../shared/rig/in-chroot.sh ROOT bash /root/rearguard/tests/rig/installer.sh
# Prints one line per claim; exit code 1 if one does not hold.
set -u
cd /root/rearguard
fail=0
ok() { echo "ok   $(date +%T) $*"; }
bad() { echo "FAIL $(date +%T) $*"; fail=1; }
groupadd -f -r gpio # Raspberry Pi OS has it
# all files but the package manager's and Python's own: names, links, and contents' digests
state() {
  local leave=(-path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/rearguard)
  find /etc /opt /usr/local /var/lib -xdev \( "${leave[@]}" \) -prune -o ! -type d ! -name '*.pyc' ! -name '*-' ! -name .pwd.lock -printf '%p %m %l\n' | sort
  find /etc /opt /usr/local /var/lib -xdev \( "${leave[@]}" \) -prune -o -type f ! -name '*.pyc' ! -name '*-' ! -name .pwd.lock -print0 | sort -z | xargs -0 md5sum
}
install() { python3 install/install.py install --no-apt "$@"; }

[ "${1:-}" = --with-apt ] && { apt-get update -qq; python3 install/install.py install >/tmp/apt.log 2>&1; python3 install/install.py uninstall >>/tmp/apt.log 2>&1; rm -rf /var/lib/rearguard; }
state >/tmp/before
if install >/tmp/first.log 2>&1; then ok "installed from clean: $(tail -1 /tmp/first.log)"; else bad "install: $(cat /tmp/first.log)"; exit 1; fi
/usr/local/bin/rearguard --version >/tmp/v && ok "$(cat /tmp/v) on $(uname -m), $(python3 --version)" || bad "no command"
[ "$(stat -c %U:%G:%a /var/lib/rearguard)" = rearguard:rearguard:750 ] && ok "state folder: $(stat -c %U:%G:%a /var/lib/rearguard)" || bad "state folder: $(stat -c %U:%G:%a /var/lib/rearguard)"
[ -L /etc/systemd/system/multi-user.target.wants/rearguard.service ] && ok "enabled" || bad "not enabled"
id rearguard | grep -q video && id rearguard | grep -q gpio && ok "$(id rearguard)" || bad "groups: $(id rearguard)"
numpy=$(/opt/rearguard/current/bin/python -c 'import numpy; print(numpy.__version__, numpy.__file__)')
if dpkg -s python3-numpy >/dev/null 2>&1; then
  case $numpy in */dist-packages/*) ok "Debian's NumPy is not shadowed: $numpy";; *) bad "NumPy shadowed: $numpy";; esac
else ok "no NumPy of Debian here; $numpy"; fi
/opt/rearguard/current/bin/rearguard doctor --quick config runtime model >/tmp/doctor.log 2>&1 && ok "inference: $(grep -o 'centernet.*' /tmp/doctor.log | head -1)" || bad "doctor: $(cat /tmp/doctor.log)"

state >/tmp/one
[ "$(install)" = "nothing to change" ] && ok "second run says: nothing to change" || bad "second run: $(install)"
state >/tmp/two
cmp -s /tmp/one /tmp/two && ok "second run changed no file" || bad "second run changed: $(diff /tmp/one /tmp/two | head -5)"

echo 'journal' >/var/lib/rearguard/journal.db
printf '[camera]\nheight_m = 1.20\n' >/etc/rearguard/rearguard.toml
first=$(readlink /opt/rearguard/current)
echo '# newer' >>src/rearguard/__init__.py
if unshare -n python3 install/install.py install --no-apt >/tmp/offline.log 2>&1; then ok "offline upgrade: $(readlink /opt/rearguard/current)"; else bad "offline: $(cat /tmp/offline.log)"; fi
second=$(readlink /opt/rearguard/current)
[ "$first" != "$second" ] && ok "another version is in use" || bad "still $first"
grep -q 1.20 /etc/rearguard/rearguard.toml && [ "$(cat /var/lib/rearguard/journal.db)" = journal ] && ok "configuration and journal kept" || bad "configuration or journal lost"

echo 'raise SystemExit("broken")' >>src/rearguard/detect/model.py
if unshare -n python3 install/install.py install --no-apt >/tmp/broken.log 2>&1; then bad "a broken version was installed"; else ok "a broken version is refused: $(head -1 /tmp/broken.log | cut -c1-90)"; fi
[ "$(readlink /opt/rearguard/current)" = "$second" ] && /usr/local/bin/rearguard --version >/dev/null && ok "the version before is still in use" || bad "rollback"
[ "$(ls /opt/rearguard/versions | wc -l)" = 2 ] && ok "nothing of the broken one is left" || bad "versions: $(ls /opt/rearguard/versions)"

python3 install/install.py uninstall >/tmp/un.log 2>&1 && ok "uninstalled" || bad "uninstall: $(cat /tmp/un.log)"
state >/tmp/after
if diff /tmp/before /tmp/after >/tmp/left; then ok "nothing left but the journal: $(ls /var/lib/rearguard)"; else bad "left behind: $(cat /tmp/left)"; fi
[ "$(cat /var/lib/rearguard/journal.db)" = journal ] && ok "the journal is still there" || bad "journal gone"
id rearguard >/dev/null 2>&1 && bad "user left" || ok "no user left"
exit $fail
