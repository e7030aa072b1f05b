#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run each of our Coccinelle rules on its test file, tests/RULE.c, and compare the lines
it reports with those marked /* finding */. Print what differs; nothing when all is right."""
import re
import subprocess
import sys
from pathlib import Path

rules = Path(__file__).resolve().parent.parent
MARK = "/* finding */"


def spatch(*args):
    return subprocess.run(["spatch", "--macro-file", rules / "macros.h", *args], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def reported(rule, test):
    """the lines of TEST that RULE reports, or a complaint"""
    options = re.findall(r"^// Options: (.*)$", rule.read_text(), re.M)
    run = spatch("-D", "report", "--very-quiet", "--no-show-diff", *" ".join(options).split(),
                 "--cocci-file", rule, test)
    if run.returncode:
        return "did not run: " + run.stderr.strip()
    return {int(n) for n in re.findall(r"^%s:(\d+):" % re.escape(str(test)), run.stdout, re.M)}


def check(rule):
    test = rules / "tests" / (rule.stem + ".c")
    if not test.exists():
        return ["has no test, tests/" + test.name]
    lines = test.read_text().splitlines()
    wanted = {n for n, line in enumerate(lines, 1) if MARK in line}
    if not wanted:
        return [test.name + " marks no line"]
    # spatch skips what it cannot parse: nothing would be found there, good or bad
    if "pbs = 0;" not in spatch("--parse-c", test).stdout:
        return ["spatch cannot parse all of " + test.name]
    found = reported(rule, test)
    if isinstance(found, str):
        return [found]
    return ["%s:%d: %s: %s" % (test.name, n, "not reported" if n in wanted else "reported",
                               lines[n - 1].strip()) for n in sorted(wanted ^ found)]


def main():
    all_rules = sorted(rules.glob("*.cocci"))
    bad = [(rule.name, problem) for rule in all_rules for problem in check(rule)]
    bad += [(test.name, "tests no rule") for test in sorted((rules / "tests").glob("*.c"))
            if not (rules / (test.stem + ".cocci")).exists()]
    for name, problem in bad:
        print("%s: %s" % (name, problem))
    return bool(bad) or not all_rules


sys.exit(main())
