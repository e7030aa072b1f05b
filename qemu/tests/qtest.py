# SPDX-License-Identifier: GPL-2.0-only
"""Machines without a running CPU, driven over QEMU's qtest protocol."""
import os
import socket
import struct
import subprocess
import tempfile


class Machine:
    """Guest memory, and one PCI device at 00:04.0 to poke at."""
    SLOT = 4
    # Per machine: arguments, and where the device's registers shall be.
    ARGS = ()
    BAR = 0

    def __init__(self, qemu, *args):
        self.dir = tempfile.TemporaryDirectory(prefix='qtest-')
        path = os.path.join(self.dir.name, 'sock')
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen(1)
            server.settimeout(120)
            self.proc = subprocess.Popen(
                [qemu, *self.ARGS, '-accel', 'qtest', '-m', '256',
                 '-nodefaults', '-display', 'none', '-qtest', f'unix:{path}',
                 '-qtest-log', 'none', *args],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE)
            try:
                self.sock = server.accept()[0]
            except TimeoutError as error:
                self.proc.kill()
                raise RuntimeError(self.proc.communicate()[1].decode()) from error
        self.sock.settimeout(120)
        self.file = self.sock.makefile('r')
        # Let MMIO reach the device, and the device reach memory.
        self.config_write(0x10, self.BAR)
        self.config_write(0x14, 0)
        self.config_write(0x04, 0x6)

    def close(self):
        self.file.close()
        self.sock.close()
        self.proc.kill()
        self.proc.communicate()
        self.dir.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def command(self, *words):
        self.sock.sendall((' '.join(words) + '\n').encode())
        reply = self.file.readline().split()
        if not reply or reply[0] != 'OK':
            raise RuntimeError(f'{words}: {reply}')
        return reply[1:]

    def step(self, ms):
        """Let time go on: it stands still otherwise."""
        self.command('clock_step', str(int(ms * 1000000)))

    def readl(self, addr):
        return int(self.command('readl', hex(addr))[0], 16)

    def writel(self, addr, value):
        self.command('writel', hex(addr), hex(value))

    def readq(self, addr):
        return int(self.command('readq', hex(addr))[0], 16)

    def writeq(self, addr, value):
        self.command('writeq', hex(addr), hex(value))

    def read(self, addr, size):
        return bytes.fromhex(self.command('read', hex(addr), hex(size))[0][2:])

    def write(self, addr, data):
        self.command('write', hex(addr), hex(len(data)), '0x' + data.hex())

    def write_quads(self, addr, *quads):
        self.write(addr, struct.pack(f'<{len(quads)}Q', *quads))

    def config_write(self, offset, value):
        """Write 32 bits of configuration space, the first 256 bytes of it."""
        raise NotImplementedError


class Q35(Machine):
    """The x86 machine."""
    ARGS = ('-M', 'q35', '-L', '/usr/share/seabios', '-L', '/usr/share/qemu')
    ECAM = 0xb0000000
    BAR = 0xe0000000

    def config_write(self, offset, value, slot=Machine.SLOT):
        self.command('outl', '0xcf8', hex(1 << 31 | slot << 11 | offset))
        self.command('outl', '0xcfc', hex(value))

    def ecam(self, offset):
        """Address of the device's extended configuration space."""
        self.config_write(0x60, self.ECAM | 1, slot=0)  # PCIEXBAR of q35
        return self.ECAM + (self.SLOT << 15) + offset


class Virt(Machine):
    """The Arm machine, with an SMMUv3 in front of its PCI Express bus."""
    ARGS = ('-M', 'virt,iommu=smmuv3,gic-version=3,highmem-ecam=off',
            '-cpu', 'max')
    ECAM = 0x3f000000
    BAR = 0x10000000

    def config_write(self, offset, value):
        self.writel(self.ecam(offset), value)

    def ecam(self, offset):
        """Address of the device's configuration space."""
        return self.ECAM + (self.SLOT << 15) + offset
