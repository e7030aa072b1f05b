#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The same hard questions to the stock kernel and to this one, answers side by side.
# Fails if ours gets any wrong. What each said is kept in the cache's logs.
. "$(dirname "$0")/lib.sh"

logs=$cache/logs
# The stock kernel has second-stage tracking only.
export STAGE=2
for flavour in stock x86; do
	"$repo/scripts/run-vfio.sh" $flavour "$logs/compare-$flavour.log" \
		"dirty-compare; echo finished" >"$logs/compare-$flavour.txt" || :
	grep -qx finished "$logs/compare-$flavour.txt" || {
		tail -n 5 "$logs/compare-$flavour.txt" >&2
		die "the comparison did not finish on $flavour: see $logs/compare-$flavour.log"; }
done
"$repo/scripts/side-by-side.py" "$logs/compare-stock.txt" "$logs/compare-x86.txt"
