# SPDX-License-Identifier: GPL-2.0-only
"""
SMMUv3 with hardware update of descriptors. Every case starts its own machine and
compares access flags and dirty state with what the Arm specifications say.
"""
import struct
import tempfile

from race import SharedMemory
from smmu import (AF, ASID, BBM_ERRORS, C_BAD_CD, C_BAD_STE, CD_ERRORS, CERROR_ABT,
                  CERROR_ATC_INV_SYNC, CERROR_ILL, CLASS_IN, CLASS_TT, FAIL_ABT,
                  FAIL_ATC, FAIL_CMD, FAIL_ILL, FAIL_LOST, FAIL_SYNC_LOST,
                  SECOND_REGS, SID, SYNC, TLBI_NSNH_ALL, DBM, F_ACCESS, F_BAD_ATS_TREQ, F_PERMISSION, F_TLB_CONFLICT,
                  F_TRANSLATION, F_WALK_EABT, IDR0, IDR3, NT, PAGE, RAM, Smmu,
                  Stage1, Stage2, TABLE, Tables, VMID)
from suite import Suite, same

IOVA = {Stage1: 0x7abc_c345_0000, Stage2: 0xabc_c345_0000}
PHYS = RAM + 0x3450000      # the same offset as IOVA in leaves of any size
# In the nested cases, plus the physical address of tables and of data
IPA, DATA_IPA = 1 << 39, 1 << 40

SUITE = Suite('smmu', 'qemu-system-aarch64')
case = SUITE.case


