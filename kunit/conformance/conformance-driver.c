// SPDX-License-Identifier: GPL-2.0-only
/*
 * A conformance target: the vendor's own driver and the IOMMU that this machine has.
 * The devices are QEMU's "edu" (docs/specs/edu.rst there), a DMA engine that is
 * programmed from here, taken for as long as a case lasts.
 *
 * All leaves map the same 2 MiB of memory. A larger leaf maps them with whatever lies
 * around them, which no device accesses.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "conformance.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

#define REG_SOURCE	0x80
#define REG_DESTINATION	0x88
#define REG_COUNT	0x90
#define REG_COMMAND	0x98
#define REG_RESULT	0xa0
#define COMMAND_RUN	1
#define COMMAND_TO_MEMORY 2
#define EDU_BUFFER	0x40000

#define DMA_TIMEOUT_US	(10 * USEC_PER_SEC)
#define MEMORY_SIZE	SZ_2M

static DEFINE_MUTEX(edus_lock);	/* edus */
static struct edu {
	struct pci_dev *pdev;
	struct iommu_group *group;
	void __iomem *regs;
	struct iommu_domain *domain;
} edus[CONF_MAX_DEVICES];

static unsigned int nr_edus;
static struct page *memory;

static struct edu *to_edu(struct device *dev)
{
	return pci_get_drvdata(to_pci_dev(dev));
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = &edus[nr_edus];
	int ret;

	guard(mutex)(&edus_lock);
	if (nr_edus == ARRAY_SIZE(edus) || !pdev->dev.iommu_group)
		return -ENODEV;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	edu->regs = pcim_iomap(pdev, 0, 0);
	if (!edu->regs)
		return -ENOMEM;
	ret = iommu_device_claim_dma_owner(&pdev->dev, edus);
	if (ret)
		return ret;
	edu->pdev = pdev;
	edu->group = iommu_group_get(&pdev->dev);
	pci_set_drvdata(pdev, edu);
	pci_set_master(pdev);
	nr_edus++;
	return 0;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	guard(mutex)(&edus_lock);
	pci_clear_master(pdev);
	iommu_group_put(edu->group);
	iommu_device_release_dma_owner(&pdev->dev);
	nr_edus--;
	memset(edu, 0, sizeof(*edu));
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{}
};

static struct pci_driver edu_driver = {
	.name = "iommu-dirty-kunit",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.driver_managed_dma = true,
};

static void cleanup(struct conf *conf)
{
	if (!memory)
		return;
	pci_unregister_driver(&edu_driver);
	__free_pages(memory, get_order(MEMORY_SIZE));
	memory = NULL;
}

static int setup(struct conf *conf)
{
	int ret;

	memory = alloc_pages(GFP_KERNEL | __GFP_ZERO, get_order(MEMORY_SIZE));
	if (!memory)
		return -ENOMEM;
	ret = pci_register_driver(&edu_driver);
	if (ret) {
		__free_pages(memory, get_order(MEMORY_SIZE));
		memory = NULL;
	}
	return ret;
}

static struct device *device(struct conf *conf, unsigned int n)
{
	return n < nr_edus ? &edus[n].pdev->dev : NULL;
}

static struct iommu_domain *domain_alloc(struct conf *conf)
{
	return iommu_paging_domain_alloc(&edus[0].pdev->dev);
}

static int attach(struct iommu_domain *domain, struct device *dev)
{
	struct edu *edu = to_edu(dev);
	int ret = iommu_attach_group(domain, edu->group);

	if (!ret)
		edu->domain = domain;
	return ret;
}

static void detach(struct iommu_domain *domain, struct device *dev)
{
	struct edu *edu = to_edu(dev);

	iommu_detach_group(domain, edu->group);
	edu->domain = NULL;
}

/* One call for each leaf: the driver takes the largest size that fits */
static int map(struct iommu_domain *domain, unsigned long iova,
	       unsigned long size, unsigned long leaf_size, bool writable)
{
	int prot = IOMMU_READ | (writable ? IOMMU_WRITE : 0);
	unsigned long done;
	int ret;

	for (done = 0; done < size; done += leaf_size) {
		phys_addr_t pa = page_to_phys(memory) & ~(leaf_size - 1);

		pa += (iova + done) & (MEMORY_SIZE - 1) & ~(leaf_size - 1);
		ret = iommu_map(domain, iova + done, pa, leaf_size, prot,
				GFP_KERNEL);
		if (ret) {
			if (done)
				iommu_unmap(domain, iova, done);
			return ret;
		}
	}
	return 0;
}

