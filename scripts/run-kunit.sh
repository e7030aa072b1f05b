#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run-kunit.sh FLAVOUR LOG VENDOR STAGE [PARAMETER]: boot that kernel in QEMU with two CPUs
# and what iommu-args.sh gives for VENDOR and STAGE; its KUnit tests run at boot, and the
# conformance suite must find the driver. The kernel log, which is KTAP, goes to LOG and, as
# it comes, to stdout; a splat or a leak adds a failed case. PARAMETER is the kernel's. Fails
# when no test ran.
. "$(dirname "$0")/lib.sh"

[ $# -ge 4 ] || die "usage: run-kunit.sh FLAVOUR LOG intel|amd|arm 1|2 [PARAMETER]"
log=$2 ok=ok status=0
args=$("$repo/scripts/iommu-args.sh" "$3" "$4")
say "$3, stage $4"
# Devices try what they may not, and the IOMMU says so: that is no trouble.
# shellcheck disable=SC2086 # words
"$repo/scripts/boot.sh" "$1" "$log" 'echo "# booted, KUnit ran before this"' \
	--append "iommu_dirty_kunit.driver=$3-$4 ${5:-}" \
	--allow 'DMAR: .*fault|AMD-Vi: Event logged|arm-smmu-v3 .*event 0x\w+ received' \
	--timeout 1800 --show-log -- $args || ok='not ok' status=$?
echo "KTAP version 1"
echo "1..1"
echo "$ok 1 no kernel splat, no leak, $3-$4"
any_test "$log" || die "no test ran${5:+ with $5}"
exit "$status"
