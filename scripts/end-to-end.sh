# SPDX-License-Identifier: GPL-2.0-only
# Shared by the end-to-end stages: sourced, never run.
# shellcheck shell=sh disable=SC2034 source=lib.sh
. "$(dirname "$0")/../lib.sh"

seed=${SEED:-1}
demo='dirty-demo --color=never --redraw=never'

# run NAME KERNEL STAGE COMMAND...: one guest. TAP on its output goes to ours as it comes;
# whether the guest as a whole did well, kernel log included, is one more result.
run() {
	_name=$1 _kernel=$2 _stage=$3 _base=$RESULTS/e2e-$VENDOR-$1 _all='rc=0'
	shift 3
	for _command; do _all="$_all; $_command || rc=1"; done
	rm -f "$_base.failed"
	{ STAGE=$_stage "$repo/scripts/run-vfio.sh" "$_kernel" "$_base.log" "$_all; exit \$rc" ||
		touch "$_base.failed"; } | tee "$_base.txt" | grep --line-buffered -v '^demo' || :
	grep -q '^TAP version' "$_base.txt" || tail -n 2 "$_base.txt" >&2
	_ok=ok
	[ ! -f "$_base.failed" ] || _ok='not ok'
	printf 'TAP version 13\n1..1\n%s 1 - guest %s\n' "$_ok" "$_name"
}
