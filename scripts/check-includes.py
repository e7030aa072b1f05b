#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Calls go one way: check-includes.py FOLDER

FILE.h declares what FILE.c defines; other headers declare no functions of a .c file here.
So who includes FILE.h calls FILE.c, and a circle of includes is a circle of calls. Prints
what includes what, lowest first; fails on a circle.
"""
import graphlib
import os
import re
import sys


def includes(path):
    with open(path) as f:
        return re.findall(r'^#include "([^"/]+)\.h"', f.read(), re.M)


def main():
    folder = sys.argv[1]
    graph = {}
    for name in sorted(os.listdir(folder)):
        stem, ext = os.path.splitext(name)
        if ext in ('.c', '.h'):
            graph.setdefault(stem, set()).update(
                i for i in includes(os.path.join(folder, name)) if i != stem)
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as e:
        sys.exit(f'{folder}: a circle of includes: {" <- ".join(e.args[1])}')
    for stem in order:
        print(f'{stem}: {" ".join(sorted(graph.get(stem, ()))) or "-"}')


if __name__ == '__main__':
    main()
