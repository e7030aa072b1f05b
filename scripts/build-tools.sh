#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# build-tools.sh [amd64|arm64]: build our user-space tools, and for amd64 the kernel's own
# iommu selftests, static. The last line on stdout is the directory of the programs.
. "$(dirname "$0")/lib.sh"

arch=${1:-amd64}
case $arch in
amd64)	flavour=x86 cross='' tools=tools ;;
arm64)	flavour=arm64 cross=aarch64-linux-gnu- tools=tools-arm64 ;;
*)	die "no architecture '$arch'" ;;
esac
need "${cross}gcc" make rsync
kernel=$(built build-kernel.sh $flavour headers)
out=${kernel%/*}/$tools
headers=$kernel/usr/include
lock "$tools"
mkdir -p "$out/obj" "$out/bin"

run_logged "tools, $arch" 20 15 "$out/tools.log" make -C "$repo/tools" \
	O="$out/obj" KHDR="$headers" CC="${cross}gcc" AR="${cross}ar" -j"$J" static
# (rsync, because another stage may be reading them: it replaces what has changed.)
find "$out/obj" -maxdepth 1 -type f -perm -100 -exec rsync -t -p {} "$out/bin/" \;

if [ "$arch" = amd64 ]; then
	selftests=$("$repo/scripts/linux-source.sh")/tools/testing/selftests/iommu
	compat=
	! grep -q IOMMU_HW_INFO_TYPE_DEFAULT "$selftests/iommufd.c" ||
		grep -q IOMMU_HW_INFO_TYPE_DEFAULT "$headers/linux/iommufd.h" ||
		compat="-include $repo/scripts/selftests-compat.h"
	mkdir -p "$out/selftests"
	# The selftests' makefile knows of no change outside their directory.
	key=$(hash_of "$headers/linux/iommufd.h" "$repo/scripts/selftests-compat.h")
	[ "$(cat "$out/selftests.key" 2>/dev/null)" = "$key" ] || rm -f "$out/selftests/"*
	echo "$key" >"$out/selftests.key"
	run_logged "kernel iommu selftests" 4 10 "$out/selftests.log" \
		make -C "$selftests" OUTPUT="$out/selftests" \
		KHDR_INCLUDES="-isystem $headers $compat" LDFLAGS=-static
	rsync -t -p "$out/selftests/iommufd" "$out/selftests/iommufd_fail_nth" "$out/bin/"
fi
echo "$out/bin"
