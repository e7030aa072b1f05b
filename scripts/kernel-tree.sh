#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Make DEST (./linux) a plain, buildable kernel tree: a git repository with the stock
# files as its one commit, so that git shows what is ours. Run again to bring it up to date.
. "$(dirname "$0")/lib.sh"

need git
dest=${DEST:-$repo/linux}
case $dest in /*) ;; *) dest=$PWD/$dest ;; esac
pristine=$("$repo/scripts/linux-source.sh")
"$repo/scripts/overlay.sh" "$dest" "$repo"
if [ ! -d "$dest/.git" ]; then
	say "record the stock files in git, about 1 minute"
	rm -rf "$dest/.git.part"
	stock() { git -C "$pristine" --git-dir="$dest/.git.part" --work-tree="$pristine" \
		-c user.name=iommu-dirty -c user.email=iommu-dirty@localhost "$@"; }
	stock init -q -b stock
	stock config --unset core.worktree || :
	# Forced: Debian's tree comes with a .gitignore that ignores all there is.
	stock add -A -f . ':!.complete'
	stock commit -q -m "Linux $(make -s -C "$pristine" kernelversion)"
	mv "$dest/.git.part" "$dest/.git"
fi
# New files count as added, so that git diff shows them too.
(cd "$dest" && xargs git add -f -N -- <.iommu-dirty/manifest)
cat <<END
$dest is ready:
  git -C $dest status --short    new and hooked files
  git -C $dest diff              all that differs from the stock kernel
  cd $dest; make O=DIR defconfig; scripts/config --file DIR/.config -e IOMMUFD -e IOMMU_DIRTY; make O=DIR
END
