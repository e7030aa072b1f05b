// SPDX-License-Identifier: GPL-2.0-only
/* Each line marked so must be reported, and no other. */

static u64 clean(u64 entry)
{
	return entry & ~DIRTY;
}

static bool clean_entry(u64 *entry, u64 value)
{
	*entry = clean(value); /* finding */
	return true;
}

static void peek(const u64 *table, unsigned int nr, u64 *found)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (table[i] & DIRTY) /* finding */
			break;
	if (*table & PRESENT) /* finding */
		note(READ_ONCE(table[0]), table + i);
}

static int bad_walk(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk, unsigned long iova,
		    unsigned long last)
{
	u64 *table = root(domain), found;
	u64 entry = *table; /* finding */

	peek(table, 512, &found);
	return entry == found ? 0 : -EIO;
}

static int bad_clear(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk)
{
	u64 *entry = root(domain);
	arm_lpae_iopte *ptep = (void *)entry;
	struct dma_pte *pte = (void *)entry;
	__le64 *little = (void *)entry;

	entry[3] = 0; /* finding */
	entry[4] &= ~DIRTY; /* finding */
	*entry |= READ_ONLY; /* finding */
	WRITE_ONCE(*entry, 0); /* finding */
	WRITE_ONCE(entry[1], 0); /* finding */
	smp_store_release(entry, 0); /* finding */
	*ptep = 0; /* finding */
	*little = cpu_to_le64(0); /* finding */
	pte->val &= ~DIRTY; /* finding */
	clean_entry(entry, READ_ONCE(*entry));
	return pte->val & DIRTY ? -EIO : 0; /* finding */
}

static bool bad_generic(const struct iommu_dirty_format *fmt, u64 *entry)
{
	return fmt->dirty(*entry); /* finding */
}

/* What the members of a cursor are is in a header that is not looked at */
static void bad_cursor(const struct iommu_dirty_format *fmt, struct iommu_dirty_cursor *at)
{
	struct iommu_dirty_cursor cur = *at;

	*cur.entry = fmt->cleaned(cur.value); /* finding */
	*cur.entry &= ~DIRTY; /* finding */
	*at->entry = fmt->cleaned(at->value); /* finding */
	cur.entry[3] = 0; /* finding */
	at->entry[4] |= READ_ONLY; /* finding */
	cur.tables[1][7] = 0; /* finding */
	at->tables[at->level][7] = 0; /* finding */
	WRITE_ONCE(*cur.entry, 0); /* finding */
	WRITE_ONCE(*at->entry, 0); /* finding */
	WRITE_ONCE(cur.entry[5], 0); /* finding */
	WRITE_ONCE(at->entry[6], 0); /* finding */
	WRITE_ONCE(at->tables[1][7], 0); /* finding */
	smp_store_release(cur.entry, 0); /* finding */
	smp_store_release(&at->entry[1], 0); /* finding */
	if (*cur.entry & DIRTY) /* finding */
		at->run = 0;
	if (at->entry[1] & DIRTY) /* finding */
		at->run = 0;
}

static const struct iommu_dirty_backend bad_backend = {
	.walk = bad_walk,
	.clear = bad_clear,
};

/* All of this is right */
static bool good_entry(u64 *entry, u64 value)
{
	while (value & DIRTY)
		if (try_cmpxchg64(entry, &value, value & ~DIRTY))
			return true;
	return false;
}

static int good_walk(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk, unsigned long iova,
		     unsigned long last)
{
	u64 *table = root(domain);
	u64 value = READ_ONCE(table[1]) | READ_ONCE(*table);

	table = PTR_ALIGN_DOWN(table, sizeof(*table));
	value |= smp_load_acquire(&table[2]);
	if (value & DIRTY)
		chunk->dirty++;
	chunk->mask[0] |= 1;
	return 0;
}

static int good_clear(struct iommu_domain *domain, struct iommu_dirty_chunk *chunk)
{
	struct dma_pte *pte = root(domain);
	u64 value = READ_ONCE(pte->val);

	chunk->cleared += good_entry(&pte->val, value);
	return 0;
}

static const struct iommu_dirty_backend good_backend = {
	.walk = good_walk,
	.clear = good_clear,
	.capability = capability,
};

static bool good_cursor(const struct iommu_dirty_format *fmt, struct iommu_dirty_cursor *at)
{
	u64 *entry = &at->entry[1];

	at->entry = entry + sizeof(*at->entry);
	at->tables[at->level] = phys_to_virt(at->value);
	at->value = READ_ONCE(*at->entry) | READ_ONCE(at->tables[1][0]);
	at->value = iommu_dirty_load(at->entry);
	return try_cmpxchg64(&at->entry[2], &at->value, 0);
}

/* Nobody walks through it while this runs */
static void build(u64 *table, unsigned int nr)
{
	while (nr--)
		table[nr] = *table & ATTRIBUTES;
}
