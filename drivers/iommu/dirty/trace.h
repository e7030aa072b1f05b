/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints of IOMMU dirty tracking */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommu_dirty

#if !defined(__IOMMU_DIRTY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __IOMMU_DIRTY_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

#include "priv.h"

#define show_iommu_dirty_mode(mode)                           \
	__print_symbolic(mode,                                \
			 { IOMMU_DIRTY_MODE_OFF, "off" },     \
			 { IOMMU_DIRTY_MODE_EXACT, "exact" }, \
			 { IOMMU_DIRTY_MODE_ALL_DIRTY, "all-dirty" })

TRACE_EVENT(iommu_dirty_mode,
	TP_PROTO(const struct iommu_dirty_domain *dd,
		 enum iommu_dirty_mode mode, enum iommu_dirty_reason reason),
	TP_ARGS(dd, mode, reason),
	TP_STRUCT__entry(
		__field(const void *, domain)
		__field(int, from)
		__field(int, to)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->domain = dd->domain;
		__entry->from = dd->mode;
		__entry->to = mode;
		__entry->reason = reason;
	),
	TP_printk("domain=%p %s -> %s reason=%d", __entry->domain,
		  show_iommu_dirty_mode(__entry->from),
		  show_iommu_dirty_mode(__entry->to), __entry->reason)
);

DECLARE_EVENT_CLASS(iommu_dirty_attachment,
	TP_PROTO(const struct iommu_dirty_domain *dd, struct device *dev,
		 u32 pasid),
	TP_ARGS(dd, dev, pasid),
	TP_STRUCT__entry(
		__field(const void *, domain)
		__string(dev, dev_name(dev))
		__field(u32, pasid)
		__field(u32, caps)
	),
	TP_fast_assign(
		__entry->domain = dd->domain;
		__assign_str(dev);
		__entry->pasid = pasid;
		__entry->caps = dd->caps.flags;
	),
	TP_printk("domain=%p dev=%s pasid=%u caps=%#x", __entry->domain,
		  __get_str(dev), __entry->pasid, __entry->caps)
);

DEFINE_EVENT(iommu_dirty_attachment, iommu_dirty_attach,
	TP_PROTO(const struct iommu_dirty_domain *dd, struct device *dev,
		 u32 pasid),
	TP_ARGS(dd, dev, pasid)
);

DEFINE_EVENT(iommu_dirty_attachment, iommu_dirty_detach,
	TP_PROTO(const struct iommu_dirty_domain *dd, struct device *dev,
		 u32 pasid),
	TP_ARGS(dd, dev, pasid)
);

TRACE_EVENT(iommu_dirty_chunk,
	TP_PROTO(const struct iommu_dirty_domain *dd,
		 const struct iommu_dirty_chunk *chunk, int ret),
	TP_ARGS(dd, chunk, ret),
	TP_STRUCT__entry(
		__field(const void *, domain)
		__field(unsigned long, iova)
		__field(u64, leaves)
		__field(u64, dirty)
		__field(u64, cleared)
		__field(u64, leaf_sizes)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->domain = dd->domain;
		__entry->iova = chunk->iova;
		__entry->leaves = chunk->leaves;
		__entry->dirty = chunk->dirty;
		__entry->cleared = chunk->cleared;
		__entry->leaf_sizes = chunk->leaf_sizes;
		__entry->ret = ret;
	),
	TP_printk("domain=%p iova=%#lx leaves=%llu dirty=%llu cleared=%llu sizes=%#llx ret=%d",
		  __entry->domain, __entry->iova, __entry->leaves,
		  __entry->dirty, __entry->cleared, __entry->leaf_sizes,
		  __entry->ret)
);

TRACE_EVENT(iommu_dirty_read,
	TP_PROTO(const struct iommu_dirty_domain *dd,
		 const struct iommu_dirty_read *rd, u64 ns, int ret),
	TP_ARGS(dd, rd, ns, ret),
	TP_STRUCT__entry(
		__field(const void *, domain)
		__field(unsigned long, iova)
		__field(unsigned long, last)
		__field(unsigned long, page_size)
		__field(u32, flags)
		__field(u64, ns)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->domain = dd->domain;
		__entry->iova = rd->iova;
		__entry->last = rd->last;
		__entry->page_size = rd->page_size;
		__entry->flags = rd->flags;
		__entry->ns = ns;
		__entry->ret = ret;
	),
	TP_printk("domain=%p iova=%#lx last=%#lx page_size=%lu flags=%#x ns=%llu ret=%d",
		  __entry->domain, __entry->iova, __entry->last,
		  __entry->page_size, __entry->flags, __entry->ns,
		  __entry->ret)
);

#endif /* __IOMMU_DIRTY_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/iommu/dirty
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
