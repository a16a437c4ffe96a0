// SPDX-License-Identifier: BSD-2-Clause
#include "reconcile/touched.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proc/pagemap.h"
#include "util/array.h"
#include "util/cleanup.h"

#define ENOUGH_SAMPLES 4

void touch_list__free(struct touch_list *list)
{
	free(list->samples);
	free(list->gone);
	*list = (struct touch_list){};
}

/* --- which samples there are -------------------------------------------------------------- */

struct gathering {
	struct part *part; /* that the samples are at */
	const struct part *end;
	struct touch_sample *samples;
	uint64_t *pages;
	struct part **parts; /* of each sample */
	size_t n;
};

/* A file whose pages are sampled is one of tmpfs: the others are left out when they are taken. */
static bool is_tmpfs(const struct part *part)
{
	return part->category == CATEGORY_OTHER_FILE && part->perms[3] == 's';
}

static int gather(const struct touch *touch, void *ctx)
{
	struct gathering *g = ctx;

	while (g->part < g->end && g->part->end <= touch->addr)
		g->part++;
	if (g->part == g->end)
		return 1;
	if (touch->addr < g->part->start || (!g->part->is_memory && !is_tmpfs(g->part)))
		return 0;
	g->pages[g->n] = touch->addr;
	g->parts[g->n] = g->part;
	g->samples[g->n++] = (struct touch_sample){.addr = touch->addr,
						   .trace = touch->trace,
						   .when_ns = touch->when_ns,
						   .faults = touch->faults,
						   .pages = 1};
	return 0;
}

/* Where no single page tells whether it is huge: the part has nothing else. */
static bool is_all_huge(const struct part *part)
{
	uint64_t anon = part->kinds.bytes[PAGES_ANON_HUGE],
		 shmem = part->kinds.bytes[PAGES_SHMEM_HUGE];

	return part->rss && (anon == part->rss || shmem == part->rss);
}

/* Then no page of it has to be looked at. */
static bool is_all_resident(const struct part *part)
{
	return part->rss == part->end - part->start &&
	       (is_all_huge(part) ||
		(!part->kinds.bytes[PAGES_ANON_HUGE] && !part->kinds.bytes[PAGES_SHMEM_HUGE]));
}

/* The state of each page. unknown: room for as many. */
static int look_at_pages(const struct touch_reading *reading, struct part *const *of,
			 const uint64_t *pages, size_t n, uint64_t *unknown, uint8_t *ret_states)
{
	size_t n_unknown = 0;
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_all_resident(of[i]))
			unknown[n_unknown++] = pages[i];
	}
	if (n_unknown)
		err = reading->look(unknown, n_unknown, ret_states, reading->ctx);
	/* From the last on, whose place is not before that of its state. */
	for (size_t i = n; !err && i--;)
		ret_states[i] = is_all_resident(of[i]) ? PAGE_RESIDENT : ret_states[--n_unknown];
	return err;
}

/*
 * One fault brings a huge page. Several samples in it are of pages that have become one since
 * (khugepaged): they keep what they stand for.
 */
static void weigh_huge(struct touch_sample *samples, size_t n, const bool *huge, uint64_t page_size)
{
	uint64_t pages = page_size / sizeof(uint64_t), size = pages * page_size;

	for (size_t i = 0; i < n; i++) {
		uint64_t begin = samples[i].addr & ~(size - 1);

		if (huge[i] && (!i || samples[i - 1].addr < begin) &&
		    (i + 1 == n || samples[i + 1].addr >= begin + size))
			samples[i].pages = pages;
	}
}

/* A child comes to shared memory without its pages, and faults for each anew. */
static bool is_parents(const struct touch_reading *reading, const struct touch_sample *sample,
		       const struct part *part)
{
	return sample->when_ns < reading->forked_ns && part->perms[3] == 's';
}

