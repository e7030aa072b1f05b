#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run-vfio.sh KERNEL LOG COMMAND: build what is missing and run COMMAND in a guest with
# our tools, huge pages, and two DMA engines behind an IOMMU that tracks dirty pages.
# KERNEL is ours, stock or debug; VENDOR=intel|amd|arm gives its architecture. VENDOR and
# STAGE choose the IOMMU, IOMMU_ARGS (PROPERTY=VALUE,...) changes it, EDU_ARGS the DMA
# engines; SMP is the number of processors; PAGES=16k|64k takes a kernel of such pages (arm,
# ours); KERNEL_ARGS adds to the kernel's command line, GUEST_ARGS to guest.py's.
. "$(dirname "$0")/lib.sh"

[ $# -eq 3 ] || die "usage: run-vfio.sh ours|stock|debug LOG COMMAND"
vendor=${VENDOR:-intel} stage=${STAGE:-2}
case $vendor-$1 in
intel-ours | amd-ours)   flavour=x86 ;;
intel-stock | amd-stock) flavour=stock ;;
intel-debug | amd-debug) flavour=x86-debug ;;
arm-ours)    flavour=arm64 ;;
arm-stock)   flavour=stock-arm64 ;;
arm-debug)   flavour=arm64-debug ;;
intel-* | amd-* | arm-*) die "no kernel '$1': choose ours, stock or debug" ;;
*) die "VENDOR=$vendor: choose intel, amd or arm" ;;
esac
log=$2 command=$3
# Large leaves are made of huge pages: 2 MiB, which there are with pages of any size, and
gigantic='hugepagesz=1G hugepages=1'
case ${PAGES:-4k}-$flavour in
4k-*)	;;
16k-arm64) flavour=arm64-16k gigantic='hugepagesz=32M hugepages=4' ;;
64k-arm64) flavour=arm64-64k gigantic='hugepagesz=512M hugepages=1' ;;
*)	die "PAGES=$PAGES: choose 16k or 64k, with VENDOR=arm and our kernel" ;;
esac
if [ "$flavour" = arm64 ] || [ "$flavour" = arm64-debug ] || [ "$flavour" = stock-arm64 ]; then
	# See scripts/config/arm64.config.
	gigantic=
	command="pages=/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
		echo 1 >\$pages
		[ \$(cat \$pages) = 1 ] || { echo 'no huge page of 1 GiB'; exit 1; }
		$command"
fi

args=$("$repo/scripts/iommu-args.sh" "$vendor" "$stage")
say "$vendor, stage $stage"
export PROGRAMS='dirty-demo dirty-compare dirty-e2e dirty-lifecycle dirty-cost'
# shellcheck disable=SC2086 # words
exec "$repo/scripts/boot.sh" "$flavour" "$log" "$command" --memory 4G --timeout "${TIMEOUT:-900}" \
	--append "vfio-pci.ids=1234:11e8 $gigantic hugepagesz=2M hugepages=128 ${KERNEL_ARGS:-}" \
	${SMP:+--smp $SMP} ${GUEST_ARGS:-} -- $args
