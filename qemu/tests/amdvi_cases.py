# SPDX-License-Identifier: GPL-2.0-only
"""
AMD-Vi with host accessed and dirty flags. Every case starts its own machine and
compares them with what the AMD I/O virtualization specification says.
"""
import subprocess
import tempfile

from amdvi import (ACCESSED, ADDRESS, Amdvi, CMD_HEAD, COMMANDS, COMMANDS_RUN,
                   COMMAND_ERROR, CONTROL, DEVICE_TIMEOUT, DIRTY, DOMAIN, EFR, ENABLE,
                   EPHSUP, EVENTS, EVENTS_RUN, EVENT_INTERRUPT, EVENT_OVERFLOW, EVT_TAIL,
                   HASUP, HDSUP, ILLEGAL_ENTRY, PAGE_FAULT, PAGE_TABLE_ERROR, PE, PR,
                   PRESENT, READ, REGS, RW, RZ, STATUS, TIMEOUT_1S, WRITE)
from edu import FAIL_COMMAND, LOSE_WAIT, MUTE
from qtest import Q35
from race import SharedMemory
from suite import Suite, same

IOVA = {1: 0x14_5000, 2: 0x2634_5000, 3: 0x12_2634_5000, 4: 0x7abc_2634_5000,
        5: 0xab_7abc_2634_5000, 6: 0x8cab_7abc_2634_5000}
PHYS = 0x600_0000
SLOT = 4 << 3               # the device's ID
OTHER_BAR = 0xe0200000      # of a second device
HAD_TABLES = 'x-had=on,x-had-tables=on'
FULL = (4, 3, 2, 1)

ONCE = ('',)
CACHES = (',x-caches=on',)

SUITE = Suite('amdvi', 'qemu-system-x86_64', ('',) + CACHES, 'caches')
case = SUITE.case


class Mapped:
    """A machine, and one mapping in it that the device is about to use."""

    def __init__(self, chain=FULL, shift=12, props='x-had=on', flags=READ | WRITE,
                 extra=0, args=(), **kwargs):
        self.vi = vi = Amdvi(SUITE.qemu, props + SUITE.more, *args, chain=chain,
                             **kwargs)
        self.shift, self.size = shift, 1 << shift
        self.iova = IOVA[chain[0]]
        for level, below in zip(chain, chain[1:]):
            self.iova &= ~((1 << 3 + 9 * level) - (1 << 12 + 9 * below))
        # The same offset inside the leaf on both sides, in what memory there is.
        if shift > 28:
            self.iova &= ~((1 << shift) - (1 << 28))
        self.phys = PHYS & ~(self.size - 1) | self.iova & self.size - 1
        self.addrs = vi.map(self.iova, self.phys, shift, flags, extra)
        self.leaf = self.addrs[-1]
        self.tables = 'A' if 'x-had-tables' in props else '-'

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.vi.close()

    def expect(self, leaf):
        same('flags', self.vi.flags(self.addrs),
             ' '.join([self.tables] * (len(self.addrs) - 1) + [leaf]))
        others = [addr for addr in self.vi.copies(self.leaf, self.shift)
                  if addr != self.leaf]
        same('copies', set(self.vi.flags(others).split()) - {'-'}, set())

    def expect_leaf(self, leaf):
        same('leaf', self.vi.flags([self.leaf]), leaf)

    def read(self):
        same('DMA result', self.vi.dma_read(self.iova), 0)

    def write(self, offset=0):
        """A successful DMA write, which must reach memory."""
        self.vi.writeq(self.phys ^ offset, ~0 & (1 << 64) - 1)
        same('DMA result', self.vi.dma_write(self.iova ^ offset), 0)
        same('data', self.vi.readq(self.phys ^ offset), 0)
        same('event', self.vi.event(), None)

    # What is blocked is four bytes: QEMU splits more, and there is one event for each.

    def write_blocked(self, flags, code=PAGE_FAULT, address=None):
        """A DMA write that must fault, and leave no trace."""
        self.vi.writeq(self.phys, 0x5a5a)
        if not self.vi.dma_write(self.iova, 4):
            raise AssertionError('DMA write was not blocked')
        same('data', self.vi.readq(self.phys), 0x5a5a)
        domain = DOMAIN if code == PAGE_FAULT else 0
        same('event', self.vi.event(),
             (code, flags, SLOT, domain, self.iova if address is None else address))
        same('dirty', self.vi.readq(self.leaf) & DIRTY, 0)

    def read_blocked(self, flags):
        if not self.vi.dma_read(self.iova, 4):
            raise AssertionError('DMA read was not blocked')
        same('event', self.vi.event(),
             (PAGE_FAULT, flags, SLOT, DOMAIN, self.iova))

    def cleaned(self):
        """Write, so that a dirty leaf is cached; then clean it in memory."""
        self.write()
        self.expect_leaf('AD')
        self.vi.clear(self.leaf)


