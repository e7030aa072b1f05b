// SPDX-License-Identifier: GPL-2.0-only
/// struct iova_bitmap swallows pages that cannot be pinned, and with them dirty bits:
/// publish through the checked way instead.
// Options: --no-includes
virtual report

// An upstream operation has no other way.
@upstream@
identifier f = { iova_bitmap_set, iommu_dirty_bitmap_record };
position p;
@@
 read_and_clear_dirty(...)
 {
 <...
 f@p(...)
 ...>
 }

@swallowed@
identifier f = { iova_bitmap_set, iova_bitmap_for_each, iommu_dirty_bitmap_record };
position p != upstream.p;
@@
 f@p(...)

@script:python depends on report@
p << swallowed.p;
f << swallowed.f;
@@
coccilib.report.print_report(p[0], f + "() does not say when it loses bits")
