#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# initramfs.sh ARCHITECTURE OUT [FILE...]: a cpio.gz of busybox, scripts/guest-init and
# FILEs in /bin, for a guest of Debian's ARCHITECTURE.
. "$(dirname "$0")/lib.sh"

arch=${1:?usage: initramfs.sh ARCHITECTURE OUT [FILE...]} out=${2:?}
shift 2
need cpio gzip
busybox=$("$repo/scripts/busybox.sh" "$arch")

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
cp "$busybox" "$root/bin/busybox"
# The other applets are linked in the guest: this machine may not run its busybox.
ln -s busybox "$root/bin/sh"
install -m 755 "$repo/scripts/guest-init" "$root/init"
for f; do install -m 755 "$f" "$root/bin/"; done
mkdir -p "$(dirname "$out")"
(cd "$root" && find . | sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out.$$"
mv "$out.$$" "$out"
