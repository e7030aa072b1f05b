# SPDX-License-Identifier: GPL-2.0-only
"""
VT-d in scalable mode as a driver sees it: tables, registers, descriptors.

The numbers are typed in from the VT-d specification, not taken from QEMU.
"""
from edu import Edu
from qtest import Q35

REGS = 0xfed90000
CAP, ECAP, GCMD, GSTS, RTADDR = 0x08, 0x10, 0x18, 0x1c, 0x20
IQT, IQA, FRCD_LO, FRCD_HI = 0x88, 0x90, 0x220, 0x228
FSTS, IQH, IQERCD = 0x34, 0x80, 0xb0
IQE, ITE = 1 << 4, 1 << 6
TE, SRTP, QIE = 1 << 31, 1 << 30, 1 << 26

DOMAIN = 7


class Stage:
    """One page-table format."""

    def __init__(self, name, pgtt, read, write, table, accessed, dirty):
        self.name, self.pgtt = name, pgtt
        self.read, self.write, self.table = read, write, table
        self.accessed, self.dirty = accessed, dirty


#                         R           RW    table  A       D
SECOND = Stage('ss', 2, 1 << 0, 0b11, 0b11, 1 << 8, 1 << 9)
#                         P|US        +RW   table  A       D
FIRST = Stage('fs', 1, 0b101, 0b111, 0b111, 1 << 5, 1 << 6)
LARGE = 1 << 7


