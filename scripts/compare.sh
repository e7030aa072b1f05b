#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The same hard questions to the stock kernel and to this one, answers side by side.
# Fails if ours gets any wrong. What each said is kept in the cache's logs. VENDOR=all asks
# about all vendors, and prints one table more, as it is in Documentation/.
. "$(dirname "$0")/lib.sh"

ask() {	# VENDOR
	# The stock kernel tracks one stage of each vendor's.
	case $1 in
	arm) stage=1 ;;
	*)   stage=2 ;;
	esac
	base=$cache/logs/compare-$1
	for kernel in stock ours; do
		VENDOR=$1 STAGE=$stage "$repo/scripts/run-vfio.sh" $kernel "$base-$kernel.log" \
			"dirty-compare --stage=$stage; echo finished" >"$base-$kernel.txt" || :
		grep -qx finished "$base-$kernel.txt" || {
			tail -n 5 "$base-$kernel.txt" >&2
			die "the comparison did not finish on $kernel: see $base-$kernel.log"; }
	done
	"$repo/scripts/side-by-side.py" "$base-stock.txt" "$base-ours.txt"
}

if [ "${VENDOR:-intel}" != all ]; then
	ask "${VENDOR:-intel}"
	exit
fi
status=0
for vendor in intel amd arm; do
	echo "$vendor:"
	ask $vendor || status=1
	echo
done
"$repo/scripts/comparison.py" "$cache/logs/compare" intel amd arm
exit "$status"
