// SPDX-License-Identifier: GPL-2.0-only
/// A ->flush that does nothing: hardware that has cached a translation as dirty does not
/// look at the leaf again, so after ->clear the next write is lost.
// Options: --no-includes
virtual report

@backend@
identifier b, f;
@@
 struct iommu_dirty_backend b = { .flush = f, };

// A call through a pointer is a call; a message is none
@does exists@
identifier backend.f;
identifier g : script:python() {
	not g.startswith(("pr_", "dev_dbg", "dev_info", "dev_warn", "dev_err", "trace_", "WARN",
			  "lockdep_", "might_", "to_", "container_of")) };
identifier member;
expression e;
position p;
@@
 f@p(...)
 {
 <+...
(
 g(...)
|
 e->member(...)
)
 ...+>
 }

@nothing@
identifier backend.f;
position p != does.p;
@@
 f@p(...) { ... }

@script:python depends on report@
p << nothing.p;
f << backend.f;
@@
coccilib.report.print_report(p[0], f + "() flushes nothing: the next write to what was made clean is lost")
