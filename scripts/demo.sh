#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The demo: a device behind an emulated IOMMU writes at random, the kernel reports what
# it wrote, and the two are compared page by page. ROUNDS, SEED, STAGE and VENDOR count.
. "$(dirname "$0")/lib.sh"

look='--color=never --redraw=never'
[ ! -t 1 ] || look='--color=always --redraw=always'
exec "$repo/scripts/run-vfio.sh" ours "$cache/logs/demo.log" \
	"dirty-demo $look --stage=${STAGE:-2} --rounds=${ROUNDS:-10} --seed=${SEED:-1}"
