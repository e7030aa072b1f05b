#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What a newcomer has: make a root folder of SUITE (trixie or bookworm) with nothing but git
# and make, clone HEAD into it, and run there TARGETS ("demo test") from an empty cache. Says
# how long each took. Needs root. The folder is removed if all went well. Mounts and processes
# are in namespaces of their own: none outlives this script. Variables of the targets pass.
. "$(dirname "$0")/lib.sh"

suite=${SUITE:-trixie} targets=${TARGETS:-demo test}
case $suite in trixie | bookworm) ;; *) die "SUITE=$suite: choose trixie or bookworm" ;; esac
[ "$(id -u)" = 0 ] || die "making and entering a root folder needs root: run it as root, or with sudo"
"$repo/scripts/setup.sh" fresh
root=$cache/fresh-$suite
lock "fresh-$suite"
need_disk 25
rm -rf "$root"
commit=$(git -C "$repo" rev-parse HEAD)
[ -z "$(git -C "$repo" status --porcelain)" ] || say "note: what is not committed is not tested"

# This system's mirrors, and its proxy
main=$(mirror '') security=$(mirror -security)
[ -n "$main" ] || die "no Debian mirror in apt's sources: add one"
run_logged "debootstrap of $suite" 350 90 "$cache/logs/debootstrap-$suite.log" \
	debootstrap --variant=minbase --include=git,make "$suite" "$root" "$main"
{	echo "deb $main $suite main"
	[ -z "$security" ] || echo "deb $security $suite-security main"
} >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::https?::Proxy' >"$root/etc/apt/apt.conf.d/80proxy" || :
git clone -q --no-hardlinks "$repo" "$root/root/repository"
git -C "$root/root/repository" checkout -q --detach "$commit"

set -- HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "TERM=${TERM:-dumb}"
for v in ONLY SLOTS J ROUNDS SEED STAGE VENDOR SCENARIO MINUTES http_proxy https_proxy no_proxy; do
	eval "value=\${$v:-}"
	[ -z "$value" ] || set -- "$@" "$v=$value"
done

status=0 times=
for target in $targets; do
	say "$suite: make $target"
	t0=$(date +%s) rc=0
	# shellcheck disable=SC2016 # for the shell in the namespaces
	unshare --mount --pid --fork --kill-child sh -eu -c '
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mount -t sysfs sys "$root/sys"
		mount --rbind /dev "$root/dev"
		exec chroot "$root" env -i "$@"' \
		sh "$root" "$@" make -C /root/repository "$target" 9>&- </dev/null &
	pid=$!
	trap 'kill -KILL "$pid"; wait "$pid"; exit 130' INT TERM HUP	# and all in there are killed
	wait "$pid" || rc=$?
	took=$(clock $(($(date +%s) - t0)))
	[ "$rc" -eq 0 ] || { status=1; took="$took (status $rc)"; }
	times="$times${times:+, }make $target $took"
	say "$suite, so far: $times"
done
echo "$suite, $(nproc) processors, from an empty cache: $times"
if [ "$status" -eq 0 ]; then rm -rf "$root"; else say "left for a look: $root"; fi
exit "$status"
