#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What map, unmap and attach cost with tracking off, in executed instructions: the stock
# kernel and this one, in guests behind VENDOR's IOMMU, all vendors' with VENDOR=all. Fails
# if this one takes more than it may. What was counted is kept in the cache's logs.
. "$(dirname "$0")/lib.sh"

count() {	# VENDOR
	# The stock kernel can be asked to track one stage of each vendor's.
	case $1 in
	arm) stage=1 ;;
	*)   stage=2 ;;
	esac
	base=$cache/logs/cost-$1
	for kernel in stock ours; do
		VENDOR=$1 STAGE=$stage GUEST_ARGS=--count-instructions "$repo/scripts/run-vfio.sh" \
			$kernel "$base-$kernel.log" "dirty-cost --stage=$stage" >"$base-$kernel.txt" || {
			tail -n 5 "$base-$kernel.txt" >&2
			die "not all was counted on $kernel: see $base-$kernel.log"; }
	done
	"$repo/scripts/cost.py" "$base-stock.txt" "$base-ours.txt"
}

if [ "${VENDOR:-intel}" != all ]; then
	count "${VENDOR:-intel}"
	exit
fi
status=0
for vendor in intel amd arm; do
	echo "$vendor:"
	count $vendor || status=1
	echo
done
exit "$status"
