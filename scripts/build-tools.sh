#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Build our user-space tools and the kernel's own iommu selftests, static, for x86_64.
# The last line on stdout is the directory that holds the programs.
. "$(dirname "$0")/lib.sh"

need gcc make rsync
kernel=$("$repo/scripts/build-kernel.sh" x86 headers)
out=${kernel%/*}/tools
headers=$kernel/usr/include
selftests=$("$repo/scripts/linux-source.sh")/tools/testing/selftests/iommu
compat=
! grep -q IOMMU_HW_INFO_TYPE_DEFAULT "$selftests/iommufd.c" ||
	grep -q IOMMU_HW_INFO_TYPE_DEFAULT "$headers/linux/iommufd.h" ||
	compat="-include $repo/scripts/selftests-compat.h"
lock tools
mkdir -p "$out/obj" "$out/bin" "$out/selftests"
# The selftests' makefile knows of no change outside their directory.
key=$(hash_of "$headers/linux/iommufd.h" "$repo/scripts/selftests-compat.h")
[ "$(cat "$out/selftests.key" 2>/dev/null)" = "$key" ] || rm -f "$out/selftests/"*
echo "$key" >"$out/selftests.key"

run_logged "kernel iommu selftests" 4 10 "$out/selftests.log" \
	make -C "$selftests" OUTPUT="$out/selftests" KHDR_INCLUDES="-isystem $headers $compat" LDFLAGS=-static
if [ -f "$repo/tools/Makefile" ]; then
	run_logged "tools" 20 15 "$out/tools.log" \
		make -C "$repo/tools" O="$out/obj" KHDR="$headers" -j"$J" static
	find "$out/obj" -maxdepth 1 -type f -perm -100 -exec cp -p {} "$out/bin/" \;
fi
cp -p "$out/selftests/iommufd" "$out/selftests/iommufd_fail_nth" "$out/bin/"
echo "$out/bin"