class Vtd(Edu, Q35):
    """An IOMMU with one device, translated by one set of page tables."""

    def __init__(self, qemu, props, *args, stage=SECOND, levels=4, ssade=True,
                 pwsnp=True, edu='', enable=True, regs=REGS):
        super().__init__(qemu, '-device', f'intel-iommu,{props}', *args,
                         *self.edu(edu))
        self.stage, self.levels, self.regs = stage, levels, regs
        self.next_page = 0x100000
        self.queue_tail = 0
        self.queue, self.status = self.page(), self.page()
        self.top = self.page()
        self.setup(ssade, pwsnp)
        if enable:
            self.enable()

    def page(self):
        """Address of a fresh page of zeroes."""
        self.next_page += 0x1000
        return self.next_page - 0x1000

    def reg(self, offset):
        return self.readq(self.regs + offset)

    def setup(self, ssade, pwsnp):
        """Root, context and PASID tables for the device."""
        self.root, context = self.page(), self.page()
        directory, self.pasid_table = self.page(), self.page()
        self.write_quads(self.root, context | 1)
        self.write_quads(context + (self.SLOT << 3) * 32, directory | 1)
        self.write_quads(directory, self.pasid_table | 1)
        self.set_pasid_entry(self.stage, self.top, ssade, pwsnp)

    def set_pasid_entry(self, stage, top, ssade=True, pwsnp=True, domain=DOMAIN):
        quads = [1 | stage.pgtt << 6, domain | pwsnp << 23, 0]
        if stage is SECOND:
            quads[0] |= top | (self.levels - 2) << 2 | ssade << 9
        else:
            quads[0] |= 2 << 2
            quads[2] |= top | (self.levels - 4) << 2
        self.write_quads(self.pasid_table, *quads)

    def set_pasid_passthrough(self):
        self.write_quads(self.pasid_table, 1 | 4 << 6, DOMAIN, 0)

    def enable(self):
        self.writeq(self.regs + IQA, self.queue | 1 << 11)
        self.writel(self.regs + GCMD, QIE)
        self.writeq(self.regs + RTADDR, self.root | 1 << 10)
        self.writel(self.regs + GCMD, QIE | SRTP)
        self.writel(self.regs + GCMD, QIE | TE)
        status = self.readl(self.regs + GSTS)
        assert status & (QIE | TE) == QIE | TE, hex(status)

    # -- invalidation ------------------------------------------------------

    def write_descriptor(self, slot, *quads):
        self.write_quads(self.queue + 32 * slot, *(list(quads) + [0] * 4)[:4])

    def wait(self, data=0x55):
        """A descriptor that waits for those before it."""
        return 0x5 | 1 << 5 | data << 32, self.status

    def submit(self, *quads, done=True):
        """Queue one descriptor, and a wait, which is to be done by then."""
        self.writel(self.status, 0)
        for descriptor in (quads, self.wait()):
            self.write_descriptor(self.queue_tail, *descriptor)
            self.queue_tail = (self.queue_tail + 1) % 128
        self.writeq(self.regs + IQT, self.queue_tail << 5)
        assert (self.readl(self.status) == 0x55) == done, 'invalidation failed' * done

    def flush_global(self, done=True):
        self.submit(0x2 | 1 << 4, done=done)

    def flush_domain(self, domain=DOMAIN, done=True):
        self.submit(0x2 | 2 << 4 | domain << 16, done=done)

    def flush_page(self, iova, order=0, hint=0, domain=DOMAIN):
        self.submit(0x2 | 3 << 4 | domain << 16,
                    iova & ~0xfff | hint << 6 | order)

    def flush_pasid(self, pasid=0, domain=DOMAIN):
        self.submit(0x6 | 2 << 4 | domain << 16 | pasid << 32)

    def flush_pasid_page(self, iova, order=0, hint=0, domain=DOMAIN, pasid=0):
        self.submit(0x6 | 3 << 4 | domain << 16 | pasid << 32,
                    iova & ~0xfff | hint << 6 | order)

    def flush_pasid_cache(self, granularity=1, domain=DOMAIN, pasid=0):
        """0: domain; 1: one PASID in a domain; 3: global."""
        self.submit(0x7 | granularity << 4 | domain << 16 | pasid << 32)

    def queue_state(self):
        """Head, fault status, and what the wait has written."""
        return (self.readl(self.regs + IQH) >> 5, self.readl(self.regs + FSTS),
                self.readl(self.status))

    def flush_device(self, iova, order=0, done=True):
        """Drop 2^order pages from the device TLB."""
        size = 0x1000 << order
        addr = iova & ~(size - 1)
        if order:
            addr |= (size >> 1) - 1 & ~0xfff | 1
        self.submit(0x3 | self.SLOT << 3 + 32, addr, done=done)

    # -- page tables -------------------------------------------------------

    def entry_addrs(self, iova, leaf_level):
        """Addresses of the entries that translate iova, top first."""
        table, addrs = self.top, []
        for level in range(self.levels, leaf_level - 1, -1):
            addr = table + (iova >> 12 + 9 * (level - 1) & 511) * 8
            addrs.append(addr)
            if level > leaf_level:
                entry = self.readq(addr)
                if not entry:
                    entry = self.page() | self.stage.table
                    self.writeq(addr, entry)
                table = entry & 0x000ffffffffff000
        return addrs

    def map(self, iova, phys, leaf_level=1, flags=None, extra=0):
        """Map one leaf; returns its entry addresses, top first."""
        addrs = self.entry_addrs(iova, leaf_level)
        mask = (1 << 12 + 9 * (leaf_level - 1)) - 1
        entry = phys & ~mask | (self.stage.write if flags is None else flags)
        self.writeq(addrs[-1], entry | extra | (LARGE if leaf_level > 1 else 0))
        return addrs

    def flags(self, addrs):
        """A and D of each entry as text, top first: '-', 'A', 'D', 'AD'."""
        text = []
        for addr in addrs:
            entry = self.readq(addr)
            text.append(('A' if entry & self.stage.accessed else '') +
                        ('D' if entry & self.stage.dirty else '') or '-')
        return ' '.join(text)

    def clear(self, addr, bits=None):
        """Clear A and D, or the bits given, in one entry."""
        if bits is None:
            bits = self.stage.accessed | self.stage.dirty
        self.writeq(addr, self.readq(addr) & ~bits)

    def fault(self):
        """(reason, was a write, page) of the recorded fault, now cleared."""
        high = self.reg(FRCD_HI)
        if not high >> 63:
            return None
        low = self.reg(FRCD_LO)
        self.writeq(self.regs + FRCD_HI, 1 << 63)
        return high >> 32 & 0xff, not high >> 62 & 1, low & ~0xfff
