#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The table of the comparison page, from what dirty-compare said.

comparison.py BASE VENDOR...: reads BASE-VENDOR-stock.txt and BASE-VENDOR-ours.txt, and
prints a reStructuredText table: a row for each case, a column for the stock kernel's answer
with each vendor's driver, and one for this kernel's, which is the same with all of them or
said to differ.
"""
import sys


def answers(path):
    with open(path, errors='replace') as f:
        rows = [[s.strip() for s in line.split('|')] for line in f
                if line.startswith('case |')]
    return {row[1]: row[2] for row in rows}


def main():
    base, vendors = sys.argv[1], sys.argv[2:]
    stock = {v: answers(f'{base}-{v}-stock.txt') for v in vendors}
    ours = {v: answers(f'{base}-{v}-ours.txt') for v in vendors}
    rows = [['case', *(f'stock, {v}' for v in vendors), 'this kernel']]
    for case in ours[vendors[0]]:
        mine = [ours[v].get(case, '?') for v in vendors]
        same = mine[0] if len(set(mine)) == 1 else '; '.join(
            f'{v}: {m}' for v, m in zip(vendors, mine))
        rows.append([case, *(stock[v].get(case, '?') for v in vendors), same])
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    rule = '  '.join('=' * w for w in widths)
    print(rule)
    for i, r in enumerate(rows):
        print('  '.join(c.ljust(w) for c, w in zip(r, widths)).rstrip())
        if i in (0, len(rows) - 1):
            print(rule)


main()