def geometry(chain, shift):
    return f'{"".join(map(str, chain))}.{shift}', tuple(chain), shift


# Every depth and, with 9 bits per level, every kind of size: of one entry, of 2, of
# some and of 256; and tables whose levels are skipped.
GEOMETRIES = [geometry(range(mode, 0, -1), shift) for mode, shifts in (
    (1, (12, 16)), (2, (12, 21, 29)), (3, (12, 13, 15, 20, 21, 22, 25, 29, 30, 31)),
    (4, (12, 16, 21, 24, 30, 38, 39)), (5, (12, 21, 47, 48)),
    (6, (12, 14, 22, 30, 52, 57))) for shift in shifts] + [
        geometry(*skip) for skip in (((3, 1), 12), ((4, 1), 12), ((4, 1), 16),
                                     ((4, 2), 21), ((6, 3, 2, 1), 12),
                                     ((6, 3, 2, 1), 30), ((6, 1), 20))]
LARGE = [each for each in GEOMETRIES if each[2] > 12]
COPIED = [each for each in GEOMETRIES if (each[2] - 12) % 9]
A_FEW = [geometry(range(4, 0, -1), shift) for shift in (12, 15, 21, 30)]


# -- setting the flags -----------------------------------------------------

@case(*GEOMETRIES)
def read_sets_accessed(chain, shift):
    with Mapped(chain, shift) as m:
        m.read()
        m.expect('A')


@case(*GEOMETRIES)
def write_sets_dirty(chain, shift):
    with Mapped(chain, shift) as m:
        m.write()
        m.expect('AD')


@case(*GEOMETRIES)
def write_after_read_sets_dirty(chain, shift):
    """A translation cached clean cannot serve a write."""
    with Mapped(chain, shift) as m:
        m.read()
        m.expect('A')
        m.write()
        m.expect('AD')


@case(*GEOMETRIES)
def tables_become_accessed(chain, shift):
    with Mapped(chain, shift, HAD_TABLES) as m:
        m.read()
        m.expect('A')
        m.write()
        m.expect('AD')


@case(*COPIED)
def each_copy_becomes_dirty(chain, shift):
    """The copy that a walk reads gets the flags, and only that one."""
    with Mapped(chain, shift) as m:
        other = m.leaf ^ 8
        offset = 1 << 12 + (shift - 12) // 9 * 9    # to where that one is used
        if shift > 28:
            # There is no memory: the read finds a hole, and the walk still is one.
            m.vi.dma_read(m.iova ^ offset)
            same('other copy', m.vi.flags([other, m.leaf]), 'A -')
            return
        m.write(offset)
        same('other copy', m.vi.flags([other, m.leaf]), 'AD -')
        m.write()
        same('served by the other', m.vi.flags([other, m.leaf]), 'AD -')
        m.vi.flush_domain()
        m.write()
        same('both', m.vi.flags([other, m.leaf]), 'AD AD')


@case()
def accessed_leaf_becomes_dirty():
    with Mapped(extra=ACCESSED) as m:
        m.write()
        m.expect('AD')


@case()
def dirty_leaf_becomes_accessed():
    with Mapped(extra=DIRTY) as m:
        m.read()
        m.expect('AD')


@case()
def other_bits_are_kept():
    with Mapped(extra=0x5 << 53 | 1 << 60 | 0x5 << 2) as m:
        before = m.vi.readq(m.leaf)
        m.write()
        same('leaf', m.vi.readq(m.leaf), before | ACCESSED | DIRTY)


@case()
def neighbour_stays_clean():
    with Mapped() as m:
        other = m.vi.map(m.iova ^ 0x1000, m.phys ^ 0x1000)
        m.write()
        same('neighbour', m.vi.flags(other), '- - - -')


@case()
def write_across_pages_sets_both():
    with Mapped() as m:
        other = m.vi.map(m.iova + 0x1000, m.phys + 0x1000)
        same('result', m.vi.dma_write(m.iova + 0xff8, 16), 0)
        same('flags', m.vi.flags([m.leaf, other[-1]]), 'AD AD')


# -- the field HAD ---------------------------------------------------------

