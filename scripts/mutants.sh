#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Break the code on purpose. Each kunit/mutants/*.patch (against the repository) names,
# in a line "Expect: TEST", the KUnit test that must fail; all pass without it. With
# TEST = conformance.*.CASE it must fail for every backend that can run it. One with
# a line "Guest: VARIABLE=VALUE..." is about a vendor driver: there TEST is a case of
# dirty-e2e, in a guest that run-vfio.sh starts with those variables.
# mutants.sh [NAME...]: only the mutants whose name contains a NAME.
. "$(dirname "$0")/lib.sh"

set -- "${@:-}"
pristine=$("$repo/scripts/linux-source.sh")
here=$cache/k-$(echo "$pristine" | sha256sum | cut -c1-8)
lock mutants
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ls "$repo"/kunit/mutants/*.patch >/dev/null 2>&1 || die "there is no kunit/mutants/*.patch"

run_tests() {	# REPO [PARAMETER]: the cases of a KUnit run on UML with that repository's code
	"$repo/scripts/overlay.sh" "$here/mutants-tree" "$1" 2>>"$work/log" || return
	image=$(TREE="$here/mutants-tree" \
		"$repo/scripts/build-kernel.sh" um 2>>"$work/log") || return
	"$repo/scripts/run-uml.sh" "$image" ${2:+"$2"} >"$work/ktap" 2>&1 || :
	python3 "$repo/scripts/ktap.py" um "$work/ktap" >"$work/cases"
}

run_guest() {	# REPO GUEST CASE: a case of dirty-e2e with that repository's kernel
	# shellcheck disable=SC2086,SC2163 # words, VARIABLE=VALUE
	(export $2
	 "$1/scripts/run-vfio.sh" ours "$work/guest.log" \
		"dirty-e2e --stage=${STAGE:-2} ${INCAPABLE:+--incapable=$INCAPABLE} --rounds=2 $3" \
		>"$work/ktap" 2>>"$work/log") || :
	grep -q '^TAP version' "$work/ktap" || return
	python3 "$repo/scripts/ktap.py" guest "$work/ktap" >"$work/cases"
}

# Does TEST fail? For conformance.*.CASE: in every suite in which it was not skipped.
noticed() {
	case $1 in
	conformance.\**)
		sed -n 's/^\(pass\|fail\)\t[^:]*: conformance\.\([^.]*\)\..*/\2/p' "$work/cases" |
			sort -u >"$work/ran"
		sed -n 's/^fail\t[^:]*: conformance\.\([^.]*\)\..*/\1/p' "$work/cases" |
			sort -u >"$work/red"
		[ -s "$work/ran" ] && cmp -s "$work/ran" "$work/red" ;;
	*)	grep '^fail' "$work/cases" | cut -f2 | grep -qF "$1" ;;
	esac
}

fresh() {
	rm -rf "$work/repo"
	mkdir "$work/repo"
	for d in include drivers hooks kunit scripts tools qemu; do
		[ ! -d "$repo/$d" ] || cp -a "$repo/$d" "$work/repo/"
	done
}

# The mutants that were asked for, as lines: KUnit's first
for patch in "$repo"/kunit/mutants/*.patch; do
	name=$(basename "$patch" .patch)
	for want; do case $name in *"$want"*) break ;; esac; done
	case $name in *"$want"*) ;; *) continue ;; esac
	grep -q '^Guest:' "$patch" && echo "$patch" >>"$work/guests" || echo "$patch" >>"$work/kunits"
done
touch "$work/guests" "$work/kunits"

fresh
if [ -s "$work/kunits" ]; then
	say "the code as it is: all KUnit tests must pass (a first build takes about 3 minutes)"
	run_tests "$work/repo" || { cat "$work/log" >&2; die "the code does not build"; }
	! grep '^fail' "$work/cases" || die "tests fail without any mutation"
	[ -s "$work/cases" ] || die "no test ran"
fi
# shellcheck disable=SC2013 # no blanks in these names
for patch in $(cat "$work/guests"); do
	guest=$(sed -n 's/^Guest: *//p' "$patch")
	expect=$(sed -n 's/^Expect: *//p' "$patch")
	! grep -qxF "$guest $expect" "$work/passed" 2>/dev/null || continue
	say "the code as it is: $expect must pass with $guest"
	run_guest "$work/repo" "$guest" "$expect" || { tail -n 20 "$work/log" >&2; die "no test ran"; }
	! grep '^fail' "$work/cases" || die "tests fail without any mutation"
	echo "$guest $expect" >>"$work/passed"
done

caught=0 escaped=0
printf '%-34s %-52s %s\n' MUTANT 'MUST FAIL' RESULT
# shellcheck disable=SC2013 # no blanks in these names
for patch in $(cat "$work/kunits" "$work/guests"); do
	name=$(basename "$patch" .patch)
	expect=$(sed -n 's/^Expect: *//p' "$patch")
	guest=$(sed -n 's/^Guest: *//p' "$patch")
	result=caught
	fresh
	if [ -z "$expect" ]; then
		result='ESCAPED: no Expect: line'
	elif ! patch -d "$work/repo" -p1 -F0 --batch --forward <"$patch" >"$work/log" 2>&1; then
		result='ESCAPED: the patch does not apply'
	elif [ -n "$guest" ] && ! run_guest "$work/repo" "$guest" "$expect"; then
		result='ESCAPED: no test ran'
	# The first dot of a filter ends the suite's name: in there, any character.
	elif [ -z "$guest" ] && ! run_tests "$work/repo" \
		"kunit.filter_glob=$(echo "$expect" | sed 's/^conformance\./conformance?/')"; then
		result='ESCAPED: does not build'
	elif ! noticed "$expect"; then
		result="ESCAPED: $(grep -c '^fail' "$work/cases" || :) failed"
	fi
	printf '%-34s %-52s %s\n' "$name" "${guest:+$guest: }$expect" "$result"
	case $result in
	caught) caught=$((caught + 1)) ;;
	*) escaped=$((escaped + 1)); mkdir -p "$cache/logs"
	   cat "$work/log" "$work/ktap" >"$cache/logs/mutant-$name.log" 2>/dev/null || : ;;
	esac
done
echo "$caught passed, $escaped failed"
[ "$escaped" -eq 0 ] && [ "$caught" -gt 0 ]
