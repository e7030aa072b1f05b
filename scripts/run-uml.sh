#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run-uml.sh IMAGE [PARAMETER...]: boot a User-mode Linux that runs its KUnit tests and
# halts. What it prints goes to stdout, as KTAP; a splat adds a failed case of its own.
# Fails when no test ran.
. "$(dirname "$0")/lib.sh"

image=${1:?usage: run-uml.sh IMAGE [PARAMETER...]}
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ timeout -k 10 "${TIMEOUT:-900}" "$image" mem=1G kunit_shutdown=halt console=tty \
	"$@" 2>&1 </dev/null || echo "uml ended with status $?"; } | tee "$log"
echo "KTAP version 1"
echo "1..1"
if splats=$("$repo/scripts/splats.py" "$log"); then
	echo "ok 1 no kernel splat"
else
	say "$splats"
	echo "not ok 1 no kernel splat"
fi
any_test "$log" || die "no test ran${1:+ with $*}"
