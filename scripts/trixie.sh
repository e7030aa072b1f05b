#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# trixie.sh ARCHITECTURE ARG...: apt-get ARG... on Debian 13 alone, for that architecture.
# It takes this system's mirror and keeps a state of its own: the system's package lists,
# sources and architectures stay as they are. For what installs nothing: download, source.
. "$(dirname "$0")/lib.sh"

arch=${1:?usage: trixie.sh ARCHITECTURE ARG...}
shift
apt=$cache/apt-$arch
lock "apt-$arch"
if [ ! -f "$apt/ready" ]; then
	mirror=$(mirror '')
	[ -n "$mirror" ] || die "no Debian mirror in apt's sources: add one"
	types=deb
	[ "$arch" != "$(dpkg --print-architecture)" ] || types='deb deb-src'
	rm -rf "$apt"
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	: >"$apt/status"
	for type in $types; do
		echo "$type [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
			"$mirror trixie main"
	done >"$apt/sources.list"
	cat >"$apt/conf" <<-END
		APT::Architecture "$arch";
		APT::Architectures "$arch";
		Dir::State "$apt";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt";
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		APT::Sandbox::User "";
	END
	APT_CONFIG=$apt/conf run_logged "package lists of trixie, $arch" 10 10 \
		"$cache/logs/apt-$arch.log" apt-get update --error-on=any
	touch "$apt/ready"
fi
APT_CONFIG=$apt/conf run_logged "fetch $*" 10 10 "$cache/logs/apt-$arch-fetch.log" apt-get "$@"
