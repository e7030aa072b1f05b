# SPDX-License-Identifier: GPL-2.0-only
"""
VT-d with accessed and dirty bits. Every case starts its own machine and compares
them with what the VT-d specification says.
"""
import tempfile

from edu import EDU_RESULT, REJECT, REJECT_DEVICE, SILENT, SILENT_AHEAD
from suite import Suite, same
from vtd import (CAP, DOMAIN, ECAP, FIRST, FSTS, GSTS, IQE, IQERCD, ITE, REGS, SECOND, TE,
                 Vtd)

SS = 'x-scalable-mode=on,x-slad=on'
FS = 'x-scalable-mode=on,x-flts=on,x-flad=on'
BOTH = FS + ',x-slts=on,x-slad=on'
PROPS = {SECOND: SS, FIRST: FS}

IOVA = {3: 0x12_3456_7000, 4: 0x7abc_de123000, 5: 0xab_cdef_0123_4000}
PHYS = {1: 0x2345000, 2: 0x4000000, 3: 0}
SIZE = {1: 'page', 2: '2m', 3: '1g'}

ONCE = ('',)
CACHES = (',x-caches=on',)

SUITE = Suite('vtd', 'qemu-system-x86_64', ('',) + CACHES, 'caches')
case = SUITE.case


class Mapped:
    """A machine, and one mapping in it that the device is about to use."""

    def __init__(self, stage, levels=4, leaf=1, props='', flags=None, extra=0,
                 args=(), **kwargs):
        width = ',aw-bits=57' if levels == 5 else ''
        self.vtd = Vtd(SUITE.qemu, PROPS[stage] + width + props + SUITE.more, *args,
                       stage=stage, levels=levels, **kwargs)
        self.stage, self.size = stage, 1 << 12 + 9 * (leaf - 1)
        self.iova = IOVA[levels]
        # The same offset inside the leaf on both sides, well above 1 MiB.
        self.phys = PHYS[leaf] | self.iova & self.size - 1
        if leaf == 3:
            self.iova = self.iova & ~0x3fffffff | 0x3456000
            self.phys = 0x3456000
        self.addrs = self.vtd.map(self.iova, self.phys, leaf, flags, extra)
        self.leaf = self.addrs[-1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.vtd.close()

    def tables(self, leaf):
        """Expected flags: every table entry accessed, and the leaf given."""
        return ' '.join(['A'] * (len(self.addrs) - 1) + [leaf])

    def none(self):
        return ' '.join(['-'] * len(self.addrs))

    def expect(self, leaf):
        same('flags', self.vtd.flags(self.addrs), self.tables(leaf))

    def expect_leaf(self, leaf):
        same('leaf', self.vtd.flags([self.leaf]), leaf)

    def read(self, result=0):
        same('DMA result', self.vtd.dma_read(self.iova), result)

    def write(self):
        """A successful DMA write, which must reach memory."""
        self.vtd.writeq(self.phys, ~0 & (1 << 64) - 1)
        same('DMA result', self.vtd.dma_write(self.iova), 0)
        same('data', self.vtd.readq(self.phys), 0)
        same('fault', self.vtd.fault(), None)

    def write_blocked(self, reason):
        """A DMA write that must fault, and leave no trace."""
        self.vtd.writeq(self.phys, 0x5a5a)
        if not self.vtd.dma_write(self.iova):
            raise AssertionError('DMA write was not blocked')
        same('data', self.vtd.readq(self.phys), 0x5a5a)
        same('fault', self.vtd.fault(), (reason, True, self.iova & ~0xfff))

    def cleaned(self):
        """Write, so that a dirty leaf is cached; then clean it in memory."""
        self.write()
        self.expect_leaf('AD')
        self.vtd.clear(self.leaf)


BOTH_STAGES = [(stage.name, stage) for stage in (SECOND, FIRST)]
GEOMETRIES = [(f'{stage.name}{levels}.{SIZE[leaf]}', stage, levels, leaf)
              for stage, depths in ((SECOND, (3, 4, 5)), (FIRST, (4, 5)))
              for levels in depths for leaf in (1, 2, 3)]


# -- setting the flags -----------------------------------------------------

@case(*GEOMETRIES)
def read_sets_accessed(stage, levels, leaf):
    with Mapped(stage, levels, leaf) as m:
        same('before', m.vtd.flags(m.addrs), m.none())
        m.read()
        m.expect('A')


@case(*GEOMETRIES)
def write_sets_dirty(stage, levels, leaf):
    with Mapped(stage, levels, leaf) as m:
        m.write()
        m.expect('AD')


@case(*GEOMETRIES)
def write_after_read_sets_dirty(stage, levels, leaf):
    """A translation cached clean cannot serve a write."""
    with Mapped(stage, levels, leaf) as m:
        m.read()
        m.expect('A')
        m.write()
        m.expect('AD')


@case(*BOTH_STAGES)
def accessed_leaf_becomes_dirty(stage):
    with Mapped(stage, extra=stage.accessed) as m:
        m.write()
        m.expect('AD')


@case(*BOTH_STAGES)
def dirty_leaf_becomes_accessed(stage):
    with Mapped(stage, extra=stage.dirty) as m:
        m.read()
        m.expect('AD')


@case(*BOTH_STAGES)
def other_bits_are_kept(stage):
    ignored = 0x5 << 53
    with Mapped(stage, extra=ignored) as m:
        before = m.vtd.readq(m.leaf)
        m.write()
        same('leaf', m.vtd.readq(m.leaf),
             before | stage.accessed | stage.dirty)


@case(*BOTH_STAGES)
def neighbour_stays_clean(stage):
    with Mapped(stage) as m:
        other = m.vtd.map(m.iova ^ 0x1000, m.phys ^ 0x1000)
        m.write()
        same('neighbour', m.vtd.flags(other), m.tables('-'))


@case(*BOTH_STAGES)
def write_across_pages_sets_both(stage):
    with Mapped(stage) as m:
        other = m.vtd.map(m.iova + 0x1000, m.phys + 0x1000)
        same('result', m.vtd.dma_write(m.iova + 0xff8, 16), 0)
        same('first', m.vtd.flags(m.addrs), m.tables('AD'))
        same('second', m.vtd.flags(other), m.tables('AD'))


# -- the cached translation ------------------------------------------------

@case(*GEOMETRIES)
def cached_dirty_hides_next_write(stage, levels, leaf):
    with Mapped(stage, levels, leaf) as m:
        m.cleaned()
        m.write()
        m.expect_leaf('-')


def flush_reveals(m, flush):
    m.cleaned()
    flush()
    m.write()
    m.expect_leaf('AD')


def flush_hides(m, flush):
    m.cleaned()
    flush()
    m.write()
    m.expect_leaf('-')


@case(*BOTH_STAGES)
def flush_global_reveals(stage):
    with Mapped(stage) as m:
        flush_reveals(m, m.vtd.flush_global)


@case(*BOTH_STAGES)
def flush_domain_reveals(stage):
    with Mapped(stage) as m:
        flush_reveals(m, m.vtd.flush_domain)


@case(*BOTH_STAGES)
def flush_other_domain_hides(stage):
    with Mapped(stage) as m:
        flush_hides(m, lambda: m.vtd.flush_domain(DOMAIN + 1))


@case(*BOTH_STAGES)
def flush_pasid_reveals(stage):
    with Mapped(stage) as m:
        flush_reveals(m, m.vtd.flush_pasid)


@case(*BOTH_STAGES)
def flush_other_pasid_hides(stage):
    with Mapped(stage) as m:
        flush_hides(m, lambda: m.vtd.flush_pasid(1))


def flush_pages(m, iova, order=0, **kwargs):
    """The page-selective invalidation that belongs to the stage."""
    if m.stage is SECOND:
        return lambda: m.vtd.flush_page(iova, order, **kwargs)
    return lambda: m.vtd.flush_pasid_page(iova, order, **kwargs)


@case(*GEOMETRIES)
def flush_page_reveals(stage, levels, leaf):
    with Mapped(stage, levels, leaf) as m:
        flush_reveals(m, flush_pages(m, m.iova))


@case(*GEOMETRIES)
def flush_last_page_of_leaf_reveals(stage, levels, leaf):
    with Mapped(stage, levels, leaf) as m:
        flush_reveals(m, flush_pages(m, m.iova | m.size - 1))


@case(*GEOMETRIES)
def flush_next_page_hides(stage, levels, leaf):
    with Mapped(stage, levels, leaf) as m:
        flush_hides(m, flush_pages(m, (m.iova | m.size - 1) + 1))


@case(*BOTH_STAGES)
def flush_aligned_pages_reveals(stage):
    with Mapped(stage) as m:
        flush_reveals(m, flush_pages(m, m.iova & ~0x3ffff, 6))


@case(*BOTH_STAGES)
def flush_pages_before_hides(stage):
    with Mapped(stage) as m:
        flush_hides(m, flush_pages(m, (m.iova & ~0x3ffff) - 0x40000, 6))


@case(*BOTH_STAGES)
def flush_page_of_other_domain_hides(stage):
    with Mapped(stage) as m:
        flush_hides(m, flush_pages(m, m.iova, domain=DOMAIN + 1))


@case(*BOTH_STAGES)
def flush_leaf_only_reveals(stage):
    with Mapped(stage) as m:
        flush_reveals(m, flush_pages(m, m.iova, hint=1))


@case()
def ss_pasid_page_flush_hides():
    """PASID-based page-selective invalidation is for first-stage entries."""
    with Mapped(SECOND) as m:
        flush_hides(m, lambda: m.vtd.flush_pasid_page(m.iova))


@case()
def fs_page_flush_reveals():
    """The older page-selective one drops all of a domain's first stage."""
    with Mapped(FIRST) as m:
        flush_reveals(m, lambda: m.vtd.flush_page(m.iova + 0x100000))


@case(*BOTH_STAGES)
def cache_holds_thousands_of_pages(stage):
    with Mapped(stage) as m:
        m.cleaned()
        for n in range(1, 1500):
            m.vtd.map(m.iova + n * 0x1000, m.phys + n * 0x1000)
            same('result', m.vtd.dma_read(m.iova + n * 0x1000), 0)
        m.write()
        m.expect_leaf('-')


# -- cached tables and PASID entries ----------------------------------------

def forget_all(m):
    """Write, then clean every entry in memory."""
    m.write()
    m.expect('AD')
    for addr in m.addrs:
        m.vtd.clear(addr)


@case(*GEOMETRIES, props=CACHES)
def cached_table_hides_access(stage, levels, leaf):
    with Mapped(stage, levels, leaf) as m:
        forget_all(m)
        flush_pages(m, m.iova, hint=1)()
        m.write()
        # The walk began below the lowest table: only the leaf was used.
        same('flags', m.vtd.flags(m.addrs),
             ' '.join(['-'] * (len(m.addrs) - 1) + ['AD']))


@case(*GEOMETRIES, props=CACHES)
def table_flush_reveals_access(stage, levels, leaf):
    for flush in ('page', 'domain', 'pasid', 'global'):
        with Mapped(stage, levels, leaf) as m:
            forget_all(m)
            {'page': flush_pages(m, m.iova), 'domain': m.vtd.flush_domain,
             'pasid': m.vtd.flush_pasid, 'global': m.vtd.flush_global}[flush]()
            m.write()
            m.expect('AD')


@case(*BOTH_STAGES, props=ONCE)
def uncached_table_is_accessed_again(stage):
    with Mapped(stage) as m:
        forget_all(m)
        flush_pages(m, m.iova, hint=1)()
        m.write()
        m.expect('AD')


@case(*BOTH_STAGES, props=CACHES)
def replaced_table_is_used_after_flush(stage):
    with Mapped(stage) as m:
        m.write()
        old, m.leaf = m.leaf, m.vtd.page() | m.leaf & 0xff8
        m.vtd.writeq(m.leaf, m.phys + 0x1000 & ~0xfff | stage.write)
        m.vtd.clear(old)
        m.vtd.writeq(m.addrs[-2], m.leaf & ~0xfff | stage.table)
        flush_pages(m, m.iova, hint=1)()
        m.write()       # into the old page, through the old table
        same('old and new leaf', m.vtd.flags([old, m.leaf]), 'AD -')
        flush_pages(m, m.iova)()
        m.phys += 0x1000
        m.write()
        same('new leaf', m.vtd.flags([m.leaf]), 'AD')


@case(*[(name, switch) for name, switch in (('on', True), ('off', False))],
      props=CACHES)
def ss_switch_needs_pasid_cache_flush(switch):
    with Mapped(SECOND, ssade=not switch) as m:
        before, after = ('-', 'AD') if switch else ('AD', '-')
        m.write()
        m.vtd.set_pasid_entry(SECOND, m.vtd.top, ssade=switch)
        for forget in (lambda: None,
                       lambda: m.vtd.flush_pasid_cache(0, DOMAIN + 1),
                       lambda: m.vtd.flush_pasid_cache(1, DOMAIN, 1)):
            forget()
            m.vtd.flush_domain()
            m.vtd.clear(m.leaf)
            m.write()
            m.expect_leaf(before)
        m.vtd.flush_pasid_cache()
        m.vtd.clear(m.leaf)
        m.write()       # the IOTLB still is as it was
        m.expect_leaf('-')
        m.vtd.flush_domain()
        m.write()
        m.expect_leaf(after)


@case(('domain', 0), ('pasid', 1), ('global', 3), props=CACHES)
def pasid_cache_flush(granularity):
    with Mapped(SECOND, ssade=False) as m:
        m.write()
        m.vtd.set_pasid_entry(SECOND, m.vtd.top)
        m.vtd.flush_pasid_cache(granularity)
        m.vtd.flush_domain()
        m.write()
        m.expect('AD')


@case()
def pass_through_and_back():
    with Mapped(SECOND) as m:
        entry = m.vtd.read(m.vtd.pasid_table, 64)
        m.vtd.set_pasid_passthrough()
        m.vtd.flush_pasid_cache()
        for _ in range(2):
            same('pass-through', m.vtd.dma_write(m.phys), 0)
        same('flags', m.vtd.flags(m.addrs), m.none())
        m.vtd.write(m.vtd.pasid_table, entry)
        m.vtd.flush_pasid_cache()
        m.vtd.flush_domain()
        m.write()
        m.expect('AD')


# -- the device TLB --------------------------------------------------------

def with_ats(stage, leaf=1):
    mapped = Mapped(stage, leaf=leaf, props=',device-iotlb=on', edu=',ats=on')
    mapped.vtd.enable_ats()
    return mapped


ATS_GEOMETRIES = [(f'{stage.name}.{SIZE[leaf]}', stage, leaf)
                  for stage in (SECOND, FIRST) for leaf in (1, 2, 3)]


@case(*ATS_GEOMETRIES)
def ats_read_sets_accessed(stage, leaf):
    with with_ats(stage, leaf) as m:
        m.read()
        m.expect('A')


@case(*ATS_GEOMETRIES)
def ats_write_after_read_sets_dirty(stage, leaf):
    with with_ats(stage, leaf) as m:
        m.read()
        m.write()
        m.expect('AD')


@case(*ATS_GEOMETRIES)
def ats_needs_both_flushes(stage, leaf):
    with with_ats(stage, leaf) as m:
        last = m.iova | m.size - 1
        for flushes, after in (
                ((), '-'), ((m.vtd.flush_domain,), '-'),
                ((lambda: m.vtd.flush_device(last),), '-'),
                ((m.vtd.flush_domain, lambda: m.vtd.flush_device(last)), 'AD')):
            m.vtd.flush_domain()
            m.vtd.flush_device(m.iova)
            m.cleaned()
            for flush in flushes:
                flush()
            m.write()
            m.expect_leaf(after)


@case(*BOTH_STAGES)
def ats_flush_range(stage):
    for iova, order, after in ((0, 52, 'AD'), (IOVA[4], 6, 'AD'),
                               (IOVA[4] + 0x40000, 6, '-'),
                               (IOVA[4] + 0x1000, 0, '-')):
        with with_ats(stage) as m:
            m.cleaned()
            m.vtd.flush_domain()
            m.vtd.flush_device(iova, order)
            m.write()
            m.expect_leaf(after)


@case(*BOTH_STAGES)
def ats_off_needs_one_flush(stage):
    with Mapped(stage, props=',device-iotlb=on', edu=',ats=on') as m:
        flush_reveals(m, m.vtd.flush_domain)


@case(('ss', SECOND), ('fs', FIRST))
def ats_write_to_read_only_leaf_is_blocked(stage):
    with Mapped(stage, flags=stage.read, props=',device-iotlb=on',
                edu=',ats=on') as m:
        m.vtd.enable_ats()
        m.read()
        same('blocked', m.vtd.dma_write(m.iova) != 0, True)
        m.expect('A')


# -- faults ----------------------------------------------------------------

@case(('ss', SECOND, 0x05), ('fs', FIRST, 0x85))
def write_to_read_only_leaf_faults(stage, reason):
    with Mapped(stage, flags=stage.read) as m:
        m.write_blocked(reason)
        same('dirty', m.vtd.readq(m.leaf) & stage.dirty, 0)
        m.read()
        m.expect('A')
        m.write_blocked(reason)     # also from a cached translation
        m.expect('A')


@case(('ss', SECOND, 0x05), ('fs', FIRST, 0x85))
def write_below_read_only_table_faults(stage, reason):
    with Mapped(stage) as m:
        m.vtd.clear(m.addrs[1], stage.write & ~stage.read)
        m.write_blocked(reason)
        m.expect_leaf('-')


@case(('ss', SECOND, 0x05), ('fs', FIRST, 0x71))
def write_to_absent_leaf_faults(stage, reason):
    with Mapped(stage) as m:
        m.vtd.writeq(m.leaf, 0)
        m.write_blocked(reason)
        same('leaf', m.vtd.readq(m.leaf), 0)


@case(('ss', SECOND, 0x07), ('fs', FIRST, 0x91))
def leaf_in_rom_faults(stage, reason):
    """An update that memory refuses blocks the request."""
    with tempfile.NamedTemporaryFile() as rom:
        index = IOVA[4] >> 12 & 511
        phys = PHYS[1] & ~0xfff
        leaf = phys | stage.write | stage.accessed
        image = bytearray(0x10000)
        image[index * 8:index * 8 + 8] = leaf.to_bytes(8, 'little')
        rom.write(image)
        rom.flush()
        with Mapped(stage, args=('-bios', rom.name)) as m:
            m.vtd.writeq(m.addrs[-2], 0xffff0000 | stage.table)
            m.read()
            m.write_blocked(reason)


@case(('ss', SECOND, ',x-ss1gp=off', 0x0c), ('fs', FIRST, ',fs1gp=off', 0x72),
      props=ONCE)
def reserved_leaf_of_1g_faults(stage, without, reason):
    """Where the unit has no such leaves, their size bit is reserved."""
    with Mapped(stage, leaf=3, props=without) as m:
        m.write_blocked(reason)
        m.expect_leaf('-')
    with Mapped(stage, leaf=2, props=without) as m:
        m.write()
        m.expect('AD')


# -- switches and capabilities ---------------------------------------------

@case(props=ONCE)
def stock_capabilities():
    """Without our properties the registers are the stock ones."""
    cap = (0x22 << 24 | 6 | 18 << 48 | 1 << 39 | 3 << 34 | 47 << 16 |
           3 << 54 | 6 << 8)
    ecap = 0xf << 8 | 1 << 1 | 1 << 3 | 0xf << 20 | 1 << 6
    slts = 1 << 43 | 1 << 31 | 1 << 46
    for props, more_cap, more_ecap in (
            ('caching-mode=off', 0, 0),
            ('x-scalable-mode=on', 0, slts),
            ('x-scalable-mode=on,x-flts=on', 1 << 56, 1 << 43 | 1 << 47)):
        with Vtd(SUITE.qemu, props, enable=False) as vtd:
            same(f'{props} CAP', hex(vtd.reg(CAP)), hex(cap | more_cap))
            same(f'{props} ECAP', hex(vtd.reg(ECAP)), hex(ecap | more_ecap))


@case(props=ONCE)
def capabilities():
    slads, slts, flts, smpwc = (1 << n for n in (45, 46, 47, 48))
    mask = slads | slts | flts | smpwc
    for props, want in (
            (SS, slads | slts | smpwc), (SS + ',x-smpwc=off', slads | slts),
            (FS, flts | smpwc), (FS + ',x-smpwc=off', flts),
            (FS + ',x-slts=on', flts | slts | smpwc), (BOTH, mask)):
        with Vtd(SUITE.qemu, props, enable=False) as vtd:
            same(props, hex(vtd.reg(ECAP) & mask), hex(want))
    sllps, fl1gp = 3 << 34, 1 << 56
    for props, want in (
            (BOTH, sllps | fl1gp), (BOTH + ',fs1gp=off', sllps),
            (BOTH + ',x-ss1gp=off', fl1gp | 1 << 34)):
        with Vtd(SUITE.qemu, props, enable=False) as vtd:
            same(props, hex(vtd.reg(CAP) & (sllps | fl1gp)), hex(want))


@case(props=ONCE)
def five_level_capabilities():
    with Vtd(SUITE.qemu, BOTH + ',aw-bits=57', enable=False) as vtd:
        cap = vtd.reg(CAP)
        same('SAGAW', cap >> 8 & 0x1f, 0b01110)
        same('MGAW', (cap >> 16 & 0x3f) + 1, 57)
        same('FL5LP and FS1GP', cap & 1 << 60 and cap & 1 << 56, 1 << 56)
        same('SLLPS', cap >> 34 & 0xf, 3)


@case(*[(f'ss.{SIZE[leaf]}', leaf) for leaf in (1, 2, 3)])
def switched_off_sets_nothing(leaf):
    with Mapped(SECOND, leaf=leaf, ssade=False) as m:
        m.read()
        m.write()
        same('flags', m.vtd.flags(m.addrs), m.none())


@case(props=ONCE)
def ss_switch_without_capability_faults():
    """SSADE is reserved: non-zero reserved field in a PASID entry."""
    for props in ('x-scalable-mode=on', FS + ',x-slts=on'):
        with Vtd(SUITE.qemu, props) as vtd:
            addrs = vtd.map(IOVA[4], PHYS[1])
            same('blocked', vtd.dma_write(IOVA[4]) != 0, True)
            same('fault', vtd.fault(), (0x5a, True, IOVA[4]))
            same('flags', vtd.flags(addrs), '- - - -')


@case(('ss', SECOND, 0x7c), ('fs', FIRST, 0x90))
def update_without_snooping_faults(stage, reason):
    with Mapped(stage, pwsnp=False) as m:
        m.write_blocked(reason)
        same('flags', m.vtd.flags(m.addrs), m.none())
        for addr in m.addrs:    # nothing to update, nothing to complain about
            m.vtd.writeq(addr, m.vtd.readq(addr) | stage.accessed)
        m.vtd.writeq(m.leaf, m.vtd.readq(m.leaf) | stage.dirty)
        m.write()


@case(('ss', SECOND, 0x7c), ('fs', FIRST, 0x90))
def incoherent_walker_faults(stage, reason):
    with Mapped(stage, props=',x-smpwc=off', pwsnp=False) as m:
        m.write_blocked(reason)
    with Mapped(stage, props=',x-smpwc=off') as m:
        m.write_blocked(0x5a)   # PWSNP is reserved


@case(props=ONCE)
def stages_side_by_side():
    """One IOMMU, one device, and its tables change format."""
    with Vtd(SUITE.qemu, BOTH, stage=FIRST) as vtd:
        first = vtd.map(IOVA[4], PHYS[1])
        same('first stage', vtd.dma_write(IOVA[4]), 0)
        same('flags', vtd.flags(first), 'A A A AD')
        vtd.stage, vtd.top = SECOND, vtd.page()
        second = vtd.map(IOVA[4], PHYS[1] + 0x1000)
        vtd.set_pasid_entry(SECOND, vtd.top)
        vtd.flush_pasid_cache()
        vtd.flush_domain()
        same('second stage', vtd.dma_write(IOVA[4]), 0)
        same('flags', vtd.flags(second), 'A A A AD')


# -- more than one unit ----------------------------------------------------

def slots(mask, props='', **kwargs):
    """A unit that records, and after it one that serves some slots and does not."""
    return Vtd(SUITE.qemu, SS, '-device',
               f'intel-iommu,x-scalable-mode=on,x-slots={mask}{props}', **kwargs)


@case(props=ONCE)
def unit_of_slots_has_its_own_tables():
    with slots(1 << Vtd.SLOT, ssade=False, regs=REGS + 0x1000) as vtd:
        addrs = vtd.map(IOVA[4], PHYS[1])
        same('DMA result', vtd.dma_write(IOVA[4]), 0)
        same('fault', vtd.fault(), None)
        same('flags', vtd.flags(addrs), '- - - -')
        same('ECAP.SLADS', vtd.reg(ECAP) >> 45 & 1, 0)
        vtd.regs = REGS     # the other unit has nothing to do with it
        same('ECAP.SLADS of the first', vtd.reg(ECAP) >> 45 & 1, 1)
        same('GSTS of the first', vtd.readl(REGS + GSTS) & TE, 0)


@case(props=ONCE)
def unit_of_slots_has_its_own_abilities():
    with slots(1 << Vtd.SLOT, ssade=True, regs=REGS + 0x1000) as vtd:
        vtd.map(IOVA[4], PHYS[1])
        if not vtd.dma_write(IOVA[4]):
            raise AssertionError('SSADE was not reserved')
        same('fault', vtd.fault(), (0x5a, True, IOVA[4]))


@case(props=ONCE)
def unit_of_slots_leaves_the_others():
    with slots(~(1 << Vtd.SLOT) & 0xffffffff) as vtd:
        addrs = vtd.map(IOVA[4], PHYS[1])
        same('DMA result', vtd.dma_write(IOVA[4]), 0)
        same('flags', vtd.flags(addrs), 'A A A AD')


# -- invalidations that fail, or are late ----------------------------------

def clear_fault(m, fault):
    m.vtd.writel(m.vtd.regs + FSTS, fault)


@case(*BOTH_STAGES)
def rejected_descriptor_stops_the_queue(stage):
    with Mapped(stage) as m:
        m.write()
        m.vtd.clear(m.leaf, stage.dirty)
        m.vtd.fail(REJECT)
        m.vtd.flush_domain(done=False)
        same('queue', m.vtd.queue_state(), (0, IQE, 0))
        same('reason', m.vtd.reg(IQERCD) & 0xf, 4)
        m.write()       # through a translation that was cached dirty
        m.expect_leaf('A')
        m.vtd.flush_global(done=False)
        same('queue, after one more', m.vtd.queue_state(), (0, IQE, 0))
        m.vtd.write_descriptor(0, *m.vtd.wait())
        clear_fault(m, IQE)
        same('queue, cleared', m.vtd.queue_state(), (4, 0, 0x55))
        m.write()
        m.expect_leaf('AD')


@case(props=ONCE)
def rejected_descriptors_are_those_of_the_domain():
    with Mapped(SECOND) as m:
        m.vtd.fail(REJECT, 2)
        m.vtd.flush_domain(DOMAIN + 1)
        m.vtd.fail(REJECT_DEVICE, 2)
        m.vtd.flush_domain()
        m.vtd.fail(0)
        m.vtd.flush_device(m.iova)


def silent(how):
    m = Mapped(SECOND, props=',device-iotlb=on', edu=',ats=on')
    m.vtd.enable_ats()
    m.write()
    m.vtd.clear(m.leaf)
    m.vtd.flush_page(m.iova)
    m.vtd.fail(how)
    m.vtd.flush_device(m.iova, done=False)
    return m


@case(props=ONCE)
def device_tlb_that_does_not_answer():
    with silent(SILENT) as m:
        same('queue', m.vtd.queue_state(), (3, 0, 0))
        m.vtd.step(19)
        same('queue, later', m.vtd.queue_state(), (3, 0, 0))
        m.vtd.step(1)
        same('queue, too late', m.vtd.queue_state(), (3, ITE, 0))
        same('who', m.vtd.reg(IQERCD) >> 32 & 0xffff, m.vtd.SLOT << 3)
        clear_fault(m, ITE)
        same('queue, cleared', m.vtd.queue_state(), (4, 0, 0x55))
        m.write()       # the device TLB has kept it all the same
        m.expect_leaf('-')
        m.vtd.flush_device(m.iova)
        m.write()
        m.expect_leaf('AD')


@case(props=ONCE)
def device_tlb_that_does_not_answer_while_the_queue_goes_on():
    with silent(SILENT_AHEAD) as m:
        m.vtd.flush_global(done=False)
        same('queue', m.vtd.queue_state(), (6, 0, 0))
        m.vtd.step(20)
        same('queue, too late', m.vtd.queue_state(), (6, ITE, 0))
        clear_fault(m, ITE)
        m.vtd.step(100)
        same('waits are aborted', m.vtd.queue_state(), (6, 0, 0))
        m.vtd.flush_device(m.iova)


@case(props=ONCE)
def descriptors_are_late():
    with Mapped(SECOND, props=',x-queue-delay-us=1000') as m:
        m.write()
        m.vtd.clear(m.leaf, m.vtd.stage.dirty)
        m.vtd.flush_domain(done=False)
        m.write()
        m.expect_leaf('A')
        same('queue', m.vtd.queue_state(), (0, 0, 0))
        m.vtd.step(1)
        same('queue, later', m.vtd.queue_state(), (1, 0, 0))
        m.write()
        m.expect_leaf('AD')
        m.vtd.step(1)
        same('queue, in the end', m.vtd.queue_state(), (2, 0, 0x55))


@case(props=ONCE)
def device_that_is_gone():
    with Mapped(SECOND) as m:
        m.vtd.command('outl', '0xcf8', hex(1 << 31 | m.vtd.SLOT << 11))
        same('IDs', m.vtd.command('inl', '0xcfc'), ['0x11e81234'])
        m.vtd.fail(0, gone=True)
        same('IDs of nothing', m.vtd.command('inl', '0xcfc'), ['0xffffffff'])
        m.vtd.fail(0)
        m.write()


# -- the device ------------------------------------------------------------

@case(props=ONCE)
def edu_reports_blocked_transfers():
    with Mapped(SECOND) as m:
        m.write()
        same('result', m.vtd.edu_reg(EDU_RESULT), 0)
        m.vtd.dma_write(m.iova + 0x1000)
        if not m.vtd.edu_reg(EDU_RESULT):
            raise AssertionError('a blocked transfer is reported as done')
        same('fault', m.vtd.fault(), (0x05, True, m.iova + 0x1000))
        m.write()
        same('result', m.vtd.edu_reg(EDU_RESULT), 0)


@case(props=ONCE)
def edu_moves_a_whole_page():
    with Mapped(SECOND) as m:
        data = bytes(range(256)) * 16
        m.vtd.write(m.phys, data)
        same('read', m.vtd.dma_read(m.iova, 4096), 0)
        m.vtd.write(m.phys, bytes(4096))
        same('write', m.vtd.dma_write(m.iova, 4096), 0)
        same('data', m.vtd.read(m.phys, 4096) == data, True)
