// SPDX-License-Identifier: BSD-2-Clause
#include "compare.h"

#include <errno.h>

#include "proc/pagemap.h"
#include "reconcile/touched.h"
#include "touchers.h"
#include "tracer.h"
#include "util/cleanup.h"

static int look(const uint64_t *pages, size_t n, uint8_t *ret_states, void *ctx)
{
	return pagemap__look(*(int *)ctx, pages, n, ret_states);
}

/*
 * A sample names only what has touched its page since that was mapped, emptied or copied. But what
 * a child copies is known by its faults alone: where some are passed over, a page may have its
 * parent's sample still, or what was left of one that stands for its neighbours, too.
 */
static int compare_sample(struct comparison *c, uint64_t addr, const struct trace *trace)
{
	const struct page *page = shadow__at(c->shadow, addr);
	int who = tracer__toucher(c->tracer, trace);

	if (!page || page->vague || page->stale ||
	    (c->is_child && (c->exact_from || !tracer__has_all_touches(c->tracer))))
		return 0;
	if (!page->mapped)
		return compare__differs(c, "%#lx is not mapped, and has a sample", addr);
	if (who < 0)
		return compare__differs(c, "%#lx was touched by none of us, a sample says", addr);
	if (!(page->touchers & 1 << who))
		return compare__differs(c, "%#lx was touched by %x, a sample says by %x", addr,
					page->touchers, 1 << who);
	return 0;
}

struct samples {
	struct comparison *c;
	uint64_t forked_ns;
};

/* A child comes to its parent's samples of shared memory as well, until somebody looks. */
static int compare_touch(const struct touch *touch, void *ctx)
{
	const struct samples *samples = ctx;
	const struct page *page = shadow__at(samples->c->shadow, touch->addr);

	if (page && page->kind != KIND_ANON && touch->when_ns < samples->forked_ns)
		return 0;
	return compare_sample(samples->c, touch->addr, touch->trace);
}

/* Of the kinds of memory whose faults are sampled. That a page is a copy follows from what the
 * ledger knows, which events have been lost of. */
static bool must_have_sample(const struct comparison *c, const struct page *page)
{
	return page->mapped && page->touched && page->sampled && page->sampled >= c->exact_from &&
	       !page->vague && !page->doubt && !(page->copied && c->exact_from) &&
	       page->kind != KIND_FILE_PRIVATE && page->kind != KIND_FILE_SHARED;
}

static int compare_all_samples(struct comparison *c, const struct touch_list *list)
{
	_cleanup_free_ bool *has = calloc(SHADOW_PAGES, sizeof(*has));
	int err = has ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < list->n; i++) {
		const struct page *page = shadow__at(c->shadow, list->samples[i].addr);

		if (page)
			has[page - c->shadow->pages] = true;
		err = compare_sample(c, list->samples[i].addr, list->samples[i].trace);
	}
	for (int w = 0; !err && tracer__has_all_touches(c->tracer) && w < WINDOWS; w++) {
		const struct window *window = &c->shadow->windows[w];

		for (uint32_t i = 0; !err && i < window->n; i++) {
			const struct page *page = &c->shadow->pages[window->first + i];

			if (!must_have_sample(c, page) || has[window->first + i])
				continue;
			compare__differs(c, "%#lx was touched by %x in step %u, no sample says so",
					 window->base + i * PAGE, page->touchers, page->sampled);
			err = -ENODATA;
		}
	}
	return err;
}

struct sums {
	uint64_t resident;
	uint64_t sampled;
	uint64_t unsampled;
	uint64_t samples;
};

static int add_share(const struct part *part, const struct touch_share *share, void *ctx)
{
	struct sums *sums = ctx;

	*(share->site ? &sums->sampled : &sums->unsampled) += share->rss;
	sums->samples += share->samples;
	return 0;
}

static int compare_shares(struct comparison *c, const struct part_list *parts,
			  const struct touch_list *list)
{
	struct sums sums = {0};
	int err = touched__share_out(parts->parts, parts->n, list, PAGE, add_share, &sums);

	for (size_t i = 0; i < parts->n; i++)
		sums.resident += parts->parts[i].is_memory ? parts->parts[i].rss : 0;
	if (!err && (sums.resident != sums.sampled + sums.unsampled || sums.samples != list->n))
		return compare__differs(c,
					"%lu bytes are shared out as %lu and %lu, %zu samples as "
					"%lu",
					sums.resident, sums.sampled, sums.unsampled, list->n,
					sums.samples);
	return err;
}

int compare__touches(struct comparison *c, const struct view *view, struct part_list *parts,
		     int pagemap, uint64_t began_ns)
{
	struct touch_list list = {0};
	const struct touch_reading reading = {.touches = &view->touches,
					      .forked_ns = view->forked_ns,
					      .parts = parts->parts,
					      .n_parts = parts->n,
					      .page_size = PAGE,
					      .look = look,
					      .ctx = &pagemap};
	struct samples samples = {c, view->forked_ns};
	int err = touch_list__make(&reading, &list);

	/* After a loss there may be samples of pages that are no more, until somebody looks. */
	if (!err && !c->exact_from)
		err = touches__each(&view->touches, 0, UINT64_MAX, compare_touch, &samples);
	if (!err)
		err = compare_all_samples(c, &list);
	if (!err)
		err = compare_shares(c, parts, &list);
	model__pages_are_gone(c->model, c->pid, view->space_id, list.gone, list.n_gone, began_ns);
	touch_list__free(&list);
	return err;
}
