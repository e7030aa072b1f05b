#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Read TAP or (nested) KTAP and print one line per case: status, name, reason.

ktap.py SUITE [FILE]: status is pass, fail or skip, the name starts with SUITE, fields
are separated by tabs. Counts leaves only; parameters of a KUnit case are leaves. What
was planned and did not report is a failure, and so is a plan of nothing that does not say
why, and a parent that fails although none of its cases did.
"""
import re
import sys

STAMP = re.compile(r'^(<\d+>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])? ')
RESULT = re.compile(r'^( *)(ok|not ok) (\d+)\b ?(.*)$')
PLAN = re.compile(r'^( *)1\.\.(\d+)(?: *# *SKIP\b *(.*))?')
SUBTEST = re.compile(r'^( *)# Subtest: (.*)$')
START = re.compile(r'^K?TAP version \d+')


class Parser:
    def __init__(self):
        self.cases = []
        self.reset()

    def reset(self):
        self.pending = {}	# depth -> leaves that wait for their parent's result
        self.plan = {}		# depth -> number announced
        self.seen = {}		# depth -> number reported
        self.names = {}		# depth -> name announced by "# Subtest"

    def close(self, depth, cut=False):
        """Leaves at this depth and below, complete with what is missing unless it was cut."""
        leaves = self.pending.pop(depth, [])
        plan, seen = self.plan.pop(depth, None), self.seen.pop(depth, 0)
        if any(d > depth for d in (*self.pending, *self.plan)):
            name = self.names.get(depth + 1, '?')	# a parent that never reported
            inner = self.close(depth + 1, cut)
            leaves += [(s, f'{name}.{n}'.rstrip('.'), r) for s, n, r in inner]
            if not cut:
                leaves.append(('fail', name, 'died before its result'))
        if plan is not None and seen < plan and not cut:
            leaves.append(('fail', '', f'{plan - seen} of {plan} planned did not report'))
        self.names.pop(depth, None)
        return leaves

    def finish(self, cut=False):
        self.cases += self.close(0, cut)
        self.reset()

    def result(self, depth, ok, rest):
        name, _, directive = rest.partition('# ')
        name = name.strip().removeprefix('- ') or str(self.seen.get(depth, 0) + 1)
        directive = directive.strip()
        self.seen[depth] = self.seen.get(depth, 0) + 1
        if any(d > depth for d in (*self.pending, *self.plan)):
            inner = self.close(depth + 1)
            leaves = [(s, f'{name}.{n}'.rstrip('.'), r) for s, n, r in inner]
            if not ok and not any(s == 'fail' for s, _, _ in leaves):
                leaves.append(('fail', name, 'failed although its cases did not'))
        elif directive.upper().startswith('SKIP'):
            leaves = [('skip', name, directive[4:].strip(' :') or 'no reason given')]
        else:
            leaves = [('pass' if ok else 'fail', name, directive)]
        self.pending.setdefault(depth, []).extend(leaves)

    def feed(self, line):
        line = STAMP.sub('', line.rstrip('\r\n')).replace('\t', '    ')
        if START.match(line):
            self.finish()
        elif m := RESULT.match(line):
            self.result(len(m[1]) // 4, m[2] == 'ok', m[4])
        elif m := PLAN.match(line):
            self.plan[len(m[1]) // 4] = int(m[2])
            if m[2] == '0':
                case = ('fail', '', 'no test was planned') if m[3] is None else ('skip', '', m[3])
                self.pending.setdefault(len(m[1]) // 4, []).append(case)
        elif m := SUBTEST.match(line):
            self.names[len(m[1]) // 4] = m[2]


def cases(suite, lines, cut=False):
    """Return (status, name, reason) of all cases; of those before the end if it was cut."""
    parser = Parser()
    for line in lines:
        parser.feed(line)
    parser.finish(cut)
    return [(status, f'{suite}: {name}', reason) for status, name, reason in parser.cases]


def main():
    with open(sys.argv[2], errors='replace') if len(sys.argv) > 2 else sys.stdin as f:
        for case in cases(sys.argv[1], f):
            print(*case, sep='\t')


if __name__ == '__main__':
    main()
