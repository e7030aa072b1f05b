#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# iommu-args.sh intel|amd|arm 1|2: QEMU's arguments, one a line, for an IOMMU that tracks dirty
# pages in that stage, and two DMA engines behind it. IOMMU_ARGS (PROPERTY=VALUE,...)
# changes the IOMMU, EDU_ARGS the DMA engines. MIXED=1 adds an engine behind a second IOMMU
# that is like the first but does not record.
. "$(dirname "$0")/lib.sh"

case $1-$2 in
intel-1) iommu=x-scalable-mode=on,x-flts=on,x-flad=on,x-caches=on,aw-bits=48 ;;
intel-2) iommu=x-scalable-mode=on,x-slad=on,x-caches=on,aw-bits=48 ;;
amd-2) iommu=x-had=on,x-caches=on ;;
amd-1) die "VENDOR=amd: there are host tables only, and they count as stage 2" ;;
arm-[12]) iommu=stage=$2,httu=2 ;;
*) die "IOMMU '$1', stage '$2': choose intel, amd or arm, 1 or 2" ;;
esac
iommu=$iommu${IOMMU_ARGS:+,$IOMMU_ARGS}
case $1 in
intel)	printf '%s\n' -device "intel-iommu,$iommu" ;;
amd)	printf '%s\n' -device "amd-iommu,$iommu" ;;
arm)	# The machine makes its IOMMU itself: the properties are set for all there are.
	echo "$iommu" | tr , '\n' | sed 's/^/-global\narm-smmuv3./' ;;
esac
edu=edu,dma-delay-ms=0,dma_mask=0xffffffffffffffff${EDU_ARGS:+,$EDU_ARGS}
if [ "${MIXED:-0}" = 1 ]; then
	[ "$1" = intel ] || die "MIXED=1: no second unit is emulated for $1"
	printf '%s\n' -device "intel-iommu,$iommu,x-slad=off,x-flad=off,x-slots=0x40" -device "$edu,addr=6"
fi
printf '%s\n' -device "$edu,addr=4" -device "$edu,addr=5"
