#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# busybox.sh ARCHITECTURE: print the path of a static busybox for Debian's ARCHITECTURE:
# the system's own, or one unpacked into the cache from that architecture's package.
# BUSYBOX=FILE names another for the system's own architecture.
. "$(dirname "$0")/lib.sh"

arch=${1:?usage: busybox.sh ARCHITECTURE}
if [ "$arch" = "$(dpkg --print-architecture)" ]; then
	busybox=${BUSYBOX:-/bin/busybox}
	[ -x "$busybox" ] || die "$busybox is missing: run scripts/setup.sh"
	echo "$busybox"
	exit
fi
out=$cache/busybox-$arch
lock "busybox-$arch"
if [ ! -x "$out/busybox" ]; then
	need dpkg-deb
	rm -rf "$out"
	mkdir -p "$out"
	cd "$out"
	"$repo/scripts/trixie.sh" "$arch" download busybox-static
	dpkg-deb -x busybox-static_*.deb tree
	# /bin or /usr/bin: it has moved once.
	mv "$(find tree -name busybox -path '*/bin/*' -type f)" busybox
	rm -rf tree busybox-static_*.deb
fi
echo "$out/busybox"
