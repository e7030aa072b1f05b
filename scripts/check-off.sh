#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# With CONFIG_IOMMU_DIRTY=n the kernel is the stock kernel: every hooked file, and every
# other object of drivers/iommu and drivers/vfio, has the code, data and relocations that
# it has in the stock tree. Only line numbers may move: both builds see __LINE__ as 1,
# and numbers that come from __COUNTER__ are left out. Prints TAP.
. "$(dirname "$0")/lib.sh"

need objdump aarch64-linux-gnu-objdump
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pristine=$("$repo/scripts/linux-source.sh")
here=$cache/k-$(echo "$pristine" | sha256sum | cut -c1-8)
export KCFLAGS='-Wno-builtin-macro-redefined -D__LINE__=1'

"$repo/scripts/overlay.sh" "$here/x86-off-tree" "$repo"
hooked=$(while read -r f; do
	case $f in *.c) [ ! -f "$pristine/$f" ] || echo "$f" ;; esac
done <"$here/x86-off-tree/.iommu-dirty/manifest")
outside=$(echo "$hooked" | sed -n '\,^drivers/\(iommu\|vfio\)/,d; s/\.c$/.o/p')

listing() {	# OBJDUMP OBJECT
	"$1" -drs --no-show-raw-insn "$2" | awk '
		/^(Contents of|Disassembly of) section|^RELOCATION RECORDS FOR/ {
			skip = /\.(debug|comment|note|discard|modinfo|orc|llvm)/ }
		!skip && !/file format/' |
		sed -E 's/(__UNIQUE_ID_[A-Za-z_]+|__initcall__kmod_\w+__)[0-9]+(_[0-9]+)?/\1/g'
}

n=0
result() { n=$((n + 1)); echo "$1 $n $2"; }

compare() {	# ARCHITECTURE OBJDUMP STOCK-DIR OFF-DIR
	same=0 differ=
	# shellcheck disable=SC2086 # $outside is a list
	for o in $(cd "$3" && find drivers $outside -name '*.o' | sort -u); do
		case $o in drivers/iommu/* | drivers/vfio/*) ;; *) echo "$outside" | grep -qx "$o" || continue ;; esac
		listing "$2" "$3/$o" >"$work/stock"
		listing "$2" "$4/$o" >"$work/off" 2>&1 || :
		if cmp -s "$work/stock" "$work/off"; then
			ok=ok
		else
			ok='not ok'
			{ echo "$1 $o:"; diff -U2 "$work/stock" "$work/off" | head -20; } >&2 || :
		fi
		c=${o%.o}.c
		if echo "$hooked" | grep -qx "$c"; then
			result "$ok" "$1 $c"
			echo "$c" >>"$work/seen"
		elif [ "$ok" = ok ]; then
			same=$((same + 1))
		else
			differ="$differ $o"
		fi
	done
	if [ "$same" -gt 0 ] && [ -z "$differ" ]; then ok=ok; else ok='not ok'; fi
	result "$ok" "$1 $same other objects$differ"
}

echo "TAP version 13"
: >"$work/seen"
build() { OUT=$here/$1-tree/off "$repo/scripts/build-kernel.sh" "$@"; }
# shellcheck disable=SC2086 # $outside is a list
compare x86_64 objdump \
	"$(build stock drivers/iommu/ drivers/vfio/ $outside)" \
	"$(build x86-off drivers/iommu/ drivers/vfio/ $outside)"
# With what drivers do under ACPI, which no guest has
export EXTRA_CONFIG="$repo/scripts/config/acpi.config"
compare arm64 aarch64-linux-gnu-objdump \
	"$(build stock-arm64 drivers/iommu/ drivers/vfio/)" \
	"$(build arm64-off drivers/iommu/ drivers/vfio/)"
for c in $hooked; do
	grep -qx "$c" "$work/seen" || result 'not ok' "$c was not built"
done
echo "1..$n"
