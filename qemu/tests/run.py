#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Check the dirty-tracking hardware that the changed QEMU emulates.

run.py QEMU [PATTERN]: QEMU is one of the binaries, and the others are next to it;
PATTERN chooses cases by name, as in 'smmu.*'. Output is KTAP.
"""
import os
import sys

import amdvi_cases
import smmu_cases
import suite
import vtd_cases


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(f'usage: {sys.argv[0]} QEMU [PATTERN]')
    suites = (vtd_cases.SUITE, amdvi_cases.SUITE, smmu_cases.SUITE)
    for each in suites:
        each.qemu = os.path.join(os.path.dirname(sys.argv[1]), each.binary)
    pattern = sys.argv[2] if len(sys.argv) == 3 else '*'
    if not any(each.selected(pattern) for each in suites):
        sys.exit(f'no case is called {pattern}')
    return suite.run(suites, pattern) != 0


if __name__ == '__main__':
    sys.exit(main())
