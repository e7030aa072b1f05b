#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# test.sh [NAME...]: run the test stages, scripts/stages/* (or STAGES/*): all, or those whose
# name contains a NAME. A stage prints TAP on stdout. Whatever it reports, a stage that ends with
# another status than 0, or reports nothing, is a failure. They start in order, SLOTS at a
# time: two, where there are two processors and memory for two guests. With MINUTES=N all ends
# by itself N minutes after STARTED (seconds since 1970; now): stages that no longer fit count
# as skipped.
. "$(dirname "$0")/lib.sh"

stages=${STAGES:-$repo/scripts/stages}
known stage "$(cd "$stages" && printf '%s\n' * | sed 's/^[^-]*-//')" "$@"
results=$cache/results
mkdir -p "$results"
lock results
rm -f "$results"/*.tap "$results"/*.cases
if [ -z "${SLOTS:-}" ]; then
	SLOTS=2
	[ "$(nproc)" -gt 1 ] && awk '$1 == "MemAvailable:" && $2 < 7 * 1048576 { exit 1 }' /proc/meminfo ||
		SLOTS=1
fi
case $SLOTS in *[!0-9]* | 0) die "SLOTS=$SLOTS is not a number of stages" ;; esac
case ${MINUTES:-1} in *[!0-9]* | 0) die "MINUTES=$MINUTES is not a number of minutes" ;; esac
t_all=$(date +%s)
# What can be known in a second comes before what takes minutes.
"$repo/scripts/overlay.sh" --check
tab=$(printf '\t')

wanted() {
	[ $# -gt 1 ] || return 0
	_stage=$1; shift
	for _w; do case $_stage in *"$_w"*) return 0 ;; esac; done
	return 1
}

todo=
for stage in "$stages"/*; do
	name=${stage##*/} name=${name#*-}
	! wanted "$name" "$@" || todo="$todo $stage"
done

BUILT=$(mktemp -d)
export BUILT
set -- "$results" "$SLOTS"
if [ -n "${MINUTES:-}" ]; then	# half a minute is for ending what runs, and for the summary
	seconds=$((${STARTED:-$t_all} + MINUTES * 60 - 30 - $(date +%s)))
	[ "$seconds" -gt 0 ] || seconds=0
	set -- --seconds "$seconds" --limit "the time limit of $MINUTES minutes is reached" "$@"
fi
# shellcheck disable=SC2086 # a list
python3 "$repo/scripts/stages.py" "$@" $todo 9>&- &
pid=$!
trap 'rm -rf "$BUILT"' EXIT
trap 'trap "" INT TERM HUP; kill "$pid"; wait "$pid"; exit 130' INT TERM HUP
wait "$pid" || echo "fail${tab}the run itself${tab}ended with status $?" >"$results/run.cases"

count() { cat "$results"/*.cases 2>/dev/null | grep -c "^$1$tab" || :; }
# The table of the conformance suite has its own list of what was skipped.
list() {
	cat "$results"/*.cases | grep "^$1$tab" | grep -v "^skip${tab}[^:]*: conformance-[^.]*\..*\." >"$results/$1" || return 0
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
