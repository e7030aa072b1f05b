#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# boot.sh FLAVOUR LOG COMMAND [ARG...]: build what is missing and run COMMAND in a QEMU
# guest with that kernel. ARGs go to guest.py, PROGRAMS (of build-tools.sh) into its /bin.
. "$(dirname "$0")/lib.sh"

[ $# -ge 3 ] || die "usage: boot.sh FLAVOUR LOG COMMAND [ARG...]"
flavour=$1 log=$2 command=$3
shift 3
case $flavour in
*arm64*) arch=arm64 ;;
*) arch=amd64 ;;
esac
# What can be known in a second comes first.
built overlay.sh --check
qemu=$(built build-qemu.sh)
kernel=$(built build-kernel.sh "$flavour")
initrd=$cache/initramfs/$arch-$(echo "${PROGRAMS:-}" | sha256sum | cut -c1-8).cpio.gz
bin='' files=''
if [ -n "${PROGRAMS:-}" ]; then
	bin=$(built build-tools.sh "$arch")
	for p in $PROGRAMS; do files="$files $bin/$p"; done
fi
# shellcheck disable=SC2086 # $files is a list
"$repo/scripts/initramfs.sh" "$arch" "$initrd" $files
say "boot $flavour in QEMU"
exec "$repo/scripts/guest.py" --arch "$arch" --qemu "$qemu" --kernel "$kernel" \
	--initrd "$initrd" --log "$log" --run "$command" "$@"