@case(*A_FEW)
def had_0_sets_nothing(chain, shift):
    with Mapped(chain, shift, HAD_TABLES, had=0) as m:
        m.read()
        m.write()
        same('flags', set(m.vi.flags(m.addrs).split()), {'-'})


@case(*A_FEW)
def had_1_sets_accessed_only(chain, shift):
    with Mapped(chain, shift, had=1) as m:
        m.write()
        m.expect('A')
        m.read()
        m.write()
        m.expect('A')


@case()
def had_2_is_illegal():
    with Mapped(had=2) as m:
        m.write_blocked(0, ILLEGAL_ENTRY)
        m.expect('-')


@case()
def had_needs_the_property():
    with Mapped(props='x-had=off', had=0) as m:
        same('EFR', m.vi.reg(EFR) & (HASUP | HDSUP), 0)
        m.vi.writeq(m.phys, 0x5a5a)
        same('result', m.vi.dma_write(m.iova), 0)
        same('data', m.vi.readq(m.phys), 0)
        m.expect('-')


@case(props=CACHES)
def had_is_reserved_without_the_property():
    with Mapped(props='x-had=off', had=3) as m:
        m.write_blocked(0, ILLEGAL_ENTRY)
        m.expect('-')


# -- the cached translation ------------------------------------------------

@case(*GEOMETRIES)
def cached_dirty_hides_next_write(chain, shift):
    with Mapped(chain, shift) as m:
        m.cleaned()
        m.write()
        m.expect_leaf('-')


@case(*[each for each in LARGE if each[2] <= 28])
def cached_dirty_covers_the_leaf(chain, shift):
    with Mapped(chain, shift) as m:
        m.cleaned()
        m.write(m.size >> 1)
        m.write(0x1000)
        same('copies', set(m.vi.flags(m.vi.copies(m.leaf, shift)).split()), {'-'})


def flush_reveals(m, flush):
    m.vi.flush_all()
    m.cleaned()
    flush()
    m.write()
    m.expect('AD')


def flush_hides(m, flush):
    m.vi.flush_all()
    m.cleaned()
    flush()
    m.write()
    m.expect('-')


@case()
def flush_all_reveals():
    with Mapped() as m:
        flush_reveals(m, m.vi.flush_all)


@case(*GEOMETRIES)
def flush_domain_reveals(chain, shift):
    with Mapped(chain, shift) as m:
        flush_reveals(m, m.vi.flush_domain)


@case()
def flush_other_domain_hides():
    with Mapped() as m:
        flush_hides(m, lambda: m.vi.flush_domain(DOMAIN + 1))
        flush_hides(m, lambda: m.vi.flush_pages(m.iova, domain=DOMAIN + 256))


@case(*GEOMETRIES)
def flush_last_page_of_leaf_reveals(chain, shift):
    with Mapped(chain, shift) as m:
        flush_reveals(m, lambda: m.vi.flush_pages(m.iova | m.size - 1))


@case(*A_FEW)
def flush_beside_leaf_hides(chain, shift):
    with Mapped(chain, shift) as m:
        start = m.iova & ~(m.size - 1)
        flush_hides(m, lambda: m.vi.flush_pages(start - 1))
        flush_hides(m, lambda: m.vi.flush_pages(start + m.size))


@case()
def flush_range_is_exact():
    with Mapped() as m:
        for order in range(1, 37):
            size = 0x1000 << order
            flush_reveals(m, lambda order=order: m.vi.flush_pages(m.iova, order))
            flush_hides(m, lambda order=order, size=size:
                        m.vi.flush_pages(m.iova ^ size, order))


@case()
def flush_range_at_the_top():
    """The last page there is, and the ranges that end with it."""
    with Mapped((6, 5, 4, 3, 2, 1)) as m:
        m.iova, m.phys = (1 << 64) - 0x2000, PHYS
        m.addrs = m.vi.map(m.iova, m.phys)
        m.leaf = m.addrs[-1]
        for order in (1, 2, 40, 51, 52):
            flush_reveals(m, lambda order=order: m.vi.flush_pages(m.iova, order))
        flush_hides(m, lambda: m.vi.flush_pages(0, 51))


@case()
def flush_leaf_only_reveals():
    with Mapped() as m:
        flush_reveals(m, lambda: m.vi.flush_pages(m.iova, pde=0))


@case()
def flush_guest_addresses_hides():
    with Mapped() as m:
        flush_hides(m, lambda: m.vi.flush_pages(m.iova, guest=1))


