#!/bin/bash
# pi_cuts.sh ROOT WORK [CUTS] [RIG]   pulls the plug of a whole emulated Raspberry Pi while it logs near misses, boots the same card
# again, and looks whether everything acknowledged is there; CUTS times (20). One line per cut, exit code 1 if one does not hold.
#
# ROOT is an arm64 root file system with systemd, dbus, udev, kmod, Python and msgspec (a virtual environment at /root/venv); the checkout's
# rearguard is put into a copy of it. WORK holds the rig's kernel, the card (pi.img) and the consoles (uart.N), 3 GB.
# MINUTES=40 ends early: the cuts done by then count.
#
# Cutting is SIGKILL for qemu. Lost that way: all that the Pi's kernel held in memory, pages not yet written back, files without fsync,
# ext4's running transaction, requests under way. Not lost: what the emulated card has taken. qemu writes that to the image file's page cache
# (cache=writeback), and the host lives on; an SD card has no cache the Pi could flush, so its driver, too, counts a finished write as kept.
# Not shown, therefore: a card that acknowledges what it has not stored, or that tears a sector or a whole erase block.
# The control tells whether a cut takes anything: a file that gets a line per near miss, but no fsync, must have lost some.
# (A journal with synchronous=OFF fails here at the first cut: all of 80 acknowledged near misses were gone.)
#
# Three cuts in four fall 0 to 15 s after the first acknowledgement of that boot. The others come twice: such a one, and then, anywhere in the
# boot that follows, repairing included, a second one.
set -u
ROOT=$(realpath "$1"); W=$(realpath -m "$2"); CUTS=${3:-20}; HERE=$(cd "$(dirname "$0")" && pwd); TOP=$(cd "$HERE/../.." && pwd)
RIG=${4:-$(cd "$TOP/../shared/rig" && pwd)}
RANDOM=${SEED:=$$}; fail=0; mkdir -p "$W"; : >"$W/acked"

# The card: what a boot under emulation spends minutes on, and a Pi seconds, is left out.
rm -rf "$W/cut-root"; cp -a "$ROOT" "$W/cut-root"; R=$W/cut-root
rm -rf "$R/root/rearguard" "$R/opt/rearguard/versions" "$R/var/lib/rearguard"; mkdir -p "$R/root/rearguard/src" "$R/root/rearguard/tests"
cp -a "$TOP/src/rearguard" "$R/root/rearguard/src/"; cp "$TOP/tests/helpers/journal_kit.py" "$R/root/rearguard/tests/"
chroot "$R" /root/venv/bin/python -m compileall -q /root/rearguard 2>/dev/null # saves the Pi half a minute, where binfmt is set up
for u in rearguard.service systemd-udev-trigger.service systemd-udev-settle.service systemd-hwdb-update.service systemd-logind.service \
  e2scrub_reap.service systemd-pstore.service systemd-update-utmp.service systemd-user-sessions.service ldconfig.service systemd-binfmt.service \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  kmod-static-nodes.service modprobe@configfs.service modprobe@drm.service modprobe@fuse.service modprobe@efi_pstore.service; do
  rm -rf "${R:?}/etc/systemd/system/$u"; ln -s /dev/null "$R/etc/systemd/system/$u"
done
SCRIPT=$HERE/pi_cuts.py LIMIT=0 "$RIG/70-emulated-pi.sh" "$R" "$W" >"$W/card.log" 2>&1 || { cat "$W/card.log"; exit 1; } # makes it, does not boot it
rm -rf "$R"

