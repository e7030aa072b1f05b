# SPDX-License-Identifier: GPL-2.0-only
# Each target is a script or two in scripts/; variables reach them in the environment.
help:        ; @sed -n 's/^\#? \{0,1\}//p' Makefile
demo:        ; @scripts/setup.sh demo && scripts/demo.sh
test:        ; @scripts/setup.sh test && scripts/test.sh $(ONLY)
check:       ; @scripts/setup.sh check && scripts/check.sh
compare:     ; @scripts/setup.sh demo && scripts/compare.sh
cost:        ; @scripts/setup.sh demo && scripts/cost.sh
mutants:     ; @scripts/setup.sh demo && scripts/mutants.sh $(ONLY)
race:        ; @scripts/setup.sh demo && scripts/race.sh
pages:       ; @scripts/setup.sh demo && scripts/pages.sh
soak:        ; @scripts/setup.sh demo && scripts/soak.sh
fresh:       ; @scripts/fresh.sh
kernel-tree: ; @scripts/setup.sh demo && scripts/kernel-tree.sh
clean:       ; rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/iommu-dirty"

.PHONY: help demo test check compare cost mutants race pages soak fresh kernel-tree clean

#? IOMMU dirty tracking, an overlay on Linux 6.12. On Debian 12 or 13, x86_64:
#?
#?   make demo         build it all, boot a guest and watch a device's writes be found
#?   make test         every test: KUnit, the kernel's selftests, end to end
#?   make check        static checks: checkpatch, sparse, kernel-doc, coccicheck, W=1
#?   make compare      stock kernel and this one, side by side
#?   make cost         what map, unmap and attach cost beside the stock kernel's, tracking off
#?   make mutants      break the code on purpose: a test must notice each time
#?   make race         calls that overlap, on two CPUs, on a kernel that finds data races
#?   make pages        the demo behind an SMMUv3, kernels with pages of 16 and of 64 KiB
#?   make soak         random operations with ever new seeds, for an hour
#?   make fresh        demo and test as a newcomer has them, in a new root folder of SUITE
#?   make kernel-tree  a plain kernel tree with the changes, to read, diff and build
#?   make clean        remove all that was built (~/.cache/iommu-dirty)
#?
#? Variables, as in "make demo STAGE=2":
#?   SCENARIO=lifecycle  make demo: devices that can and cannot be tracked come and go
#?   ROUNDS=N      rounds of the demo, of the end-to-end tests
#?   SEED=N        seed of their random choices, to repeat a run; of make soak, the first
#?   DURATION=N    seconds that make soak lasts (3600)
#?   STAGE=1|2     first or second stage translation
#?   VENDOR=NAME   IOMMU to emulate, for demo, compare and cost: intel, amd, or arm (an
#?                 arm64 guest); for compare and cost also all
#?   ONLY="A B"    make test: just the stages whose name contains A or B; make mutants:
#?                 the mutants
#?   PART=K/N      make mutants: the Kth of N pieces; what was run on the same code is not
#?                 run again (AGAIN=1: it is), and the last line counts all pieces
#?   WHERE=PLACE   make mutants: those that run in kunit, or in a guest: x86, intel, amd, arm
#?   ALONE=1       make mutants: build a kernel for each, not one for many
#?   SLOTS=N       make test: stages that run at a time (2, or 1 with one processor or
#?                 less than 7 GiB of free memory)
#?   MINUTES=N     make test: end after so long; what no longer fits is skipped
#?   SUITE=NAME    make fresh, as root: trixie or bookworm
#?   TARGETS="A B" make fresh: what to run there (demo test)
#?   KDIR=DIR      another unbuilt Linux 6.12.y source tree, in place of Debian's
#?   QEMU_SRC=DIR  another QEMU source tree, in place of Debian's
#?   DEST=DIR      where make kernel-tree puts the tree (./linux)
#?   NO_APT=1      install no packages: only name those that are missing
#?   J=N           parallel jobs (one per processor)