@case()
def flush_entry_hides():
    """Nor is what the device TLB is told a matter of the IOTLB."""
    with Mapped() as m:
        flush_hides(m, m.vi.flush_entry)
        flush_hides(m, lambda: m.vi.flush_device(m.iova))


@case()
def clean_translation_grants_no_write():
    """A read only leaf that becomes writable does not stay blocked."""
    with Mapped(flags=READ) as m:
        m.read()
        m.vi.writeq(m.leaf, m.vi.readq(m.leaf) | WRITE)
        m.write()
        m.expect('AD')


@case()
def cache_holds_thousands_of_pages():
    with Mapped() as m:
        m.cleaned()
        for n in range(1, 1500):
            m.vi.map(m.iova + n * 0x1000, m.phys + n * 0x1000)
            same('result', m.vi.dma_read(m.iova + n * 0x1000), 0)
        m.write()
        m.expect_leaf('-')


@case()
def small_cache_forgets():
    with Mapped(props='x-had=on,x-iotlb-size=2') as m:
        m.cleaned()
        for n in (1, 2):
            m.vi.map(m.iova + n * 0x1000, m.phys + n * 0x1000)
            same('result', m.vi.dma_read(m.iova + n * 0x1000), 0)
        m.write()
        m.expect_leaf('AD')


@case()
def high_addresses_are_apart():
    """2^36 pages away is another address, not another device."""
    with Mapped((6, 5, 4, 3, 2, 1)) as m:
        m.cleaned()
        other = m.vi.map(m.iova ^ 1 << 48, m.phys ^ 0x1000)
        m.write()
        m.expect_leaf('-')
        same('result', m.vi.dma_write(m.iova ^ 1 << 48), 0)
        same('other', m.vi.flags(other[-1:]), 'AD')


# -- two devices -----------------------------------------------------------

class Pair(Mapped):
    """A second device in slot 5, with the same tables."""

    def __init__(self, domain=DOMAIN, had=3, flags=READ | WRITE):
        super().__init__(args=(
            '-device', 'edu,addr=5,dma-delay-ms=0,dma_mask=0xffffffffffffffff'))
        for offset, value in ((0x10, OTHER_BAR), (0x14, 0), (0x04, 0x6)):
            self.vi.config_write(offset, value, slot=5)
        self.vi.set_dte(slot=5, domain=domain, had=had, flags=flags)

    def other_write(self):
        self.vi.BAR = OTHER_BAR
        result = self.vi.dma_write(self.iova, 4)
        del self.vi.BAR
        return result


@case()
def domain_shares_translations():
    with Pair() as m:
        m.cleaned()
        same('result', m.other_write(), 0)
        m.expect_leaf('-')
        m.vi.flush_domain()
        same('result', m.other_write(), 0)
        m.expect_leaf('AD')


@case()
def domains_are_apart():
    with Pair(domain=DOMAIN + 1) as m:
        m.cleaned()
        m.vi.flush_domain(DOMAIN + 1)
        m.write()
        m.expect_leaf('-')
        same('result', m.other_write(), 0)
        m.expect_leaf('AD')


@case()
def device_without_had_hides_writes():
    """It shares its translations, that may not be dirty, with the domain."""
    with Pair(had=0) as m:
        same('result', m.other_write(), 0)
        m.write()
        m.expect_leaf('-')
        m.vi.flush_domain()
        m.write()
        m.expect_leaf('AD')


@case()
def permissions_are_per_device():
    with Pair(flags=READ) as m:
        m.write()
        m.vi.clear(m.leaf)
        same('blocked', m.other_write() != 0, True)
        same('event', m.vi.event(),
             (PAGE_FAULT, RW | PR | PE, 5 << 3, DOMAIN, m.iova))
        m.expect_leaf('-')


# -- cached tables and device table entries --------------------------------

def replace_table(m):
    """Let another table, with a clean leaf, take the place of the lowest one."""
    table = m.vi.page()
    leaf = table | m.leaf & 0xfff
    m.vi.writeq(leaf, m.vi.readq(m.leaf) & ~(ACCESSED | DIRTY))
    m.vi.writeq(m.addrs[-2], m.vi.readq(m.addrs[-2]) & ~ADDRESS | table)
    return leaf


@case(props=CACHES)
def cached_table_is_used():
    for flush in (lambda m: m.vi.flush_pages(m.iova, pde=0),
                  lambda m: m.vi.flush_domain(pde=0)):
        with Mapped() as m:
            m.cleaned()
            leaf = replace_table(m)
            flush(m)
            m.write()
            same('old and new', m.vi.flags([m.leaf, leaf]), 'AD -')


