// SPDX-License-Identifier: BSD-2-Clause
#include "history/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"

void tally__free(struct tally *tally)
{
	free(tally->shares);
	*tally = (struct tally){};
}

int tally__add(struct tally *tally, enum share_of of, int64_t what, int64_t rss)
{
	int err = array__grow(&tally->shares, &tally->room, tally->n, sizeof(*tally->shares));

	if (!err)
		tally->shares[tally->n++] = (struct share){of, what, rss};
	return err;
}

static int by_key(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	if (x->of != y->of)
		return x->of < y->of ? -1 : 1;
	return (x->what > y->what) - (x->what < y->what);
}

/* Flags are set, amounts are summed. */
static void merge(struct share *to, const struct share *from)
{
	if (to->of == SHARE_TOTAL && to->what == TOTAL_LEFT_OUT)
		to->rss |= from->rss;
	else
		to->rss += from->rss;
}

void tally__settle(struct tally *tally)
{
	size_t n = 0;

	if (!tally->n)
		return;
	qsort(tally->shares, tally->n, sizeof(*tally->shares), by_key);
	for (size_t i = 1; i < tally->n; i++) {
		if (by_key(&tally->shares[n], &tally->shares[i]))
			tally->shares[++n] = tally->shares[i];
		else
			merge(&tally->shares[n], &tally->shares[i]);
	}
	tally->n = n + 1;
}

int tally__add_all(struct tally *tally, const struct tally *part)
{
	int err = 0;

	for (int i = 0; i < AMOUNTS; i++) {
		if (tally->amounts[i] == DB_NULL || part->amounts[i] == DB_NULL)
			tally->amounts[i] = DB_NULL;
		else
			tally->amounts[i] += part->amounts[i];
	}
	for (size_t i = 0; !err && i < part->n; i++)
		err = tally__add(tally, part->shares[i].of, part->shares[i].what,
				 part->shares[i].rss);
	return err;
}

static int larger(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	if (x->rss != y->rss)
		return x->rss < y->rss ? 1 : -1;
	return by_key(a, b);
}

int tally__cut(struct tally *tally, size_t most)
{
	static const enum share_of cut[] = {SHARE_MAP, SHARE_TOUCH, SHARE_NAME};
	size_t n = 0, begin = 0, end;
	int64_t left_out = 0;
	int err = 0;

	for (; begin < tally->n; begin = end) {
		struct share *first = &tally->shares[begin];
		enum share_of of = first->of;
		size_t kept;

		for (end = begin; end < tally->n && tally->shares[end].of == of; end++)
			;
		kept = end - begin;
		for (size_t i = 0; kept > most && i < sizeof(cut) / sizeof(*cut); i++) {
			if (of != cut[i])
				continue;
			qsort(first, kept, sizeof(*first), larger);
			kept = most;
			left_out |= 1 << of;
		}
		memmove(&tally->shares[n], first, kept * sizeof(*first));
		n += kept;
	}
	tally->n = n;
	if (left_out)
		err = tally__add(tally, SHARE_TOTAL, TOTAL_LEFT_OUT, left_out);
	tally__settle(tally);
	return err;
}

int64_t tally__share(const struct tally *tally, enum share_of of, int64_t what)
{
	const struct share like = {of, what, 0}, *found;

	found = tally->n ? bsearch(&like, tally->shares, tally->n, sizeof(like), by_key) : NULL;
	return found ? found->rss : 0;
}

static int64_t apart(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

int tally__each_change(const struct tally *before, struct tally *now, int64_t least, share_fn *fn,
		       void *ctx)
{
	int64_t left_out = tally__share(now, SHARE_TOTAL, TOTAL_LEFT_OUT);
	size_t i = 0, j = 0;
	int err = 0;

	while (!err && (i < before->n || j < now->n)) {
		const struct share *old = i < before->n ? &before->shares[i] : NULL;
		struct share *new = j < now->n ? &now->shares[j] : NULL;
		int order = !old ? 1 : !new ? -1 : by_key(old, new);

		if (order < 0) {
			struct share gone = {old->of, old->what,
					     left_out & 1 << old->of ? DB_NULL : 0};

			err = fn(ctx, &gone);
		} else if (order > 0) {
			err = fn(ctx, new);
		} else if (old->rss != new->rss &&
			   (old->of >= SHARE_CATEGORY || apart(old->rss, new->rss) >= least)) {
			err = fn(ctx, new);
		} else {
			new->rss = old->rss;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return err;
}
