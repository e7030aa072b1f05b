// SPDX-License-Identifier: GPL-2.0-only
/// What a backend's callbacks may not do, nor the functions they call as far as these are
/// in the files given: ->walk, ->clear and ->flush may not sleep, and ->walk may not
/// allocate; none may call back into the core, which holds its locks around them.
// Options: --no-includes
virtual report

@initialize:python@
@@
import re

SLEEPS = re.compile(r"(mutex_lock(_\w+)?|down(_(read|write))?(_(nested|killable|interruptible|timeout))?"
    r"|might_(sleep|fault|alloc)|cond_resched|schedule(_timeout\w*)?|[mfs]sleep(_\w+)?|usleep_range\w*"
    r"|wait_(event|for_completion|on_bit)\w*|synchronize_\w+|flush_(work|workqueue|delayed_work)"
    r"|cancel_(delayed_)?work_sync|(copy|clear|get|put)_(from_|to_)?user\w*|pin_user_pages\w*)$")
ALLOCATES = re.compile(r"((devm_)?(k|kv|v)[mzc]?alloc\w*|k(mem|str)dup\w*|k[v]?realloc\w*"
    r"|kmem_cache_\w*alloc\w*|(iommu_)?alloc_pages?\w*|__get_free_pages?|get_zeroed_page"
    r"|bitmap_z?alloc\w*|\w+_alloc_coherent|alloc_percpu\w*)$")
CORE = re.compile(r"(iommu_dirty_(register|unregister|set_feature|start|stop|read|query|owns"
    r"|domain_require|nest|device_capable|(attach|release)_\w+|(set|remove)_dev_pasid|domain_free)"
    r"|__iommu_dirty_\w+|iommu_(attach|detach|replace)_\w+|iommu_domain_free|device_iommu_capable)$")

defined, calls, roots, suspects = {}, {}, [], []

def resolve(name, file):
    files = defined.get(name, ())
    return (file, name) if file in files else (min(files), name) if len(files) == 1 else None

def callbacks_of():
    """function -> the callbacks it runs in"""
    runs_in = {}
    for file, name, callback in roots:
        todo = [resolve(name, file)]
        while todo:
            function = todo.pop()
            if function and callback not in runs_in.setdefault(function, set()):
                runs_in[function].add(callback)
                todo += [resolve(callee, function[0]) for callee in calls.get(function, ())]
    return runs_in

@backend@
identifier b, callback, f;
position p;
@@
 struct iommu_dirty_backend b@p = { .callback = f, };

@script:python depends on report@
p << backend.p;
callback << backend.callback;
f << backend.f;
@@
roots.append((p[0].file, f, callback))

// A format's functions run in ->walk
@formats@
identifier b, member, f;
position p;
@@
 struct iommu_dirty_format b@p = { .member = f, };

@script:python depends on report@
p << formats.p;
f << formats.f;
@@
roots.append((p[0].file, f, "walk"))

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
    suspects.append((at, f))

@lock@
symbol mutex, mutex_intr, rwsem_read, rwsem_write;
position p;
@@
 guard@p(\(mutex\|mutex_intr\|rwsem_read\|rwsem_write\))

@script:python depends on report@
p << lock.p;
@@
suspects.append((p[0], "mutex_lock"))

@scoped@
symbol mutex, rwsem_read, rwsem_write;
iterator name scoped_guard;
expression e;
statement S;
position p;
@@
 scoped_guard@p(\(mutex\|rwsem_read\|rwsem_write\), e) S

@script:python depends on report@
p << scoped.p;
@@
suspects.append((p[0], "mutex_lock"))

@gfp@
position p;
@@
\(GFP_KERNEL@p\|GFP_KERNEL_ACCOUNT@p\|GFP_USER@p\|GFP_NOIO@p\|GFP_NOFS@p\)

@script:python depends on report@
p << gfp.p;
@@
suspects.append((p[0], "might_alloc"))

@finalize:python depends on report@
@@
runs_in, said = callbacks_of(), set()
for at, name in suspects:
    running = runs_in.get((at.file, at.current_element), set())
    quick = sorted(running & {"walk", "clear", "flush"})
    problem = None
    if running and CORE.match(name):
        problem = "%s() calls back into the core from ->%s" % (name, min(running))
    elif quick and SLEEPS.match(name):
        problem = "this can sleep, and runs in ->%s" % quick[0]
    elif "walk" in running and ALLOCATES.match(name):
        problem = "%s() allocates in ->walk" % name
    if problem and (at.file, at.line) not in said:
        said.add((at.file, at.line))
        coccilib.report.print_report(at, problem)
