#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# initramfs.sh OUT [FILE...]: a cpio.gz of busybox, scripts/guest-init and FILEs in /bin.
. "$(dirname "$0")/lib.sh"

out=${1:?usage: initramfs.sh OUT [FILE...]}
shift
busybox=${BUSYBOX:-/bin/busybox}
need cpio gzip
[ -x "$busybox" ] || die "$busybox is missing: run scripts/setup.sh"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
install -m 755 "$repo/scripts/guest-init" "$root/init"
for f; do install -m 755 "$f" "$root/bin/"; done
mkdir -p "$(dirname "$out")"
(cd "$root" && find . | sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out.$$"
mv "$out.$$" "$out"