@case()
def replaced_table_is_used_after_flush():
    for flush in (lambda m: m.vi.flush_pages(m.iova), lambda m: m.vi.flush_all(),
                  lambda m: m.vi.flush_domain()):
        with Mapped() as m:
            m.cleaned()
            leaf = replace_table(m)
            flush(m)
            m.write()
            same('old and new', m.vi.flags([m.leaf, leaf]), '- AD')


@case(props=ONCE)
def uncached_table_is_read_again():
    with Mapped() as m:
        m.cleaned()
        leaf = replace_table(m)
        m.vi.flush_pages(m.iova, pde=0)
        m.write()
        same('old and new', m.vi.flags([m.leaf, leaf]), '- AD')


@case(*GEOMETRIES, props=CACHES)
def cached_table_hides_access(chain, shift):
    with Mapped(chain, shift, HAD_TABLES) as m:
        m.write()
        for addr in m.addrs:
            m.vi.clear(addr)
        m.vi.flush_pages(m.iova, pde=0)
        m.write()
        # The walk began below the lowest table: only the leaf was used.
        m.tables = '-'
        m.expect('AD')
        m.vi.clear(m.leaf)
        m.vi.flush_pages(m.iova)
        m.write()
        m.tables = 'A'
        m.expect('AD')


@case(('on', 0, 3), ('off', 3, 0), props=CACHES)
def switch_needs_entry_flush(before, after):
    with Mapped(had=before) as m:
        m.write()
        m.vi.clear(m.leaf)
        m.vi.set_dte(had=after)
        m.vi.flush_domain()
        m.write()
        m.expect_leaf('AD' if before else '-')
        m.vi.clear(m.leaf)
        m.vi.flush_entry(slot=5)
        m.vi.flush_domain()
        m.write()
        m.expect_leaf('AD' if before else '-')
        m.vi.clear(m.leaf)
        m.vi.flush_entry()
        m.vi.flush_domain()
        m.write()
        m.expect_leaf('AD' if after else '-')


@case()
def switch_needs_translation_flush():
    """What was cached when dirty flags were off serves writes until flushed."""
    with Mapped(had=0) as m:
        m.write()
        m.vi.set_dte(had=3)
        m.vi.flush_entry()
        m.write()
        m.expect_leaf('-')
        m.vi.flush_domain()
        m.write()
        m.expect_leaf('AD')


@case(props=ONCE)
def uncached_entry_is_read_again():
    with Mapped(had=0) as m:
        m.write()
        m.vi.set_dte(had=3)
        m.vi.flush_domain()
        m.write()
        m.expect_leaf('AD')


@case(props=CACHES)
def flush_all_drops_entries():
    with Mapped(had=0) as m:
        m.write()
        m.vi.set_dte(had=3)
        m.vi.flush_all()
        m.write()
        m.expect_leaf('AD')


@case()
def table_grows_by_a_level():
    """As Linux does it: a new top above the old one, then a new entry."""
    with Mapped((3, 2, 1)) as m:
        m.write()
        old, m.vi.top, m.vi.chain = m.vi.top, m.vi.page(), FULL
        m.vi.writeq(m.vi.top, old | 3 << 9 | PRESENT | READ | WRITE)
        high = m.iova | 5 << 39
        leaf = m.vi.map(high, m.phys ^ 0x1000)[-1]
        m.vi.set_dte()
        m.vi.flush_entry()
        same('result', m.vi.dma_write(high), 0)
        same('high', m.vi.flags([leaf]), 'AD')
        m.vi.clear(m.leaf)
        m.vi.flush_domain()
        m.write()
        m.expect_leaf('AD')


@case()
def pass_through_and_back():
    with Mapped() as m:
        m.cleaned()
        m.vi.set_dte(mode=0, domain=DOMAIN + 1)
        m.vi.flush_entry()
        m.vi.writeq(PHYS + 0x800000, 0x5a5a)
        same('result', m.vi.dma_write(PHYS + 0x800000), 0)
        same('data', m.vi.readq(PHYS + 0x800000), 0)
        m.vi.set_dte()
        m.vi.flush_entry()
        m.vi.flush_domain()
        m.write()
        m.expect('AD')


# -- the device TLB --------------------------------------------------------

def with_ats(chain=FULL, shift=12, **kwargs):
    mapped = Mapped(chain, shift, edu=',ats=on', **kwargs)
    mapped.vi.enable_ats()
    return mapped


