# SPDX-License-Identifier: GPL-2.0-only
# Shared by the end-to-end stages: sourced, never run.
# shellcheck shell=sh disable=SC2034 source=lib.sh
. "$(dirname "$0")/../lib.sh"

seed=${SEED:-1}
demo='dirty-demo --color=never --redraw=never'
guests=

# run NAME KERNEL STAGE COMMAND: one guest. TAP on its output goes to ours; whether the
# guest as a whole did well, kernel log included, is one more result.
run() {
	_ok=ok _base=$RESULTS/e2e-$VENDOR-$1
	STAGE=$3 "$repo/scripts/run-vfio.sh" "$2" "$_base.log" "$4" >"$_base.txt" || _ok='not ok'
	if grep -q '^TAP version' "$_base.txt"; then
		grep -v '^demo' "$_base.txt"
	else
		tail -n 2 "$_base.txt" >&2
	fi
	guests="$guests$_ok - guest $1
"
}

# The results of all guests, as TAP.
report() {
	echo 'TAP version 13'
	printf '%s' "$guests" | awk '{ sub(/ - /, " " NR " - "); print } END { print "1.." NR }'
}
