# SPDX-License-Identifier: GPL-2.0-only
"""The DMA engine of the tests."""

EDU_SRC, EDU_DST, EDU_COUNT, EDU_CMD, EDU_RESULT = 0x80, 0x88, 0x90, 0x98, 0xa0
EDU_TROUBLE = 0xa8
MUTE, LOSE_WAIT, FAIL_COMMAND = 1 << 0, 1 << 8, 1 << 9
EDU_FAIL = 0xb0
REJECT, REJECT_DEVICE, SILENT, SILENT_AHEAD = range(1, 5)
EDU_BUFFER = 0x40000


class Edu:
    """What a machine can do that has an edu for its one PCI device."""

    def edu(self, props=''):
        """Its command line, with more properties."""
        return ('-device', f'edu,addr={self.SLOT},dma-delay-ms=0,'
                f'dma_mask=0xffffffffffffffff{props}')

    def edu_reg(self, offset):
        return self.readq(self.BAR + offset)

    def dma(self, src, dst, count, command):
        self.writeq(self.BAR + EDU_SRC, src)
        self.writeq(self.BAR + EDU_DST, dst)
        self.writeq(self.BAR + EDU_COUNT, count)
        self.writeq(self.BAR + EDU_CMD, 1 | command)
        for _ in range(1000):
            if not self.edu_reg(EDU_CMD) & 1:
                return self.edu_reg(EDU_RESULT)
        raise RuntimeError('DMA did not finish')

    def trouble(self, what):
        """The device, or the IOMMU in front of it, does something wrong."""
        self.writeq(self.BAR + EDU_TROUBLE, what)

    def dma_read(self, iova, count=8):
        """The device reads memory into its buffer."""
        return self.dma(iova, EDU_BUFFER, count, 0)

    def dma_write(self, iova, count=8):
        """The device writes its buffer to memory."""
        return self.dma(EDU_BUFFER, iova, count, 2)

    def fail(self, how, count=1, gone=False):
        """The next invalidations of VT-d's that concern it fail."""
        self.writeq(self.BAR + EDU_FAIL, how | count << 8 | gone << 32)

    def enable_ats(self):
        cap = self.ecam(0x100)
        assert self.readl(cap) & 0xffff == 0xf, 'no ATS capability'
        self.writel(cap + 4, 1 << 31)
