#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run test stages: stages.py [--seconds N --limit TEXT] RESULTS SLOTS STAGE...

They start in this order, SLOTS at a time; one with a line "# Alone: WHY" runs with no
other. RESULTS gets NAME.tap, what the stage said, and NAME.cases, what ktap.py makes of it.
Whatever it reports, a stage that ends with another status than 0, or reports nothing, is
a failure. With more slots than one, what stages tell people is marked with their name.

After N seconds, or a SIGALRM, no stage starts, and those that run are ended: what they reported until then
counts, and the stage itself is one that was skipped because of TEXT.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import ktap

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
running = {}            # name -> process, the leader of a session
cut = {}                # name -> how much a stage had reported when its time was over
changed = threading.Condition()
broken = []             # names of stages whose results could not be had


def say(line):
    sys.stderr.write(line + '\n')
    sys.stderr.flush()


def header(path, key):
    with open(path) as f:
        m = re.search(rf'^# {key}: (.*)$', f.read(), re.M)
    return m and m[1]


def reported(tap, size):
    """The lines of a report, or those in its first SIZE bytes."""
    with open(tap, 'rb') as f:
        text = f.read() if size is None else f.read(size)
    lines = text.decode(errors='replace').split('\n')
    # A result that was not all written counts if it is a failure.
    if size is not None and not lines[-1].lstrip().startswith('not ok'):
        lines.pop()
    return lines


def outcome(name, tap, status):
    """The cases of a stage, with one more if it failed, or was cut, and they do not show it."""
    size = cut.get(name)
    cases = ktap.cases(name, reported(tap, size), cut=size is not None)
    itself = f'{name}: the stage itself'
    if size is not None:
        cases.append(('skip', itself, f'not finished: {options.limit}'))
    elif status and not any(case[0] == 'fail' for case in cases):
        cases.append(('fail', itself, f'ended with status {status}'))
    elif not cases:
        cases.append(('fail', itself, 'reported no test'))
    return cases


def pass_on(name, stage):
    for line in stage.stderr:
        say(f'[{name}] {line.rstrip()}')


def write(name, found):
    with open(os.path.join(options.results, name + '.cases'), 'w') as f:
        f.writelines('\t'.join(case) + '\n' for case in found)


def report(name, stage, t0):
    """Write down what came out of a stage that has ended."""
    found = outcome(name, os.path.join(options.results, name + '.tap'), stage.returncode)
    write(name, found)
    counts = Counter(case[0] for case in found)
    text = ', '.join(f'{counts[s]} {s}' for s in sorted(counts))
    minutes, seconds = divmod(round(time.monotonic() - t0), 60)
    with changed:
        for case in [case for case in found if case[0] == 'fail'][:20]:
            say('\t'.join(case))
        say(f'== {name}: {text} in {minutes}:{seconds:02}')


def follow(name, stage):
    """Wait for the end of a stage. Should this fail, so has the run."""
    t0 = time.monotonic()
    reader = None
    try:
        if stage.stderr:
            reader = threading.Thread(target=pass_on, args=(name, stage))
            reader.start()
        stage.wait()
        end({stage.pid})    # what it should not have left behind
        if reader:
            reader.join()
        report(name, stage, t0)
    except Exception as trouble:    # the others go on
        say(f'{name}: {trouble!r}')
        broken.append(name)
    finally:
        with changed:
            del running[name]
            changed.notify()


def start(path, name):
    say(f'== {name}: {header(path, "Stage")}')
    with open(os.path.join(options.results, name + '.tap'), 'w') as tap:
        stage = subprocess.Popen(
            [path], stdin=subprocess.DEVNULL, stdout=tap, start_new_session=True,
            stderr=subprocess.PIPE if options.slots > 1 else None, text=True, errors='replace',
            env={**os.environ, 'RESULTS': options.results})
    running[name] = stage
    threading.Thread(target=follow, args=(name, stage), daemon=True).start()


def processes():
    """Yield (process, parent, session) of all there are."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat') as f:
                state, parent, _, session = f.read().rpartition(')')[2].split()[:4]
        except OSError:
            continue
        if state != 'Z':
            yield int(pid), int(parent), int(session)


def signal_all(pids, *signals):
    for pid in pids:
        for sig in signals:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass


def members(sessions):
    return [pid for pid, _, session in processes() if session in sessions]


def end(sessions):
    """End all processes of these sessions, guests included; by force after five seconds."""
    t0 = time.monotonic()
    signals = signal.SIGTERM, signal.SIGCONT
    while left := members(sessions):
        signal_all(left, *signals)
        time.sleep(0.2)
        signals = (signal.SIGKILL,) if time.monotonic() - t0 > 5 else ()


def cut_off(name, stage):
    """Time is over for a stage. What it says from now on is about its end: it does not count."""
    stopped = set()
    while more := set(members({stage.pid})) - stopped:
        signal_all(more, signal.SIGSTOP)
        stopped |= more
    if stage.pid in members({stage.pid}):   # else it has just ended by itself
        cut[name] = os.path.getsize(os.path.join(options.results, name + '.tap'))
        say(f'== {name}: {options.limit}')
    end({stage.pid})


def stop(_signal, _frame):
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    say('stopping ...')
    end({stage.pid for stage in list(running.values())} |
        {pid for pid, parent, _ in processes() if parent == os.getpid()})
    os._exit(130)


def main():
    for each in SIGNALS:
        signal.signal(each, stop)
    over = False

    def limit(_signal, _frame):
        nonlocal over
        over = True

    def wait(condition):
        """Wait for that as long as there is time. Return whether there is any left."""
        with changed:
            while not over and not condition():
                changed.wait(1)     # a handler may come between the test and the wait
        return not over

    signal.signal(signal.SIGALRM, limit)
    if options.seconds is not None:
        signal.setitimer(signal.ITIMER_REAL, max(options.seconds, 0.000001))

    for path in options.stages:
        name = os.path.basename(path).partition('-')[2]
        alone = header(path, 'Alone')
        if wait(lambda: len(running) < (1 if alone else options.slots)):
            with changed:
                start(path, name)
            if alone:
                wait(lambda: not running)
        else:
            say(f'== {name}: not started, {options.limit}')
            write(name, [('skip', f'{name}: the stage itself', f'not started: {options.limit}')])
    if not wait(lambda: not running):
        for name, stage in list(running.items()):
            cut_off(name, stage)
    with changed:
        changed.wait_for(lambda: not running)
    sys.exit(bool(broken))


p = argparse.ArgumentParser(usage=__doc__)
p.add_argument('--seconds', type=float)
p.add_argument('--limit', default='the time is over')
p.add_argument('results')
p.add_argument('slots', type=int)
p.add_argument('stages', nargs='*')
options = p.parse_args()
main()
