#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# soak.sh: random machines (kunit/machine/machine.c) with ever new seeds, for DURATION seconds:
# one at a time under User-mode Linux, and several at the same time in QEMU, x86_64 with two
# CPUs and all checkers. Says once a minute how far it is; logs of failures are kept.
# SEED=N is the first seed, in place of the time of day.
. "$(dirname "$0")/lib.sh"

start=$(date +%s) first=${SEED:-$(date +%s)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lock soak
image=$("$repo/scripts/build-kernel.sh" um)
"$repo/scripts/build-kernel.sh" x86-debug >/dev/null
"$repo/scripts/build-qemu.sh" >/dev/null
[ -n "${DURATION:-}" ] || DURATION=3600
t0=$(date +%s) end=$(($(date +%s) + DURATION))
say "builds took $(clock $((t0 - start))); first seed $first, $(clock "$DURATION") from now on"

suite=iommu-dirty-machine
um() {	# PARAMETER...
	"$repo/scripts/run-uml.sh" "$image" \
		"kunit.filter_glob=$suite.what_random_steps_do_is_what_the_reference_says" "$@"
}
x86() {	# PARAMETER...
	"$repo/scripts/run-kunit.sh" x86-debug "$work/x86.klog" intel 2 \
		"kunit.filter_glob=$suite.so_it_is_when_several_do_them $*"
}

rounds() {	# NAME SECONDS: boots of so many seconds each until the time is over
	seed=$first
	while left=$((end - $(date +%s))) && [ "$left" -gt 0 ]; do
		[ "$left" -lt "$2" ] || left=$2
		status=0
		"$1" "iommu_dirty_machine.seed=$seed" "iommu_dirty_machine.seconds=$left" \
			>"$work/$1.log" 2>"$work/$1.err" 9>&- || status=$?
		python3 "$repo/scripts/ktap.py" "$1" "$work/$1.log" >"$work/$1.cases"
		got=$(sed -n 's/.*# iommu-dirty-machine: \([0-9]*\) steps of \([0-9]*\) seeds.*/\1 \2/p' \
			"$work/$1.log")
		echo "${got:-0 0}" >>"$work/$1.done"
		if [ -z "$got" ] || [ "$status" -ne 0 ] || grep -q '^fail' "$work/$1.cases"; then
			mkdir -p "$cache/logs"
			cat "$work/$1.err" "$work/$1.log" >"$cache/logs/soak-$1-$seed.log"
			{ grep '^fail' "$work/$1.cases" ||
			  echo "fail	$1: it did not end well (status $status)"; } >>"$work/failures"
			say "$1 fails: $cache/logs/soak-$1-$seed.log"
			grep -h 'iommu_dirty_machine.seed=' "$work/$1.log" | grep fails >&2 || :
		fi
		# Each format took its share of the seeds, all from the same one on
		seed=$((seed + 1 + ${got##* }))
	done
}

sum() {	# NAME: its steps and seeds
	awk '{ n += $1; s += $2 } END { printf "%d steps of %d seeds", n, s }' "$work/$1.done"
}
failures() { wc -l <"$work/failures"; }

touch "$work/failures" "$work/um.done" "$work/x86.done"
rounds um 50 & um=$!
rounds x86 150 & x86=$!
next=$((t0 + 60))
while kill -0 $um 2>/dev/null || kill -0 $x86 2>/dev/null; do
	sleep 1
	[ "$(date +%s)" -ge "$next" ] || continue
	next=$((next + 60))
	echo "$(clock $(($(date +%s) - t0))) um: $(sum um); x86: $(sum x86); $(failures) failures"
done
wait
cut -f2- "$work/failures" | sort | uniq -c >&2
echo "soak of $(clock $(($(date +%s) - t0))): um: $(sum um); x86: $(sum x86); $(failures) failures"
[ "$(failures)" -eq 0 ] && ! grep -qx '0 steps.*' "$work"/*.done
