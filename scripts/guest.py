#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run one QEMU guest: a kernel, an initramfs and a script that its init runs.

The script's terminal is the first serial port and goes to stdout as it comes; the
kernel's console is the second one and goes to the log, with the script's status as its
last line. Exits with that status, or with 1, saying why, after a kernel splat, a
timeout or an end without a status.
"""
import argparse
import os
import re
import subprocess
import sys
import time

from splats import splats

ARCHES = {
    'amd64': {
        'qemu': 'qemu-system-x86_64',
        'machine': 'q35,kernel-irqchip=split',
        'cpu': 'max,la57=off',
        'clock': '',        # follows the CPU's name: to make its counter one of 1 GHz
        # Emulation on a busy machine can be too slow for the kernel's check of its timer.
        'append': 'console=ttyS1,115200 no_timer_check',
    },
    'arm64': {
        'qemu': 'qemu-system-aarch64',
        'machine': 'virt,gic-version=3,iommu=smmuv3',
        # Has atomic instructions, and no pointer authentication: emulating that is slow.
        'cpu': 'neoverse-n1',
        'clock': ',cntfrq=1000000000',
        'append': 'console=ttyAMA1,115200',
    },
}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--arch', default='amd64', choices=ARCHES, help="Debian's name")
    p.add_argument('--qemu', default='', help='directory of the emulators')
    p.add_argument('--kernel', required=True)
    p.add_argument('--initrd', required=True)
    p.add_argument('--run', required=True, help='shell commands to run in the guest')
    p.add_argument('--log', required=True, help='file for the kernel log')
    p.add_argument('--show-log', action='store_true', help='the kernel log goes to stdout too')
    p.add_argument('--machine')
    p.add_argument('--cpu')
    p.add_argument('--memory', default='2G')
    p.add_argument('--smp', default='2')
    p.add_argument('--append', default='', help='more kernel parameters')
    p.add_argument('--count-instructions', action='store_true',
                   help='one CPU, and time is the number of instructions it executed, in ns')
    p.add_argument('--timeout', type=float, default=600, help='seconds')
    p.add_argument('--allow', help='kernel messages that are no trouble here (regular expression)')
    p.add_argument('args', nargs='*', help='more arguments for QEMU, after --')
    o = p.parse_args()
    arch = ARCHES[o.arch]

    os.makedirs(os.path.dirname(os.path.abspath(o.log)), exist_ok=True)
    script = o.log + '.run'
    with open(script, 'w') as f:
        f.write(o.run + '\n')
    cpu = o.cpu or arch['cpu']
    cpus = ['-accel', 'tcg,thread=multi', '-smp', o.smp, '-cpu', cpu]
    if o.count_instructions:
        cpus = ['-accel', 'tcg,thread=single', '-smp', '1', '-cpu', cpu + arch['clock'],
                '-icount', 'shift=0,sleep=off']
    cmd = [os.path.join(o.qemu, arch['qemu']),
           '-L', '/usr/share/seabios', '-L', '/usr/share/qemu',
           '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
           '-machine', o.machine or arch['machine'], *cpus, '-m', o.memory,
           '-chardev', 'file,id=klog,path=' + o.log.replace(',', ',,'),
           '-serial', 'stdio', '-serial', 'chardev:klog',
           '-fw_cfg', 'name=opt/run,file=' + script.replace(',', ',,'),
           '-kernel', o.kernel, '-initrd', o.initrd,
           '-append', f"{arch['append']} panic=-1 oops=panic {o.append}",
           *o.args]
    with open(o.log + '.cmd', 'w') as f:
        f.write('\n'.join(cmd) + '\n')
    open(o.log, 'w').close()

    def show(log):
        """The whole lines of the log that were not shown yet."""
        nonlocal shown
        upto = log.rfind('\n') + 1
        if o.show_log and upto > shown:
            print(log[shown:upto], end='', flush=True)
            shown = upto

    timed_out = done = stuck = False
    shown = 0
    deadline = time.monotonic() + o.timeout
    guest = subprocess.Popen(cmd, stdin=subprocess.DEVNULL)
    try:
        while not timed_out and not stuck:
            try:
                guest.wait(10)
                break
            except subprocess.TimeoutExpired:
                timed_out = time.monotonic() > deadline
                stuck = done    # ten seconds ago, and it has not powered off since
                with open(o.log, errors='replace') as f:
                    log = f.read()
                done = 'guest-exit: ' in log
                show(log)
    finally:
        guest.kill()
        guest.wait()
    if stuck:
        print(f'guest: did all, but does not power off (kernel log: {o.log})', file=sys.stderr)

    with open(o.log, errors='replace') as f:
        log = f.read()
    show(log + '\n')
    bad = [s for s in splats(log) if not o.allow or not re.search(o.allow, s)]
    m = re.search(r'guest-exit: (\d+)', log)
    status = int(m[1]) if m else None
    why = []
    if timed_out and not stuck:
        why.append(f'no end after {o.timeout:g} s')
    elif guest.returncode and not stuck:
        why.append(f'QEMU ended with status {guest.returncode}')
    elif status is None:
        why.append('the guest ended without a status')
    if bad:
        why.append('the kernel complained: ' + bad[0])
    if why:
        if status is None and not bad:
            sys.stderr.write(''.join('  ' + s + '\n' for s in log.splitlines()[-25:]))
        for s in bad[:10]:
            sys.stderr.write('  ' + s + '\n')
        print(f'guest: {"; ".join(why)} (kernel log: {o.log})', file=sys.stderr)
        return status or 1
    return status


sys.exit(main())