@case(*A_FEW)
def ats_write_after_read_sets_dirty(chain, shift):
    with with_ats(chain, shift) as m:
        m.read()
        m.expect('A')
        m.write()
        m.expect('AD')


@case(*A_FEW)
def ats_needs_both_flushes(chain, shift):
    with with_ats(chain, shift) as m:
        last = m.iova | m.size - 1
        for flushes, after in (
                ((), '-'), ((m.vi.flush_domain,), '-'),
                ((lambda: m.vi.flush_device(last),), '-'),
                ((m.vi.flush_domain, lambda: m.vi.flush_device(last, guest=1)), '-'),
                ((m.vi.flush_domain, lambda: m.vi.flush_device(last)), 'AD')):
            m.vi.flush_domain()
            m.vi.flush_device(m.iova)
            m.cleaned()
            for flush in flushes:
                flush()
            m.write()
            m.expect_leaf(after)


@case()
def ats_flush_range():
    for offset, order, after in ((0, 52, 'AD'), (0, 6, 'AD'), (0x40000, 6, '-'),
                                 (0x1000, 0, '-')):
        with with_ats() as m:
            m.cleaned()
            m.vi.flush_domain()
            m.vi.flush_device(m.iova + offset, order)
            m.write()
            m.expect_leaf(after)


@case()
def ats_off_needs_one_flush():
    with Mapped(edu=',ats=on') as m:
        flush_reveals(m, m.vi.flush_domain)


@case()
def ats_write_to_read_only_leaf_is_blocked():
    with with_ats(flags=READ) as m:
        m.read()
        same('blocked', m.vi.dma_write(m.iova) != 0, True)
        m.expect('A')


# -- faults ----------------------------------------------------------------

@case(*A_FEW)
def write_to_read_only_leaf_faults(chain, shift):
    with Mapped(chain, shift, flags=READ) as m:
        m.write_blocked(RW | PR | PE)
        m.read()
        m.expect('A')
        m.write_blocked(RW | PR | PE)   # also from a cached translation
        m.expect('A')


@case(*A_FEW)
def read_of_write_only_leaf_faults(chain, shift):
    with Mapped(chain, shift, flags=WRITE) as m:
        m.read_blocked(PR | PE)
        m.expect('-')
        m.write()
        m.expect('AD')
        m.read_blocked(PR | PE)


@case()
def write_below_read_only_table_faults():
    with Mapped() as m:
        m.vi.clear(m.addrs[1], WRITE)
        m.write_blocked(RW | PR | PE)
        m.read()                        # caches what may not be written
        m.write_blocked(RW | PR | PE)
        m.expect('A')


@case()
def write_below_read_only_entry_faults():
    with Mapped() as m:
        m.vi.set_dte(flags=READ)
        m.write_blocked(RW | PR | PE)
        m.expect('-')


@case(('leaf', -1), ('table', 1))
def write_to_absent_entry_faults(index):
    """Also when there is more in the entry than the missing present bit."""
    for entry in (0, None):
        with Mapped() as m:
            addr = m.addrs[index]
            entry = m.vi.readq(addr) & ~PRESENT if entry is None else entry
            m.vi.writeq(addr, entry)
            m.write_blocked(RW)
            same('entry', m.vi.readq(addr), entry)


@case(*[(str(mode), mode) for mode in range(1, 6)])
def address_above_table_faults(mode):
    with Mapped(tuple(range(mode, 0, -1))) as m:
        m.iova |= 1 << 12 + 9 * mode
        m.write_blocked(RW)
        m.expect('-')


@case()
def skipped_address_bits_fault():
    for chain, bits in (((4, 1), (21, 30)), ((4, 2, 1), (30, 38)), ((6, 1), (56,))):
        for bit in bits:
            with Mapped(chain) as m:
                m.iova |= 1 << bit
                m.write_blocked(RW | PR | RZ)
                m.expect('-')


@case(*[(str(level), level) for level in range(1, 7)])
def entry_must_lead_down(level):
    """The next level of an entry in the table of level 1, 2 or 3."""
    for index in range(-1, -4, -1):
        with Mapped() as m:
            if level < -index:
                continue
            addr = m.addrs[index]
            m.vi.writeq(addr, m.vi.readq(addr) & ~(7 << 9) | level << 9)
            m.write_blocked(RW | PR | RZ)


@case()
def reserved_size_faults():
    """A size in the address that belongs to another level."""
    for shift, other in ((12, 21), (12, 22), (21, 13), (21, 20), (21, 30), (30, 29)):
        with Mapped(FULL, shift) as m:
            size = (1 << other - 1) - 1 & ADDRESS
            m.vi.writeq(m.leaf, m.vi.readq(m.leaf) & ~ADDRESS | size | 7 << 9)
            m.write_blocked(RW | PR | RZ)