class Mapped:
    """
    A machine, and one mapping in it that the device is about to use. In the nested
    cases self.under is the second stage, which maps all that the first one has.
    """

    def __init__(self, kind, granule=12, level=3, under=(12, 3), props='httu=2',
                 flags=None, extra=0, cd=None, ste=None, args=(), edu=''):
        nested = kind == 'nested'
        stage = Stage2 if kind == 's2' else Stage1
        self.smmu = smmu = Smmu(SUITE.qemu, props, *args, edu=edu,
                                ipa=IPA if nested else 0)
        self.tables = Tables(smmu, stage, granule)
        self.stage, self.nested = stage, nested
        self.iova, self.phys = IOVA[stage], PHYS
        self.size = self.tables.size(level)
        self.target = target = self.phys + (DATA_IPA if nested else 0)
        self.addrs = self.tables.map(self.iova, target, level, flags, extra)
        self.leaf = self.addrs[-1]
        self.under = None
        if nested:
            self.under = Tables(smmu, Stage2, under[0])
            self.under_addrs = self.under.map(target, self.phys, under[1])
            self.under_size = self.under.size(under[1])
            self.map_tables()
        if stage is Stage1:
            smmu.set_cd(self.tables, **(cd or {}))
        smmu.set_ste(stage is Stage1, self.under if nested else
                     self.tables if stage is Stage2 else None, **(ste or {}))

    def map_tables(self):
        """Let stage 2 map everything that has been allocated, page by page."""
        page = 1 << self.under.granule
        for phys in range(RAM + 0x100000, self.smmu.free, page):
            self.under.map(phys + IPA, phys)

    def under_leaf(self, phys):
        """Address of the stage-2 leaf that maps a page of tables."""
        return self.under.entry_addrs(phys + IPA, 3)[-1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.smmu.close()

    def flags(self):
        return self.tables.flags(self.addrs)

    def none(self):
        return ' '.join(['-'] * len(self.addrs))

    def expect(self, leaf, tables='-'):
        same('flags', self.flags(),
             ' '.join([tables] * (len(self.addrs) - 1) + [leaf]))

    def expect_leaf(self, want, addr=None):
        same('leaf', self.tables.flags([addr or self.leaf]), want)

    def expect_under(self, want, addr=None):
        same('stage-2 leaf', self.under.flags([addr or self.under_addrs[-1]]),
             want)

    def read(self):
        same('DMA result', self.smmu.dma_read(self.iova), 0)
        same('event', self.smmu.event(), None)

    def write(self, offset=0):
        """A successful DMA write, which must reach memory."""
        self.smmu.writeq(self.phys + offset, ~0 & (1 << 64) - 1)
        same('DMA result', self.smmu.dma_write(self.iova + offset), 0)
        same('event', self.smmu.event(), None)
        same('data', self.smmu.readq(self.phys + offset), 0)

    def blocked(self, kind, write=True, **fields):
        """DMA that must be blocked, leave no trace, and cause an event."""
        self.smmu.writeq(self.phys, 0x5a5a)
        result = (self.smmu.dma_write if write else self.smmu.dma_read)(self.iova)
        if not result:
            raise AssertionError('DMA was not blocked')
        same('data', self.smmu.readq(self.phys), 0x5a5a)
        event = self.smmu.event()
        if event is None:
            raise AssertionError('no event')
        same('event type', hex(event['type']), hex(kind))
        for field, value in fields.items():
            same(field, event[field], value)
        while event:    # a blocked transfer is tried again in smaller pieces
            same('event type', hex(event['type']), hex(kind))
            event = self.smmu.event()

    def permission(self, s2=0, kind=CLASS_IN, **fields):
        self.blocked(F_PERMISSION, s2=s2, **{'class': kind}, **fields)

    def clean(self, addr=None, stage=None):
        """Make a dirty leaf clean in memory."""
        stage, addr = stage or self.stage, addr or self.leaf
        entry = self.smmu.readq(addr)
        if stage is Stage1:
            entry |= Stage1.AP2
        else:
            entry &= ~Stage2.S2AP1
        self.smmu.writeq(addr, entry)

    def cleaned(self):
        """Write, so that a dirty leaf is cached; then clean it in memory."""
        self.smmu.flush_all()
        self.write()
        self.expect_leaf('AD')
        self.clean()
        self.expect_leaf('A')

    def flush(self, address=None, **kwargs):
        """The invalidation by address that belongs to the input stage."""
        address = self.iova if address is None else address
        if self.stage is Stage1:
            return self.smmu.flush_va(address, **kwargs)
        return self.smmu.flush_ipa(address, **kwargs)

    def revealed(self, flush, *args, **kwargs):
        self.cleaned()
        same('command error', flush(*args, **kwargs), 0)
        self.write()
        self.expect_leaf('AD')

    def hidden(self, flush, *args, **kwargs):
        self.cleaned()
        same('command error', flush(*args, **kwargs), 0)
        self.write()
        self.expect_leaf('A')


LEAVES = [(12, 3), (12, 2), (12, 1), (14, 3), (14, 2), (16, 3), (16, 2)]


def leaf_name(granule, level):
    return f'{1 << granule - 10}k.l{level}'


GEOMETRIES = [(f'{kind}.{leaf_name(*leaf)}', kind, *leaf)
              for kind in ('s1', 's2') for leaf in LEAVES]
NESTED = [(f'nested.{leaf_name(*one)}.over.{leaf_name(*two)}', 'nested', *one, two)
          for one, two in (
              ((12, 3), (12, 3)), ((12, 2), (12, 3)), ((12, 3), (12, 2)),
              ((12, 2), (12, 2)), ((12, 1), (12, 2)), ((12, 2), (12, 1)),
              ((16, 3), (12, 3)), ((12, 3), (16, 3)), ((14, 2), (14, 3)),
              ((16, 2), (16, 3)), ((16, 3), (14, 2)), ((12, 3), (16, 2)))]
ALL = GEOMETRIES + NESTED
STAGES = [('s1', 's1'), ('s2', 's2')]
KINDS = STAGES + [('nested', 'nested')]


# -- setting the flags -----------------------------------------------------

@case(*ALL)
def read_sets_accessed(*geometry):
    with Mapped(*geometry) as m:
        same('before', m.flags(), m.none())
        m.read()
        m.expect('A')
        if m.nested:
            m.expect_under('A')


@case(*ALL)
def write_sets_dirty(*geometry):
    with Mapped(*geometry) as m:
        m.write()
        m.expect('AD')
        if m.nested:
            m.expect_under('AD')


@case(*ALL)
def write_after_read_sets_dirty(*geometry):
    """A translation cached clean cannot serve a write."""
    with Mapped(*geometry) as m:
        m.read()
        m.expect('A')
        m.write()
        m.expect('AD')
        if m.nested:
            m.expect_under('AD')
        m.read()
        m.expect('AD')


@case(*KINDS)
def accessed_leaf_becomes_dirty(kind):
    with Mapped(kind, extra=AF) as m:
        m.write()
        m.expect('AD')


@case(*KINDS)
def dirty_leaf_becomes_accessed(kind):
    with Mapped(kind) as m:
        m.smmu.writeq(m.leaf, m.smmu.readq(m.leaf) ^ 1 << 7)
        m.expect_leaf('D')
        m.read()
        m.expect('AD')


@case(*KINDS)
def other_bits_are_kept(kind):
    with Mapped(kind, extra=0xf << 55) as m:
        before = m.smmu.readq(m.leaf)
        m.write()
        same('leaf', hex(m.smmu.readq(m.leaf)), hex(before & ~m.stage.read_only &
             ~(1 << 7) | m.stage.dirty | AF))


@case(*KINDS)
def neighbour_stays_clean(kind):
    with Mapped(kind) as m:
        other = m.tables.map(m.iova ^ 0x1000, m.target ^ 0x1000)
        m.write()
        same('neighbour', m.tables.flags(other), m.none())


@case(*STAGES)
def write_across_pages_sets_both(kind):
    with Mapped(kind) as m:
        other = m.tables.map(m.iova + 0x1000, m.phys + 0x1000)
        same('result', m.smmu.dma_write(m.iova + 0xff8, 16), 0)
        m.expect('AD')
        same('second', m.tables.flags(other), '- - - AD')


@case(*STAGES)
def writable_leaf_without_modifier(kind):
    """DBM clear and writable: dirty already, and only AF changes."""
    with Mapped(kind) as m:
        writable = m.smmu.readq(m.leaf) & ~DBM ^ 1 << 7
        m.smmu.writeq(m.leaf, writable)
        m.write()
        same('leaf', hex(m.smmu.readq(m.leaf)), hex(writable | AF))


@case(*STAGES)
def concatenated_tables(kind):
    bits, start = (40, 1) if kind == 's2' else (39, 1)
    with Mapped(kind) as m:
        tables = Tables(m.smmu, m.stage, 12, bits, start)
        for iova in (0x1_2345_6000, (1 << bits) - 0x12000):
            addrs = tables.map(iova, PHYS)
            m.smmu.set_cd(tables)
            m.smmu.set_ste(kind == 's1', tables if kind == 's2' else None)
            same('write', m.smmu.dma_write(iova), 0)
            same('flags', tables.flags(addrs), '- - AD')


# -- switches --------------------------------------------------------------

def switches(kind, **kwargs):
    """Arguments of Mapped that set the switches of the input stage."""
    return {'ste' if kind == 's2' else 'cd': kwargs}


@case(*STAGES)
def switched_off(kind):
    with Mapped(kind, **switches(kind, ha=False, hd=False)) as m:
        m.blocked(F_ACCESS, s2=kind == 's2')
        m.smmu.writeq(m.leaf, m.smmu.readq(m.leaf) | AF)
        m.permission(s2=kind == 's2')
        m.read()
        m.permission(s2=kind == 's2')       # also from a cached translation
        m.expect('A')


@case(*STAGES)
def dirty_without_access_is_reserved(kind):
    """It behaves as both off."""
    with Mapped(kind, **switches(kind, ha=False, hd=True)) as m:
        m.blocked(F_ACCESS)
        m.smmu.writeq(m.leaf, m.smmu.readq(m.leaf) | AF)
        m.permission(s2=kind == 's2')


@case(*STAGES)
def access_only(kind):
    for props in ('httu=1', 'httu=2', 'httu=3'):
        with Mapped(kind, props=props, **switches(kind, hd=False)) as m:
            m.read()
            m.expect('A')
            m.permission(s2=kind == 's2')
            m.expect('A')


@case(*STAGES)
def access_fault_disable(kind):
    """AFFD counts only while access flags are not set by hardware."""
    with Mapped(kind, **switches(kind, ha=False, hd=False, affd=True)) as m:
        m.read()
        same('flags', m.flags(), m.none())
    with Mapped(kind, **switches(kind, affd=True)) as m:
        m.read()
        m.expect('A')


@case(*STAGES)
def illegal_without_capability(kind):
    error = C_BAD_STE if kind == 's2' else C_BAD_CD
    for props, on in (('httu=0', {'ha': True, 'hd': False}),
                      ('httu=0', {'ha': False, 'hd': True}),
                      ('httu=1', {'ha': True, 'hd': True}),
                      ('httu=1', {'ha': False, 'hd': True}),
                      ('httu=3', {'ha': False, 'hd': False, 'haft': True})):
        with Mapped(kind, props=props, **switches(kind, **on)) as m:
            m.blocked(error)
            same('flags', m.flags(), m.none())


@case(*STAGES)
def table_flag_is_ignored_without_capability(kind):
    for on in ({}, {'ha': False, 'hd': False}):
        with Mapped(kind, props='httu=2', extra=AF,
                    **switches(kind, haft=True, **on)) as m:
            m.read()
            m.expect('A')


@case(*KINDS)
def switch_needs_configuration_flush(kind):
    with Mapped(kind, extra=AF) as m:
        m.read()
        off = {'ha': False, 'hd': False}
        if kind != 's2':
            m.smmu.set_cd(m.tables, **off)
        else:
            m.smmu.set_ste(stage2=m.tables, **off)
        m.write()       # the configuration is cached
        m.expect('AD')
        m.clean()
        m.smmu.flush_configuration()
        m.write()       # the translation is cached
        m.expect('A')
        m.smmu.flush_all()
        m.permission(s2=kind == 's2')


@case(*GEOMETRIES)
def table_access_flags(kind, granule, level):
    with Mapped(kind, granule, level, props='httu=3',
                **switches(kind, haft=True)) as m:
        m.read()
        m.expect('A', tables='A')
    with Mapped(kind, granule, level, props='httu=3') as m:
        m.write()
        m.expect('AD')


# -- faults ----------------------------------------------------------------

@case(*GEOMETRIES)
def write_to_read_only_leaf(kind, granule, level):
    stage = Stage2 if kind == 's2' else Stage1
    with Mapped(kind, granule, level, flags=stage.read_only) as m:
        m.permission(s2=kind == 's2', read=0, address=m.iova)
        same('dirty', stage.is_dirty(m.smmu.readq(m.leaf)), False)
        m.read()
        m.expect('A')
        m.permission(s2=kind == 's2')       # also from a cached translation
        m.expect('A')


@case(('table', True), ('ignored', False))
def write_below_read_only_table(limit):
    """APTable counts unless CD.HAD0 is set, and makes HD not apply."""
    with Mapped('s1') as m:
        if not limit:
            quads = m.smmu.readq(m.smmu.cd + 8)
            m.smmu.writeq(m.smmu.cd + 8, quads | 1 << 1)
        m.smmu.writeq(m.addrs[1], m.smmu.readq(m.addrs[1]) | 1 << 62)
        m.read()
        m.expect('A')
        if limit:
            m.permission()
            m.expect('A')
        else:
            m.write()
            m.expect('AD')


@case(*STAGES)
def absent_leaf(kind):
    with Mapped(kind) as m:
        m.smmu.writeq(m.leaf, 0)
        m.blocked(F_TRANSLATION, s2=kind == 's2', address=m.iova)
        same('leaf', m.smmu.readq(m.leaf), 0)


@case()
def read_needs_stage2_read_permission():
    with Mapped('s2') as m:
        m.smmu.writeq(m.leaf, m.smmu.readq(m.leaf) & ~(1 << 6))
        m.blocked(F_PERMISSION, write=False, s2=1, read=1)
        m.write()
        m.expect('AD')


# -- two stages ------------------------------------------------------------

@case(*NESTED)
def nested_table_pages(kind, granule, level, under):
    """Updating a stage-1 leaf writes a page that stage 2 maps."""
    with Mapped(kind, granule, level, under) as m:
        pages = [m.under_leaf(addr) for addr in m.addrs]
        structure = m.under_leaf(m.smmu.cd)
        m.smmu.writeq(m.leaf, m.smmu.readq(m.leaf) | AF)
        m.read()    # nothing to update
        for page in pages + [structure]:
            m.expect_under('A', page)
        m.write()
        for page in pages:
            same('table page', m.under.flags([page]),
                 'AD' if page == pages[-1] else 'A')
        m.expect_under('AD' if structure == pages[-1] else 'A', structure)
        m.expect_under('AD')


@case()
def nested_access_flag_is_a_write():
    with Mapped('nested') as m:
        m.read()
        m.expect('A')
        m.expect_under('AD', m.under_leaf(m.leaf))
        m.expect_under('A')


@case()
def nested_table_access_flags():
    with Mapped('nested', props='httu=3', cd={'haft': True}) as m:
        pages = [m.under_leaf(addr) for addr in m.addrs]
        m.read()
        m.expect('A', tables='A')
        for page in pages:
            m.expect_under('AD', page)
        same('stage-2 tables', m.under.flags(m.under_addrs), '- - - A')
    with Mapped('nested', props='httu=3', ste={'haft': True}) as m:
        m.read()
        m.expect('A')
        same('stage-2 tables', m.under.flags(m.under_addrs), 'A A A A')


@case()
def nested_update_needs_stage2_permission():
    """The page of the stage-1 leaf is read-only for stage 2."""
    with Mapped('nested') as m:
        page = m.under_leaf(m.leaf)
        m.smmu.writeq(page, m.smmu.readq(page) & ~DBM)
        m.permission(s2=1, kind=CLASS_TT, ipa=(m.leaf + IPA) & ~0xfff,
                     address=m.iova)
        m.expect('-')
        m.smmu.writeq(m.leaf, m.smmu.readq(m.leaf) | AF)
        m.read()        # nothing to update
        m.permission(s2=1, kind=CLASS_TT)
        m.expect('A')


@case()
def nested_output_needs_stage2_permission():
    with Mapped('nested') as m:
        page = m.under_addrs[-1]
        m.smmu.writeq(page, m.smmu.readq(page) & ~DBM)
        m.permission(s2=1, ipa=m.target, address=m.iova)
        m.read()
        m.permission(s2=1)
        m.expect_under('A')


@case()
def nested_without_stage1_updates():
    """Stage 2 records on its own what a writable stage-1 leaf lets through."""
    with Mapped('nested', flags=0, extra=AF, cd={'ha': False, 'hd': False}) as m:
        m.read()
        m.expect_under('A')
        m.write()
        m.expect_under('AD')
        m.expect_under('A', m.under_leaf(m.leaf))


@case()
def nested_without_stage2_updates():
    """Stage 2 write-protects the tables: a fault, although stage 1 may update."""
    with Mapped('nested', ste={'ha': False, 'hd': False, 'affd': True}) as m:
        m.permission(s2=1, kind=CLASS_TT)
        m.expect('-')
        for page in (m.under_leaf(m.leaf), m.under_addrs[-1]):
            m.smmu.writeq(page, m.smmu.readq(page) | Stage2.S2AP1)
        m.smmu.flush_vmid()
        m.write()
        m.expect('AD')


@case()
def nested_walk_is_cached_dirty():
    """Stage-1 updates go unseen until stage 2 of the table is invalidated."""
    with Mapped('nested') as m:
        page = m.under_leaf(m.leaf)
        m.cleaned()
        for flush, want in ((lambda: 0, 'A'), (m.smmu.flush_vmid_stage1, 'A'),
                            (lambda: m.smmu.flush_ipa(m.leaf + IPA), 'AD'),
                            (m.smmu.flush_vmid, 'AD'), (m.smmu.flush_all, 'AD')):
            m.clean()
            m.clean(page, Stage2)
            m.smmu.flush_va(m.iova)
            flush()
            m.write()
            m.expect_leaf('AD')
            m.expect_under(want, page)


@case(*NESTED)
def nested_stage2_flush_keeps_combined(kind, granule, level, under):
    """TLBI_S2_IPA does not reach translations of both stages."""
    with Mapped(kind, granule, level, under) as m:
        for flush, want in ((lambda: m.smmu.flush_ipa(m.target), 'A'),
                            (m.smmu.flush_vmid_stage1, 'AD'),
                            (m.smmu.flush_vmid, 'AD'), (m.smmu.flush_all, 'AD'),
                            (lambda: m.smmu.flush_va(m.iova), 'AD')):
            m.write()
            m.clean(m.under_addrs[-1], Stage2)
            flush()
            m.write()
            m.expect_under(want)
            m.smmu.flush_all()


@case()
def nested_stage1_block_flush():
    """One address in a stage-1 block drops all of it, in small pieces."""
    with Mapped('nested', 12, 2, (12, 3)) as m:
        m.under.map(m.target + 0x1000, m.phys + 0x1000)
        m.write(0x1000)
        m.cleaned()
        m.smmu.flush_va(m.iova + 0x1000)
        m.write()
        m.expect_leaf('AD')


# -- invalidation ----------------------------------------------------------

@case(*ALL)
def cached_dirty_hides_next_write(*geometry):
    with Mapped(*geometry) as m:
        m.hidden(lambda: 0)


@case(*KINDS)
def sync_is_no_invalidation(kind):
    with Mapped(kind) as m:
        m.hidden(m.smmu.submit, 0x46, 0)
        m.hidden(m.smmu.flush_configuration)


@case(*ALL)
def flush_address_reveals(*geometry):
    with Mapped(*geometry) as m:
        m.revealed(m.flush)
        m.revealed(m.flush, m.iova | m.size - 1)
        m.revealed(m.flush, m.iova & ~(m.size - 1))
        m.revealed(m.flush, leaf=0)


@case(*ALL)
def flush_beside_hides(*geometry):
    with Mapped(*geometry) as m:
        m.hidden(m.flush, (m.iova | m.size - 1) + 1)
        m.hidden(m.flush, (m.iova & ~(m.size - 1)) - 1)


@case(*KINDS)
def flush_all_reveals(kind):
    with Mapped(kind) as m:
        m.revealed(m.smmu.flush_all)
        m.revealed(m.smmu.flush_vmid)
        m.hidden(m.smmu.flush_vmid, vmid=VMID + 1)


@case(('s1', 's1'), ('nested', 'nested'))
def flush_stage1(kind):
    with Mapped(kind) as m:
        m.revealed(m.smmu.flush_asid)
        m.hidden(m.smmu.flush_asid, asid=ASID + 1)
        m.hidden(m.smmu.flush_asid, vmid=VMID + 1)
        m.revealed(m.smmu.flush_vmid_stage1)
        m.hidden(m.smmu.flush_vmid_stage1, vmid=VMID + 1)
        m.hidden(m.flush, asid=ASID + 1)
        m.hidden(m.flush, vmid=VMID + 1)
        m.revealed(m.smmu.flush_vaa, m.iova)
        m.hidden(m.smmu.flush_vaa, m.iova + m.size)
        m.hidden(m.smmu.flush_vaa, m.iova, vmid=VMID + 1)
        m.hidden(m.smmu.flush_ipa, m.iova)


@case()
def flush_stage2():
    with Mapped('s2') as m:
        m.hidden(m.flush, vmid=VMID + 1)
        m.hidden(m.smmu.flush_vmid_stage1)
        m.hidden(m.smmu.flush_asid)
        m.hidden(m.smmu.flush_va, m.iova)
        m.hidden(m.smmu.flush_vaa, m.iova)


@case(*GEOMETRIES)
def flush_level(kind, granule, level):
    """TTL and TG: only a leaf of that level and granule has to go."""
    code = (granule - 10) // 2
    with Mapped(kind, granule, level) as m:
        start = m.iova & ~(m.size - 1)
        for ttl in (1, 2, 3):
            # 16K granules have no leaves at level 1: Reserved, treated as 0
            reserved = granule == 14 and ttl == 1
            expect = m.revealed if ttl == level or reserved else m.hidden
            expect(m.flush, start, tg=code, ttl=ttl)
        for tg in {1, 2, 3} - {code}:
            m.hidden(m.flush, start, tg=tg, ttl=3)
            m.hidden(m.flush, start, tg=tg, num=31, scale=10)
        m.revealed(m.flush, start, ttl=level ^ 1)   # no hint without TG


@case(*GEOMETRIES)
def flush_range(kind, granule, level):
    code = (granule - 10) // 2
    with Mapped(kind, granule, level) as m:
        page, start = 1 << granule, m.iova & ~(m.size - 1)
        m.revealed(m.flush, start, tg=code, num=1)
        m.revealed(m.flush, start - page, tg=code, num=1)
        m.hidden(m.flush, start - page * 2, tg=code, num=1)
        m.hidden(m.flush, start + m.size, tg=code, num=1)
        m.revealed(m.flush, start - page * 16, tg=code, num=16)
        m.hidden(m.flush, start - page * 16, tg=code, num=15)
        m.revealed(m.flush, start - page * 96, tg=code, num=3, scale=5)
        m.hidden(m.flush, start - page * 96, tg=code, num=2, scale=5)
        m.revealed(m.flush, start, tg=code, num=31, scale=8, ttl=level)
        m.hidden(m.flush, start, tg=code, num=31, scale=8, ttl=2 if level == 3 else level + 1)


@case(*STAGES)
def range_without_extent_is_illegal(kind):
    with Mapped(kind) as m:
        m.cleaned()
        same('CERROR_ILL', m.flush(tg=1), 1)


@case(*GEOMETRIES)
def without_range_invalidation(kind, granule, level):
    """IDR3.RIL is clear: TG, TTL, NUM and SCALE are RES0, and ignored."""
    code = (granule - 10) // 2
    with Mapped(kind, granule, level, props='httu=2,ril=off') as m:
        same('IDR3.RIL', m.smmu.reg(IDR3) >> 10 & 1, 0)
        m.revealed(m.flush)
        m.revealed(m.flush, m.iova, tg=code, ttl=level ^ 1)
        m.hidden(m.flush, (m.iova & ~(m.size - 1)) - 0x1000, tg=1, num=31,
                 scale=8)


@case(*STAGES)
def cache_holds_thousands_of_pages(kind):
    with Mapped(kind) as m:
        m.cleaned()
        for n in range(1, 1500):
            m.tables.map(m.iova + n * 0x1000, m.phys + n * 0x1000)
            same('result', m.smmu.dma_read(m.iova + n * 0x1000), 0)
        m.write()
        m.expect_leaf('A')


# -- changes of size -------------------------------------------------------

LEVELS = [(f'{name}.bbml{bbml}', kind, bbml) for name, kind in KINDS
          for bbml in (0, 1, 2)]


class Resized(Mapped):
    """A 2 MiB block, and next to it a table of pages that maps the same."""

    def __init__(self, kind, bbml, block=True, **kwargs):
        super().__init__(kind, 12, 2, (12, 2),
                         props=f'httu=2,bbml={bbml},x-bbm-check=on', **kwargs)
        smmu = self.smmu
        self.block = smmu.readq(self.leaf) | AF
        table = smmu.alloc(0x1000)
        first = self.target & ~(self.size - 1)
        for n in range(512):
            smmu.writeq(table + n * 8, self.block & ~0xff_ffff_f003 |
                        first + n * 0x1000 | PAGE)
        self.table = table + smmu.ipa | TABLE
        self.page = table + (self.iova >> 12 & 511) * 8
        if self.nested:
            self.map_tables()
        smmu.writeq(self.leaf, self.block if block else self.table)

    def errors(self):
        return self.smmu.reg(BBM_ERRORS)

    def put(self, entry):
        self.smmu.writeq(self.leaf, entry)


@case(*LEVELS)
def split_while_cached(kind, bbml):
    with Resized(kind, bbml) as m:
        m.write()
        m.put(m.table)
        if bbml == 2:
            m.write()
            m.flush()
            m.write()
            m.expect_leaf('AD', m.page)
            same('errors', m.errors(), 0)
        else:
            m.blocked(F_TLB_CONFLICT, address=m.iova)
            same('errors', m.errors() > 0, True)


@case(*LEVELS)
def split_before_invalidation(kind, bbml):
    """Found out without any DMA, however the old leaf is invalidated."""
    for flush in (Mapped.flush, lambda m: m.smmu.flush_all(),
                  lambda m: m.smmu.flush_vmid()):
        with Resized(kind, bbml) as m:
            m.write()
            m.smmu.writeq(m.page, m.smmu.readq(m.page) ^ 1 << 7)
            m.put(m.table)
            flush(m)
            same('errors', m.errors(), 0 if bbml == 2 else 1)
            m.write()
            same('errors', m.errors(), 0 if bbml == 2 else 1)


@case(*LEVELS)
def merge_while_cached(kind, bbml):
    """A page is cached, and another address of the block is used."""
    with Resized(kind, bbml, block=False) as m:
        m.write()
        m.put(m.block)
        m.iova ^= 0x1000
        m.phys ^= 0x1000
        if bbml == 2:
            m.write()
        else:
            m.blocked(F_TLB_CONFLICT, address=m.iova)
        same('errors', m.errors() > 0, bbml < 2)


@case(*LEVELS)
def break_before_make(kind, bbml):
    with Resized(kind, bbml) as m:
        for new in (m.table, m.block):
            m.write()
            m.put(0)
            m.flush(leaf=0)
            m.put(new)
            m.write()
        same('errors', m.errors(), 0)


@case(*LEVELS)
def split_and_merge_with_nt(kind, bbml):
    """IHI 0070, 3.21.1.2: what level 1 asks for is no error at 1 and 2."""
    with Resized(kind, bbml) as m:
        m.write()
        for entry in (m.block | NT, m.table, m.block | NT, m.block):
            m.put(entry)
            m.flush(m.iova & ~(m.size - 1), tg=1, num=15, scale=5, leaf=0)
            m.write()
        same('errors', m.errors() > 0, bbml == 0)


@case(*[(f'{name}.bbml{bbml}', kind, bbml) for name, kind in STAGES
        for bbml in (0, 1, 2)])
def nt_block_is_not_cached_at_level_1(kind, bbml):
    with Resized(kind, bbml) as m:
        m.put(m.block | NT)
        m.cleaned()
        m.write()
        m.expect_leaf('AD' if bbml == 1 else 'A')


@case(*LEVELS)
def output_address_changes_while_cached(kind, bbml):
    with Resized(kind, bbml) as m:
        m.write()
        m.put(m.block ^ 1 << 21)
        m.blocked(F_TLB_CONFLICT)
        errors = m.errors()
        same('errors', errors > 0, True)
        m.flush()
        same('errors', m.errors(), errors + 1)


@case()
def unchecked_changes_are_not_noticed():
    with Mapped('s1', 12, 2, props='httu=2,bbml=0') as m:
        m.write()
        m.smmu.writeq(m.leaf, m.smmu.readq(m.leaf) ^ 1 << 21)
        m.write()
        same('register', m.smmu.reg(BBM_ERRORS), 0)


# -- software at the same time ---------------------------------------------

@case(*[(f'{name}.{leaf_name(12, level)}', kind, level) for name, kind in KINDS
        for level in (3, 2)])
def racing_stores_are_not_lost(kind, level):
    """
    Memory is shared with this process, which exchanges the leaf all the time: the
    update of the value before must never end up on top of the one stored last.
    """
    with SharedMemory() as memory, \
            Mapped(kind, level=level, under=(12, 2), args=memory.args) as m:
        if m.nested:
            m.under.map(m.target ^ m.size, m.phys ^ m.size, 2)

        def transfer():
            m.smmu.flush_all()
            same('result', m.smmu.dma_write(m.iova), 0)
        lost, updated = memory.race(m.leaf - RAM, m.size, transfer)
        same('lost', lost, 0)
        same('updates seen', updated > 0, True)


# -- the device TLB --------------------------------------------------------

def with_ats(kind, granule=12, level=3, under=(12, 3), eats=1, **kwargs):
    m = Mapped(kind, granule, level, under, props='httu=2,ats=on',
               edu=',ats=on', ste={'eats': eats}, **kwargs)
    m.smmu.enable_ats()
    return m


@case(*ALL)
def ats_read_sets_accessed(*geometry):
    with with_ats(*geometry) as m:
        m.read()
        m.expect('A')


@case(*ALL)
def ats_write_after_read_sets_dirty(*geometry):
    with with_ats(*geometry) as m:
        m.read()
        m.write()
        m.expect('AD')
        if m.nested:
            m.expect_under('AD')


@case(*ALL)
def ats_needs_both_flushes(*geometry):
    with with_ats(*geometry) as m:
        last = m.iova | m.size - 1
        if m.nested:
            last = m.iova | min(m.size, m.under_size) - 1
        for flushes, after in (
                ((), 'A'), ((m.smmu.flush_all,), 'A'),
                ((lambda: m.smmu.flush_device(last),), 'A'),
                ((m.smmu.flush_all, lambda: m.smmu.flush_device(last)), 'AD')):
            m.smmu.flush_device(0, 52)
            m.cleaned()
            for flush in flushes:
                same('command error', flush(), 0)
            m.write()
            m.expect_leaf(after)


@case(*STAGES)
def ats_flush_range(kind):
    with with_ats(kind) as m:
        for address, size, after in (
                (0, 52, 'AD'), (m.iova, 0, 'AD'), (m.iova ^ 0x3f000, 6, 'AD'),
                (m.iova + 0x40000, 6, 'A'), (m.iova + 0x1000, 0, 'A')):
            m.smmu.flush_device(0, 52)
            m.cleaned()
            m.smmu.flush_all()
            m.smmu.flush_device(address, size)
            m.write()
            m.expect_leaf(after)


@case(*STAGES)
def ats_device_without_ats_needs_one_flush(kind):
    with Mapped(kind, props='httu=2,ats=on', edu=',ats=on') as m:
        m.revealed(m.smmu.flush_all)


@case(*STAGES)
def ats_write_to_read_only_leaf(kind):
    """Only the device gets to know."""
    stage = Stage2 if kind == 's2' else Stage1
    with with_ats(kind, flags=stage.read_only) as m:
        m.read()
        same('blocked', m.smmu.dma_write(m.iova) != 0, True)
        same('event', m.smmu.event(), None)
        m.expect('A')


@case(*STAGES)
def ats_needs_permission_of_the_stream(kind):
    with with_ats(kind, eats=0) as m:
        same('blocked', m.smmu.dma_read(m.iova) != 0, True)
        event = m.smmu.event()
        same('event', (event['type'], event['address']), (F_BAD_ATS_TREQ, m.iova))
        same('flags', m.flags(), m.none())


# -- what completes late ---------------------------------------------------

LATE = 1000     # microseconds


class Late(Mapped):
    def __init__(self, kind, props='', **kwargs):
        super().__init__(kind, props=f'httu=2,x-late={LATE}{props}', **kwargs)

    def sync(self):
        """Two commands that wait: the second one takes as long again."""
        self.smmu.queue((SYNC, 0))
        same('left', self.smmu.left(), 1)
        self.smmu.wait(LATE - 1)
        same('left', self.smmu.left(), 1)
        self.smmu.wait(1)
        same('left', self.smmu.left(), 0)


@case(*KINDS)
def late_update(kind):
    """What was recorded is there for software after a CMD_SYNC, and no sooner."""
    with Late(kind) as m:
        m.write()
        m.expect_leaf('-')
        m.smmu.wait(10 * LATE)
        m.expect_leaf('-')
        m.sync()
        m.expect_leaf('AD')
        if m.nested:
            m.expect_under('AD')


@case(*STAGES)
def late_update_of_a_leaf_that_changed(kind):
    """Unmapped meanwhile: nothing is written there. Mapped elsewhere: neither."""
    for entry in (lambda old: 0, lambda old: old ^ 0x10000):
        with Late(kind) as m:
            m.write()
            now = entry(m.smmu.readq(m.leaf))
            m.smmu.writeq(m.leaf, now)
            m.sync()
            same('leaf', m.smmu.readq(m.leaf), now)


@case(*STAGES)
def late_invalidation(kind):
    """Consumed is not done: until a CMD_SYNC is, what is cached serves writes."""
    with Late(kind) as m:
        m.write()
        m.sync()
        m.expect_leaf('AD')
        m.clean()
        m.smmu.queue((TLBI_NSNH_ALL, 0))
        same('left', m.smmu.left(), 0)
        m.smmu.wait(10 * LATE)
        m.write()
        m.smmu.queue((SYNC, 0))
        m.write()
        m.smmu.wait(LATE)
        m.expect_leaf('A')
        m.write()
        m.sync()
        m.expect_leaf('AD')


@case(*STAGES)
def late_device_tlb_invalidation(kind):
    with Late(kind, ',ats=on', edu=',ats=on', ste={'eats': 1}) as m:
        m.smmu.enable_ats()
        m.write()
        m.sync()
        m.clean()
        m.smmu.queue((TLBI_NSNH_ALL, 0), (0x40 | SID << 32, 52))
        m.smmu.wait(10 * LATE)
        m.write()
        m.sync()
        m.expect_leaf('A')
        m.write()
        m.sync()
        m.expect_leaf('AD')


@case(*STAGES)
def late_configuration(kind):
    with Late(kind, ste={'hd': kind == 's1'}, cd={'hd': False}) as m:
        m.permission(s2=kind == 's2')
        if kind == 's1':
            m.smmu.set_cd(m.tables)
        else:
            m.smmu.set_ste(False, m.tables)
        m.smmu.queue((0x04, 0x1f))      # CMD_CFGI_ALL
        m.smmu.wait(10 * LATE)
        m.permission(s2=kind == 's2')
        m.sync()
        m.write()


# -- what fails ------------------------------------------------------------

def failing(kind, **kwargs):
    return Mapped(kind, props='httu=2,ats=on,x-fail=on', **kwargs)


@case()
def no_failures_unless_asked_for():
    with Mapped('s1', props='httu=2') as m:
        for offset in FAIL_ATC, FAIL_CMD:
            m.smmu.writel(0x09050000 + offset, 0xffffffff)
            same('register', m.smmu.reg(offset), 0)


@case(*STAGES)
def device_that_does_not_answer(kind):
    with failing(kind, edu=',ats=on', ste={'eats': 1}) as m:
        m.smmu.enable_ats()
        m.cleaned()
        m.smmu.writel(0x09050000 + FAIL_ATC, 1 << 31 | SID)
        for _ in range(2):
            same('error', m.smmu.flush_device(0, 52), CERROR_ATC_INV_SYNC)
            same('stopped at the CMD_SYNC', m.smmu.left(), 1)
            m.smmu.acknowledge()
            same('left', m.smmu.left(), 0)
        m.smmu.flush_all()
        m.write()
        m.expect_leaf('A')
        m.smmu.writel(0x09050000 + FAIL_ATC, 1 << 31 | SID + 8)
        same('error', m.smmu.flush_device(0, 52), 0)
        m.write()
        m.expect_leaf('AD')


@case(*STAGES)
def command_that_fails(kind):
    for how, error, done in ((FAIL_ILL, CERROR_ILL, 'A'), (FAIL_ABT, CERROR_ABT, 'AD')):
        with failing(kind) as m:
            m.cleaned()
            m.smmu.writel(0x09050000 + FAIL_CMD, how << 8 | TLBI_NSNH_ALL)
            index = m.smmu.cmd_prod
            same('error', m.smmu.submit(TLBI_NSNH_ALL, 0), error)
            same('register', m.smmu.reg(FAIL_CMD), 0)
            same('stopped at the command', m.smmu.left(), 2)
            if how == FAIL_ILL:
                m.smmu.write_quads(m.smmu.cmdq + 16 * index, SYNC, 0)
            m.smmu.acknowledge()
            same('left', m.smmu.left(), 0)
            m.write()
            m.expect_leaf(done)


@case(*STAGES)
def completion_that_is_lost(kind):
    for how, command in (FAIL_LOST, TLBI_NSNH_ALL), (FAIL_SYNC_LOST, SYNC):
        with failing(kind) as m:
            m.smmu.writel(0x09050000 + FAIL_CMD, how << 8 | command)
            m.smmu.queue((TLBI_NSNH_ALL, 0), (SYNC, 0))
            same('left', m.smmu.left(), 1)
            m.smmu.acknowledge()
            same('left', m.smmu.left(), 1)
            m.smmu.queue((SYNC, 0))
            same('left', m.smmu.left(), 0)


# -- more than one ---------------------------------------------------------

SLOT = 5        # of another device


def other_device(smmu):
    """From now on, let @smmu's methods that do DMA be about that one."""
    config, smmu.BAR = smmu.ECAM + (SLOT << 15), 0x10200000
    smmu.writel(config + 0x10, smmu.BAR)
    smmu.writel(config + 0x14, 0)
    smmu.writel(config + 0x04, 0x6)


OTHER = ('-device', f'edu,addr={SLOT},dma-delay-ms=0,dma_mask=0xffffffffffffffff')


@case(('agree', True, True, 0), ('hd', True, False, 1), ('ha', False, False, 1))
def descriptors_of_one_asid(ha, hd, errors):
    """Those of another device differ, or do not."""
    with Mapped('s1', args=OTHER) as m:
        smmu, first = m.smmu, m.smmu.cd
        m.read()
        smmu.cd = smmu.alloc(0x1000)
        smmu.set_cd(m.tables, ha=ha, hd=hd)
        smmu.write_quads(smmu.strtab + (SLOT << 3) * 64,
                         1 | 4 << 1 | 1 << 1 | smmu.cd, 0, VMID, 0)
        other_device(smmu)
        same('blocked', smmu.dma_read(m.iova) != 0, bool(errors))
        same('errors', smmu.reg(CD_ERRORS) > 0, bool(errors))
        smmu.cd = first


@case()
def second_smmu():
    """It has the other device, and does not record."""
    with Mapped('s1', props=f'httu=2,x-second-slots={1 << SLOT:#x}', args=OTHER) as m:
        same('HTTU', m.smmu.reg(IDR0) >> 6 & 3, 2)
        same('HTTU of the second', m.smmu.readl(SECOND_REGS + IDR0) >> 6 & 3, 0)
        m.write()
        m.expect_leaf('AD')
        other_device(m.smmu)
        m.smmu.writeq(m.phys, 0x5a5a)
        same('translated', m.smmu.dma_write(m.iova) == 0 and
             m.smmu.readq(m.phys) == 0, False)
        same('not translated', m.smmu.dma_write(m.phys), 0)
        same('data', m.smmu.readq(m.phys), 0)


# -- capabilities ----------------------------------------------------------

@case()
def stock_capabilities():
    """Without our properties the registers are the stock ones."""
    with Smmu(SUITE.qemu, enable=False) as smmu:
        same('IDR0', hex(smmu.reg(IDR0)),
             hex(0b11 | 2 << 2 | 1 << 4 | 1 << 12 | 1 << 18 | 2 << 21 | 1 << 24 |
                 1 << 26 | 1 << 27))
        same('IDR3', hex(smmu.reg(IDR3)), hex(1 << 2 | 1 << 4 | 1 << 10 | 2 << 11))


@case()
def capabilities():
    for props, idr0, idr3 in (
            ('httu=1', 1 << 6, 0), ('httu=2', 2 << 6, 0), ('httu=3', 3 << 6, 0),
            ('cohacc=off', 1 << 4, 0), ('ril=off', 0, 1 << 10),
            ('ats=on', 1 << 10, 0), ('bbml=1', 0, 3 << 11), ('bbml=0', 0, 2 << 11),
            ('stage=1', 1 << 0, 1 << 4), ('stage=2', 1 << 1, 0)):
        with Smmu(SUITE.qemu, enable=False) as stock:
            with Smmu(SUITE.qemu, props, enable=False) as smmu:
                same(f'{props} IDR0', hex(smmu.reg(IDR0) ^ stock.reg(IDR0)),
                     hex(idr0))
                same(f'{props} IDR3', hex(smmu.reg(IDR3) ^ stock.reg(IDR3)),
                     hex(idr3))


@case(('s1', 's1', 'stage=1'), ('s2', 's2', 'stage=2'))
def one_stage_only(kind, props):
    with Mapped(kind, props=f'httu=2,{props}') as m:
        m.revealed(m.flush)
        m.hidden(m.flush, m.iova + m.size)
        m.revealed(m.smmu.flush_all)


@case(*STAGES)
def leaf_in_rom(kind):
    """An update that memory refuses blocks the request."""
    stage = Stage2 if kind == 's2' else Stage1
    with tempfile.NamedTemporaryFile() as rom:
        leaf = PHYS | stage.clean | stage.attrs | AF | PAGE
        image = bytearray(0x1000)
        struct.pack_into('<Q', image, (IOVA[stage] >> 12 & 511) * 8, leaf)
        rom.write(image)
        rom.flush()
        with Mapped(kind, args=('-bios', rom.name)) as m:
            m.smmu.writeq(m.addrs[-2], 0 | TABLE)      # flash is at address 0
            m.read()
            m.blocked(F_WALK_EABT)