int touch_list__make(const struct touch_reading *reading, struct touch_list *ret)
{
	size_t most = touches__count(reading->touches), n = 0;
	_cleanup_free_ struct touch_sample *samples = calloc(most + 1, sizeof(*samples));
	_cleanup_free_ uint64_t *pages = calloc(most + 1, sizeof(*pages));
	_cleanup_free_ uint64_t *unknown = calloc(most + 1, sizeof(*unknown));
	_cleanup_free_ struct part **of = calloc(most + 1, sizeof(struct part *));
	_cleanup_free_ uint8_t *states = calloc(most + 1, sizeof(*states));
	_cleanup_free_ bool *huge = calloc(most + 1, sizeof(*huge));
	struct gathering g = {
		reading->parts, reading->parts + reading->n_parts, samples, pages, of, 0};

	touch_list__free(ret);
	if (!samples || !pages || !unknown || !of || !states || !huge)
		return -ENOMEM;
	touches__each(reading->touches, 0, UINT64_MAX, gather, &g);
	if (!g.n || look_at_pages(reading, of, pages, g.n, unknown, states))
		return 0;
	for (size_t i = 0; i < g.n; i++) {
		if (states[i] == PAGE_ABSENT || is_parents(reading, &samples[i], of[i])) {
			pages[ret->n_gone++] = pages[i];
			continue;
		}
		huge[n] = states[i] == PAGE_RESIDENT_HUGE || is_all_huge(of[i]);
		of[i]->touch_samples++;
		of[i]->is_memory = true;
		samples[n++] = samples[i];
	}
	weigh_huge(samples, n, huge, reading->page_size);
	ret->several = reading->several;
	ret->samples = take_ptr(samples);
	ret->gone = take_ptr(pages);
	ret->n = n;
	return 0;
}

bool touch_samples__wait(const struct touch_sample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!trace__is_answered(samples[i].trace))
			return true;
	}
	return false;
}

/* --- shares ------------------------------------------------------------------------------- */

struct weighed {
	struct callsite *site;
	const struct touch_sample *sample;
};

static double weight_of(const struct touch_sample *sample)
{
	return (double)sample->faults * sample->pages;
}

/* Samples without a known site come first; then an order that is the same every time. */
static int by_site(const void *a, const void *b)
{
	const struct weighed *x = a, *y = b;
	uint64_t x_hash = x->site ? x->site->hash : 0, y_hash = y->site ? y->site->hash : 0;

	if (x_hash != y_hash)
		return x_hash < y_hash ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

/*
 * The variance of a share that samples tell: each stands for as many pages as it says because it
 * was taken with that probability (Horvitz and Thompson). Where all pages have a sample there is
 * nothing to err about. A share of all samples is not one of all pages, so it is drawn towards the
 * middle as if one more sample had been in it, and one had not (Agresti and Coull).
 */
struct spread {
	double sum;	/* of the weights */
	double squares; /* of the weights */
	double chance;	/* of the squares, what chance has a part in */
	double stretch; /* pages there are for each that a sample stands for, if more than 1 */
};

static void add_to_spread(struct spread *spread, const struct touch_sample *sample)
{
	double weight = weight_of(sample), faults = sample->faults * spread->stretch;

	spread->sum += weight;
	spread->squares += weight * weight;
	spread->chance += weight * weight * (1 - 1 / faults);
}

static double variance(const struct spread *all, const struct spread *own, double bytes)
{
	double n = all->sum * all->sum / all->squares;
	double share = (own->sum / all->sum * n + 1) / (n + 2);

	return bytes * bytes * all->chance / (all->sum * all->sum) * share * (1 - share);
}

/* Those of before we were there are touched, and have no samples. */
static bool was_all_seen(const struct part *part)
{
	return part->coverage == COVERAGE_ATTRIBUTED ||
	       (part->coverage == COVERAGE_KERNEL && part->exec_seen);
}

/*
 * What is distributed in one go: a part; or, of one category, all parts that are too small for
 * samples of their own. A heap that grew by 128 KiB a time, of which each hundredth page was
 * sampled, has parts with one sample and with none, by chance: together they tell its shares.
 */
struct stratum {
	uint64_t bytes;
	const struct part *part; /* one of it */
	struct weighed *at;
	size_t n;
	struct spread spread;
	uint64_t page_size; /* of one whose bytes are themselves an estimate from the samples; else
			       0 */
};

struct touch_slice {
	const struct touch_sample *samples;
	size_t n;
};

struct sharing {
	touch_share_fn *fn;
	void *ctx;
	struct weighed *pool; /* of the samples that are distributed */
	bool several;	      /* as in struct touch_reading */
};

static int hand_on(const struct sharing *sharing, const struct part *part,
		   const struct touch_share *share)
{
	return share->rss || share->samples ? sharing->fn(part, share, sharing->ctx) : 0;
}

/* Of the sorted samples [from, to), which are one site's. Ends are rounded and not shares, so that
 * these add up: *reached is the weight of all before, *given their bytes. */
static int share_site(const struct sharing *sharing, const struct stratum *s, size_t from,
		      size_t to, double *reached, uint64_t *given)
{
	struct touch_share share = {
		.site = s->at[from].site, .samples = to - from, .first_ns = UINT64_MAX};
	struct spread own = {.stretch = s->spread.stretch};
	uint64_t end;

	for (size_t i = from; i < to; i++) {
		uint64_t when = s->at[i].sample->when_ns;

		add_to_spread(&own, s->at[i].sample);
		share.first_ns = when < share.first_ns ? when : share.first_ns;
		share.last_ns = when > share.last_ns ? when : share.last_ns;
	}
	*reached += own.sum;
	end = to == s->n ? s->bytes : (uint64_t)(s->bytes * (*reached / s->spread.sum));
	share.rss = end - *given;
	share.variance = s->page_size ? own.chance * s->page_size * s->page_size
				      : variance(&s->spread, &own, s->bytes);
	*given = end;
	return hand_on(sharing, s->part, &share);
}

static int share_stratum(const struct sharing *sharing, struct stratum *s)
{
	double reached = 0;
	uint64_t given = 0;
	int err = 0;

	qsort(s->at, s->n, sizeof(*s->at), by_site);
	for (size_t from = 0, to; !err && from < s->n; from = to) {
		for (to = from + 1; to < s->n && s->at[to].site == s->at[from].site;)
			to++;
		err = share_site(sharing, s, from, to, &reached, &given);
	}
	return err;
}

static void add_samples(struct stratum *s, const struct touch_sample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s->at[s->n++] = (struct weighed){trace__site(samples[i].trace), &samples[i]};
		add_to_spread(&s->spread, &samples[i]);
	}
}

