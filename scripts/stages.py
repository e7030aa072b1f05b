#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run test stages: stages.py RESULTS SLOTS STAGE...

They start in this order, SLOTS at a time; one with a line "# Alone: WHY" runs with no
other. RESULTS gets NAME.tap, what the stage said, and NAME.cases, what ktap.py makes of it.
Whatever it reports, a stage that ends with another status than 0, or reports nothing, is
a failure. With more slots than one, what stages tell people is marked with their name.
"""
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
changed = threading.Condition()
broken = []             # names of stages whose results could not be had


def say(line):
    sys.stderr.write(line + '\n')
    sys.stderr.flush()


def header(path, key):
    with open(path) as f:
        m = re.search(rf'^# {key}: (.*)$', f.read(), re.M)
    return m and m[1]


def outcome(name, tap, status):
    """The cases of a stage, with one more if it failed and they do not show it."""
    with open(tap, errors='replace') as f:
        cases = ktap.cases(name, f)
    if status and not any(case[0] == 'fail' for case in cases):
        cases.append(('fail', f'{name}: the stage itself', f'ended with status {status}'))
    elif not cases:
        cases.append(('fail', f'{name}: the stage itself', 'reported no test'))
    return cases


def pass_on(name, stage):
    for line in stage.stderr:
        say(f'[{name}] {line.rstrip()}')


def report(name, stage, t0):
    """Write down what came out of a stage that has ended."""
    tap = os.path.join(results, name + '.tap')
    found = outcome(name, tap, stage.returncode)
    with open(os.path.join(results, name + '.cases'), 'w') as f:
        f.writelines('\t'.join(case) + '\n' for case in found)
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
    with open(os.path.join(results, name + '.tap'), 'w') as tap:
        stage = subprocess.Popen(
            [path], stdin=subprocess.DEVNULL, stdout=tap, start_new_session=True,
            stderr=subprocess.PIPE if slots > 1 else None, text=True, errors='replace',
            env={**os.environ, 'RESULTS': results})
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


def end(sessions):
    """End all processes of these sessions, guests included; by force after five seconds."""
    t0 = time.monotonic()
    sig = signal.SIGTERM
    while left := [pid for pid, _, session in processes() if session in sessions]:
        for pid in left:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        time.sleep(0.2)
        sig = signal.SIGKILL if time.monotonic() - t0 > 5 else 0


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
    for path in sys.argv[3:]:
        alone = header(path, 'Alone')
        with changed:
            changed.wait_for(lambda: len(running) < (1 if alone else slots))
            start(path, os.path.basename(path).partition('-')[2])
            if alone:
                changed.wait_for(lambda: not running)
    with changed:
        changed.wait_for(lambda: not running)
    sys.exit(bool(broken))


results, slots = sys.argv[1], int(sys.argv[2])
main()
