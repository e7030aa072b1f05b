# SPDX-License-Identifier: GPL-2.0-only
# Shared by the scripts: sourced, never run. Sets repo, cache and J.
# shellcheck shell=sh disable=SC2034
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")" && while [ ! -f scripts/lib.sh ]; do cd ..; done && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/iommu-dirty
: "${J:=$(nproc)}"
export LC_ALL=C
# A make that called us must not lend its job server or flags to the kernel's make.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# Everything for people goes to stderr: stdout is for the path a script answers with.
say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need COMMAND...: stop with the way out if one is missing.
need() {
	for _c in "$@"; do
		command -v "$_c" >/dev/null 2>&1 || [ -x "/usr/sbin/$_c" ] ||
			die "$_c is missing: run scripts/setup.sh"
	done
}

# hash_of FILE...: one hash over names and contents.
hash_of() { sha256sum -- "$@" | sha256sum | cut -c1-16; }

# lock NAME: one user at a time, held until this process (and its children) end.
lock() {
	mkdir -p "$cache/locks"
	exec 9>"$cache/locks/$1"
	flock -n 9 && return
	say "waiting for another stage or run that uses $1 ..."
	flock 9
}

# built SCRIPT ARG...: what scripts/SCRIPT answers. In a run of test.sh, which sets BUILT, it
# runs once, also if two stages ask at a time.
built() {
	[ -n "${BUILT:-}" ] || { _script=$1; shift; "$repo/scripts/$_script" "$@"; return; }
	_answer=$BUILT/$(echo "$*" | tr ' /' '__')
	(
		exec 8>"$_answer.lock"
		flock -n 8 || { say "waiting for another stage that builds $* ..."; flock 8; }
		[ ! -f "$_answer" ] || exit 0
		_script=$1; shift
		"$repo/scripts/$_script" "$@" 8>&- >"$_answer.new" && mv "$_answer.new" "$_answer"
	) || return
	cat "$_answer"
}

# need_disk GIB: the cache's file system must have that much free.
need_disk() {
	mkdir -p "$cache"
	_free=$(df -Pk "$cache" | awk 'NR == 2 { print int($4 / 1048576) }')
	[ "$_free" -ge "$1" ] ||
		die "$cache has $_free GiB free and $1 are needed: free some, or set XDG_CACHE_HOME"
}

# mirror SUFFIX: the Debian mirror in this system's apt sources, of a suite's own packages
# (SUFFIX is empty) or of its -security updates; empty if there is none.
mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(RELEASE)|$(REPO_URI)|$(ORIGIN)' 'Created-By: Packages' |
		awk -F'|' -v suffix="$1" '$1 ~ "^[a-z]+" suffix "$" &&
			($2 ~ /\/debian(-security)?\/?$/ || $3 == "Debian") { print $2; exit }'
}

# any_test LOG: did a test report in that KTAP, or was there to?
any_test() {
	python3 "$repo/scripts/ktap.py" any "$1" | grep -v 'no test was planned$' >/dev/null
}

# known WHAT NAMES [PART...]: stop if a PART is in none of those NAMES, which are WHAT.
known() {
	_what=$1 _names=$2
	shift 2
	for _part; do
		# shellcheck disable=SC2086 # words
		printf '%s\n' $_names | grep -qF -e "$_part" ||
			die "no $_what has '$_part' in its name; there are:" $_names
	done
}

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# run_logged LABEL LINES SECONDS LOG COMMAND...: run a long step with its output in
# LOG, say how far it is (LINES of output and SECONDS are what a full run takes, 0 if
# nobody knows), show the end of LOG if it fails.
run_logged() {
	_label=$1 _lines=$2 _secs=$3 _log=$4
	shift 4
	mkdir -p "$(dirname "$_log")"
	_t0=$(date +%s) _next=10
	_of=
	[ "$_lines" -eq 0 ] || _of=" of about $_lines"
	[ "$_secs" -eq 0 ] || say "$_label: started, about $(clock "$_secs") from scratch (log: $_log)"
	"$@" >"$_log" 2>&1 </dev/null 9>&- &
	_pid=$!
	trap 'kill "$_pid" 2>/dev/null; exit 130' INT TERM
	_nap=0.1
	while kill -0 "$_pid" 2>/dev/null; do
		sleep $_nap
		_t=$(($(date +%s) - _t0))
		[ "$_t" -lt 3 ] || _nap=1
		_n=$(wc -l <"$_log")
		if [ -t 2 ]; then
			printf '\r%s: %s, %d steps%s \033[K' "$_label" "$(clock "$_t")" "$_n" "$_of" >&2
		elif [ "$_t" -ge "$_next" ]; then
			say "$_label: $(clock "$_t"), $_n steps$_of"
			_next=$((_t + 10))
		fi
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	_rc=0
	wait "$_pid" || _rc=$?
	trap - INT TERM
	if [ "$_rc" -ne 0 ]; then
		grep -nE 'error:|Error [0-9]|undefined reference|\*\*\*' "$_log" | head -20 >&2 || :
		tail -n 30 "$_log" >&2
		die "$_label failed (status $_rc): see $_log"
	fi
	say "$_label: done in $(clock $(($(date +%s) - _t0)))"
}
