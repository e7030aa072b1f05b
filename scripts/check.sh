#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# check.sh [NAME...]: static checks of our files, of the hooked files against the stock
# ones, and of the repository. Any message is a failure. Only the gates whose name
# contains a NAME, if given. Prints TAP; the messages go to stderr.
. "$(dirname "$0")/lib.sh"

known gate "$(sed -n 's/^gate \([a-z0-9_-]*\) .*/\1/p' "$0")" "$@"
need spatch sparse perl shellcheck
pristine=$("$repo/scripts/linux-source.sh")
here=$cache/k-$(echo "$pristine" | sha256sum | cut -c1-8)
tree=$here/check-tree
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lock check
"$repo/scripts/overlay.sh" "$tree" "$repo"
wanted=$*

cd "$tree"
ours=$(while read -r f; do [ -f "$pristine/$f" ] || echo "$f"; done <.iommu-dirty/manifest)
sources=$(echo "$ours" | grep '\.[ch]$')
hooked=$(while read -r f; do [ ! -f "$pristine/$f" ] || echo "$f"; done <.iommu-dirty/manifest)
mine='drivers/iommu/dirty|include/(uapi/)?linux/iommu-dirty\.h'

n=0 passed=0 failed=0
gate() {	# NAME COMMAND...: COMMAND must print nothing and succeed
	_name=$1; shift
	for _w in ${wanted:-"$_name"}; do
		case $_name in *"$_w"*) ;; *) continue ;; esac
		n=$((n + 1)) status=0
		("$@") >"$work/out" 2>"$work/err" || status=$?
		if [ "$status" -eq 0 ] && [ ! -s "$work/out" ]; then
			passed=$((passed + 1)) ok=ok
		else
			failed=$((failed + 1)) ok='not ok'
			cat "$work/out" "$work/err" | head -60 >&2
		fi
		echo "$ok $n $_name"
		return
	done
}

checkpatch() {
	perl scripts/checkpatch.pl --strict --quiet --terse --show-types --no-summary "$@" 2>&1 || :
}
# TRACE_EVENT() has a layout of its own, which --strict does not know.
# shellcheck disable=SC2086,SC2046
our_files() {
	checkpatch --file $(echo "$ours" | grep -v '/trace\.h$')
	checkpatch --no-strict --file $(echo "$ours" | grep '/trace\.h$')
}
mutants_apply() {	# to the code as it is: each alone
	for m in "$repo"/kunit/mutants/*.patch; do
		patch -d "$repo" -p1 -F0 --dry-run --batch --forward <"$m" >"$work/patch" 2>&1 ||
			echo "${m##*/} does not apply: make it again"
	done
}
our_tools() {
	find "$repo/tools" -name '*.[ch]' >"$work/tools"
	# shellcheck disable=SC2046
	checkpatch --no-tree --file $(cat "$work/tools")
}
hook_diffs() {
	{ printf 'Subject: hooks\n\nWhat the hooks make of the stock files.\n---\n'
	for f in $hooked; do diff -up --label "a/$f" --label "b/$f" "$pristine/$f" "$f" || :; done
	} >"$work/hooks.diff"
	checkpatch --no-signoff "$work/hooks.diff"
}

kernel_doc() {
	# shellcheck disable=SC2046,SC2086
	perl scripts/kernel-doc -none -Wall $sources $(echo "$hooked" | grep '\.[ch]$') 2>&1 |
		grep -E "$mine|error" || :
}

chapters() { "$repo/scripts/check-docs.py" "$tree"; }

