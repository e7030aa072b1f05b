# SPDX-License-Identifier: GPL-2.0-only
# Shared by the end-to-end stages: sourced, never run.
# shellcheck shell=sh disable=SC2034 source=lib.sh
. "$(dirname "$0")/../lib.sh"

seed=${SEED:-1}
demo='dirty-demo --color=never --redraw=never'
guests=

# run NAME KERNEL STAGE COMMAND...: one guest. TAP on its output goes to ours; whether the
# guest as a whole did well, kernel log included, is one more result.
run() {
	_ok=ok _name=$1 _kernel=$2 _stage=$3 _base=$RESULTS/e2e-$VENDOR-$1 _all='rc=0'
	shift 3
	for _command; do _all="$_all; $_command || rc=1"; done
	STAGE=$_stage "$repo/scripts/run-vfio.sh" "$_kernel" "$_base.log" "$_all; exit \$rc" \
		>"$_base.txt" || _ok='not ok'
	if grep -q '^TAP version' "$_base.txt"; then
		grep -v '^demo' "$_base.txt"
	else
		tail -n 2 "$_base.txt" >&2
	fi
	guests="$guests$_ok - guest $_name
"
}

# The results of all guests, as TAP.
report() {
	echo 'TAP version 13'
	printf '%s' "$guests" | awk '{ sub(/ - /, " " NR " - "); print } END { print "1.." NR }'
}
