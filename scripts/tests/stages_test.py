#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What test.sh and stages.py make of stages that end, fail, hang or no longer fit.

The time limit comes when a stage says so, not after a number of seconds: a test may not
depend on how fast the machine is.
"""
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
HANG = 'echo $PPID >limit.new; mv limit.new limit; sleep 999'     # the limit is now


def alive(path):
    """Is there still the process whose number is in that file?"""
    try:
        return Path(f'/proc/{int(path.read_text())}/stat').read_text().rsplit(')')[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


class Stages(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = Path(temporary.name)
        (self.dir / 'results').mkdir()

    def stage(self, name, body, alone=''):
        path = self.dir / name
        path.write_text(f'#!/bin/sh\n# Stage: {name}\n{alone}\ncd {self.dir}\n{body}\n')
        path.chmod(0o755)
        return path

    def run_until(self, *command, **env):
        """Run that. When there is a file "limit" the time is over for the process it names."""
        limit = self.dir / 'limit'
        limit.unlink(missing_ok=True)
        with open(self.dir / 'out', 'w+') as out, open(self.dir / 'err', 'w+') as err:
            run = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **env})
            while run.poll() is None:
                if limit.exists():
                    os.kill(int(limit.read_text()), signal.SIGALRM)
                    limit.unlink()
                time.sleep(0.05)
            out.seek(0)
            err.seek(0)
            return run.returncode, out.read(), err.read()

    def run_stages(self, *stages, seconds='9999', slots=2):
        status, _, said = self.run_until(
            SCRIPTS / 'stages.py', '--seconds', seconds, '--limit', 'too late',
            self.dir / 'results', str(slots), *stages)
        self.assertEqual(status, 0, said)
        return said

    def cases(self, name):
        text = (self.dir / 'results' / f'{name}.cases').read_text()
        return [tuple(line.split('\t')) for line in text.splitlines()]

    CUT = 'skip', 'a: the stage itself', 'not finished: too late'

    def test_all_fit(self):
        self.run_stages(self.stage('1-a', 'echo ok 1 one; echo 1..1'),
                        self.stage('2-b', 'echo not ok 1 two; echo 1..1; exit 1'))
        self.assertEqual(self.cases('a'), [('pass', 'a: one', '')])
        self.assertEqual(self.cases('b'), [('fail', 'b: two', '')])

    def test_what_a_stage_says_by_its_end_only(self):
        self.run_stages(self.stage('1-a', 'exit 3'), self.stage('2-b', 'true'),
                        self.stage('3-c', 'echo 1..2; echo ok 1 one'))
        self.assertEqual(self.cases('a'), [('fail', 'a: the stage itself', 'ended with status 3')])
        self.assertEqual(self.cases('b'), [('fail', 'b: the stage itself', 'reported no test')])
        self.assertEqual(self.cases('c')[1], ('fail', 'c: ', '1 of 2 planned did not report'))

    def test_a_stage_that_is_cut_keeps_what_it_reported(self):
        self.run_stages(self.stage('1-a', 'echo 1..4; echo ok 1 one; echo not ok 2 two; ' + HANG))
        self.assertEqual(self.cases('a'), [('pass', 'a: one', ''), ('fail', 'a: two', ''), self.CUT])

    def test_nested_results_before_the_cut(self):
        self.run_stages(self.stage('1-a', '''
            echo KTAP version 1; echo 1..3
            echo "    # Subtest: s"; echo "    1..2"; echo "    ok 1 x"; echo "    not ok 2 y"
            echo not ok 1 s
            echo "    # Subtest: t"; echo "    1..2"; echo "    not ok 1 z"
            ''' + HANG))
        self.assertEqual(self.cases('a'), [('pass', 'a: s.x', ''), ('fail', 'a: s.y', ''),
                                           ('fail', 'a: t.z', ''), self.CUT])

    def test_an_earlier_part_that_died_stays_a_failure(self):
        self.run_stages(self.stage('1-a', 'echo TAP version 13; echo 1..2; echo ok 1 x; '
                                          'echo TAP version 13; echo 1..2; echo ok 1 y; ' + HANG))
        self.assertEqual(self.cases('a'), [('pass', 'a: x', ''),
                                           ('fail', 'a: ', '1 of 2 planned did not report'),
                                           ('pass', 'a: y', ''), self.CUT])

    def test_half_a_line_counts_if_it_is_a_failure(self):
        self.run_stages(self.stage('1-a', 'printf "ok 1 x\\nok 2 y"; ' + HANG))
        self.assertEqual(self.cases('a'), [('pass', 'a: x', ''), self.CUT])
        self.run_stages(self.stage('1-a', 'printf "ok 1 x\\nnot ok 2 y"; ' + HANG))
        self.assertEqual(self.cases('a'), [('pass', 'a: x', ''), ('fail', 'a: y', ''), self.CUT])

    def test_what_a_stage_says_of_its_own_end_does_not_count(self):
        self.run_stages(self.stage('1-a', '''
            trap 'echo not ok 2 the end; exit 1' TERM
            echo ok 1 x
            ''' + HANG + ' || echo not ok 3 sleep; echo not ok 4 after'))
        self.assertEqual(self.cases('a'), [('pass', 'a: x', ''), self.CUT])

    def test_nothing_of_a_cut_stage_is_left(self):
        self.run_stages(self.stage('1-a', '''
            (trap "" TERM HUP; sh -c 'echo $$ >deaf; while :; do sleep 1; done') &
            sleep 999 & echo $! >child
            until [ -s deaf ]; do sleep 0.1; done
            ''' + HANG))
        self.assertEqual(self.cases('a'), [self.CUT])
        self.assertFalse(alive(self.dir / 'deaf'))
        self.assertFalse(alive(self.dir / 'child'))

    def test_stages_that_no_longer_fit_are_named(self):
        said = self.run_stages(self.stage('1-a', HANG), self.stage('2-b', 'echo ok 1 x'),
                               self.stage('3-c', 'echo ok 1 x; touch c', '# Alone: always'), slots=1)
        self.assertEqual(self.cases('a'), [self.CUT])
        for name in 'bc':
            self.assertEqual(self.cases(name), [('skip', f'{name}: the stage itself',
                                                 'not started: too late')])
            self.assertIn(f'== {name}: not started, too late', said)
        self.assertFalse((self.dir / 'c').exists())

    def test_a_failure_before_the_limit_is_one_though_others_are_cut(self):
        self.run_stages(self.stage('1-b', 'echo ok 1 x; touch ended; exit 7'), self.stage('2-a', '' + HANG))
        self.assertEqual(self.cases('b'), [('pass', 'b: x', ''),
                                           ('fail', 'b: the stage itself', 'ended with status 7')])
        self.assertEqual(self.cases('a'), [self.CUT])

    def test_no_time_at_all(self):
        self.run_stages(self.stage('1-a', 'echo ok 1 x'), seconds='0')
        self.assertEqual(self.cases('a'), [('skip', 'a: the stage itself', 'not started: too late')])

    def test_the_limit_comes_by_itself(self):
        self.run_stages(self.stage('1-a', 'sleep 999'), seconds='2')
        self.assertRegex(self.cases('a')[0][2], 'not (finished|started): too late')

    def whole(self, *stages, minutes=999, used=0):
        """test.sh with these stages and that limit, of which so many seconds are used up."""
        cache = self.dir / 'iommu-dirty'
        cache.mkdir()
        known = Path(os.environ.get('XDG_CACHE_HOME', Path.home() / '.cache')) / 'iommu-dirty/hooks'
        if known.is_dir():
            (cache / 'hooks').symlink_to(known)
        source = subprocess.run([SCRIPTS / 'linux-source.sh'], stdout=subprocess.PIPE, text=True, check=True)
        (self.dir / 'stages').mkdir()
        for each in stages:
            each.rename(self.dir / 'stages' / each.name)
        return self.run_until(
            SCRIPTS / 'test.sh', XDG_CACHE_HOME=str(self.dir), KDIR=source.stdout.strip(),
            STAGES=str(self.dir / 'stages'), SLOTS='1', MINUTES=str(minutes),
            STARTED=str(int(time.time()) - used))

    def test_a_run_that_is_cut_passes_if_nothing_failed(self):
        status, out, err = self.whole(self.stage('1-a', 'echo ok 1 x; ' + HANG), self.stage('2-b', 'true'))
        self.assertEqual(out.splitlines()[-4:], [
            'Skipped:',
            '  a: the stage itself: not finished: the time limit of 999 minutes is reached',
            '  b: the stage itself: not started: the time limit of 999 minutes is reached',
            '1 passed, 0 failed, 2 skipped'], err)
        self.assertEqual(status, 0)

    def test_a_run_that_is_cut_fails_if_something_failed(self):
        status, out, err = self.whole(self.stage('1-a', 'echo ok 1 x; echo not ok 2 y; ' + HANG))
        self.assertEqual(out.splitlines()[-1], '1 passed, 1 failed, 1 skipped', err)
        self.assertEqual(status, 1)

    def test_set_up_time_counts(self):
        status, out, err = self.whole(self.stage('1-a', 'echo ok 1 x'), minutes=10, used=571)
        self.assertEqual(out.splitlines()[-1], '0 passed, 0 failed, 1 skipped', err)
        self.assertEqual(status, 1)     # nothing passed

    def test_the_stages_that_there_are(self):
        for stage in (SCRIPTS / 'stages').iterdir():
            self.assertTrue(re.match(r'\d\d-[\w-]+$', stage.name), stage)
            self.assertRegex(stage.read_text(), r'(?m)^# Stage: .')


if __name__ == '__main__':
    unittest.main()