static void unmap(struct iommu_domain *domain, unsigned long iova,
		  unsigned long size)
{
	WARN_ON(iommu_unmap(domain, iova, size) != size);
}

static int transfer(struct edu *edu, u64 source, u64 destination, u64 len,
		    u64 command)
{
	u64 value;
	int ret;

	writeq(source, edu->regs + REG_SOURCE);
	writeq(destination, edu->regs + REG_DESTINATION);
	writeq(len, edu->regs + REG_COUNT);
	writeq(command | COMMAND_RUN, edu->regs + REG_COMMAND);
	ret = readq_poll_timeout_atomic(edu->regs + REG_COMMAND, value,
					!(value & COMMAND_RUN), 0,
					DMA_TIMEOUT_US);
	if (ret)
		return ret;
	return readq(edu->regs + REG_RESULT) ? -EFAULT : 0;
}

/*
 * Where a large leaf does not map our memory, the device accesses the same leaf where
 * it does. It writes zeroes, which nobody else does.
 */
static int dma(struct device *dev, ioasid_t pasid, unsigned long iova,
	       bool write)
{
	phys_addr_t first = page_to_phys(memory), pa = 0;
	unsigned long offset = iova & (MEMORY_SIZE - 1);
	struct edu *edu = to_edu(dev);
	u8 *byte;
	int ret;

	/* Of an odd address: 0 means that nothing is mapped, and is one as well */
	if (edu->domain)
		pa = iommu_iova_to_phys(edu->domain, iova | 1);
	if (pa) {
		pa -= !(iova & 1);
		if (pa < first || pa >= first + MEMORY_SIZE) {
			iova += first + offset - pa;
			pa = first + offset;
		}
		offset = pa - first;
	}
	if (!write)
		return transfer(edu, iova, EDU_BUFFER, 1, 0);

	byte = page_to_virt(memory) + offset;
	WRITE_ONCE(*byte, 0xff);
	ret = transfer(edu, EDU_BUFFER + 8, iova, 1, COMMAND_TO_MEMORY);
	if (!ret && READ_ONCE(*byte))
		return -EBADMSG;
	return ret;
}

const struct conf_ops conf_driver_ops = {
	.setup = setup,
	.cleanup = cleanup,
	.device = device,
	.domain_alloc = domain_alloc,
	.domain_free = iommu_domain_free,
	.attach = attach,
	.detach = detach,
	.map = map,
	.unmap = unmap,
	.dma = dma,
	.leaf_sizes = SZ_4K | SZ_64K | SZ_2M | SZ_1G,
	/* AMD's driver would let its table grow to a sixth level */
	.max_bits = 57,
	.slow = true,
};

/* What serves the devices that are here? */
static int look(struct conf_driver *driver)
{
	struct iommu_dirty_info info = {};
	struct iommu_domain *domain;
	int ret;

	if (!nr_edus) {
		driver->why = "no edu device behind an IOMMU";
		return -ENODEV;
	}
	domain = domain_alloc(NULL);
	if (IS_ERR(domain)) {
		driver->why = "the IOMMU driver allocates no domain";
		return PTR_ERR(domain);
	}
	ret = attach(domain, &edus[0].pdev->dev);
	if (!ret) {
		ret = iommu_dirty_query(domain, &info);
		detach(domain, &edus[0].pdev->dev);
	}
	iommu_domain_free(domain);
	if (ret)
		driver->why = "the device cannot be attached";
	else if (!info.backend[0])
		driver->why = "no backend serves the device";
	else if (!(info.caps.flags & IOMMU_DIRTY_CAP_RECORD))
		driver->why = "the IOMMU does not record writes";
	if (driver->why)
		return -EOPNOTSUPP;
	strscpy(driver->backend, info.backend);
	driver->stage = info.caps.stage;
	return 0;
}

/**
 * conf_driver_find() - which backend and stage serve the devices of this machine?
 *
 * Return: with a stage of 0 when there are none, and then it says why.
 */
const struct conf_driver *conf_driver_find(void)
{
	static struct conf_driver driver;

	if (driver.stage || driver.why)
		return &driver;
	if (setup(NULL)) {
		driver.why = "the devices cannot be taken";
		return &driver;
	}
	look(&driver);
	cleanup(NULL);
	return &driver;
}
