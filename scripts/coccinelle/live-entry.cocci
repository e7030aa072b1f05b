// SPDX-License-Identifier: GPL-2.0-only
/// Hardware writes page table entries while ->walk and ->clear look at them: load each once,
/// with READ_ONCE(), and change it only by try_cmpxchg64() against the value that was read.
/// A store in between undoes what hardware has recorded: a lost write. Followed into the
/// functions that these two call, and into all that take a struct iommu_dirty_format.
// Options: --no-includes
virtual report

@initialize:python@
@@
defined, calls, roots, suspects = {}, {}, [], []

def resolve(name, file):
    files = defined.get(name, ())
    return (file, name) if file in files else (min(files), name) if len(files) == 1 else None

def reached():
    todo, functions = [resolve(name, file) for file, name in roots], set()
    while todo:
        function = todo.pop()
        if function and function not in functions:
            functions.add(function)
            todo += [resolve(callee, function[0]) for callee in calls.get(function, ())]
    return functions

@backend@
identifier b, f;
identifier callback = { walk, clear };
position p;
@@
 struct iommu_dirty_backend b@p = { .callback = f, };

@script:python depends on report@
p << backend.p;
f << backend.f;
@@
roots.append((p[0].file, f))

@generic@
identifier f, fmt;
position p;
@@
 f@p(..., struct iommu_dirty_format *fmt, ...) { ... }

@script:python depends on report@
p << generic.p;
f << generic.f;
@@
roots.append((p[0].file, f))

@definition@
identifier f;
position p;
@@
 f@p(...) { ... }

@script:python depends on report@
p << definition.p;
f << definition.f;
@@
defined.setdefault(f, set()).add(p[0].file)

@call@
identifier f;
position p;
@@
 f@p(...)

@script:python depends on report@
p << call.p;
f << call.f;
@@
for at in p:
    calls.setdefault((at.file, at.current_element), set()).add(f)

// Types are known when the struct is, and it may be in a header: there go by the name of the
// member that points to entries, and by struct iommu_dirty_cursor's tables.
@store@
typedef u64, __le64, __be64, arm_lpae_iopte;
{ u64, __le64, __be64, arm_lpae_iopte } *e;
struct dma_pte *dma;
identifier m = { entry, entries, pte, ptep };
expression x, i, j, v;
assignment operator to;
position p;
@@
(
 *e@p to v
|
 e@p[i] to v
|
 dma@p->val to v
|
 WRITE_ONCE(*e@p, v)
|
 WRITE_ONCE(e@p[i], v)
|
 WRITE_ONCE(dma@p->val, v)
|
 smp_store_release(e@p, v)
|
 smp_store_release(&e@p[i], v)
|
 *x.m@p to v
|
 *x->m@p to v
|
 x.m@p[i] to v
|
 x->m@p[i] to v
|
 x.tables@p[i][j] to v
|
 x->tables@p[i][j] to v
|
 WRITE_ONCE(*x.m@p, v)
|
 WRITE_ONCE(*x->m@p, v)
|
 WRITE_ONCE(x.m@p[i], v)
|
 WRITE_ONCE(x->m@p[i], v)
|
 WRITE_ONCE(x.tables@p[i][j], v)
|
 WRITE_ONCE(x->tables@p[i][j], v)
|
 smp_store_release(x.m@p, v)
|
 smp_store_release(x->m@p, v)
|
 smp_store_release(&x.m@p[i], v)
|
 smp_store_release(&x->m@p[i], v)
)

@script:python depends on report@
p << store.p;
@@
suspects.append((p[0], "a plain store to a live entry undoes what hardware records: use try_cmpxchg64()"))

@right@
{ u64, __le64, __be64, arm_lpae_iopte } *e;
struct dma_pte *dma;
identifier m = { entry, entries, pte, ptep };
expression x, i, j;
position p;
@@
(
 READ_ONCE(*e@p)
|
 READ_ONCE(e@p[i])
|
 READ_ONCE(dma@p->val)
|
 sizeof(*e@p)
|
 sizeof(e@p[i])
|
 &e@p[i]
|
 &dma@p->val
|
 READ_ONCE(*x.m@p)
|
 READ_ONCE(*x->m@p)
|
 READ_ONCE(x.m@p[i])
|
 READ_ONCE(x->m@p[i])
|
 READ_ONCE(x.tables@p[i][j])
|
 READ_ONCE(x->tables@p[i][j])
|
 sizeof(*x.m@p)
|
 sizeof(*x->m@p)
|
 sizeof(x.m@p[i])
|
 sizeof(x->m@p[i])
|
 &x.m@p[i]
|
 &x->m@p[i]
|
 &x.tables@p[i][j]
|
 &x->tables@p[i][j]
)

@load@
{ u64, __le64, __be64, arm_lpae_iopte } *e;
struct dma_pte *dma;
identifier m = { entry, entries, pte, ptep };
expression x, i, j;
position p != { store.p, right.p };
@@
(
 *e@p
|
 e@p[i]
|
 dma@p->val
|
 *x.m@p
|
 *x->m@p
|
 x.m@p[i]
|
 x->m@p[i]
|
 x.tables@p[i][j]
|
 x->tables@p[i][j]
)

@script:python depends on report@
p << load.p;
@@
suspects.append((p[0], "hardware may change this entry between two looks at it: use READ_ONCE()"))

@finalize:python depends on report@
@@
functions, said = reached(), set()
for at, problem in suspects:
    if (at.file, at.current_element) in functions and (at.file, at.line) not in said:
        said.add((at.file, at.line))
        coccilib.report.print_report(at, problem)
