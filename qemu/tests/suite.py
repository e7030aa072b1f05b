# SPDX-License-Identifier: GPL-2.0-only
"""Registers test cases, and runs them."""
import fnmatch
import traceback


def same(what, got, want):
    if got != want:
        raise AssertionError(f'{what}: got {got!r}, want {want!r}')


class Suite:
    """The cases of one IOMMU. Each runs once per set of properties."""

    def __init__(self, name, binary, props=('',), variant=''):
        self.name, self.binary = name, binary
        self.props, self.variant = props, variant
        self.cases = []
        self.qemu = None    # path of the binary
        self.more = ''      # properties of the running case

    def case(self, *variants, props=None):
        """Register a test: per (name, arguments), if any, and more properties."""
        props = self.props if props is None else props

        def register(function):
            for more in props:
                for name, *args in variants or [('',)]:
                    words = [name, function.__name__]
                    if more and len(props) > 1:
                        words.insert(0, self.variant)
                    self.cases.append(
                        ('.'.join(filter(None, [self.name, *words])), more,
                         lambda args=args: function(*args)))
            return function
        return register

    def selected(self, pattern):
        return [case for case in self.cases if fnmatch.fnmatch(case[0], pattern)]


def run(suites, pattern):
    """Print KTAP; returns how many failed."""
    todo = [(suite, *case) for suite in suites
            for case in suite.selected(pattern)]
    failed = 0
    print('KTAP version 1')
    print(f'1..{len(todo)}')
    for number, (suite, name, suite.more, function) in enumerate(todo, 1):
        try:
            function()
            verdict = 'ok'
        except Exception as error:     # pylint: disable=broad-except
            failed += 1
            verdict = 'not ok'
            print(f'# {name}: {error}')
            if not isinstance(error, AssertionError):
                for line in traceback.format_exc().splitlines():
                    print(f'# {line}')
        print(f'{verdict} {number} - qtest.{name}', flush=True)
    print(f'# {len(todo) - failed} of {len(todo)} passed')
    return failed
