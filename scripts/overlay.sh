#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# overlay.sh DEST [REPO]: make DEST the pristine tree plus REPO's files and hooks.
# overlay.sh --stock DEST: make DEST the pristine tree.
# overlay.sh --check: only see whether all hooks fit.
#
# Works out every new and hooked file in a scratch directory first, and only when all
# of it is right brings DEST up to date. Files whose content is as it was keep their
# time stamps, so that the next build compiles just what changed.
#
# A hook is hooks/*.cocci (a semantic patch) or hooks/*.patch, applied in version
# order of their names. A semantic patch says what it must do, in its first lines:
#   // Target: FILE...    the files it runs on; each must change
#   // Adds: N            lines added over all targets, exactly
#   // Removes: M         lines removed, exactly (none if not given)
#   // Early: N M          the same for an early 6.12.y, if it differs there
#   // Options: OPT...    extra options for spatch (none if not given)
. "$(dirname "$0")/lib.sh"

stock='' check=''
case ${1:-} in
--stock) stock=1; shift ;;
--check) check=1 ;;
esac
[ $# -ge 1 ] || die "usage: overlay.sh [--stock] DEST [REPO] | --check"
dest=$1
[ $# -lt 2 ] || repo=$(CDPATH='' cd -- "$2" && pwd)
need patch spatch rsync
pristine=$("$repo/scripts/linux-source.sh")
[ -n "$check" ] || lock "tree-${dest##*/}-$(echo "$dest" | sha256sum | cut -c1-8)"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
new=$stage/new
mkdir -p "$new" "$cache/hooks"

# New files, at their kernel paths.
[ -n "$stock" ] || for d in include drivers Documentation; do
	[ ! -d "$repo/$d" ] || rsync -a "$repo/$d" "$new/"
done
if [ -z "$stock" ] && [ -d "$repo/kunit" ]; then
	mkdir -p "$new/drivers/iommu/dirty"
	rsync -a --exclude=/kunit/mutants --exclude=/kunit/README.md "$repo/kunit" "$new/drivers/iommu/dirty/"
fi
(cd "$new" && find . -type f) | sed 's|^\./||' | while read -r f; do
	[ ! -e "$pristine/$f" ] || die "$f exists in the stock tree: change it with a hook instead"
done

header() { sed -n "s|^// $1:[ ]*||p" "$hook" | head -n 1; }

fetch() {	# FILE: have it in the scratch tree, stock unless a hook already changed it
	[ -f "$new/$1" ] && return
	[ -f "$pristine/$1" ] || die "$name: the tree has no $1"
	mkdir -p "$new/$(dirname "$1")"
	cp "$pristine/$1" "$new/$1"
}

apply_cocci() {
	targets=$(header Target) adds=$(header Adds) removes=$(header Removes) options=$(header Options)
	[ -n "${targets:+$adds}" ] || die "$name: needs '// Target:' and '// Adds:' lines"
	plus=0 minus=0
	for f in $targets; do
		fetch "$f"
		key=$cache/hooks/$(cd "$new" && hash_of "$f" "$hook")
		if [ ! -f "$key" ]; then
			mkdir -p "$stage/hooked/$(dirname "$f")"
			cp "$new/$f" "$stage/hooked/$f"
			# shellcheck disable=SC2086 # options are words
			(cd "$stage/hooked" && spatch --very-quiet $options --sp-file "$hook" --in-place "$f") \
				>"$stage/log" 2>&1 || { cat "$stage/log" >&2; die "$name: spatch failed on $f"; }
			cp "$stage/hooked/$f" "$key.$$"
			mv "$key.$$" "$key"
		fi
		! cmp -s "$new/$f" "$key" || die "$name: matches nothing in $f: the hook no longer fits this kernel"
		diff -U0 "$new/$f" "$key" | tail -n +3 >"$stage/diff" || :
		plus=$((plus + $(grep -c '^+' "$stage/diff" || :)))
		minus=$((minus + $(grep -c '^-' "$stage/diff" || :)))
		cat "$stage/diff" >>"$stage/diff.${name##*/}"
		cp "$key" "$new/$f"
	done
	early=$(header Early)
	[ "$early" != "$plus $minus" ] || return 0
	if [ "$plus" -ne "$adds" ] || [ "$minus" -ne "${removes:-0}" ]; then
		cat "$stage/diff.${name##*/}" >&2
		die "$name: adds $plus and removes $minus lines in $targets, expected $adds and ${removes:-0}"
	fi
}

apply_patch() {
	targets=$(sed -n 's|^+++ [^/]*/\([^[:space:]]*\).*|\1|p' "$hook")
	[ -n "$targets" ] || die "$name: no '+++ b/FILE' line"
	for f in $targets; do fetch "$f"; done
	patch -d "$new" -p1 -F0 --no-backup-if-mismatch --batch --forward <"$hook" >"$stage/log" 2>&1 ||
		{ cat "$stage/log" >&2; die "$name: does not apply to $targets"; }
	sed -n "s|^Hunk.*with fuzz.*|$name: &|p" "$stage/log" >&2
}

if [ -z "$stock" ] && [ -d "$repo/hooks" ]; then
	find "$repo/hooks" -name '*.cocci' -o -name '*.patch' | sort -V >"$stage/hooks"
	while read -r hook; do
		name=hooks/${hook##*/}
		case $hook in
		*.cocci) apply_cocci ;;
		*.patch) apply_patch ;;
		esac
	done <"$stage/hooks"
fi
(cd "$new" && find . -type f) | sed 's|^\./||' | sort >"$stage/manifest"
if [ -n "$check" ]; then
	say "overlay: all hooks fit $pristine"
	exit
fi

# All is well: bring DEST up to date. Trees in the cache share unchanged files with the
# pristine one (hard links, replaced and never written to); any other is a real copy.
mark=$dest/.iommu-dirty
if [ ! -d "$dest" ]; then
	say "copy the kernel tree to $dest"
	rm -rf "$dest.part"
	mkdir -p "$(dirname "$dest")"
	case $dest in
	"$cache"/*) cp -al "$pristine" "$dest.part" 2>/dev/null ||
		{ rm -rf "$dest.part"; cp -a "$pristine" "$dest.part"; } ;;
	*) cp -a "$pristine" "$dest.part" ;;
	esac
	rm -rf "$dest.part/.git" "$dest.part/.complete"
	mkdir "$dest.part/.iommu-dirty"
	echo "$pristine" >"$dest.part/.iommu-dirty/base"
	: >"$dest.part/.iommu-dirty/manifest"
	mv "$dest.part" "$dest"
fi
[ -f "$mark/base" ] || die "$dest exists and is not a tree made by this script: remove it or choose another"
[ "$(cat "$mark/base")" = "$pristine" ] ||
	die "$dest was made from $(cat "$mark/base"), not $pristine: remove it first"

put() {	# FROM FILE: replace, with a fresh time stamp
	mkdir -p "$dest/$(dirname "$2")"
	cp "$1" "$dest/$2.new~"
	mv -f "$dest/$2.new~" "$dest/$2"
	changed=$((changed + 1))
}
changed=0
sort -u "$mark/manifest" "$stage/manifest" >"$mark/manifest.next"
mv "$mark/manifest.next" "$mark/manifest"	# if interrupted below, nothing is forgotten
touch "$mark/ever"
sort -u "$mark/ever" "$mark/manifest" >"$mark/ever.next"
mv "$mark/ever.next" "$mark/ever"		# all that was not as in the pristine tree
while read -r f; do
	if [ -f "$new/$f" ]; then
		cmp -s "$new/$f" "$dest/$f" || put "$new/$f" "$f"
	elif [ -f "$pristine/$f" ]; then
		cmp -s "$pristine/$f" "$dest/$f" || put "$pristine/$f" "$f"
	else
		rm -f "$dest/$f"
		rmdir -p --ignore-fail-on-non-empty "$dest/$(dirname "$f")" 2>/dev/null || :
		changed=$((changed + 1))
	fi
done <"$mark/manifest"
cp "$stage/manifest" "$mark/manifest"
say "overlay: $(wc -l <"$mark/manifest") files of ours or hooked, $changed changed in $dest"
