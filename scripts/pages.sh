#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# pages.sh: the demo behind an emulated SMMUv3, both stages, on kernels whose pages are of
# 16 KiB and of 64 KiB: the driver then makes tables of that granule. PAGES chooses one of
# them; ROUNDS and SEED count.
. "$(dirname "$0")/lib.sh"

export VENDOR=arm
sizes=${PAGES:-16k 64k} passed=0 failed=0
for PAGES in $sizes; do
	export PAGES
	for stage in 1 2; do
		say "pages of $PAGES, stage $stage"
		if STAGE=$stage "$repo/scripts/run-vfio.sh" ours "$cache/logs/pages-$PAGES-$stage.log" \
			"dirty-demo --color=never --redraw=never --stage=$stage \
			--rounds=${ROUNDS:-8} --seed=${SEED:-1}"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
	done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
