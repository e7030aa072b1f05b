#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# iommu-args.sh intel|amd|arm 1|2: QEMU's arguments, one a line, for an IOMMU that tracks dirty
# pages in that stage, and two DMA engines behind it. IOMMU_ARGS (PROPERTY=VALUE,...)
# changes the IOMMU, EDU_ARGS the DMA engines. MIXED=1 adds an engine behind a second IOMMU
# that is like the first but does not record; MIXED=units three, each behind an IOMMU of its
# own: without scalable mode, without leaves of 1 GiB, with tables of five levels. ALIAS=1 has
# every other transfer of the first engine go out under another requester ID.
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
unit() { printf '%s\n' -device "$model-iommu,$2,x-slots=$((1 << $1))" -device "$edu,addr=$1"; }
model=$1
case $1-${MIXED:-0}-${ALIAS:-0} in
*-0-0 | intel-*-0 | amd-[01]-[01] | arm-1-0) ;;
*-1)	die "ALIAS=$ALIAS: only the AMD IOMMU is told of aliases" ;;
*)	die "MIXED=$MIXED: no such units are emulated for $1" ;;
esac
case ${MIXED:-0} in
0)	;;
1)	case $1 in
	amd)	unit 6 "$iommu,x-had=off" ;;
	arm)	printf '%s\n' -global "arm-smmuv3.x-second-slots=$((1 << 6))" -device "$edu,addr=6" ;;
	*)	unit 6 "$iommu,x-slad=off,x-flad=off" ;;
	esac ;;
units)	unit 6 x-scalable-mode=off,x-caches=on
	unit 7 "$iommu,fs1gp=off,x-ss1gp=off"
	unit 8 "$iommu,aw-bits=57,x-caches=off" ;;
*)	die "MIXED=$MIXED: choose 1 or units" ;;
esac
alias=
[ "${ALIAS:-0}" = 0 ] || alias=,alias=$((11 << 3))	# where no device is
printf '%s\n' -device "$edu,addr=4$alias" -device "$edu,addr=5"
