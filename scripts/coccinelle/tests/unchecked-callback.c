// SPDX-License-Identifier: GPL-2.0-only
/* Each line marked so must be reported, and no other. */

static void bad(struct my_domain *mine)
{
	mine->backend->walk(mine->domain, &mine->chunk, 0, ULONG_MAX); /* finding */
	mine->backend->clear(mine->domain, &mine->chunk); /* finding */
	if (mine->dirty)
		mine->backend->flush(mine->domain, 0, ULONG_MAX); /* finding */
}

static int good(struct my_domain *mine)
{
	int ret = mine->backend->walk(mine->domain, &mine->chunk, 0, ULONG_MAX);

	if (ret)
		return ret;
	mine->stop(mine);
	return mine->backend->flush(mine->domain, 0, ULONG_MAX);
}
