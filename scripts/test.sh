#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# test.sh [NAME...]: run the test stages, scripts/stages/*, in order: all, or those whose
# name contains a NAME. A stage prints TAP on stdout. Whatever it reports, a stage that
# ends with another status than 0, or reports nothing, is a failure.
. "$(dirname "$0")/lib.sh"

results=$cache/results
mkdir -p "$results"
rm -f "$results"/*.tap "$results"/*.cases
t_all=$(date +%s)
tab=$(printf '\t')

wanted() {
	[ $# -gt 1 ] || return 0
	_stage=$1; shift
	for _w; do case $_stage in *"$_w"*) return 0 ;; esac; done
	return 1
}

for stage in "$repo"/scripts/stages/*; do
	name=${stage##*/} name=${name#*-}
	wanted "$name" "$@" || continue
	say "== $name: $(sed -n 's/^# Stage: //p' "$stage")"
	t0=$(date +%s) status=0
	RESULTS=$results "$stage" >"$results/$name.tap" </dev/null || status=$?
	python3 "$repo/scripts/ktap.py" "$name" "$results/$name.tap" >"$results/$name.cases"
	if [ "$status" -ne 0 ] && ! grep -q "^fail$tab" "$results/$name.cases"; then
		echo "fail$tab$name: the stage itself${tab}ended with status $status" >>"$results/$name.cases"
	elif [ ! -s "$results/$name.cases" ]; then
		echo "fail$tab$name: the stage itself${tab}reported no test" >>"$results/$name.cases"
	fi
	grep "^fail$tab" "$results/$name.cases" | head -20 >&2 || :
	say "== $name: $(cut -f1 "$results/$name.cases" | sort | uniq -c | awk '{ printf "%s%d %s", s, $1, $2; s = ", " }')" \
		"in $(clock $(($(date +%s) - t0)))"
done

count() { cat "$results"/*.cases 2>/dev/null | grep -c "^$1$tab" || :; }
# The table of the conformance suite has its own list of what was skipped.
list() {
	cat "$results"/*.cases | grep "^$1$tab" | grep -v "^skip${tab}[^:]*: conformance\.[^.]*\..*\." >"$results/$1" || return 0
	echo "$2:"
	sed "s/^$1$tab/  /; s/$tab/: /; s/: \$//" "$results/$1"
}
passed=$(count pass) failed=$(count fail) skipped=$(count skip)
echo "All stages took $(clock $(($(date +%s) - t_all))); what each test said is in $results"
python3 "$repo/scripts/conformance.py" "$results"/*.cases >"$results/conformance.txt"
grep -qx 'No conformance suite ran.' "$results/conformance.txt" || { echo; cat "$results/conformance.txt"; echo; }
list skip Skipped
list fail Failed
[ "$skipped" -eq 0 ] && tail= || tail=", $skipped skipped"
echo "$passed passed, $failed failed$tail"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
