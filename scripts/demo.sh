#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The demo: a device behind an emulated IOMMU writes at random, the kernel reports what
# it wrote, and the two are compared page by page. ROUNDS, SEED, STAGE and VENDOR count.
# SCENARIO=lifecycle: devices that can and cannot be tracked come and go instead.
. "$(dirname "$0")/lib.sh"

if [ "${SCENARIO:-rounds}" = lifecycle ]; then
	# A domain of Arm's has one unit.
	[ "${VENDOR:-intel}" = arm ] || export MIXED=1
	exec "$repo/scripts/run-vfio.sh" ours "$cache/logs/demo-lifecycle.log" \
		"dirty-lifecycle ${MIXED:+--untrackable} --stage=${STAGE:-2} --seed=${SEED:-1}"
fi
[ "${SCENARIO:-rounds}" = rounds ] || die "SCENARIO=$SCENARIO: choose rounds or lifecycle"
look='--color=never --redraw=never'
[ ! -t 1 ] || look='--color=always --redraw=always'
exec "$repo/scripts/run-vfio.sh" ours "$cache/logs/demo.log" \
	"dirty-demo $look --stage=${STAGE:-2} --rounds=${ROUNDS:-10} --seed=${SEED:-1}"
