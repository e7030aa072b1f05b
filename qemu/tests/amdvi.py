# SPDX-License-Identifier: GPL-2.0-only
"""
AMD-Vi as a driver sees it: device table, v1 page tables, registers, commands.

The numbers are typed in from the AMD I/O virtualization specification, not taken
from QEMU.
"""
import struct

from edu import Edu
from qtest import Q35

REGS = 0xfed80000
DEVTAB, CMD_BASE, EVT_BASE, CONTROL, EFR = 0x00, 0x08, 0x10, 0x18, 0x30
CMD_HEAD, CMD_TAIL, EVT_HEAD, EVT_TAIL, STATUS = 0x2000, 0x2008, 0x2010, 0x2018, 0x2020
EVENT_OVERFLOW, EVENT_INTERRUPT, EVENTS_RUN, COMMANDS_RUN = 1 << 0, 1 << 1, 1 << 3, 1 << 4
ENABLE, EVENTS, COMMANDS = 1 << 0, 1 << 2, 1 << 12
TIMEOUT_1S = 4 << 5         # of an invalidation in a device
ENTRIES_256 = 8 << 56       # length code of command buffer and event log

HASUP, EPHSUP, HDSUP = 1 << 49, 1 << 50, 1 << 52

VALID, TRANSLATE = 1 << 0, 1 << 1       # device table entry
PRESENT, ACCESSED, DIRTY = 1 << 0, 1 << 5, 1 << 6
READ, WRITE = 1 << 61, 1 << 62
ADDRESS = 0x000ffffffffff000

DOMAIN = 7

# Event codes, and the flags of IO_PAGE_FAULT
ILLEGAL_ENTRY, PAGE_FAULT, PAGE_TABLE_ERROR = 1, 2, 4
COMMAND_ERROR, DEVICE_TIMEOUT = 6, 7
PR, RW, PE, RZ = 1 << 4, 1 << 5, 1 << 6, 1 << 7


