#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run-kunit.sh FLAVOUR LOG: boot that kernel in QEMU with two CPUs; its KUnit tests run at
# boot. The kernel log, which is KTAP, goes to LOG and stdout; fails on a splat or a leak.
. "$(dirname "$0")/lib.sh"

[ $# -eq 2 ] || die "usage: run-kunit.sh FLAVOUR LOG"
status=0
"$repo/scripts/boot.sh" "$1" "$2" 'echo "# booted, KUnit ran before this"' \
	--timeout 900 >&2 || status=$?
cat "$2"
exit "$status"