static size_t find_sample(const struct touch_sample *samples, size_t n, uint64_t addr)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (samples[middle].addr < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The samples of a part. */
static struct touch_slice slice_of(const struct touch_slice *all, const struct part *part)
{
	size_t from = find_sample(all->samples, all->n, part->start);

	return (struct touch_slice){all->samples + from,
				    find_sample(all->samples, all->n, part->end) - from};
}

static struct spread spread_of(const struct touch_slice *slice)
{
	struct spread spread = {.stretch = 1};

	for (size_t i = 0; i < slice->n; i++)
		add_to_spread(&spread, &slice->samples[i]);
	return spread;
}

/* Each of its pages has a sample of its own. */
static bool is_told_in_full(const struct part *part, const struct touch_slice *slice,
			    uint64_t page_size)
{
	struct spread spread = spread_of(slice);

	return !spread.chance && spread.sum * page_size >= part->rss;
}

#define CHANCE_MAX 3 /* standard errors */

/* Whether each sample says how many pages its faults brought. Of shared memory, what another
 * process has filled comes several at a time; and huge pages may be there that no page tells of. */
static bool say_how_many(const struct sharing *sharing, const struct part *part,
			 const struct touch_slice *slice)
{
	if (sharing->several || part->perms[3] == 's')
		return false;
	for (size_t i = 0; i < slice->n; i++) {
		if (slice->samples[i].pages > 1)
			return true;
	}
	return !part->kinds.bytes[PAGES_ANON_HUGE];
}

/* What is more than the samples can stand for, by all chance, came in some other way. */
static bool came_by_faults(const struct sharing *sharing, const struct part *part,
			   const struct touch_slice *slice, uint64_t page_size)
{
	struct spread spread = spread_of(slice);
	double most = (spread.sum + CHANCE_MAX * sqrt(spread.chance)) * page_size;

	return was_all_seen(part) && (!say_how_many(sharing, part, slice) || part->rss <= most);
}

/* By itself. */
static int share_part(const struct sharing *sharing, const struct part *part,
		      const struct touch_slice *slice, uint64_t page_size)
{
	struct stratum s = {
		.bytes = part->rss, .part = part, .at = sharing->pool, .spread.stretch = 1};
	double told = spread_of(slice).sum * page_size;
	struct touch_share rest = {};
	int err;

	if (!slice->n)
		return hand_on(sharing, part, &(struct touch_share){.rss = part->rss});
	if (told < part->rss && came_by_faults(sharing, part, slice, page_size)) {
		s.spread.stretch = part->rss / told;
	} else if (told < part->rss) {
		s.bytes = told;
		s.page_size = page_size;
	}
	add_samples(&s, slice->samples, slice->n);
	rest.rss = part->rss - s.bytes;
	err = share_stratum(sharing, &s);
	return err ?: hand_on(sharing, part, &rest);
}

/* Together; but what they have more than their samples can tell of, by all chance, came in some
 * other way than by faults. */
static int share_small(const struct sharing *sharing, struct stratum *s, uint64_t page_size)
{
	double told = (s->spread.sum + 2 * sqrt(s->spread.squares)) * page_size;
	struct touch_share rest = {.rss = s->bytes};
	int err;

	if (!s->part)
		return 0;
	if (s->bytes > told)
		s->bytes = told;
	rest.rss -= s->bytes;
	if (s->bytes > s->spread.sum * page_size)
		s->spread.stretch = s->bytes / (s->spread.sum * page_size);
	err = share_stratum(sharing, s);
	return err ?: hand_on(sharing, s->part, &rest);
}

/* Below so many bytes a part may have no sample, or too many, by chance. */
static double small_size(const struct touch_slice *all, uint64_t page_size)
{
	struct spread spread = spread_of(all);

	return all->n ? ENOUGH_SAMPLES * spread.squares / spread.sum * page_size : 0;
}

/* Those that have pages which were touched first, by category; *ends[] is where each one's end. */
static const struct part **by_category(const struct part *parts, size_t n, size_t ends[CATEGORIES])
{
	const struct part **list = calloc(n + 1, sizeof(*list));
	size_t begins[CATEGORIES] = {}, total = 0;

	if (!list)
		return NULL;
	for (size_t i = 0; i < n; i++)
		begins[parts[i].category] += parts[i].is_memory;
	for (int category = 0; category < CATEGORIES; category++) {
		ends[category] = total;
		total += begins[category];
	}
	for (size_t i = 0; i < n; i++) {
		if (parts[i].is_memory)
			list[ends[parts[i].category]++] = &parts[i];
	}
	return list;
}

int touched__share_out(const struct part *parts, size_t n_parts, const struct touch_list *touches,
		       uint64_t page_size, touch_share_fn *fn, void *ctx)
{
	const struct touch_slice all = {touches->samples, touches->n};
	double small = small_size(&all, page_size);
	struct stratum pools[CATEGORIES] = {};
	_cleanup_free_ struct weighed *own = calloc(all.n + 1, sizeof(*own));
	_cleanup_free_ struct weighed *pooled = calloc(all.n + 1, sizeof(*pooled));
	size_t ends[CATEGORIES], used = 0, p = 0;
	_cleanup_free_ const struct part **list = by_category(parts, n_parts, ends);
	struct sharing sharing = {fn, ctx, own, touches->several};
	int err = 0;

	if (!own || !pooled || !list)
		return -ENOMEM;
	for (int category = 0; category < CATEGORIES; category++) {
		struct stratum *pool = &pools[category];

		pool->spread.stretch = 1;
		pool->at = pooled + used;
		for (; !err && p < ends[category]; p++) {
			const struct part *part = list[p];
			struct touch_slice slice = slice_of(&all, part);

			if (part->rss >= small || !was_all_seen(part) ||
			    is_told_in_full(part, &slice, page_size)) {
				err = share_part(&sharing, part, &slice, page_size);
				continue;
			}
			pool->part = part;
			pool->bytes += part->rss;
			add_samples(pool, slice.samples, slice.n);
			used += slice.n;
		}
		if (!err)
			err = share_small(&sharing, pool, page_size);
	}
	return err;
}