class Amdvi(Edu, Q35):
    """
    An IOMMU with one device, translated by one page table. chain has the levels of
    its tables; a level that is left out is skipped.
    """

    def __init__(self, qemu, props, *args, chain=(4, 3, 2, 1), had=3, edu='',
                 enable=True):
        super().__init__(qemu, '-device', f'amd-iommu,{props}', *args,
                         *self.edu(edu))
        self.chain = chain
        self.next_page = 0x100000
        self.cmd_tail = self.evt_head = 0
        self.commands, self.events, self.status = (self.page() for _ in range(3))
        self.devtab, self.top = self.page(), self.page()
        self.set_dte(had=had)
        if enable:
            self.enable()

    def page(self):
        """Address of a fresh page of zeroes."""
        self.next_page += 0x1000
        return self.next_page - 0x1000

    def reg(self, offset):
        return self.readq(REGS + offset)

    def set_dte(self, had=3, top=None, domain=DOMAIN, flags=READ | WRITE, slot=None,
                mode=None):
        """The device table entry of a device, by default of the one device."""
        slot = self.SLOT if slot is None else slot
        mode = self.chain[0] if mode is None else mode
        top = self.top if top is None else top
        self.write_quads(self.devtab + (slot << 3) * 32,
                         VALID | TRANSLATE | had << 7 | mode << 9 | top | flags,
                         domain, 0, 0)

    def enable(self):
        self.writeq(REGS + DEVTAB, self.devtab)
        self.writeq(REGS + CMD_BASE, self.commands | ENTRIES_256)
        self.writeq(REGS + EVT_BASE, self.events | ENTRIES_256)
        self.writeq(REGS + CONTROL, ENABLE | EVENTS | COMMANDS)

    # -- commands ----------------------------------------------------------

    def post(self, first, second=0):
        """Queue one command, and a wait behind it. Returns the command's address."""
        self.writeq(self.status, 0)
        where = self.commands + self.cmd_tail
        for command in ((first, second), (1 << 60 | self.status | 1, 0x55)):
            self.write_quads(self.commands + self.cmd_tail, *command)
            self.cmd_tail = (self.cmd_tail + 16) % 0x1000
        self.writeq(REGS + CMD_TAIL, self.cmd_tail)
        return where

    def waited(self):
        """Has the last wait stored its value?"""
        return self.readq(self.status) == 0x55

    def submit(self, first, second=0):
        """Queue one command, and wait for it."""
        self.post(first, second)
        assert self.waited(), 'command not executed'

    @staticmethod
    def span(iova, order):
        """Address field and S bit that cover 2^order pages."""
        if not order:
            return iova & ~0xfff
        half = 1 << 11 + order
        return iova & ~(2 * half - 1) & (1 << 64) - 1 | half - 1 & ~0xfff | 1

    def flush_pages(self, iova, order=0, domain=DOMAIN, pde=1, guest=0):
        self.submit(3 << 60 | domain << 32,
                    self.span(iova, order) | pde << 1 | guest << 2)

    def flush_domain(self, domain=DOMAIN, pde=1):
        self.submit(3 << 60 | domain << 32, 0x7ffffffffffff000 | pde << 1 | 1)

    def flush_all(self):
        self.submit(8 << 60)

    def flush_entry(self, slot=None):
        """INVALIDATE_DEVTAB_ENTRY"""
        self.submit(2 << 60 | (self.SLOT if slot is None else slot) << 3)

    def flush_device(self, iova, order=0, guest=0):
        """INVALIDATE_IOTLB_PAGES: drop 2^order pages from the device TLB."""
        self.submit(4 << 60 | self.SLOT << 3 | self.SLOT << 3 + 32,
                    self.span(iova, order) | guest << 2)

    # -- page tables -------------------------------------------------------

    def entry_addrs(self, iova, leaf_level):
        """Addresses of the entries that translate iova, top first."""
        table, addrs = self.top, []
        chain = [level for level in self.chain if level >= leaf_level]
        assert chain[-1] == leaf_level, 'a leaf in a level that is skipped'
        for level, below in zip(chain, chain[1:] + [0]):
            addr = table + (iova >> 3 + 9 * level & 511) * 8
            addrs.append(addr)
            if below:
                entry = self.readq(addr)
                if not entry:
                    entry = self.page() | below << 9 | PRESENT | READ | WRITE
                    self.writeq(addr, entry)
                table = entry & ADDRESS
        return addrs

    def map(self, iova, phys, shift=12, flags=READ | WRITE, extra=0):
        """
        Map one leaf of 2^shift bytes; returns its entry addresses, top first, the
        last one being the copy that iova selects.
        """
        level, copies = (shift - 12) // 9 + 1, 1 << (shift - 12) % 9
        addrs = self.entry_addrs(iova, level)
        size = 1 << shift
        entry = phys & ~(size - 1) | flags | extra | PRESENT
        if copies > 1:
            entry |= size // 2 - 1 & ADDRESS | 7 << 9
        for addr in self.copies(addrs[-1], shift):
            self.writeq(addr, entry)
        return addrs

    @staticmethod
    def copies(leaf, shift):
        """Addresses of all entries of a leaf, of which one is given."""
        copies = 1 << (shift - 12) % 9
        first = leaf & ~(copies * 8 - 1)
        return range(first, first + copies * 8, 8)

    def flags(self, addrs):
        """A and D of each entry as text, top first: '-', 'A', 'D', 'AD'."""
        text = []
        for addr in addrs:
            entry = self.readq(addr)
            text.append(('A' if entry & ACCESSED else '') +
                        ('D' if entry & DIRTY else '') or '-')
        return ' '.join(text)

    def clear(self, addr, bits=ACCESSED | DIRTY):
        self.writeq(addr, self.readq(addr) & ~bits)

    # -- what went wrong ---------------------------------------------------

    def event(self):
        """(code, flags, device, domain, address) of the next event, or None."""
        if self.evt_head == self.reg(EVT_TAIL):
            return None
        low = self.readq(self.events + self.evt_head)
        high = self.readq(self.events + self.evt_head + 8)
        self.evt_head = (self.evt_head + 16) % 0x1000
        self.writeq(REGS + EVT_HEAD, self.evt_head)
        return (low >> 60, low >> 48 & 0xfff, low & 0xffff, low >> 32 & 0xffff,
                high)

    # -- ACPI --------------------------------------------------------------

    def fw_cfg(self, select, size):
        """Contents of a fw_cfg item, by its DMA interface."""
        control, data = 0x200000, 0x201000
        self.write(control, struct.pack('>IIQ', select << 16 | 1 << 3 | 1 << 1,
                                        size, data))
        self.command('outl', '0x514', '0x0')
        self.command('outl', '0x518',
                     hex(int.from_bytes(struct.pack('>I', control), 'little')))
        assert self.readl(control) == 0, 'fw_cfg'
        return self.read(data, size)

    def acpi_efr(self):
        """The EFR images in the IVRS, by type of IVHD block."""
        count = struct.unpack('>I', self.fw_cfg(0x19, 4))[0]
        for entry in struct.iter_unpack('>IHH56s',
                                        self.fw_cfg(0x19, 4 + 64 * count)[4:]):
            if entry[3].rstrip(b'\0') == b'etc/acpi/tables':
                tables = self.fw_cfg(entry[1], entry[0])
        start = tables.index(b'IVRS')
        end = start + struct.unpack_from('<I', tables, start + 4)[0]
        offset, images = start + 48, {}
        while offset < end:
            kind, _, length = struct.unpack_from('<BBH', tables, offset)
            if kind in (0x11, 0x40):
                images[kind] = struct.unpack_from('<Q', tables, offset + 24)[0]
            offset += length
        return images
