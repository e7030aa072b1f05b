#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run-vfio.sh FLAVOUR LOG COMMAND: build what is missing and run COMMAND in a guest with
# our tools, huge pages, and two DMA engines behind an IOMMU that tracks dirty pages.
# VENDOR and STAGE choose the IOMMU, IOMMU_ARGS (PROPERTY=VALUE,...) changes it;
# MACHINE_ARGS adds to QEMU's command line, KERNEL_ARGS to the kernel's.
. "$(dirname "$0")/lib.sh"

[ $# -eq 3 ] || die "usage: run-vfio.sh FLAVOUR LOG COMMAND"
case ${VENDOR:-intel}-${STAGE:-2} in
intel-1) iommu=intel-iommu,x-scalable-mode=on,x-flts=on,x-flad=on,x-caches=on ;;
intel-2) iommu=intel-iommu,x-scalable-mode=on,x-slad=on,x-caches=on ;;
*) die "VENDOR=${VENDOR:-intel} STAGE=${STAGE:-2}: choose VENDOR=intel and STAGE=1 or 2" ;;
esac
edu=edu,dma-delay-ms=0,dma_mask=0xffffffffffffffff${EDU_ARGS:+,$EDU_ARGS}

qemu=$("$repo/scripts/build-qemu.sh")
kernel=$("$repo/scripts/build-kernel.sh" "$1")
bin=$("$repo/scripts/build-tools.sh")
initrd=$cache/tools.cpio.gz
"$repo/scripts/initramfs.sh" "$initrd" "$bin"/dirty-*
say "boot $1 in QEMU: ${VENDOR:-intel}, stage ${STAGE:-2}"
exec "$repo/scripts/guest.py" --qemu "$qemu/qemu-system-x86_64" --kernel "$kernel" \
	--initrd "$initrd" --log "$2" --run "$3" --memory 4G --timeout "${TIMEOUT:-900}" \
	--append "vfio-pci.ids=1234:11e8 hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=128 ${KERNEL_ARGS:-}" -- \
	-device "$iommu,aw-bits=48${IOMMU_ARGS:+,$IOMMU_ARGS}" -device "$edu,addr=4" -device "$edu,addr=5"
