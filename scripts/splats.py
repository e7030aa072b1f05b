#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Find reports of trouble in a kernel log: warnings, oopses, sanitisers, lockdep.

splats.py FILE prints such lines and fails if there are any.
"""
import re
import sys

SPLAT = re.compile(
    r'WARNING: |BUG: |KASAN: |UBSAN: |Oops|Kernel panic|general protection fault|'
    r'INFO: (possible|suspicious|task|rcu|trying)|possible (circular|recursive|irq)|'
    r'suspicious RCU usage|inconsistent lock state|ODEBUG: |refcount_t: |'
    r'(list_add|list_del) corruption|detected stalls|kmemleak: \d+ new|'
    r'sleeping function called|bad unlock balance|held lock freed|Call [Tt]race:|'
    r'DMAR: .*fault|AMD-Vi: Event logged|'
    r'arm-smmu-v3 .*(event 0x\w+ received|CMDQ (error|timeout)|CMD_SYNC timeout|overflow|aborted|'
    r'unexpected global error|Service Failure Mode)')
# Fault injection prints the stack of each failure that it makes.
INJECTED = 'FAULT_INJECTION: forcing a failure'
TRACE = re.compile('Call [Tt]race:')


def splats(log):
    """Lines of a kernel log that report trouble."""
    found, injected = [], False
    for line in log.splitlines():
        if INJECTED in line:
            injected = True
        elif SPLAT.search(line):
            if injected and TRACE.search(line):
                injected = False
            else:
                found.append(line.strip())
    return found


if __name__ == '__main__':
    with open(sys.argv[1], errors='replace') as f:
        found = splats(f.read())
    print('\n'.join(found[:20]))
    sys.exit(bool(found))
