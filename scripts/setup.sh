#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# setup.sh [demo|test|check|fresh]: install the Debian packages that a target needs (the demo
# with VENDOR=arm: a cross compiler too).
# NO_APT=1 installs nothing: it lists what is missing and fails if anything is.
. "$(dirname "$0")/lib.sh"

build='linux-source-6.12 gcc libc6-dev make git flex bison bc libelf-dev perl python3 patch
	rsync coccinelle cpio gzip xz-utils busybox-static diffutils'
cross='gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
qemu=$(sed 's/#.*//' "$repo/qemu/packages" 2>/dev/null || :)
case ${1:-demo} in
demo)  wanted="$build $qemu"
       case ${VENDOR:-intel} in arm | all) wanted="$wanted $cross" ;; esac ;;
test)  wanted="$build $qemu $cross" ;;
check) wanted="$build $cross sparse shellcheck python3-docutils python3-pygments" ;;
fresh) wanted='debootstrap debian-archive-keyring git' ;;
*)     die "usage: setup.sh [demo|test|check|fresh]" ;;
esac

id=$(sed -n 's/^ID=//p; s/^VERSION_ID=//p' /etc/os-release 2>/dev/null | tr -d '"' | sort -r | xargs)
case $id in
'debian 12' | 'debian 13') ;;
*) die "this runs on Debian 12 or 13, not on '$id'" ;;
esac
[ "$(uname -m)" = x86_64 ] || die "this runs on x86_64, not on $(uname -m)"

# Coccinelle loads Python's library, and does not depend on it.
case ${1:-demo}-$id in
check-*12) wanted="$wanted libpython3.11" ;;
check-*13) wanted="$wanted libpython3.13" ;;
esac

missing=
for p in $wanted; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || :)" = installed ] ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0
[ "${NO_APT:-0}" = 0 ] || die "these packages are missing:$missing"

sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "not root and no sudo: as root, run: apt-get install$missing"
	sudo=sudo
fi
say "installing Debian packages:$missing"
mkdir -p "$cache/logs"
log=$cache/logs/apt.log
# shellcheck disable=SC2086 # words
{ $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null ||
	{ grep '^E:' "$log" | head -3 >&2 || :
	die "apt-get cannot install$missing: is there a network? (log: $log)"; }
