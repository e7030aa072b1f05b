/* SPDX-License-Identifier: GPL-2.0-only */
/* For spatch --macro-file: what it cannot parse as it stands; it skips such functions */
#define scoped_guard YACFE_ITERATOR
