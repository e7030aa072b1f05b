#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# build-qemu.sh: build QEMU with qemu/patches in the cache, incrementally. The last
# line on stdout is the directory that holds qemu-system-x86_64. The source is
# QEMU_SRC=DIR (left as it is), or trixie's Debian source package. There is one
# target per qemu/devices/TARGET.mak.
. "$(dirname "$0")/lib.sh"

work=$cache/qemu
python=/usr/bin/python3

# trixie ARG...: apt-get on trixie, on this system's architecture.
trixie() { "$repo/scripts/trixie.sh" "$(dpkg --print-architecture)" "$@"; }

# in_dir DIR COMMAND...
in_dir() (
	cd "$1"
	shift
	"$@"
)

# The source: pristine when unpacked, then changed file by file.
if [ -n "${QEMU_SRC:-}" ]; then
	[ -f "$QEMU_SRC/VERSION" ] || die "QEMU_SRC=$QEMU_SRC is not a QEMU source tree"
	QEMU_SRC=$(CDPATH='' cd -- "$QEMU_SRC" && pwd)
	here=$work/$(printf '%s %s' "$QEMU_SRC" "$(cat "$QEMU_SRC/VERSION")" | sha256sum | cut -c1-8)
else
	here=$work/trixie
fi
tree=$here/tree build=$here/build
lock "qemu-${here##*/}"
if [ ! -f "$here/complete" ]; then
	need_disk 3
	rm -rf "$here"
	mkdir -p "$here"
	if [ -n "${QEMU_SRC:-}" ]; then
		run_logged "copy $QEMU_SRC" 1 10 "$cache/logs/qemu-unpack.log" \
			cp -a "$QEMU_SRC" "$tree"
	else
		need dpkg-source
		in_dir "$here" trixie source --download-only qemu
		run_logged "unpack QEMU" 20 30 "$cache/logs/qemu-unpack.log" \
			dpkg-source --no-check -x "$here"/qemu_*.dsc "$tree"
		rm -f "$here"/qemu_*
	fi
	# Debian's tarball lacks firmware images, and pycotap, that only tests use.
	sed -i 's/^if unpack_edk2_blobs$/if false/' "$tree/pc-bios/meson.build"
	sed -i '/^pycotap *=/d' "$tree/pythondeps.toml"
	touch "$here/complete"
fi

key=$(hash_of "$tree/VERSION" "$repo/scripts/build-qemu.sh" "$repo"/qemu/patches/*.patch "$repo"/qemu/devices/*.mak)
out=$work/bin-$key
if [ -x "$out/qemu-system-x86_64" ]; then
	say "QEMU $(cat "$tree/VERSION") with our patches: already built"
	echo "$out"
	exit
fi
need ninja pkg-config gcc patch

# Patch pristine copies of the files that the patches touch, now or last time, and
# replace in the tree what came out different: that is all ninja then compiles.
stage=$here/stage
rm -rf "$stage"
mkdir -p "$here/pristine" "$stage"
touch "$here/touched"
cp "$here/touched" "$here/touched.old"
sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$repo"/qemu/patches/*.patch | sort -u >"$here/touched.new"
sort -u "$here/touched.old" "$here/touched.new" >"$here/touched"
while read -r f; do
	mkdir -p "$here/pristine/${f%/*}" "$stage/${f%/*}"
	grep -qxF "$f" "$here/touched.old" || [ ! -f "$tree/$f" ] || cp -p "$tree/$f" "$here/pristine/$f"
	[ ! -f "$here/pristine/$f" ] || cp "$here/pristine/$f" "$stage/$f"
done <"$here/touched"
for p in "$repo"/qemu/patches/*.patch; do
	patch -d "$stage" -p1 -s -N --no-backup-if-mismatch <"$p" >&2 ||
		die "${p#"$repo"/} does not apply to QEMU $(cat "$tree/VERSION")"
done
while read -r f; do
	if [ ! -f "$stage/$f" ]; then
		rm -f "$tree/$f"
	elif ! cmp -s "$stage/$f" "$tree/$f"; then
		say "patched $f"
		cp "$stage/$f" "$tree/$f"
	fi
done <"$here/touched"

# meson: the system's, or trixie's.
if ! "$python" -c 'import sys, mesonbuild.coredata as c
sys.exit([int(n) for n in c.version.split(".")[:2]] < [1, 5])' 2>/dev/null; then
	meson=$work/meson
	if [ ! -d "$meson/usr" ]; then
		mkdir -p "$meson"
		in_dir "$meson" trixie download meson
		dpkg-deb -x "$meson"/meson_*.deb "$meson"
	fi
	PYTHONPATH=$meson/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}
	PYTHONDONTWRITEBYTECODE=1
	export PYTHONPATH PYTHONDONTWRITEBYTECODE
fi

set -- --python="$python" --disable-download --without-default-features \
	--without-default-devices --enable-system --enable-tcg --enable-fdt=system \
	--disable-install-blobs --disable-werror --disable-debug-info
targets='' binaries=''
for mak in "$repo"/qemu/devices/*.mak; do
	target=$(basename "$mak" .mak)
	to=$tree/configs/devices/$target/iommu-dirty.mak
	cmp -s "$mak" "$to" || cp "$mak" "$to"
	targets=$targets,$target binaries="$binaries qemu-system-${target%-softmmu}"
	set -- "$@" "--with-devices-${target%-softmmu}=iommu-dirty"
done
set -- "$@" --target-list="${targets#,}"
if [ "$(cat "$build/configured" 2>/dev/null)" != "$*" ]; then
	rm -rf "$build"
	mkdir -p "$build"
	in_dir "$build" run_logged "configure QEMU" 500 15 "$cache/logs/qemu-configure.log" \
		"$tree/configure" "$@"
	echo "$*" >"$build/configured"
fi
# shellcheck disable=SC2086 # $binaries is a list of words
run_logged "build QEMU" 1480 300 "$cache/logs/qemu-build.log" \
	nice ninja -C "$build" -j "$J" $binaries
rm -rf "$out.new"
mkdir -p "$out.new"
for b in $binaries; do cp "$build/$b" "$out.new/"; done
mv "$out.new" "$out"
echo "$out"
