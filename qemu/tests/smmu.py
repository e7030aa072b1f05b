# SPDX-License-Identifier: GPL-2.0-only
"""
SMMUv3 as a driver sees it: tables, structures, registers, commands, events.

The numbers are typed in from the Arm specifications (IHI 0070 for the SMMU, DDI 0487
for descriptors), not taken from QEMU.
"""
import struct

from edu import Edu
from qtest import Virt

REGS = 0x09050000
IDR0, IDR1, IDR3, IDR5, CR0, GERROR, GERRORN = 0, 4, 0xc, 0x14, 0x20, 0x60, 0x64
STRTAB_BASE, STRTAB_BASE_CFG = 0x80, 0x88
BBM_ERRORS, CD_ERRORS, FAIL_ATC, FAIL_CMD = 0xe00, 0xe04, 0xe08, 0xe0c     # ours
SECOND_REGS = 0x090c0000
CERROR_ILL, CERROR_ABT, CERROR_ATC_INV_SYNC = 1, 2, 3
FAIL_ILL, FAIL_ABT, FAIL_LOST, FAIL_SYNC_LOST = 1, 2, 3, 4
SYNC, TLBI_NSNH_ALL = 0x46, 0x30
CMDQ_BASE, CMDQ_PROD, CMDQ_CONS = 0x90, 0x98, 0x9c
EVENTQ_BASE, EVENTQ_PROD, EVENTQ_CONS = 0xa0, 0x100a8, 0x100ac
SMMUEN, EVENTQEN, CMDQEN = 1, 4, 8
QUEUE_LOG2 = 7

RAM = 0x40000000
ASID, VMID = 0x1234, 0x56
SID = Virt.SLOT << 3

AF, NG, NT, DBM = 1 << 10, 1 << 11, 1 << 16, 1 << 51
TABLE, PAGE, BLOCK = 3, 3, 1
OAS_44 = 4      # as CD.IPS and STE.S2PS have it

# Event types
C_BAD_STE, C_BAD_CD, F_WALK_EABT = 0x04, 0x0a, 0x0b
F_BAD_ATS_TREQ = 0x05
F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION = 0x10, 0x11, 0x12, 0x13
F_TLB_CONFLICT = 0x20
CLASS_CD, CLASS_TT, CLASS_IN = 0, 1, 2


class Stage1:
    """Bits of a stage-1 leaf: AP[2] makes it read-only."""
    name = 's1'
    AP2 = 1 << 7
    attrs = NG | 3 << 8 | 1 << 6
    read_only, dirty = AP2, 0
    clean = AP2 | DBM

    @staticmethod
    def is_dirty(leaf):
        return not leaf & Stage1.AP2


class Stage2:
    """Bits of a stage-2 leaf: S2AP[1] makes it writable, S2AP[0] readable."""
    name = 's2'
    S2AP1 = 1 << 7
    attrs = 3 << 8 | 0xf << 2 | 1 << 6
    read_only, dirty = 0, S2AP1
    clean = DBM

    @staticmethod
    def is_dirty(leaf):
        return bool(leaf & Stage2.S2AP1)