@case()
def mode_7_is_illegal():
    with Mapped() as m:
        m.vi.set_dte(mode=7)
        m.write_blocked(0, ILLEGAL_ENTRY)


@case()
def leaf_in_rom_faults():
    """An update that memory refuses blocks the request."""
    with tempfile.NamedTemporaryFile() as rom:
        index = IOVA[4] >> 12 & 511
        leaf = (PHYS | IOVA[4] & 0xfff | PRESENT | READ | WRITE | ACCESSED)
        image = bytearray(0x10000)
        image[index * 8:index * 8 + 8] = leaf.to_bytes(8, 'little')
        rom.write(image)
        rom.flush()
        with Mapped(args=('-bios', rom.name)) as m:
            table = m.vi.readq(m.addrs[-2])
            m.vi.writeq(m.addrs[-2], table & ~ADDRESS | 0xffff0000)
            m.read()
            m.write_blocked(0, PAGE_TABLE_ERROR, 0xffff0000 + index * 8)


@case()
def event_log_wraps_and_overflows():
    with Mapped(flags=READ) as m:
        for _ in range(300):
            m.write_blocked(RW | PR | PE)
        for _ in range(260):
            m.vi.dma_write(m.iova)
        tail = m.vi.reg(EVT_TAIL)
        same('full', (tail + 16) % 0x1000, m.vi.evt_head)
        same('overflow', m.vi.reg(STATUS) & EVENT_OVERFLOW, EVENT_OVERFLOW)
        same('events', sum(m.vi.event() is not None for _ in range(300)), 255)
        same('runs', m.vi.reg(STATUS) & EVENTS_RUN, 0)
        m.vi.writel(REGS + STATUS, EVENT_OVERFLOW)
        same('overflow', m.vi.reg(STATUS) & EVENT_OVERFLOW, 0)
        m.vi.dma_write(m.iova)
        same('event', m.vi.event(), None)
        m.vi.writeq(REGS + CONTROL, ENABLE | COMMANDS)
        m.vi.writeq(REGS + CONTROL, ENABLE | COMMANDS | EVENTS)
        m.write_blocked(RW | PR | PE)


@case()
def ones_clear_bits_of_the_status():
    with Mapped(flags=READ) as m:
        same('at first', m.vi.reg(STATUS), EVENTS_RUN | COMMANDS_RUN)
        for write in m.vi.writel, m.vi.writeq:
            m.write_blocked(RW | PR | PE)
            after = m.vi.reg(STATUS)
            same('event', after & EVENT_INTERRUPT, EVENT_INTERRUPT)
            write(REGS + STATUS, 0)
            same('zeros written', m.vi.reg(STATUS), after)
            write(REGS + STATUS, EVENT_OVERFLOW | EVENTS_RUN)
            same('others written', m.vi.reg(STATUS), after)
            write(REGS + STATUS, EVENT_INTERRUPT)
            same('one written', m.vi.reg(STATUS), after & ~EVENT_INTERRUPT)


def flush_of(m):
    """INVALIDATE_IOMMU_PAGES for the page."""
    return 3 << 60 | DOMAIN << 32, m.iova & ~0xfff


def device_flush_of(m):
    """INVALIDATE_IOTLB_PAGES for the page."""
    return 4 << 60 | SLOT << 32 | SLOT, m.iova & ~0xfff


def step(m, nanoseconds):
    m.vi.command('clock_step', str(nanoseconds))


@case()
def late_commands_are_executed_later():
    """Fetched, one after the other, and until it is executed nothing has changed."""
    with Mapped(props='x-had=on,x-late-us=10') as m:
        m.write()
        m.vi.clear(m.leaf)
        head = m.vi.reg(CMD_HEAD)
        m.vi.post(*flush_of(m))
        same('head', m.vi.reg(CMD_HEAD), head + 16)
        step(m, 9_000)
        m.write()
        m.expect_leaf('-')
        same('wait', m.vi.waited(), False)
        step(m, 1_000)
        same('head', m.vi.reg(CMD_HEAD), head + 32)
        same('wait', m.vi.waited(), False)
        m.write()
        m.expect_leaf('AD')
        step(m, 10_000)
        same('wait', m.vi.waited(), True)


