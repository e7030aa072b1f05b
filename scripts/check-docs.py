#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""check-docs.py TREE: read our chapters as reStructuredText, without Sphinx, in a kernel tree,
and check what they point to: chapters, kernel-doc sources and identifiers, quoted code; and
that a table which a test has too is the same there."""
import csv
import re
import sys
from pathlib import Path

from docutils.core import publish_doctree
from docutils.nodes import literal, system_message
from docutils.parsers.rst import Directive, directives, roles

tree = Path(sys.argv[1]).resolve()
chapters = tree / "Documentation/driver-api/iommu-dirty"
problems = []
current = None


def problem(line, text):
    problems.append("%s:%s: %s" % (current.name, line, text))


class KernelDoc(Directive):
    required_arguments = 1
    optional_arguments = 4
    option_spec = {"identifiers": str, "no-identifiers": str, "export": str, "internal": str}

    def run(self):
        source = tree / self.arguments[0]
        text = source.read_text() if source.exists() else ""
        if not text:
            problem(self.lineno, "there is no " + self.arguments[0])
        names = self.options.get("identifiers", "") + " " + self.options.get("no-identifiers", "")
        for name in names.split():
            if not re.search(r"^ \* (struct |enum )?%s(\(\))? - " % re.escape(name), text, re.M):
                problem(self.lineno, "%s does not document %s" % (self.arguments[0], name))
        return []


class LiteralInclude(Directive):
    required_arguments = 1
    option_spec = {"language": str, "start-after": str, "start-at": str, "end-before": str}

    def run(self):
        source = (chapters / self.arguments[0]).resolve()
        if not source.exists():
            problem(self.lineno, "there is no " + self.arguments[0])
            return []
        text, end = source.read_text(), self.options["end-before"]
        start = self.options.get("start-after", self.options.get("start-at"))
        first, last = text.find(start + " "), text.find(end + " ")
        if first < 0 or text[first:last].count("\n") < 2:
            problem(self.lineno, "%s has nothing between %r and %r" % (source.name, start, end))
        return []


class TocTree(Directive):
    has_content = True
    option_spec = {"maxdepth": int}

    def run(self):
        listed = {line.strip() for line in self.content if line.strip()}
        there = {path.stem for path in chapters.glob("*.rst")} - {"index"}
        for name in sorted(listed ^ there):
            problem(self.lineno, name + (" is not there" if name in listed else " is not listed"))
        return []


def doc(name, rawtext, text, lineno, inliner, options=None, content=None):
    if not (chapters / (text + ".rst")).exists():
        problem(lineno, "there is no chapter " + text)
    return [literal(rawtext, text)], []


directives.register_directive("kernel-doc", KernelDoc)
directives.register_directive("literalinclude", LiteralInclude)
directives.register_directive("toctree", TocTree)
roles.register_local_role("doc", doc)

def same_transitions():
    chapter = (chapters / "design.rst").read_text()
    rows = chapter.split(".. csv-table:: Transitions", 1)[1].split("\n\n", 2)[1].splitlines()
    told = [[re.sub("[^a-zA-Z0-9]+", "_", word.strip()) for word in row] for row in csv.reader(rows)]
    source = (tree / "drivers/iommu/dirty/kunit/core/test-policy.c").read_text()
    tested = [re.split(r",\s*", row) for row in re.findall(r"\tTRANSITION\(([^)]*)\)", source)]
    for row in [r for r in told if r not in tested] + [r for r in tested if r not in told]:
        problem(0, "the transitions in design.rst and test-policy.c differ: " + ", ".join(row))


for current in sorted(chapters.glob("*.rst")):
    settings = {"report_level": 1, "halt_level": 5, "warning_stream": False}
    for message in publish_doctree(current.read_text(),
                                   settings_overrides=settings).findall(system_message):
        problem(message.get("line", "?"), message.astext())
same_transitions()
print("\n".join(problems), end="\n" if problems else "")
sys.exit(bool(problems))
