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
    r'sleeping function called|bad unlock balance|held lock freed|Call Trace:|'
    r'DMAR: .*fault|AMD-Vi: Event logged')
# Fault injection prints the stack of each failure that it makes.
INJECTED = 'FAULT_INJECTION: forcing a failure'


def splats(log):
    """Lines of a kernel log that report trouble."""
    found, injected = [], False
    for line in log.splitlines():
        if INJECTED in line:
            injected = True
        elif SPLAT.search(line):
            if 'Call Trace:' in line and injected:
                injected = False
            else:
                found.append(line.strip())
    return found


if __name__ == '__main__':
    with open(sys.argv[1], errors='replace') as f:
        found = splats(f.read())
    print('\n'.join(found[:20]))
    sys.exit(bool(found))
