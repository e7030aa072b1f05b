#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# build-kernel.sh FLAVOUR [MAKE-TARGET...]: build a kernel in the cache, incrementally.
# The last line on stdout is the path of the image (or, with targets, of the build
# directory). Flavours:
#   stock      x86_64, the pristine tree
#   x86        x86_64, overlaid, CONFIG_IOMMU_DIRTY=y
#   x86-off    x86_64, overlaid, CONFIG_IOMMU_DIRTY=n
#   x86-debug  x86_64, overlaid, KASAN, lockdep, UBSAN, kmemleak, KUnit and our tests
#   x86-kcsan  x86_64, overlaid, KCSAN in our objects, lockdep, KUnit and our tests
#   um         User-mode Linux, overlaid, KASAN, lockdep, KUnit and our tests
#   um-off     User-mode Linux, overlaid, CONFIG_IOMMU_DIRTY=n
#   stock-um   User-mode Linux, the pristine tree
#   stock-arm64, arm64, arm64-off, arm64-debug  the same for arm64 (cross)
#   arm64-16k, arm64-64k  arm64 with pages of 16 KiB and of 64 KiB
# TREE=DIR and OUT=DIR name another source tree and build directory.
#
# The build directory is "out" in a tree of the flavour's own, so that every path that the
# compiler sees is relative, and a flavour that differs little from one that is there already
# starts from its objects: stock, x86 and x86-off share nearly all of them.
. "$(dirname "$0")/lib.sh"

flavour=${1:?usage: build-kernel.sh FLAVOUR [MAKE-TARGET...]}
shift
x86='ARCH=x86_64' um='ARCH=um SUBARCH=x86_64' arm64='ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-'
case $flavour in	# fragments; make's variables; image; lines and seconds of a full build
stock)       frags='guest x86'				arch=$x86	steps=1560 secs=240 ;;
x86)         frags='guest x86 dirty'			arch=$x86	steps=1570 secs=240 ;;
x86-off)     frags='guest x86'				arch=$x86	steps=1560 secs=240 ;;
x86-debug)   frags='guest x86 debug dirty kunit'	arch=$x86	steps=1650 secs=600 ;;
x86-kcsan)   frags='guest x86 race dirty kunit'	arch=$x86	steps=1900 secs=300 ;;
um)          frags='um dirty kunit'			arch=$um	steps=1180 secs=150 ;;
um-off)      frags='um'					arch=$um	steps=1100 secs=150 ;;
stock-um)    frags='um'				arch=$um	steps=1100 secs=150 ;;
stock-arm64) frags='guest arm64'			arch=$arm64	steps=1200 secs=240 ;;
arm64)       frags='guest arm64 dirty'			arch=$arm64	steps=1200 secs=240 ;;
arm64-off)   frags='guest arm64'			arch=$arm64	steps=1200 secs=240 ;;
arm64-debug) frags='guest arm64 debug dirty kunit'	arch=$arm64	steps=1300 secs=600 ;;
arm64-16k | arm64-64k) frags="guest arm64 $flavour dirty" arch=$arm64	steps=1200 secs=240 ;;
*) die "no flavour '$flavour'" ;;
esac
case $flavour in	# flavours whose objects are mostly the same
stock | x86 | x86-off) family='stock x86 x86-off' ;;
um | um-off | stock-um) family='um um-off stock-um' ;;
stock-arm64 | arm64 | arm64-off) family='stock-arm64 arm64 arm64-off' ;;
*) family= ;;
esac
# KCSAN watches what accesses memory in our objects; elsewhere are races that are meant.
watch=
if [ "$flavour" = x86-kcsan ]; then
	watch=KCSAN_SANITIZE=n
	# Named as from the Makefile that they are in
	for f in $(cd "$repo/drivers/iommu/dirty" && ls ./*.c) $(cd "$repo/kunit" && ls ./*/*.c); do
		f=${f#./}
		watch="$watch KCSAN_SANITIZE_${f%.c}.o=y"
	done
fi
case $flavour in
um* | stock-um) image=linux target=linux ;;
*arm64*) image=arch/arm64/boot/Image target=Image ;;
*)	image=arch/x86/boot/bzImage target=bzImage ;;
esac
need gcc make flex bison bc
case $arch in *aarch64*) need aarch64-linux-gnu-gcc ;; esac

pristine=$("$repo/scripts/linux-source.sh")
here=$cache/k-$(echo "$pristine" | sha256sum | cut -c1-8)
tree=${TREE:-$here/$flavour-tree}
out=${OUT:-$tree/out}
lock_of() { echo "build-${1##*/}-$(echo "$1" | sha256sum | cut -c1-8)"; }
[ -d "$out" ] || need_disk 6
lock "$(lock_of "$out")"
if [ -z "${TREE:-}" ]; then
	case $flavour in
	stock*)	"$repo/scripts/overlay.sh" --stock "$tree" ;;
	*)	"$repo/scripts/overlay.sh" "$tree" "$repo" ;;
	esac
