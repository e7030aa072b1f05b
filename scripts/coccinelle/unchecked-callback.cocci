// SPDX-License-Identifier: GPL-2.0-only
/// What a backend's callback returns must be used: a dropped error is a lost write.
// Options: --no-includes
virtual report

@dropped@
expression e;
identifier f;
position p;
@@
 e->f@p(...);

@script:python depends on report@
p << dropped.p;
f << dropped.f;
@@
if f in ("walk", "clear", "flush", "seal", "unseal", "split", "merge", "set_feature"):
	coccilib.report.print_report(p[0], "what ->" + f + "() returns is dropped")
