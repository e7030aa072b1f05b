#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whoever runs tests by name fails, and says so, when a name matches nothing."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
KUNIT = SCRIPTS.parent / 'kunit'
sys.path.insert(0, str(SCRIPTS))
import ktap     # pylint: disable=wrong-import-position

NOTHING = 'KTAP version 1\n1..0\n'
ONE = 'KTAP version 1\n1..1\nok 1 one\n'
NAME = 'kunit.filter_glob=nonsense'


class Names(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = Path(temporary.name)

    def script(self, path, *lines):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(('#!/bin/sh', *lines, '')))
        path.chmod(0o755)
        return path

    def run_it(self, *command, **env):
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
                             env={**os.environ, 'XDG_CACHE_HOME': str(self.dir / 'cache'), **env})
        self.said = run.stdout
        return run.returncode

    def refused(self, *command, name='nonsense', **env):
        self.assertNotEqual(self.run_it(*command, **env), 0, self.said)
        self.assertIn(name, self.said)
        self.assertFalse((self.dir / 'cache' / 'iommu-dirty').exists(), 'it began to work')

    def uml(self, report):
        return self.script(self.dir / 'linux', f'cat <<-END\n{report}END')

    def test_a_plan_of_nothing_is_a_failure(self):
        self.assertEqual([case[0] for case in ktap.cases('a', NOTHING.splitlines())], ['fail'])
        self.assertEqual([case[0] for case in ktap.cases('a', (ONE + NOTHING).splitlines())],
                         ['pass', 'fail'])
        self.assertEqual(ktap.cases('a', ['TAP version 13', '1..0 # SKIP no such hardware']),
                         [('skip', 'a: ', 'no such hardware')])

    def test_kunit_in_uml(self):
        self.assertEqual(self.run_it(SCRIPTS / 'run-uml.sh', self.uml(ONE), NAME), 0, self.said)
        self.assertNotEqual(self.run_it(SCRIPTS / 'run-uml.sh', self.uml(NOTHING), NAME), 0)
        self.assertIn(f'no test ran with {NAME}', self.said)
        self.assertNotEqual(self.run_it(SCRIPTS / 'run-uml.sh', self.uml(''), NAME), 0)
        self.assertIn(f'no test ran with {NAME}', self.said)

    def in_qemu(self, report):
        scripts = self.dir / 'scripts'
        shutil.copytree(SCRIPTS, scripts, dirs_exist_ok=True)
        self.script(scripts / 'boot.sh', f'cat >"$2" <<-END\n{report}END', 'cat "$2"')
        return self.run_it(scripts / 'run-kunit.sh', 'x86-debug', self.dir / 'log', 'intel', '2', NAME)

    def test_kunit_in_qemu(self):
        self.assertEqual(self.in_qemu(ONE), 0, self.said)
        self.assertNotEqual(self.in_qemu(NOTHING), 0, self.said)
        self.assertIn(f'no test ran with {NAME}', self.said)
        self.assertNotEqual(self.in_qemu('booted\n'), 0, self.said)
        self.assertIn(f'no test ran with {NAME}', self.said)

    def test_suites_are_chosen_by_names_that_exist(self):
        code = '\n'.join(f.read_text() for f in sorted(KUNIT.rglob('*.[ch]')))
        suites = set(re.findall(r'\.name = "(iommu-dirty-[a-z0-9-]+)"', code))
        suites |= {f'conformance-{name}' for name in
                   re.findall(r'^CONFORMANCE_SUITE\(\w+, "([^"]+)"', code, re.M)}
        chosen = {}
        for script in (*SCRIPTS.glob('*.sh'), *SCRIPTS.glob('stages/*')):
            text = script.read_text()
            for name in re.findall(r'filter_glob=([^\s"\'.]+)', text):
                found = re.search(r'^\s*for suite in (.*); do|^suite=(\S+)', text, re.M)
                names = (found[1] or found[2]).split() if found else ['']
                chosen.setdefault(script.name, set()).update(
                    name.replace('$suite', n) for n in names)
        self.assertIn('30-kunit-x86', chosen)
        for script, names in chosen.items():
            self.assertLessEqual(names, suites, script)

    def test_stages(self):
        self.script(self.dir / 'stages' / '1-kunit', 'echo ok 1 one; echo 1..1')
        stages = str(self.dir / 'stages')
        self.refused(SCRIPTS / 'test.sh', 'nonsense', STAGES=stages)
        self.refused(SCRIPTS / 'test.sh', 'kunit', 'nonsense', STAGES=stages)

    def test_gates(self):
        self.refused(SCRIPTS / 'check.sh', 'nonsense')
        self.refused(SCRIPTS / 'check.sh', 'spdx', 'nonsense')

    def test_mutants(self):
        self.refused(SCRIPTS / 'mutants.sh', 'nonsense')
        self.refused(SCRIPTS / 'mutants.sh', 'no-flush', 'nonsense')

    def test_emulated_hardware(self):
        self.refused(SCRIPTS.parent / 'qemu' / 'tests' / 'run.py', 'qemu', 'nonsense')


if __name__ == '__main__':
    unittest.main()