fi

# Start from the objects of another of the family, also one that a build left half-way. Files
# that differ, or once did, get a fresh time stamp, and data of their own: unchanged ones are
# shared with the pristine tree.
seed() {
	case $out in "$tree"/*) dir=${out#"$tree"/} ;; *) return 0 ;; esac
	[ ! -d "$out" ] || return 0
	for from in $family; do
		from=$here/$from-tree
		[ "$from" != "$tree" ] || continue
		if [ ! -f "$from/$dir/config.key" ] || [ ! -f "$from/.iommu-dirty/ever" ]; then continue; fi
		say "$flavour kernel: starts from the objects in $from/$dir"
		flock "$cache/locks/$(lock_of "$from/$dir")" cp -a "$from/$dir" "$out.part"
		sort -u "$from/.iommu-dirty/ever" "$tree/.iommu-dirty/ever" | while read -r f; do
			[ ! -f "$tree/$f" ] || { cp "$tree/$f" "$tree/$f.new~" && mv -f "$tree/$f.new~" "$tree/$f"; }
		done
		# Tools know absolute paths, and all objects depend on one of them, objtool.
		find "$out.part" -path '*/tools/*' -name '.*.cmd' -exec sed -i "s|$from/|$tree/|g" {} +
		rm -f "$out.part/config.key"
		mv "$out.part" "$out"
		return
	done
}
rm -rf "$out.part"
seed
mkdir -p "$out"

kmake() {
	# shellcheck disable=SC2086 # $arch and $watch are lists of words
	nice make -C "$tree" O="$out" $arch $watch -j"$J" \
		KBUILD_BUILD_USER=iommu-dirty KBUILD_BUILD_HOST=localhost "$@"
}

# The configuration: allnoconfig, the kernel's tiny.config, our fragments; the last
# assignment of a symbol counts. Made anew only when something it depends on changed.
fragments=
for f in $frags; do fragments="$fragments $repo/scripts/config/$f.config"; done
[ -z "${EXTRA_CONFIG:-}" ] || fragments="$fragments $EXTRA_CONFIG"
kconfigs=$(if [ -d "$tree/.iommu-dirty" ]; then
	sed -n "/Kconfig/s|^|$tree/|p" "$tree/.iommu-dirty/manifest"; fi)
# shellcheck disable=SC2086
key="$arch $(hash_of "$repo/scripts/build-kernel.sh" $fragments $kconfigs)"
if [ ! -f "$out/.config" ] || [ "$(cat "$out/config.key" 2>/dev/null)" != "$key" ]; then
	tiny=$tree/kernel/configs/tiny.config
	[ ! -f "$tree/arch/x86/configs/tiny.config" ] || [ "$arch" != "$x86" ] ||
		tiny="$tiny $tree/arch/x86/configs/tiny.config"
	# shellcheck disable=SC2016 # awk's own variables
	last='{ s = $1 == "#" ? $2 : $1; sub(/=.*/, "", s) }
		s ~ /^CONFIG_/ { if (!(s in v)) n[++k] = s; v[s] = $0; sub(/=n$/, "", v[s]) ||
			0; if ($0 ~ /=n$/) v[s] = "# " s " is not set" }
		END { for (i = 1; i <= k; i++) print v[n[i]] }'
	# shellcheck disable=SC2086
	awk "$last" $tiny $fragments >"$out/config.base"
	# shellcheck disable=SC2086
	awk "$last" $fragments >"$out/config.asked"
	kmake KCONFIG_ALLCONFIG="$out/config.base" allnoconfig >"$out/config.log" 2>&1 ||
		{ tail -n 20 "$out/config.log" >&2; die "$flavour: configuring failed"; }
	dropped=$(while read -r line; do
		s=${line#\# } s=${s%%[= ]*}
		case $line in
		*=*) grep -qxF "$line" "$out/.config" || echo "$line" ;;
		*) ! grep -q "^$s=" "$out/.config" || echo "$line" ;;
		esac
	done <"$out/config.asked")
	# Before the overlay has its Kconfig, its symbols are unknown.
	[ -f "$tree/drivers/iommu/dirty/Kconfig" ] ||
		dropped=$(echo "$dropped" | grep -v '^CONFIG_IOMMU_DIRTY' || :)
	[ -z "$dropped" ] || die "$flavour: the configuration dropped these lines:
$dropped"
	echo "$key" >"$out/config.key"
fi

if [ $# -gt 0 ]; then
	run_logged "$flavour: $*" 0 0 "$out/build.log" kmake "$@"
	echo "$out"
else
	run_logged "$flavour kernel" "$steps" "$secs" "$out/build.log" kmake $target
	echo "$out/$image"
fi