@case()
def mute_device_holds_up_what_follows():
    with with_ats() as m:
        m.vi.writeq(REGS + CONTROL, ENABLE | EVENTS | COMMANDS | TIMEOUT_1S)
        m.write()
        m.vi.clear(m.leaf)
        m.vi.submit(*flush_of(m))
        m.vi.trouble(MUTE)
        where = m.vi.post(*device_flush_of(m))
        step(m, 999_999_999)
        same('wait', m.vi.waited(), False)
        same('event', m.vi.event(), None)
        step(m, 1)
        same('wait', m.vi.waited(), True)
        same('event', m.vi.event(), (DEVICE_TIMEOUT, 0, SLOT, 0, where))
        m.write()
        m.expect_leaf('-')
        m.vi.trouble(0)
        m.vi.submit(*device_flush_of(m))
        m.write()
        m.expect_leaf('AD')


@case()
def lost_wait_is_lost_once():
    with Mapped() as m:
        m.write()
        m.vi.clear(m.leaf)
        m.vi.trouble(LOSE_WAIT)
        m.vi.post(*flush_of(m))
        same('wait', m.vi.waited(), False)
        m.write()
        m.expect_leaf('AD')
        m.vi.submit(*flush_of(m))


@case()
def command_error_stops_the_commands():
    """Until the buffer is switched off and on, with a command or without."""
    with Mapped() as m:
        m.vi.trouble(FAIL_COMMAND)
        where = m.vi.post(*flush_of(m))
        same('event', m.vi.event(), (COMMAND_ERROR, 0, 0, 0, where))
        m.vi.post(*flush_of(m))
        same('wait', m.vi.waited(), False)
        same('status', m.vi.reg(STATUS) & COMMANDS_RUN, 0)
        m.vi.writeq(REGS + CONTROL, ENABLE | EVENTS | COMMANDS)
        same('status', m.vi.reg(STATUS) & COMMANDS_RUN, 0)
        m.vi.writeq(REGS + CONTROL, ENABLE | EVENTS)
        m.vi.writeq(REGS + CONTROL, ENABLE | EVENTS | COMMANDS)
        same('status', m.vi.reg(STATUS) & COMMANDS_RUN, COMMANDS_RUN)
        same('wait', m.vi.waited(), True)
        m.vi.submit(*flush_of(m))


@case()
def switched_off_logs_nothing():
    with Mapped(flags=READ) as m:
        m.vi.writeq(REGS + CONTROL, ENABLE)
        same('blocked', m.vi.dma_write(m.iova, 4) != 0, True)
        same('event', m.vi.event(), None)
        m.vi.writeq(REGS + CONTROL, ENABLE | EVENTS)
        same('blocked', m.vi.dma_write(m.iova, 4) != 0, True)
        same('event', m.vi.event(), (PAGE_FAULT, RW | PR | PE, SLOT, DOMAIN, m.iova))


# -- software at the same time ---------------------------------------------

@case(*A_FEW)
def racing_stores_are_not_lost(chain, shift):
    """
    An ignored bit of the leaf is flipped all the time: the update of the value before
    must never end up on top of the one stored last.
    """
    with SharedMemory() as memory, Mapped(chain, shift, args=memory.args) as m:
        def transfer():
            m.vi.flush_domain()
            same('result', m.vi.dma_write(m.iova), 0)
        lost, updated = memory.race(m.leaf, 1 << 58, transfer)
        same('lost', lost, 0)
        same('updates seen', updated > 0, True)


# -- capabilities ----------------------------------------------------------

@case(props=ONCE)
def capabilities():
    """Without our properties the register and the ACPI table are the stock ones."""
    stock = 0x29d3
    for props, want in (('xtsup=off', stock), ('x-caches=on', stock),
                        ('xtsup=on,x-had=on', stock | 1 << 2 | HASUP | HDSUP),
                        ('x-had=on', stock | HASUP | HDSUP),
                        ('device-iotlb=on', stock | EPHSUP)):
        with Amdvi(SUITE.qemu, props, enable=False) as vi:
            same(f'{props} EFR', hex(vi.reg(EFR)), hex(want))
            same(f'{props} IVRS', vi.acpi_efr(), {0x11: want})


@case(props=ONCE)
def tables_need_the_leaves():
    run = subprocess.run([SUITE.qemu, *Q35.ARGS, '-accel', 'qtest', '-nodefaults',
                          '-display', 'none', '-device', 'amd-iommu,x-had-tables=on'],
                         capture_output=True, check=False, timeout=30)
    same('status', run.returncode, 1)
    same('reason', b'x-had-tables needs x-had' in run.stderr, True)
