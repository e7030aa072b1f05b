#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# race.sh: the suites in which calls overlap, in QEMU, x86_64 with two CPUs, on a kernel
# that looks for data races (KCSAN) in our code. Any report is a failure.
. "$(dirname "$0")/lib.sh"

log=$(mktemp) out=$(mktemp)
trap 'rm -f "$log" "$log.all" "$out"' EXIT
status=0
for suite in machine pairs race; do
	"$repo/scripts/run-kunit.sh" x86-kcsan "$log" intel 2 \
		"kunit.filter_glob=iommu-dirty-$suite" >>"$out" || status=$?
	cat "$log" >>"$log.all"
done
python3 "$repo/scripts/ktap.py" race "$out" >"$out.cases"
grep -h '# iommu-dirty-\(pairs\|machine\): [0-9]* [cs]' "$out" || :
passed=$(grep -c '^pass' "$out.cases" || :) failed=$(grep -c '^fail' "$out.cases" || :)
grep '^fail' "$out.cases" >&2 || :
if [ "$status" -ne 0 ] || [ "$failed" -ne 0 ] || [ "$passed" -eq 0 ]; then
	mkdir -p "$cache/logs"
	cp "$log.all" "$cache/logs/race.log"
	say "the kernel's log: $cache/logs/race.log"
	status=1
fi
rm -f "$out.cases"
echo "$passed passed, $failed failed"
exit "$status"
