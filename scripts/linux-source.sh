#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Print the path of a pristine Linux 6.12 tree: KDIR if set, or Debian's
# linux-source-6.12 unpacked once into the cache.
. "$(dirname "$0")/lib.sh"

version() {
	[ -f "$1/Makefile" ] && awk '
		$1 == "VERSION" { v = $3 } $1 == "PATCHLEVEL" { p = $3 }
		$1 == "SUBLEVEL" { print v "." p "." $3; exit }' "$1/Makefile"
}

if [ -n "${KDIR:-}" ]; then
	dir=$(CDPATH='' cd -- "$KDIR" 2>/dev/null && pwd) || die "KDIR=$KDIR is not a directory"
	case $(version "$dir") in
	6.12.*) ;;
	*) die "KDIR=$KDIR is not a Linux 6.12.y source tree" ;;
	esac
	if [ -e "$dir/.config" ] || [ -e "$dir/include/config" ]; then
		die "KDIR=$KDIR has been built in: run 'make mrproper' there first"
	fi
	echo "$dir"
	exit
fi

tarball=/usr/src/linux-source-6.12.tar.xz
[ -f $tarball ] || die "$tarball is missing: run scripts/setup.sh"
id=$(stat -c '%s %Y' $tarball | sha256sum | cut -c1-8)
dir=$cache/source-$id
if [ ! -f "$dir/.complete" ]; then
	need_disk 15
	lock "source-$id"
	if [ ! -f "$dir/.complete" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		run_logged "unpack $tarball" 60 25 "$cache/logs/unpack.log" \
			tar -C "$dir" --strip-components=1 -xJf $tarball --checkpoint=1000
		touch "$dir/.complete"
	fi
fi
case $(version "$dir") in
6.12.*) echo "$dir" ;;
*) die "$tarball is not Linux 6.12.y" ;;
esac
