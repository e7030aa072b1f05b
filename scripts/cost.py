#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put what dirty-cost counted on two kernels side by side.

cost.py STOCK OURS: reads lines "cost | NAME | MINIMUM | QUARTILE | MEDIAN | QUARTILE |
MAXIMUM", prints a table, and fails if the second kernel counted more than it may, or not
all that the first one did.
"""
import re
import sys

# What an operation may take more, in instructions. The minimum counts: interrupts only
# add, and for small operations it is the same in every run. So nothing here is for noise;
# it is what a compiler may need to say the same, and less than a lock takes.
LIMITS = {
    'ioctl alone': 80,  # the buffer for the arguments, grown by 72 bytes, is cleared
    'claim': 192,       # a few tests; on Intel and AMD up to three invalidations whose end
    'release': 32,      # is looked at, and on Arm a driver that makes other descriptors
}
DRIVER_CALL = 16        # map and unmap: nothing was added, and on AMD a wait that says
                        # how it ended
INVALIDATION = 64       # unmap: what came of each is looked at, in 4 MiB at a time or less


def counts(path):
    with open(path, errors='replace') as f:
        rows = [[s.strip() for s in line.split('|')] for line in f
                if line.startswith('cost |')]
    return {row[1]: [int(n) for n in row[2:]] for row in rows}


def limit(name, ioctl):
    """What it may take more, None if that is open; @ioctl: what an ioctl takes more."""
    m = re.match(r'(?:un)?map (\d+)([KM])', name)
    if not m:
        return LIMITS.get(name)
    looks = 0
    if name.startswith('unmap'):
        looks = INVALIDATION * (max(1, int(m[1]) // 4) if m[2] == 'M' else 1)
    # The driver is called for each huge page of 2 MiB, or for more at once.
    huge_pages = max(1, int(m[1]) // 2) if m[2] == 'M' else 1
    return ioctl + DRIVER_CALL * huge_pages + looks


def main():
    stock, ours = counts(sys.argv[1]), counts(sys.argv[2])
    missed = [n for n in {**stock, **ours} if n not in stock or n not in ours]
    missed += [n for n in LIMITS if n not in stock]
    if missed:
        print('not counted on both kernels:', ', '.join(missed))
        return 1
    ioctl = ours['ioctl alone'][0] - stock['ioctl alone'][0]
    rows = [['OPERATION', 'STOCK', 'SPREAD', 'THIS KERNEL', 'SPREAD', 'MORE', '', 'AT LEAST',
             'LIMIT']]
    broken = []
    for name, s in stock.items():
        o, most = ours[name], limit(name, ioctl)
        least = o[0] - s[0]
        if most is not None and least > most:
            broken.append(name)
        rows.append([name, s[2], s[3] - s[1], o[2], o[3] - o[1], f'{o[2] - s[2]:+d}',
                     f'{100 * (o[2] - s[2]) / s[2]:+.2f}%', f'{least:+d}',
                     '-' if most is None else most])
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print('  '.join([str(r[0]).ljust(widths[0])] +
                        [str(c).rjust(w) for c, w in zip(r[1:], widths[1:])]))
    print('Instructions: medians, distance of the quartiles, difference of medians and of minima.')
    for name in broken:
        print(f'{name}: more than the limit')
    return bool(broken)


sys.exit(main())
