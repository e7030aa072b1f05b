#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Break the code on purpose: mutants.py [NAME...]

Each kunit/mutants/*.patch (against the repository) names, in a line "Expect: TEST", the
KUnit test that must fail; all pass without it. With TEST = conformance-*.CASE it must fail
for every backend that can run it, but those in a line "Except: BACKEND...", to which it makes
no difference. One with a line "Guest: VARIABLE=VALUE..." is about a vendor's driver: there TEST is a case of dirty-e2e, in a guest that run-vfio.sh starts with
those variables; or SUITE.CASE of KUnit, which run-kunit.sh boots on x86_64.

Mutants that change the insides of functions share one kernel, which gets a number of one of
them at boot (schemata.py): a batch. First the tests must pass on it with no mutant, and with
copies of all those functions that are not changed. What does not fit into a batch has a kernel
of its own, and so has what no test noticed in the batch, once more: that counts. ALONE=1
gives each mutant its own kernel.

NAMEs choose the mutants whose name contains one; WHERE=kunit|x86|intel|amd|arm those that run
there; PART=K/N the Kth of N pieces, of about the same length. Results are kept in the cache,
by the hash of the patch and of the code: a mutant that was caught is not run again on the
same code, unless AGAIN=1. Pieces for different kernels do not wait for each other.
"""
import concurrent.futures
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
import schemata

REPO, CACHE = os.environ['REPO'], os.environ['CACHE']
# What decides how a test ends, and belongs to the key of its result
CODE = 'include', 'drivers', 'hooks', 'kunit', 'scripts', 'tools', 'qemu'
KUNIT = re.compile(r'(include|drivers|hooks|kunit|scripts/config)/|scripts/(mutants|schemata|ktap|splats)\.py|'
                   r'scripts/(lib|overlay|build-kernel|run-uml)\.sh')
GUEST = re.compile(r'(include|drivers|hooks|scripts|tools|qemu)/')
PLACES = 'kunit', 'x86', 'intel', 'amd', 'arm'
KERNELS = {'um': ('kunit',), 'x86-debug': ('x86',), 'x86': ('intel', 'amd'), 'arm64': ('arm',)}
IMAGES = {'um': 'linux', 'x86-debug': 'arch/x86/boot/bzImage', 'x86': 'arch/x86/boot/bzImage',
          'arm64': 'arch/arm64/boot/Image'}
# How long one takes beside the others
LENGTH = {'kunit': 1, 'x86': 10, 'intel': 5, 'amd': 5, 'arm': 10}
HANGS = 60, 10          # a test hangs after so many seconds, and times what it takes unchanged


def say(text):
    print(text, file=sys.stderr, flush=True)


def die(text):
    sys.exit(f'mutants.py: {text}')


@contextlib.contextmanager
def locked(name):
    os.makedirs(f'{CACHE}/locks', exist_ok=True)
    with open(f'{CACHE}/locks/mutants-{name}', 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'waiting for another run of mutants that uses {name} ...')
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Mutant:
    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix('.patch')
        with open(path) as f:
            self.patch = f.read()
        self.files = re.findall(r'^\+\+\+ b/(\S+)', self.patch, re.M)
        self.expect = self.header('Expect')
        self.spared = self.header('Except').split()
        self.guest = self.header('Guest')
        vendor = re.search(r'\bVENDOR=(\w+)', self.guest)
        self.place = vendor[1] if vendor else 'intel' if self.guest else 'kunit'
        if self.guest and '.' in self.expect:
            self.place = 'x86'
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


def copy_code(source, dest):
    for folder in CODE:
        shutil.copytree(f'{source}/{folder}', f'{dest}/{folder}', symlinks=True,
                        ignore=shutil.ignore_patterns('__pycache__'))


class Broken:
    """A copy of the code that one mutant at a time is applied to."""
    def __init__(self, work):
        self.work = work
        self.code = f'{work}/repo'
        self.log = f'{work}/log'
        self.before = {}    # what the mutant's files are without it
        self.changed = set()    # files since somebody looked
        copy_code(REPO, self.code)

    def mend(self):
        for name, content in self.before.items():
            write(f'{self.code}/{name}', content)
        self.before = {}

    def apply(self, mutant):
        """Does the patch apply? The one before is taken back."""
        self.mend()
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


class Kernel:
    """The code with one mutant. User-mode Linux has a tree that is for mutants only."""
    how = 'alone'

    def __init__(self, broken, flavour):
        self.flavour, self.code, self.broken, self.log = flavour, broken.code, broken, broken.log
        here = f'{CACHE}/k-{hashlib.sha256((pristine() + chr(10)).encode()).hexdigest()[:8]}'
        self.tree = f'{here}/mutants-tree'
        self.image = f'{self.tree}/out/linux'
        self.env = {}
        self.fits = False

    def build(self):
        """Where no hook has to be applied, what differs is copied to the tree."""
        if self.flavour != 'um':
            return      # run-vfio.sh builds
        changed = {name: self.inside(name) for name in self.broken.changed}
        with open(self.log, 'a') as log:
            if self.fits and all(path and os.path.exists(path) for path in changed.values()):
                for name, path in changed.items():
                    write(path, content_of(f'{self.code}/{name}'))
            else:
                output([f'{REPO}/scripts/overlay.sh', self.tree, self.code], log)
            self.fits = True
            # A mutant stays in the tree until the next is built, if this one is not a hook
            self.broken.changed = set(self.broken.before)
            output([f'{REPO}/scripts/build-kernel.sh', 'um'], log, TREE=self.tree)

    def inside(self, name):
        """Where the tree has a file of ours; None if a hook decides that."""
        top = name.partition('/')[0]
        if top == 'kunit':
            return f'{self.tree}/drivers/iommu/dirty/{name}'
        return f'{self.tree}/{name}' if top in ('drivers', 'include') else None

    def run(self, guest, tests, log, unchanged=None, number=None):
        """Cases of tests; for how long may be told by the time of an earlier run."""
        parameters = [f'{schemata.PARAMETER}={number}'] if number is not None else []
        return (self.run_guest if guest else self.run_kunit)(guest, tests, log, unchanged, parameters)

    def run_kunit(self, _guest, tests, log, unchanged, parameters):
        with open(log, 'a') as file:
            said = output([f'{self.code}/scripts/run-uml.sh', self.image, f'kunit.filter_glob={tests[0]}',
                           *parameters], file, TIMEOUT=str(max(HANGS[0], HANGS[1] * (unchanged or 12))))
            file.write(said)
        return ktap.cases('um', said.splitlines())

    def run_guest(self, guest, tests, log, _unchanged, parameters):
        """Cases of dirty-e2e with that vendor's IOMMU, or of KUnit."""
        env = dict(word.split('=', 1) for word in guest.split())
        if self.flavour == 'x86-debug':
            return self.run_kunit_guest(env, tests, log, parameters)
        stage, incapable = env.get('STAGE', '2'), env.get('INCAPABLE')
        env['KERNEL_ARGS'] = ' '.join(filter(None, (env.get('KERNEL_ARGS'), *parameters)))
        command = f'dirty-e2e --stage={stage} {f"--incapable={incapable}" if incapable else ""} --rounds=2'
        with open(log, 'a') as file:
            said = subprocess.run(
                [f'{self.code}/scripts/run-vfio.sh', 'ours', f'{log}.guest',
                 '; '.join(f'{command} {test}' for test in tests)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True,
                errors='replace', env={**os.environ, **self.env, **env}).stdout
            file.write(said)
        if not re.search('^TAP version', said, re.M):
            raise subprocess.CalledProcessError(1, 'run-vfio.sh')
        return ktap.cases('guest', said.splitlines())


    def run_kunit_guest(self, env, tests, log, parameters):
        said = ''
        for suite in sorted({test.partition('.')[0] for test in tests}):
            with open(log, 'a') as file:
                said += subprocess.run(
                    [f'{self.code}/scripts/run-kunit.sh', self.flavour, f'{log}.guest', env['VENDOR'],
                     env['STAGE'], ' '.join([f'kunit.filter_glob={suite}*', *parameters])],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True,
                    errors='replace', env={**os.environ, **self.env, **env}).stdout
                file.write(said)
        return ktap.cases('guest', said.splitlines())


class Batch(Kernel):
    """The code with many mutants at a time: those of "mutants" that fit. The other ones are in
    "alone", with the reason."""
    how = 'batch'

    def __init__(self, broken, flavour, mutants):
        super().__init__(broken, flavour)
        self.code, self.log = f'{broken.work}/{flavour}-batch', f'{broken.work}/{flavour}-batch.log'
        self.image = f'{broken.work}/{flavour}-image'
        self.original = {}      # file -> text
        self.mutated = {}       # file -> {(number, name): text}
        self.numbers = {}       # of the mutants in the batch
        self.alone = {}
        for number, mutant in enumerate(mutants, 1):
            try:
                self.put_in(number, mutant)
            except schemata.Unfit as why:
                self.alone[mutant.name] = str(why)
        broken.mend()
        copy_code(broken.code, self.code)

    def put_in(self, number, mutant):
        if not mutant.expect or not self.broken.apply(mutant):
            raise schemata.Unfit('no Expect: line, or it does not apply')
        texts = {}
        for name, old in self.broken.before.items():
            new = content_of(f'{self.broken.code}/{name}')
            if not self.inside(name) or not name.endswith(('.c', '.h')) or not old or not new:
                raise schemata.Unfit(f'it changes {name}')
            texts[name] = old.decode(), new.decode()
            schemata.fits(*texts[name])
        for name, (old, new) in texts.items():
            self.original[name] = old
            self.mutated.setdefault(name, {})[number, mutant.name] = new
        self.numbers[mutant.name] = number

    def build(self):
        """Until it compiles, without the mutants that the compiler complains about."""
        with open(f'{self.code}/drivers/iommu/dirty/Makefile', 'a') as file:
            file.write('obj-y += mutant.o\n')
        write(f'{self.code}/drivers/iommu/dirty/mutant.c', schemata.SWITCH.encode())
        while self.numbers:
            for name, mutants in self.mutated.items():
                mutants = {m: text for m, text in mutants.items() if m[1] in self.numbers}
                text = schemata.combine(name, self.original[name], mutants)
                write(f'{self.code}/{name}', text.encode())
            if self.compiles():
                return
            bad = schemata.blamed(content_of(self.log).decode(errors='replace')) & set(self.numbers)
            for name in bad or set(self.numbers):
                del self.numbers[name]
                self.alone[name] = 'it does not compile' if bad else 'the batch does not compile'

    def compiles(self):
        env = {'TREE': self.tree} if self.flavour == 'um' else {}
        built = f'{self.broken.work}/{self.flavour}-built'
        with open(self.log, 'w') as log:
            try:
                if env:
                    output([f'{self.code}/scripts/overlay.sh', self.tree, self.code], log)
                # All errors, not only the first
                out = output([f'{self.code}/scripts/build-kernel.sh', self.flavour, '-k',
                              os.path.basename(IMAGES[self.flavour])], log, **env).splitlines()[-1]
            except subprocess.CalledProcessError:
                log.flush()
                for line in content_of(self.log).decode(errors='replace').splitlines():
                    if found := re.search(r' failed \(status \d+\): see (.*)$', line):
                        log.write(content_of(found[1]).decode(errors='replace'))
                return False
        shutil.copy(f'{out}/{IMAGES[self.flavour]}', self.image)
        os.makedirs(built, exist_ok=True)
        write(f'{built}/build-kernel.sh_{self.flavour}', f'{self.image}\n'.encode())
        self.env = {'BUILT': built}     # see lib.sh: nothing is built again for each guest
        return True


def noticed(mutant, cases):
    """How did TEST notice? In a run of its own all that fails is its doing."""
    expect = mutant.expect
    failed = [(name, why) for status, name, why in cases if status == 'fail']
    if expect.startswith('conformance-*'):
        def suite(name):
            return re.findall(r': (conformance-[^.]*)\.', name)
        ran = {s for status, name, _ in cases if status != 'skip' for s in suite(name)}
        ran -= {f'conformance-{backend}' for backend in mutant.spared}
        return 'caught' if ran and ran <= {s for name, _ in failed for s in suite(name)} else None
    if any(expect in name for name, _ in failed):
        return 'caught'
    ran = any(expect.partition('.')[0] in name for _, name, _ in cases)
    if ran and any(why.startswith('died') for _, why in failed):
        return 'caught: it died'
    if ran and any('no kernel splat' in name for name, _ in failed):
        return 'caught: a splat'
    return None


def must_pass(kernel, guest, tests, log, number=None):
    """Seconds that these take, without any mutation."""
    t0 = time.monotonic()
    try:
        cases = kernel.run(guest, tests, log, number=number)
    except subprocess.CalledProcessError:
        say(content_of(log).decode(errors='replace')[-2000:])
        die('no test ran')
    for test in tests:
        parts = test.split('*')
        if not any(status == 'pass' and all(p in name for p in parts) for status, name, _ in cases):
            die(f'{test} does not run without any mutation')
    if bad := [case for case in cases if case[0] == 'fail']:
        print(*('\t'.join(case) for case in bad[:20]), sep='\n')
        die(f'tests fail without any mutation{f", {schemata.PARAMETER}={number}" if number else ""}')
    return round(time.monotonic() - t0) + 1


def tests_of(mutants):
    """(guest, tests) for one boot each: in a guest, all; of KUnit, one."""
    guests = {}
    for m in mutants:
        guests.setdefault((m.guest, '' if m.guest else m.expect), {})[m.expect] = None
    return [(guest, list(tests)) for (guest, _), tests in guests.items()]


def at_a_time(flavour):
    """A guest has two processors."""
    return os.cpu_count() if flavour == 'um' else max(1, os.cpu_count() // 2)


def together(flavour, jobs, act):
    """act(job) for all of them, some at a time: yields (job, result) as they end."""
    with concurrent.futures.ThreadPoolExecutor(at_a_time(flavour)) as pool:
        futures = {pool.submit(act, job): job for job in jobs}
        try:
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class Run:
    """Mutants of one kernel, and where their results go."""
    def __init__(self, flavour, broken, records, piece):
        self.flavour, self.broken, self.records, self.piece = flavour, broken, records, piece

    def report(self, mutant, how, result, build, test, log):
        self.records[mutant.place].add(mutant.name, mutant.patch, result=result, piece=self.piece,
                                       how=how, build=build, test=test)
        took = f'{how}, {build} + {test} s' if build is not None else f'{how}, {test} s'
        print(f'{mutant.name:34} {mutant.runs:52} {result} ({took})', flush=True)
        if not result.startswith('caught'):
            os.makedirs(f'{CACHE}/logs', exist_ok=True)
            shutil.copy(log, f'{CACHE}/logs/mutant-{mutant.name}.log')

    def batch(self, todo):
        """Returns the mutants that need a kernel of their own."""
        t0 = time.monotonic()
        say(f'{self.flavour}: build one kernel for all of {len(todo)} mutants that fit into it')
        batch = Batch(self.broken, self.flavour, todo)
        batch.build()
        inside = [m for m in todo if m.name in batch.numbers]
        for name, why in batch.alone.items():
            say(f'{name} needs a kernel of its own: {why}')
        if not inside:
            return todo
        say(f'{self.flavour}: {len(inside)} are in one kernel, after {time.monotonic() - t0:.0f} s; '
            'their tests must pass on it without any mutation')
        work, seconds = f'{self.broken.work}/{self.flavour}-run-', {}
        jobs = [(number, guest, tuple(tests)) for number in (0, schemata.CONTROL)
                for guest, tests in tests_of(inside)]
        for (_, guest, tests), took in together(self.flavour, jobs, lambda job: must_pass(
                batch, job[1], job[2], f'{work}{job[0]}-{jobs.index(job)}', job[0])):
            seconds[guest, tests] = took
        say(f'{self.flavour}: {len(jobs)} runs without any mutation passed, after '
            f'{time.monotonic() - t0:.0f} s')

        def run(mutant):
            t1 = time.monotonic()
            log = f'{work}{mutant.name}'
            try:
                cases = batch.run(mutant.guest, [mutant.expect], log,
                                  seconds.get((mutant.guest, (mutant.expect,))), batch.numbers[mutant.name])
            except subprocess.CalledProcessError:
                cases = []
            return noticed(mutant, cases), round(time.monotonic() - t1), log
        again = []
        for mutant, (result, test, log) in together(self.flavour, inside, run):
            if result:
                self.report(mutant, 'batch', result, None, test, log)
            else:
                say(f'{mutant.name} was not noticed in the batch: it gets a kernel of its own')
                again.append(mutant)
        say(f'{self.flavour}: the batch took {time.monotonic() - t0:.0f} s')
        return [m for m in todo if m.name in batch.alone or m in again]

    def alone(self, todo):
        kernel = Kernel(self.broken, self.flavour)
        log = self.broken.log
        self.broken.mend()
        try:
            if self.flavour == 'um':
                say('build the code as it is (the first time, that takes about 3 minutes)')
            kernel.build()
        except subprocess.CalledProcessError:
            say(content_of(log).decode(errors='replace')[-2000:])
            die('the code does not build')
        self.check_unchanged(kernel, todo, log)
        for mutant in todo:
            result, build, test = self.run_alone(kernel, mutant, log)
            self.report(mutant, 'alone', result, build, test, log)
        self.broken.mend()

    def check_unchanged(self, kernel, todo, log):
        """Tests that mutants must fail have to pass on the code as it is."""
        known = {place: records.all() for place, records in self.records.items()}
        missing = [m for m in todo if m.expect and
                   ('unchanged', digest(m.runs)) not in known[m.place]]
        for guest, tests in tests_of(missing):
            say(f'the code as it is: {" and ".join(tests)} must pass{f" with {guest}" if guest else ""}')
            seconds = must_pass(kernel, guest, tests, log)
            for m in missing:
                if m.guest == guest and m.expect in tests:
                    self.records[m.place].add('unchanged', m.runs, result='pass', test=seconds)

    def run_alone(self, kernel, mutant, log):
        """Returns the result, and the seconds that building and testing took."""
        t0 = time.monotonic()
        if not mutant.expect:
            return 'ESCAPED: no Expect: line', 0, 0
        if not self.broken.apply(mutant):
            return 'ESCAPED: the patch does not apply', 0, 0
        unchanged = self.records[mutant.place].of('unchanged', mutant.runs)
        try:
            kernel.build()
            t1 = time.monotonic()
            cases = kernel.run(mutant.guest, [mutant.expect], log, unchanged and unchanged.get('test'))
        except subprocess.CalledProcessError:
            return 'ESCAPED: does not build, or no test ran', 0, 0
        failed = sum(case[0] == 'fail' for case in cases)
        return (noticed(mutant, cases) or f'ESCAPED: {failed} failed',
                round(t1 - t0), round(time.monotonic() - t1))

    def all(self, todo):
        with locked(self.flavour):
            if os.environ.get('ALONE', '0') == '0':
                todo = self.batch(todo)
            if todo:
                self.alone(todo)


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
        for flavour, places in KERNELS.items():
            mine = [m for m in wanted if m.place in places]
            todo = [m for m in mine if os.environ.get('AGAIN', '0') != '0' or not (
                (r := records[m.place].of(m.name, m.patch)) and r['result'].startswith('caught'))]
            if len(todo) < len(mine):
                say(f'{flavour}: {len(mine) - len(todo)} were caught on this code before')
            if todo:
                Run(flavour, broken, records, name).all(todo)
    summary(everything, records)
    results = [records[m.place].of(m.name, m.patch) for m in wanted]
    sys.exit(not results or any(not r['result'].startswith('caught') for r in results))


if __name__ == '__main__':
    main()
