#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Break the code on purpose: mutants.py [NAME...]

Each kunit/mutants/*.patch (against the repository) names, in a line "Expect: TEST", the
KUnit test that must fail; all pass without it. With TEST = conformance.*.CASE it must fail
for every backend that can run it. One with a line "Guest: VARIABLE=VALUE..." is about a
vendor's driver: there TEST is a case of dirty-e2e, in a guest that run-vfio.sh starts with
those variables.

NAMEs choose the mutants whose name contains one; WHERE=kunit|intel|amd|arm those that run
there; PART=K/N the Kth of N pieces, of about the same length. Results are kept in the cache,
by the hash of the patch and of the code: a mutant that was caught is not run again on the
same code, unless AGAIN=1. Pieces that run elsewhere do not wait for each other, and each
processor may run a piece of KUnit's.
"""
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time

import ktap

REPO, CACHE = os.environ['REPO'], os.environ['CACHE']
# What decides how a test ends, and belongs to the key of its result
CODE = 'include', 'drivers', 'hooks', 'kunit', 'scripts', 'tools', 'qemu'
KUNIT = re.compile(r'(include|drivers|hooks|kunit|scripts/config)/|scripts/(mutants|ktap|splats)\.py|'
                   r'scripts/(lib|overlay|build-kernel|run-uml)\.sh')
GUEST = re.compile(r'(include|drivers|hooks|scripts|tools|qemu)/')
PLACES = 'kunit', 'intel', 'amd', 'arm'
LENGTH = {'kunit': 1, 'intel': 6, 'amd': 6, 'arm': 12}  # how long one takes beside the others
ALL_TESTS = 12          # so many are not run one by one, on the code as it is
HANGS = 60, 10          # a test hangs after so many seconds, and times what it takes unchanged


def say(text):
    print(text, file=sys.stderr, flush=True)


def die(text):
    sys.exit(f'mutants.py: {text}')


@contextlib.contextmanager
def locked(*names):
    """Hold one of these locks."""
    os.makedirs(f'{CACHE}/locks', exist_ok=True)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(f'{CACHE}/locks/mutants-{n}', 'w')) for n in names]
        for name, file in zip(names, files):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        else:
            name, file = names[0], files[0]
            say(f'waiting for another run of mutants that uses {name} ...')
            fcntl.flock(file, fcntl.LOCK_EX)
        yield name


class Mutant:
    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix('.patch')
        with open(path) as f:
            self.patch = f.read()
        self.files = re.findall(r'^\+\+\+ b/(\S+)', self.patch, re.M)
        self.expect = self.header('Expect')
        self.guest = self.header('Guest')
        vendor = re.search(r'\bVENDOR=(\w+)', self.guest)
        self.place = vendor[1] if vendor else 'intel' if self.guest else 'kunit'
        self.runs = (self.guest + ': ' if self.guest else '') + self.expect
        # Neighbours change the same files: what is put back is what changes next
        self.order = PLACES.index(self.place), self.guest, self.files, self.name

    def header(self, key):
        found = re.search(rf'^{key}: *(.*)$', self.patch.partition('\n--- ')[0], re.M)
        return found[1] if found else ''


class Records:
    """Results so far of a place's mutants on this code."""
    def __init__(self, place, code):
        key = hash_of(code, KUNIT if place == 'kunit' else GUEST)
        os.makedirs(f'{CACHE}/mutants', exist_ok=True)
        self.path = f'{CACHE}/mutants/{place}-{key}'

    def all(self):
        """The last of each name."""
        with contextlib.suppress(FileNotFoundError), open(self.path) as f:
            return {(r['name'], r['hash']): r for r in map(json.loads, f)}
        return {}

    def of(self, name, patch):
        return self.all().get((name, digest(patch)))

    def add(self, name, patch, **what):
        with open(self.path, 'a') as f:
            f.write(json.dumps({'name': name, 'hash': digest(patch), **what}) + '\n')


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_of(code, wanted):
    """Over the kernel's source tree and the names and contents of files of ours."""
    h = hashlib.sha256(pristine().encode())
    for folder, folders, files in os.walk(code):
        folders.sort()
        for path in (os.path.join(folder, f) for f in sorted(files)):
            name = os.path.relpath(path, code)
            if wanted.match(name) and not name.startswith('kunit/mutants/') and '.pyc' not in name:
                with open(path, 'rb') as f:
                    h.update(f'{name} {hashlib.sha256(f.read()).hexdigest()}\n'.encode())
    return h.hexdigest()[:16]


@functools.cache
def pristine():
    return output([f'{REPO}/scripts/linux-source.sh']).strip()


def output(command, log=None, **env):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=True,
                          stdin=subprocess.DEVNULL, errors='replace',
                          env={**os.environ, **env}).stdout


class Broken:
    """A copy of the code that one mutant at a time is applied to."""
    def __init__(self, work):
        self.code = f'{work}/repo'
        self.log = f'{work}/log'
        self.before = {}    # what the mutant's files are without it
        self.changed = set()    # files since somebody looked
        for folder in CODE:
            shutil.copytree(f'{REPO}/{folder}', f'{self.code}/{folder}', symlinks=True,
                            ignore=shutil.ignore_patterns('__pycache__'))

    def apply(self, mutant):
        """Does the patch apply? The one before is taken back."""
        for name, content in self.before.items():
            write(f'{self.code}/{name}', content)
        self.before = {name: content_of(f'{self.code}/{name}') for name in mutant.files}
        self.changed |= set(self.before)
        with open(self.log, 'w') as log:
            return not subprocess.run(['patch', '-d', self.code, '-p1', '-F0', '--batch', '--forward',
                                       '--no-backup-if-mismatch', '-r', '-'],
                                      input=mutant.patch, text=True, stdout=log, stderr=log).returncode


def content_of(path):
    with contextlib.suppress(FileNotFoundError), open(path, 'rb') as f:
        return f.read()
    return None


def write(path, content):
    """Replace a file, which may share its content with others."""
    if content is None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        return
    with open(path + '.new~', 'wb') as f:
        f.write(content)
    if os.path.exists(path):
        shutil.copymode(path, path + '.new~')
    os.replace(path + '.new~', path)


class Kunit:
    """Tests under User-mode Linux, from a tree that is for mutants only."""
    def __init__(self, broken, place):
        self.broken = broken
        here = f'{CACHE}/k-{hashlib.sha256((pristine() + chr(10)).encode()).hexdigest()[:8]}'
        self.tree = f'{here}/mutants-tree{place.removeprefix("kunit")}'
        self.fits = False

    def build(self):
        """Where no hook has to be applied, what differs is copied to the tree."""
        changed = {name: self.inside(name) for name in self.broken.changed}
        with open(self.broken.log, 'a') as log:
            if self.fits and all(path and os.path.exists(path) for path in changed.values()):
                for name, path in changed.items():
                    write(path, content_of(f'{self.broken.code}/{name}'))
            else:
                output([f'{REPO}/scripts/overlay.sh', self.tree, self.broken.code], log)
            self.fits = True
            # A mutant stays in the tree until the next is built, if this one is not a hook
            self.broken.changed = {name for name in self.broken.before}
            self.image = output([f'{REPO}/scripts/build-kernel.sh', 'um'], log,
                                TREE=self.tree).splitlines()[-1]

    def inside(self, name):
        """Where the tree has a file of ours; None if a hook decides that."""
        top = name.partition('/')[0]
        if top == 'kunit':
            return f'{self.tree}/drivers/iommu/dirty/{name}'
        return f'{self.tree}/{name}' if top in ('drivers', 'include') else None

    def run(self, _guest, tests, unchanged=None):
        """Cases of a test, or of all; for how long is told by the time of an earlier run."""
        # The first dot of a filter ends the suite's name: in there, any character
        only = [f'kunit.filter_glob={re.sub("^conformance[.]", "conformance?", tests[0])}'
                ] if len(tests) == 1 else []
        with open(self.broken.log, 'a') as log:
            said = output([f'{REPO}/scripts/run-uml.sh', self.image, *only], log,
                          TIMEOUT=str(max(HANGS[0], HANGS[1] * (unchanged or 12))) if only else '900')
            log.write(said)
        return ktap.cases('um', said.splitlines())


class Guest:
    """Cases of dirty-e2e in a guest with that vendor's IOMMU."""
    def __init__(self, broken, _place):
        self.broken = broken

    def build(self):
        pass            # run-vfio.sh does

    def run(self, guest, tests, unchanged=None):
        env = dict(word.split('=', 1) for word in guest.split())
        stage, incapable = env.get('STAGE', '2'), env.get('INCAPABLE')
        command = f'dirty-e2e --stage={stage} {f"--incapable={incapable}" if incapable else ""} --rounds=2'
        with open(self.broken.log, 'a') as log:
            said = subprocess.run(
                [f'{self.broken.code}/scripts/run-vfio.sh', 'ours', f'{self.broken.log}.guest',
                 '; '.join(f'{command} {test}' for test in tests)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                errors='replace', env={**os.environ, **env}).stdout
            log.write(said)
        if not re.search('^TAP version', said, re.M):
            raise subprocess.CalledProcessError(1, 'run-vfio.sh')
        return ktap.cases('guest', said.splitlines())


def noticed(expect, cases):
    """How did TEST notice? In a run of its own all that fails is its doing."""
    failed = [(name, why) for status, name, why in cases if status == 'fail']
    if expect.startswith('conformance.*'):
        def suite(name):
            return re.findall(r': (conformance\.[^.]*)\.', name)
        ran = {s for status, name, _ in cases if status != 'skip' for s in suite(name)}
        return 'caught' if ran and ran == {s for name, _ in failed for s in suite(name)} else None
    if any(expect in name for name, _ in failed):
        return 'caught'
    ran = any(expect.partition('.')[0] in name for _, name, _ in cases)
    if ran and any(why.startswith('died') for _, why in failed):
        return 'caught: it died'
    if ran and any('no kernel splat' in name for name, _ in failed):
        return 'caught: a splat'
    return None


def check_unchanged(runner, records, todo):
    """Tests that mutants must fail have to pass on the code as it is."""
    known = records.all()
    missing = {}        # guest -> tests
    for mutant in todo:
        tests = missing.setdefault(mutant.guest, [])
        if ('unchanged', digest(mutant.runs)) not in known and mutant.expect not in tests:
            tests.append(mutant.expect)
    for guest, tests in missing.items():
        alone = not guest and len(tests) <= ALL_TESTS
        for batch in [[t] for t in tests] if alone else [tests] if tests else []:
            many = f'{len(batch)} tests' if len(batch) > 1 else batch[0]
            say(f'the code as it is: {many if guest or alone else "all KUnit tests"} must pass'
                f'{f" with {guest}" if guest else ""}')
            t0 = time.monotonic()
            cases = runner.run(guest, batch)
            seconds = round(time.monotonic() - t0) + 1 if len(batch) == 1 else None
            for test in batch:
                parts = test.split('*')
                if not any(status == 'pass' and all(p in name for p in parts)
                           for status, name, _ in cases):
                    die(f'{test} does not run without any mutation')
            if bad := [case for case in cases if case[0] == 'fail']:
                print(*('\t'.join(case) for case in bad[:20]), sep='\n')
                die('tests fail without any mutation')
            for test in batch:
                records.add('unchanged', (guest + ': ' if guest else '') + test, result='pass',
                            test=seconds)


def run_mutant(runner, broken, mutant, unchanged):
    """Returns the result, and the seconds that building and testing took."""
    t0 = time.monotonic()
    if not mutant.expect:
        return 'ESCAPED: no Expect: line', 0, 0
    if not broken.apply(mutant):
        return 'ESCAPED: the patch does not apply', 0, 0
    try:
        runner.build()
        t1 = time.monotonic()
        cases = runner.run(mutant.guest, [mutant.expect], unchanged)
    except subprocess.CalledProcessError:
        return 'ESCAPED: does not build, or no test ran', 0, 0
    failed = sum(case[0] == 'fail' for case in cases)
    return (noticed(mutant.expect, cases) or f'ESCAPED: {failed} failed',
            round(t1 - t0), round(time.monotonic() - t1))


def run_place(place, todo, broken, records, piece):
    locks = {'kunit': ['kunit'] + [f'kunit-{n + 2}' for n in range(os.cpu_count() - 1)],
             'arm': ['arm64']}.get(place, ['x86'])
    with locked(*locks) as lock:
        runner = (Kunit if place == 'kunit' else Guest)(broken, lock)
        try:
            if place == 'kunit':
                say('build the code as it is (the first time, that takes about 3 minutes)')
                runner.build()
            with locked(f'{place}-unchanged'):
                check_unchanged(runner, records, todo)
        except subprocess.CalledProcessError:
            say(content_of(broken.log).decode(errors='replace')[-2000:])
            die('the code does not build, or no test ran')
        for mutant in todo:
            unchanged = records.of('unchanged', mutant.runs)
            result, build, test = run_mutant(runner, broken, mutant, unchanged and unchanged.get('test'))
            records.add(mutant.name, mutant.patch, result=result, piece=piece, build=build,
                        test=test)
            print(f'{mutant.name:34} {mutant.runs:52} {result} ({build} + {test} s)', flush=True)
            if not result.startswith('caught'):
                os.makedirs(f'{CACHE}/logs', exist_ok=True)
                shutil.copy(broken.log, f'{CACHE}/logs/mutant-{mutant.name}.log')


def part_of(mutants, part):
    """The Kth of N pieces that take about as long."""
    found = re.fullmatch(r'(\d+)/(\d+)', part)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        die(f'PART={part} is not K/N')
    k, n = int(found[1]), int(found[2])
    total, before, piece = sum(LENGTH[m.place] for m in mutants), 0, []
    for mutant in mutants:
        if (k - 1) * total <= before * n < k * total:
            piece.append(mutant)
        before += LENGTH[mutant.place]
    return piece


def summary(mutants, records):
    """What is known of all mutants on this code; the closing line."""
    results = {m.name: records[m.place].of(m.name, m.patch) for m in mutants}
    missing = [name for name, r in results.items() if not r]
    escaped = [name for name, r in results.items() if r and not r['result'].startswith('caught')]
    pieces = {}
    for r in filter(None, results.values()):
        pieces[r['piece']] = pieces.get(r['piece'], 0) + 1
    for what, names in ('Not run', missing), ('Escaped', escaped):
        if names:
            print(textwrap.fill(f'{what} on this code: {" ".join(names)}', 96,
                                break_on_hyphens=False))
    run = len(results) - len(missing)
    print(f'{run} of {len(results)} mutants were run on this code',
          f'({", ".join(f"{p}: {n}" for p, n in sorted(pieces.items())) or "none"}):',
          f'{run - len(escaped)} passed, {len(escaped)} failed')


def main():
    names, where = [n for n in sys.argv[1:] if n], os.environ.get('WHERE', '')
    part = os.environ.get('PART', '')
    if where not in ('', *PLACES):
        die(f'WHERE={where}: choose one of {", ".join(PLACES)}')
    folder = f'{REPO}/kunit/mutants'
    everything = sorted((Mutant(f'{folder}/{f}') for f in os.listdir(folder)
                         if f.endswith('.patch')), key=lambda m: m.order)
    for n in names:
        if not any(n in m.name for m in everything):
            die(f"no mutant has '{n}' in its name")
    wanted = [m for m in everything if (not names or any(n in m.name for n in names)) and
              where in ('', m.place)]
    if not wanted:
        die('no mutant is chosen by all of that')
    if part:
        wanted = part_of(wanted, part)
    name = ' '.join(filter(None, (where and f'WHERE={where}', part and f'PART={part}',
                                   names and f'ONLY="{" ".join(names)}"'))) or 'all'
    with tempfile.TemporaryDirectory() as work:
        broken = Broken(work)
        records = {place: Records(place, broken.code) for place in PLACES}
        for place in PLACES:
            mine = [m for m in wanted if m.place == place]
            todo = [m for m in mine if os.environ.get('AGAIN', '0') != '0' or not (
                (r := records[place].of(m.name, m.patch)) and r['result'].startswith('caught'))]
            if len(todo) < len(mine):
                say(f'{place}: {len(mine) - len(todo)} were caught on this code before')
            if todo:
                run_place(place, todo, broken, records[place], name)
    summary(everything, records)
    results = [records[m.place].of(m.name, m.patch) for m in wanted]
    sys.exit(not results or any(not r['result'].startswith('caught') for r in results))


if __name__ == '__main__':
    main()
