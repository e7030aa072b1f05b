#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put the answers of two kernels to dirty-compare side by side.

side-by-side.py STOCK OURS: reads lines "case | NAME | VERDICT | DETAILS | PROMISE",
prints a table, and fails if the second kernel missed a question or if the program
counted an answer as not as promised.
"""
import re
import sys


def answers(path):
    with open(path, errors='replace') as f:
        rows = [[s.strip() for s in line.split('|')] for line in f
                if line.startswith('case |')]
    return {row[1]: row[2:] for row in rows}


def promised(path):
    """How many answers were not as promised, by the program's own count."""
    with open(path, errors='replace') as f:
        m = re.search(r'compare: \d+ cases, (\d+) of them not as promised', f.read())
    return int(m[1]) if m else None


def main():
    stock, ours = answers(sys.argv[1]), answers(sys.argv[2])
    names = [*stock, *(n for n in ours if n not in stock)]
    none = ['did not run', '', '']
    rows = [['CASE', 'STOCK 6.12', 'THIS KERNEL', 'PROMISE']]
    for n in names:
        a, b = stock.get(n, none), ours.get(n, none)
        rows.append([n, a[0], b[0], (b[2:] or a[2:] or [''])[0]])
    widths = [max(len(r[i]) for r in rows) for i in range(3)]
    for r in rows:
        print('  '.join(c.ljust(w) for c, w in zip(r, widths)) + '  ' + r[3])
    broken = promised(sys.argv[2])
    missed = [n for n in names if n not in ours]
    if broken is None or not ours:
        print('this kernel did not answer to the end')
        return 1
    print(f'{len(ours)} questions; this kernel: {broken} not as promised, {len(missed)} not answered')
    return bool(broken or missed)


sys.exit(main())
