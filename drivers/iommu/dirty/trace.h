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

#define show_iommu_dirty_reason(reason)                           \
	__print_symbolic(reason,                                  \
			 { IOMMU_DIRTY_REASON_NONE, "none" },     \
			 { IOMMU_DIRTY_REASON_DEVICE, "device" }, \
			 { IOMMU_DIRTY_REASON_FLUSH, "flush" },   \
			 { IOMMU_DIRTY_REASON_BACKEND, "backend" }, \
			 { IOMMU_DIRTY_REASON_TABLE, "table" })

#define show_iommu_dirty_policy(policy)                           \
	__print_symbolic(policy,                                  \
			 { IOMMU_DIRTY_POLICY_PLAIN, "plain" },   \
			 { IOMMU_DIRTY_POLICY_STRICT, "strict" }, \
			 { IOMMU_DIRTY_POLICY_DEGRADE, "degrade" })

#define show_iommu_dirty_events(events)                                 \
	__print_flags(events, "|",                                      \
		      { IOMMU_DIRTY_EVENT_MODE, "mode" },               \
		      { IOMMU_DIRTY_EVENT_CAPS, "caps" },               \
		      { IOMMU_DIRTY_EVENT_ATTACH, "attach" },           \
		      { IOMMU_DIRTY_EVENT_DETACH, "detach" },           \
		      { IOMMU_DIRTY_EVENT_POLICY, "policy" },           \
		      { IOMMU_DIRTY_EVENT_GONE, "gone" })

TRACE_EVENT(iommu_dirty_mode,
	TP_PROTO(const struct iommu_dirty_domain *dd,
		 enum iommu_dirty_mode mode, enum iommu_dirty_reason reason),
	TP_ARGS(dd, mode, reason),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(int, from)
		__field(int, to)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->domain = dd->id;
		__entry->from = dd->mode;
		__entry->to = mode;
		__entry->reason = reason;
	),
	TP_printk("domain=%u %s -> %s reason=%s", __entry->domain,
		  show_iommu_dirty_mode(__entry->from),
		  show_iommu_dirty_mode(__entry->to),
		  show_iommu_dirty_reason(__entry->reason))
);

TRACE_EVENT(iommu_dirty_policy,
	TP_PROTO(const struct iommu_dirty_domain *dd,
		 enum iommu_dirty_policy policy),
	TP_ARGS(dd, policy),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(int, from)
		__field(int, to)
	),
	TP_fast_assign(
		__entry->domain = dd->id;
		__entry->from = dd->policy;
		__entry->to = policy;
	),
	TP_printk("domain=%u %s -> %s", __entry->domain,
		  show_iommu_dirty_policy(__entry->from),
		  show_iommu_dirty_policy(__entry->to))
);

TRACE_EVENT(iommu_dirty_notify,
	TP_PROTO(const struct iommu_dirty_domain *dd, u32 events, u64 seq),
	TP_ARGS(dd, events, seq),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(u32, events)
		__field(u64, seq)
	),
	TP_fast_assign(
		__entry->domain = dd->id;
		__entry->events = events;
		__entry->seq = seq;
	),
	TP_printk("domain=%u events=%s seq=%llu", __entry->domain,
		  show_iommu_dirty_events(__entry->events), __entry->seq)
);

DECLARE_EVENT_CLASS(iommu_dirty_attachment,
	TP_PROTO(const struct iommu_dirty_domain *dd, struct device *dev,
		 u32 pasid),
	TP_ARGS(dd, dev, pasid),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__string(dev, dev_name(dev))
		__field(u32, pasid)
		__field(u32, caps)
	),
	TP_fast_assign(
		__entry->domain = dd->id;
		__assign_str(dev);
		__entry->pasid = pasid;
		__entry->caps = dd->caps.flags;
	),
	TP_printk("domain=%u dev=%s pasid=%u caps=%#x", __entry->domain,
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

DEFINE_EVENT(iommu_dirty_attachment, iommu_dirty_refuse,
	TP_PROTO(const struct iommu_dirty_domain *dd, struct device *dev,
		 u32 pasid),
	TP_ARGS(dd, dev, pasid)
);

TRACE_EVENT(iommu_dirty_chunk,
	TP_PROTO(const struct iommu_dirty_domain *dd,
		 const struct iommu_dirty_chunk *chunk, int ret),
	TP_ARGS(dd, chunk, ret),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(unsigned long, iova)
		__field(u64, leaves)
		__field(u64, dirty)
		__field(u64, cleared)
		__field(u64, leaf_sizes)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->domain = dd->id;
		__entry->iova = chunk->iova;
		__entry->leaves = chunk->leaves;
		__entry->dirty = chunk->dirty;
		__entry->cleared = chunk->cleared;
		__entry->leaf_sizes = chunk->leaf_sizes;
		__entry->ret = ret;
	),
	TP_printk("domain=%u iova=%#lx leaves=%llu dirty=%llu cleared=%llu sizes=%#llx ret=%d",
		  __entry->domain, __entry->iova, __entry->leaves,
		  __entry->dirty, __entry->cleared, __entry->leaf_sizes,
		  __entry->ret)
);

TRACE_EVENT(iommu_dirty_read,
	TP_PROTO(const struct iommu_dirty_domain *dd,
		 const struct iommu_dirty_read *rd, u64 ns, int ret),
	TP_ARGS(dd, rd, ns, ret),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(unsigned long, iova)
		__field(unsigned long, last)
		__field(unsigned long, page_size)
		__field(u32, flags)
		__field(u64, ns)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->domain = dd->id;
		__entry->iova = rd->iova;
		__entry->last = rd->last;
		__entry->page_size = rd->page_size;
		__entry->flags = rd->flags;
		__entry->ns = ns;
		__entry->ret = ret;
	),
	TP_printk("domain=%u iova=%#lx last=%#lx page_size=%lu flags=%#x ns=%llu ret=%d",
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
