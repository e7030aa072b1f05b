#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print what the conformance suite said: one line a case, one column a backend.

conformance.py FILE...: the *.cases files that ktap.py made of the stages' output.
A backend has a column for each thing it ran with: the hardware model, and the vendor's
driver. A column sums up all stages and all geometries: one failure is FAIL, and what
none of them could run is "skip". The reasons follow.
"""
import sys
from collections import defaultdict


def read(paths):
    """Yield (stage, backend, case, target, status, reason)."""
    for path in paths:
        with open(path, errors='replace') as f:
            for line in f:
                status, name, reason = line.rstrip('\n').split('\t', 2)
                stage, _, name = name.partition(': ')
                parts = name.split('.', 2)
                if parts[0].startswith('conformance-') and len(parts) == 3:
                    yield stage, parts[0].removeprefix('conformance-'), *parts[1:], status, reason


def main():
    cells = defaultdict(set)        # (case, column) -> statuses
    ran = defaultdict(set)          # column -> "stage: target"
    why = {'fail': defaultdict(set), 'skip': defaultdict(set)}
    cases = {}                      # in order
    for stage, backend, case, target, status, reason in read(sys.argv[1:]):
        column = backend + (' driver' if target == 'driver' else '')
        cells[case, column].add(status)
        ran[column].add(f'{target} ({stage})')
        cases[case] = True
        if status == 'fail':
            why['fail'][f'{column}, {case}: {stage}, {target}'].add(reason)
        elif status == 'skip':
            why['skip'][f'{case}: {reason}'].add(column)
    if not cases:
        print('No conformance suite ran.')
        return

    columns = sorted(ran)
    width = max(map(len, cases))
    print('Conformance'.ljust(width), *columns, sep='  ')
    for case in cases:
        row = []
        for column in columns:
            got = cells[case, column]
            text = ('FAIL' if 'fail' in got else 'pass' if 'pass' in got else
                    'skip' if got else '-')
            row.append(text.ljust(len(column)))
        print(case.ljust(width), *row, sep='  ')
    print()
    for column in columns:
        print(f'{column}: {"; ".join(sorted(ran[column]))}')
    for status, title in ('fail', 'Failed'), ('skip', 'Skipped'):
        if why[status]:
            print(f'{title}:')
        for what, who in why[status].items():
            print(f'  {what}' + (f' ({", ".join(sorted(who))})' if any(who) else ''))


if __name__ == '__main__':
    main()
