#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The same hard questions to the stock kernel and to this one, answers side by side.
# Fails if ours gets any wrong. What each said is kept in the cache's logs.
. "$(dirname "$0")/lib.sh"

# The stock kernel tracks one stage of each vendor's.
case ${VENDOR:-intel} in
arm) STAGE=1 ;;
*)   STAGE=2 ;;
esac
export STAGE
base=$cache/logs/compare-${VENDOR:-intel}
for kernel in stock ours; do
	"$repo/scripts/run-vfio.sh" $kernel "$base-$kernel.log" \
		"dirty-compare --stage=$STAGE; echo finished" >"$base-$kernel.txt" || :
	grep -qx finished "$base-$kernel.txt" || {
		tail -n 5 "$base-$kernel.txt" >&2
		die "the comparison did not finish on $kernel: see $base-$kernel.log"; }
done
"$repo/scripts/side-by-side.py" "$base-stock.txt" "$base-ours.txt"
