#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mutants.sh [NAME...]: break the code on purpose, see mutants.py.
. "$(dirname "$0")/lib.sh"

REPO=$repo CACHE=$cache exec python3 "$repo/scripts/mutants.py" "$@"