says() { grep -aoP "^.*<\K$1(?=>\r?$)" "$W/uart" 2>/dev/null; } # lines the cut tore, or the kernel wrote into, do not count
power_on() {
  rm -f "$W/uart"
  qemu-system-aarch64 -M raspi3b -m 1G -accel tcg,thread=multi -kernel "$W/vmlinuz" -initrd "$W/initrd.gz" -dtb "$W/pi3.dtb" \
    -append 'console=ttyAMA0,115200 rdinit=/init loglevel=4 systemd.show_status=0 panic=5 maxcpus=2' \
    -drive file="$W/pi.img",if=sd,format=raw,cache=writeback -display none -monitor none -no-reboot -serial file:"$W/uart" 2>>"$W/qemu.log" &
  Q=$!
}
plug() { kill -9 $Q 2>/dev/null; wait $Q 2>/dev/null; }
trap 'kill -9 $Q 2>/dev/null' EXIT
until_says() { # PATTERN SECONDS
  for _ in $(seq $(($2 * 2))); do [ -n "$(says "$1")" ] && return 0; [ -n "$(says 'broken.*')" ] && return 1; kill -0 $Q 2>/dev/null || return 1; sleep .5; done
  return 1
}
# What the card holds after cut $1, as the Pi itself tells it.
examine() {
  local there line missing
  if ! until_says 'there [-0-9,]*' 900; then
    echo "FAIL cut $1 ($how): $(says 'broken.*' || echo "not up again"), see $W/uart.$1"; fail=1; return 1
  fi
  there=$(says 'there [-0-9,]*'); line="$(says 'booted.*'), $(says 'opened.*')"
  missing=$(awk -v r="${there#there }" 'BEGIN { n = split(r, a, ","); for (i = 1; i <= n; i++) { split(a[i], b, "-"); for (j = b[1]; j <= b[2]; j++) has[j] = 1 } }
    !($1 in has) { print $1 }' "$W/acked" | paste -sd' ')
  [ -n "$missing" ] && { echo "FAIL cut $1 ($how): acknowledged, but gone: $missing"; fail=1; return 1; }
  grep -aq 'EXT4-fs error' "$W/uart" && { echo "FAIL cut $1 ($how): $(grep -a -m1 'EXT4-fs error' "$W/uart")"; fail=1; return 1; }
  [ "$how" = "while logging" ] && { control=$(says 'control.*'); set -- "$1" $control; lost=$((lost + $5 - $3)); line="$line, control: $3 of $5 lines"; }
  echo "ok   cut $1 ($how): $line, all $(wc -l <"$W/acked") acknowledged there"
}

began=$SECONDS; done=0; lost=0; boot=60; how=
power_on; start=$SECONDS
until_says 'ack [0-9]+' 900 || { echo "FAIL first boot: $(says 'broken.*')"; tail -5 "$W/uart"; exit 1; }
boot=$((SECONDS - start)); echo "     seed $SEED, first boot to first near miss $boot s"
while [ $done -lt "$CUTS" ] && [ $((SECONDS - began)) -lt $((${MINUTES:-100000} * 60)) ]; do
  cut=$((done + 1))
  if [ $((RANDOM % 4)) = 0 ] && [ $done -gt 0 ]; then # an extra boot, which is not let finish
    plug; says 'ack [0-9]+' | cut -d' ' -f2 >>"$W/acked"
    power_on; how="while booting"; sleep "$((RANDOM % boot)).$((RANDOM % 10))"
  else
    how="while logging"; sleep "$((RANDOM % 15)).$((RANDOM % 10))"
  fi
  plug; says 'ack [0-9]+' | cut -d' ' -f2 >>"$W/acked"; cp "$W/uart" "$W/uart.$done"
  power_on; start=$SECONDS; done=$cut
  examine $cut || break
  until_says 'ack [0-9]+' 300 || { echo "FAIL cut $cut: it does not go on logging: $(says 'broken.*')"; fail=1; break; }
  boot=$((SECONDS - start))
done
plug; cp "$W/uart" "$W/uart.$done"
[ $lost -gt 0 ] && ok=ok || { ok=FAIL; fail=1; }
printf '%-4s %s\n' $ok "control: $lost lines without fsync were lost, so the cuts take what was not written"
mkdir -p "$W/mnt"; mount -o loop "$W/pi.img" "$W/mnt" && umount "$W/mnt" # replays ext4's journal, as the Pi's own boot does
e2fsck -fn "$W/pi.img" >"$W/fsck.log" 2>&1 && echo "ok   the card's file system is whole" || { echo "FAIL $(tail -3 "$W/fsck.log")"; fail=1; }
echo "     $done of $CUTS cuts in $((SECONDS - began)) s, $(wc -l <"$W/acked") near misses acknowledged"
exit $fail