class Tables:
    """One set of translation tables, and the geometry that CD or STE describe."""

    def __init__(self, smmu, stage, granule=12, bits=None, start=None):
        """granule: log2 of its size; bits: of the input address."""
        self.smmu, self.stage, self.granule = smmu, stage, granule
        self.bits = bits or (48 if stage is Stage1 else 44)
        if start is None:
            start = 4 - -(-(self.bits - granule) // (granule - 3))
        self.start = start
        # What tables hold, and CD: a stage 1 above a stage 2 holds IPAs.
        self.ipa = smmu.ipa if stage is Stage1 else 0
        entries = 1 << max(self.bits - self.shift(start), 0)
        self.top = smmu.alloc(max(entries * 8, 1 << granule))

    def shift(self, level):
        """Log2 of what one entry of a level maps."""
        return self.granule + (3 - level) * (self.granule - 3)

    def size(self, level):
        return 1 << self.shift(level)

    def entry_addrs(self, iova, leaf_level):
        """Addresses of the entries that translate iova, top first."""
        table, addrs = self.top, []
        for level in range(self.start, leaf_level + 1):
            index = iova >> self.shift(level)
            # Concatenated tables at the top make one long one.
            index &= (1 << self.bits - self.shift(level) if level == self.start
                      else 1 << self.granule - 3) - 1
            addrs.append(table + index * 8)
            if level < leaf_level:
                entry = self.smmu.readq(addrs[-1])
                if not entry:
                    entry = (self.smmu.alloc(1 << self.granule) +
                             self.ipa | TABLE)
                    self.smmu.writeq(addrs[-1], entry)
                table = (entry & (1 << 48) - (1 << self.granule)) - self.ipa
        return addrs

    def map(self, iova, phys, level=3, flags=None, extra=0):
        """Map one leaf, clean unless flags say otherwise; returns its entries."""
        addrs = self.entry_addrs(iova, level)
        flags = self.stage.clean if flags is None else flags
        self.smmu.writeq(addrs[-1], phys & ~(self.size(level) - 1) | flags |
                         extra | self.stage.attrs |
                         (PAGE if level == 3 else BLOCK))
        return addrs

    def flags(self, addrs):
        """Of each entry, top first: A for accessed; of the leaf, D for dirty."""
        text = []
        for addr in addrs:
            entry = self.smmu.readq(addr)
            leaf = addr == addrs[-1]
            text.append(('A' if entry & AF else '') +
                        ('D' if leaf and self.stage.is_dirty(entry) else '') or
                        '-')
        return ' '.join(text)


class Smmu(Edu, Virt):
    """An SMMUv3 with one device behind it."""

    def __init__(self, qemu, props='', *args, edu='', ipa=0, enable=True):
        """ipa: what stage 2 will subtract from the addresses in structures."""
        self.ipa = ipa
        super().__init__(qemu, *self.globals(props), *args, *self.edu(edu))
        self.free = RAM + 0x100000
        self.strtab = self.alloc(0x1000)
        self.cmdq, self.eventq = self.alloc(0x1000), self.alloc(0x1000)
        self.cd = self.alloc(0x1000)
        self.cmd_prod = self.event_cons = 0
        if enable:
            self.enable()

    @staticmethod
    def globals(props):
        for prop in filter(None, props.split(',')):
            yield from ('-global', f'arm-smmuv3.{prop}')

    def alloc(self, size):
        """Physical address of fresh zeroes, naturally aligned."""
        address = -(-self.free // size) * size
        self.free = address + size
        return address

    def reg(self, offset):
        return self.readl(REGS + offset)

    def enable(self):
        self.writeq(REGS + STRTAB_BASE, self.strtab)
        self.writel(REGS + STRTAB_BASE_CFG, 6)
        self.writeq(REGS + CMDQ_BASE, self.cmdq | QUEUE_LOG2)
        self.writeq(REGS + EVENTQ_BASE, self.eventq | QUEUE_LOG2)
        self.writel(REGS + CR0, EVENTQEN | CMDQEN)
        self.writel(REGS + CR0, EVENTQEN | CMDQEN | SMMUEN)

    # -- structures --------------------------------------------------------

    def set_cd(self, tables, ha=True, hd=True, haft=False, asid=ASID, affd=False):
        tg0 = {12: 0, 16: 1, 14: 2}[tables.granule]
        self.write_quads(
            self.cd,
            64 - tables.bits | tg0 << 6 | 1 << 30 | 1 << 31 | OAS_44 << 32 |
            affd << 35 | 1 << 41 | hd << 42 | ha << 43 | 1 << 45 | 1 << 46 |
            1 << 47 | asid << 48,
            tables.top + tables.ipa | haft << 3)

    def set_ste(self, stage1=False, stage2=None, ha=True, hd=True, haft=False,
                vmid=VMID, affd=False, eats=0):
        quads = [1 | 4 << 1, eats << 28, 0, 0]
        if stage1:
            quads[0] |= 1 << 1 | self.cd + self.ipa
        if stage2:
            sl0 = (2 if stage2.granule == 12 else 3) - stage2.start
            tg = {12: 0, 16: 1, 14: 2}[stage2.granule]
            quads[0] |= 2 << 1
            quads[2] |= (64 - stage2.bits << 32 | sl0 << 38 | tg << 46 |
                         OAS_44 << 48 | 1 << 51 | affd << 53 | hd << 55 |
                         ha << 56 | 1 << 58 | haft << 59)
            quads[3] = stage2.top
        quads[2] |= vmid
        self.write_quads(self.strtab + SID * 64, *quads)

    # -- commands ----------------------------------------------------------

    def queue(self, *commands):
        """Let the SMMU have commands, and look no further."""
        for quads in commands:
            index = self.cmd_prod % (1 << QUEUE_LOG2)
            self.write_quads(self.cmdq + 16 * index, *quads)
            self.cmd_prod = (self.cmd_prod + 1) % (2 << QUEUE_LOG2)
        self.writel(REGS + CMDQ_PROD, self.cmd_prod)

    def left(self):
        """How many commands have not been consumed."""
        return (self.cmd_prod - self.reg(CMDQ_CONS)) % (2 << QUEUE_LOG2)

    def wait(self, microseconds):
        self.command('clock_step', str(microseconds * 1000))

    def acknowledge(self):
        """The queue goes on after an error."""
        self.writel(REGS + GERRORN, self.reg(GERROR))

    def submit(self, *command):
        """Queue one command and a CMD_SYNC; returns the error they caused."""
        self.queue(command, (SYNC, 0))
        error = 0
        if (self.reg(GERROR) ^ self.reg(GERRORN)) & 1:
            error = self.reg(CMDQ_CONS) >> 24 & 0x7f
        else:
            assert not self.left(), 'command not consumed'
        return error

    def invalidate(self, opcode, address=0, asid=ASID, vmid=VMID, leaf=1,
                   tg=0, ttl=0, num=0, scale=0):
        return self.submit(opcode | num << 12 | scale << 20 | vmid << 32 |
                           asid << 48, address & ~0xfff | tg << 10 | ttl << 8 |
                           leaf)

    def flush_configuration(self):
        return self.submit(0x04, 0x1f)      # CMD_CFGI_ALL

    def flush_asid(self, **kwargs):
        return self.invalidate(0x11, leaf=0, **kwargs)

    def flush_vmid_stage1(self, **kwargs):
        return self.invalidate(0x10, asid=0, leaf=0, **kwargs)

    def flush_vmid(self, **kwargs):
        return self.invalidate(0x28, asid=0, leaf=0, **kwargs)

    def flush_all(self):
        return self.invalidate(0x30, asid=0, vmid=0, leaf=0)

    def flush_va(self, address, **kwargs):
        return self.invalidate(0x12, address, **kwargs)

    def flush_vaa(self, address, **kwargs):
        return self.invalidate(0x13, address, asid=0, **kwargs)

    def flush_ipa(self, address, **kwargs):
        return self.invalidate(0x2a, address, asid=0, **kwargs)

    def flush_device(self, address, size=0):
        """Drop 4096 << size bytes from the device TLB; 52 is everything."""
        return self.submit(0x40 | SID << 32, address & ~0xfff | size)

    # -- events ------------------------------------------------------------

    def event(self):
        """The next event as a dictionary, or None."""
        if self.reg(EVENTQ_PROD) == self.event_cons:
            return None
        index = self.event_cons % (1 << QUEUE_LOG2)
        quads = struct.unpack('<4Q', self.read(self.eventq + 32 * index, 32))
        self.event_cons = (self.event_cons + 1) % (2 << QUEUE_LOG2)
        self.writel(REGS + EVENTQ_CONS, self.event_cons)
        event = {'type': quads[0] & 0xff, 'sid': quads[0] >> 32,
                 'read': quads[1] >> 35 & 1, 's2': quads[1] >> 39 & 1,
                 'class': quads[1] >> 40 & 3, 'address': quads[2],
                 'ipa': quads[3] & (1 << 52) - (1 << 12)}
        assert event['sid'] == SID, event
        return event