# Compile with W=1 and sparse: nothing about our files, and about the hooked ones no
# message that the stock kernel has not.
messages() {	# FLAVOUR TREE: every message, without line numbers
	out=$here/check/$1
	key=$(hash_of "$repo/scripts/check.sh" "$repo/scripts/build-kernel.sh" "$repo"/scripts/config/*)
	case $1 in stock*)	# does not change
		[ "$(cat "$out/messages.key" 2>/dev/null)" != "$key" ] || { cat "$out/messages"; return; } ;;
	esac
	rm -rf "$out/drivers/iommu" "$out/drivers/vfio"
	TREE=$2 OUT=$out "$repo/scripts/build-kernel.sh" "$1" W=1 C=2 \
		drivers/iommu/ drivers/vfio/ >/dev/null
	grep -E '(warning|error|note): ' "$out/build.log" | sed "s|$2/||g; s|\.\./||g" |
		sed -E 's/:[0-9]+(:[0-9]+)?:/:/' | sort >"$out/messages"
	echo "$key" >"$out/messages.key"
	cat "$out/messages"
}
compiles() {	# FLAVOUR STOCK-FLAVOUR
	messages "$1" "$tree" >"$work/ours"
	messages "$2" "$pristine" >"$work/stock"
	comm -23 "$work/ours" "$work/stock"
}
uapi_header() {
	printf '#include <linux/iommu-dirty.h>\n' |
		gcc -std=c90 -Wall -Wextra -Werror -pedantic -Wno-long-long -fsyntax-only \
			-isystem "$(OUT=$here/check/x86 TREE=$tree "$repo/scripts/build-kernel.sh" x86 headers)/usr/include" \
			-x c - 2>&1
}

cocci() {	# RULE
	# shellcheck disable=SC2046,SC2086
	spatch -D report --very-quiet --no-show-diff --include-headers \
		--macro-file "$repo/scripts/coccinelle/macros.h" \
		$(sed -n 's|^//* Options: ||p' "$1" | sed 's/--include-headers//') \
		-I include -I include/uapi --cocci-file "$1" $sources >"$work/cocci" 2>"$work/cocci.err" ||
		{ echo "$1 did not run:"; tail -n 5 "$work/cocci.err"; }
	grep -E "$mine" "$work/cocci" || :
}
kernel_rules() {
	for rule in $(find scripts/coccinelle -name '*.cocci' | sort); do
		grep -q 'virtual report' "$rule" || continue
		# A few are written in OCaml, whose compiler spatch would need.
		if grep -q 'script:ocaml' "$rule"; then
			say "# SKIP $rule: it needs an OCaml compiler"
			continue
		fi
		cocci "$rule"
	done
}
our_rules() {
	ls "$repo"/scripts/coccinelle/*.cocci >/dev/null || return
	for rule in "$repo"/scripts/coccinelle/*.cocci; do cocci "$rule"; done
	# What spatch cannot parse it skips. Headers with macros at file scope have no code.
	# shellcheck disable=SC2046
	spatch --macro-file "$repo/scripts/coccinelle/macros.h" --parse-c \
		$(echo "$sources" | grep -E '\.c$|/(walk|fmt-[^/]*)\.h$') >"$work/parsed" 2>&1 || :
	grep -q 'pbs = 0;' "$work/parsed" || grep -A 1 'present in\|^bad:' "$work/parsed"
}
rule_tests() { "$repo/scripts/coccinelle/tests/run.py"; }

spdx() {
	cd "$repo"
	git ls-files -co --exclude-standard | grep -vE '^(LICENSES/|COPYING|LICENSE|qemu/patches/)' |
		xargs -r -d '\n' grep -L 'SPDX-License-Identifier: '
}
shell() { cd "$repo/scripts" && shellcheck -x -P SCRIPTDIR ./*.sh guest-init stages/*; }
python() { cd "$repo" && find scripts qemu -name '*.py' -print0 | xargs -0 -r -n 1 \
	python3 -W error -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())'; }
one_way() { { "$repo/scripts/check-includes.py" "$repo/drivers/iommu/dirty" >/dev/null; } 2>&1; }
script_tests() {
	for t in "$repo"/scripts/tests/*_test.py; do
		"$t" 2>&1 | sed '/^OK$/,$d; /^\.*$/d; /^-*$/d; /^Ran /d'
	done
}

echo "TAP version 13"
gate checkpatch-files our_files
gate checkpatch-hooks hook_diffs
gate checkpatch-tools our_tools
gate kernel-doc kernel_doc
gate documentation chapters
gate spdx spdx
gate mutants-apply mutants_apply
gate shellcheck shell
gate python python
gate script-tests script_tests
gate calls-one-way one_way
gate compile-x86_64 compiles x86 stock
gate compile-x86_64-off compiles x86-off stock
gate compile-um compiles um stock-um
gate compile-um-off compiles um-off stock-um
gate compile-arm64 compiles arm64 stock-arm64
gate compile-arm64-off compiles arm64-off stock-arm64
gate uapi-header uapi_header
gate coccicheck kernel_rules
gate our-coccinelle-rules our_rules
gate coccinelle-tests rule_tests
echo "1..$n"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
