// SPDX-License-Identifier: GPL-2.0-only
/// A backend is a constant with a name, an owner and all callbacks but ->sync: without an
/// owner its module can go away under a domain, and without a callback it is refused when
/// it registers. A format is a constant too, or its walk is full of indirect calls.
// Options: --no-includes
virtual report

@initialize:python@
@@
MANDATORY = ("name", "owner", "claims", "capability", "set_feature", "walk", "clear", "flush")
there = {}

@backend@
identifier b;
position p;
@@
 struct iommu_dirty_backend b@p = { ... };

@script:python depends on report@
p << backend.p;
@@
there.setdefault((p[0].file, p[0].line, p[0].column), (p[0], set()))

@has@
identifier b, fld;
expression e != NULL;
position p;
@@
 struct iommu_dirty_backend b@p = { .fld = e, };

@script:python depends on report@
p << has.p;
fld << has.fld;
@@
there.setdefault((p[0].file, p[0].line, p[0].column), (p[0], set()))[1].add(fld)

@changes disable optional_qualifier@
identifier b;
position p;
initializer I;
@@
(
 struct iommu_dirty_backend b@p = I;
|
 struct iommu_dirty_backend b@p;
|
 struct iommu_dirty_format b@p = I;
)

@script:python depends on report@
p << changes.p;
b << changes.b;
@@
# In a function it is somebody's copy
if p[0].current_element == b:
    coccilib.report.print_report(p[0], b + " must be const")

@finalize:python depends on report@
@@
for where, fields in there.values():
    missing = [name for name in MANDATORY if name not in fields]
    if missing:
        coccilib.report.print_report(where, "this backend lacks ." + ", .".join(missing))
