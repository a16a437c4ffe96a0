// SPDX-License-Identifier: BSD-2-Clause
#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/name.h"
#include "proc/procfs.h"
#include "proc/vmas.h"
#include "util/arena.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* Another thread may be touching memory outside the windows, on its way to sleep. */
#define READ_TRIES 5

int compare__differs(struct comparison *c, const char *fmt, ...)
{
	int n = snprintf(c->why, sizeof(c->why), "process %d: ", c->pid);
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->why + n, sizeof(c->why) - n, fmt, args);
	va_end(args);
	return -ENOTRECOVERABLE;
}

/* --- the ledger ---------------------------------------------------------------------------- */

/* What the ledger says of a page. */
struct entry {
	bool known;
	uint32_t tid;
	enum origin origin;
	const char *name;
};

struct reading {
	struct entry entries[SHADOW_PAGES];
	const struct window *window;
};

static int note_range(const struct ledger_range *range, void *ctx)
{
	const struct name *name = name__now(range->name);
	struct reading *r = ctx;

	for (uint64_t at = range->start; at < range->end; at += PAGE)
		r->entries[r->window->first + (at - r->window->base) / PAGE] =
			(struct entry){true, range->record->tid, range->record->origin,
				       name && name->by == NAMED_BY_PRCTL ? name->text : ""};
	return 0;
}

/* Nothing has been lost that could keep the ledger from knowing the page. After a loss it is not
 * known where the heap ends until it moves, so what came by that may stay unknown. */
static bool is_exact(const struct comparison *c, const struct page *page)
{
	return !page->doubt && !page->vague && page->born >= c->exact_from &&
	       !(c->exact_from && page->origin == ORIGIN_BRK);
}

/* Nor its name. */
static bool has_exact_name(const struct comparison *c, const struct page *page)
{
	return is_exact(c, page) && page->name_born >= c->exact_from && !page->name_doubt;
}

static int compare_name(struct comparison *c, uint64_t addr, const struct page *page,
			const struct entry *entry)
{
	const char *name = entry->name ? entry->name : "";
	bool exact = has_exact_name(c, page);

	if (strcmp(name, names[page->name]) == 0 || ((!exact || page->grown) && !name[0]))
		return 0;
	return compare__differs(c, "%#lx is named \"%s\", the ledger says \"%s\"", addr,
				names[page->name], name);
}

static int compare_page(struct comparison *c, uint64_t addr, const struct page *page,
			const struct entry *entry)
{
	bool unseen = !entry->known || entry->origin == ORIGIN_UNKNOWN;
	bool exact = is_exact(c, page) && !page->grown;

	if (!page->mapped) {
		if (!entry->known || (c->exact_from && !c->resynced))
			return 0;
		if (!c->resynced && (page->stale || (page->ghost && unseen)))
			return 0;
		return compare__differs(c, "%#lx is not mapped, the ledger has it, by tid %u", addr,
					entry->tid);
	}
	if (page->vague)
		return 0;
	if (unseen) {
		if (exact)
			return compare__differs(
				c, "%#lx was mapped by tid %u, the ledger does not know", addr,
				page->tid);
	} else if (entry->tid != page->tid || entry->origin != page->origin) {
		return compare__differs(c,
					"%#lx was made by tid %u (%s), the ledger says tid %u (%s)",
					addr, page->tid, origin__name(page->origin), entry->tid,
					origin__name(entry->origin));
	}
	return compare_name(c, addr, page, entry);
}

static int compare_ledger(struct comparison *c, const struct ledger *ledger)
{
	_cleanup_free_ struct reading *r = calloc(1, sizeof(*r));
	int err = 0;

	if (!r)
		return -ENOMEM;
	for (int w = 0; !err && w < WINDOWS; w++) {
		const struct window *window = r->window = &c->shadow->windows[w];

		ledger__each(ledger, window->base, window->base + window->n * PAGE, note_range, r);
		for (uint32_t i = 0; !err && i < window->n; i++)
			err = compare_page(c, window->base + i * PAGE,
					   &c->shadow->pages[window->first + i],
					   &r->entries[window->first + i]);
	}
	return err;
}

/* --- the kernel's map ---------------------------------------------------------------------- */

/* The shadow is right about what is mapped, or nothing else that it says counts. */
static int compare_map(struct comparison *c, const struct vma_set *set)
{
	for (int w = 0; w < WINDOWS; w++) {
		const struct window *window = &c->shadow->windows[w];

		for (uint32_t i = 0; i < window->n; i++) {
			uint64_t addr = window->base + i * PAGE;
			bool mapped = vma_set__find(set, addr);

			if (mapped != c->shadow->pages[window->first + i].mapped)
				return compare__differs(
					c, "%#lx is %smapped; the test itself is wrong", addr,
					mapped ? "" : "not ");
		}
	}
	return 0;
}

/* --- the parts ----------------------------------------------------------------------------- */

static int compare_sums(struct comparison *c, const struct vma *vma, const struct part *parts,
			size_t n)
{
	uint64_t rss = 0, pss = 0, private_ = 0, shared = 0, swap = 0, reached = vma->start;

	for (size_t i = 0; i < n; i++) {
		if (parts[i].start != reached || parts[i].end <= parts[i].start)
			return compare__differs(c, "parts of %#lx do not follow each other at %#lx",
						vma->start, parts[i].start);
		reached = parts[i].end;
		rss += parts[i].rss;
		pss += parts[i].pss;
		private_ += parts[i].private_;
		shared += parts[i].shared;
		swap += parts[i].swap;
		if (parts[i].rss > parts[i].end - parts[i].start)
			return compare__differs(c, "%#lx has more resident bytes than bytes",
						reached);
	}
	if (reached != vma->end || rss != vma->rss || pss != vma->pss || swap != vma->swap ||
	    private_ != vma->private_clean + vma->private_dirty ||
	    shared != vma->shared_clean + vma->shared_dirty)
		return compare__differs(
			c, "parts of %#lx-%#lx do not add up: rss %lu of %lu, pss %lu of %lu",
			vma->start, vma->end, rss, vma->rss, pss, vma->pss);
	return 0;
}

/* What a kernel that takes names would name: anonymous memory and shmem without a path. */
static bool can_be_named(enum kind kind)
{
	return kind == KIND_ANON || kind == KIND_SHARED_ANON || kind == KIND_MEMFD;
}

static int compare_given_name(struct comparison *c, uint64_t addr, const struct page *page,
			      const struct part *part)
{
	const char *expected = names[page->name] + strspn(names[page->name], " ");
	bool shown = part->name_source == NAME_KERNEL;

	if (part->given_name && !(shown && page->unshown) && strcmp(part->given_name, expected))
		return compare__differs(c, "%#lx is named \"%s\", the part \"%s\"", addr, expected,
					part->given_name);
	if (expected[0] && can_be_named(page->kind) && !shown && !page->unshown)
		return compare__differs(c, "%#lx is named \"%s\", and the kernel does not say so",
					addr, expected);
	/* Where the heap may be, the kernel says [heap], and that goes first. */
	if (!part->given_name && expected[0] && can_be_named(page->kind) &&
	    !(part->name && !strcmp(part->name, "[heap]")) && has_exact_name(c, page) &&
	    !c->names_lost)
		return compare__differs(c, "%#lx is named \"%s\", the part is not", addr, expected);
	return 0;
}

int compare__part(struct comparison *c, const struct part *part)
{
	bool attributed = part->coverage == COVERAGE_ATTRIBUTED;
	uint64_t least = 0, most = 0;
	int err;

	if (part->rss_source == RSS_ESTIMATED)
		return -EAGAIN;
	if (!shadow__at(c->shadow, part->start) && !shadow__at(c->shadow, part->end - 1))
		return 0;
	for (uint64_t at = part->start; at < part->end; at += PAGE) {
		const struct page *page = shadow__at(c->shadow, at);

		if (!page) /* what is known to be ours lies within; the rest may reach out */
			return attributed ? compare__differs(c, "%#lx is not the target's", at) : 0;
		most += page->touched || page->maybe ? PAGE : 0;
		least += page->touched ? PAGE : 0;
		if (page->vague)
			continue;
		if (attributed && page->tid != part->tid)
			return compare__differs(c, "%#lx was made by tid %u, the part says %u", at,
						page->tid, part->tid);
		if (!attributed && is_exact(c, page))
			return compare__differs(c,
						"%#lx was made by tid %u, the part does not know",
						at, page->tid);
		err = compare_given_name(c, at, page, part);
		if (err)
			return err;
	}
	if (part->rss < least || part->rss > most)
		return compare__differs(
			c, "%#lx-%#lx: %lu to %lu bytes were touched, the part has %lu",
			part->start, part->end, least, most, part->rss);
	return 0;
}

static int compare_parts(struct comparison *c, const struct vma_set *set, const struct part *parts,
			 size_t n)
{
	size_t first = 0;
	int err = 0;

	for (size_t v = 0; !err && v < set->n; v++) {
		const struct vma *vma = &set->vmas[v];
		size_t end = first;

		while (end < n && parts[end].start < vma->end)
			end++;
		err = compare_sums(c, vma, parts + first, end - first);
		for (size_t i = first; !err && i < end; i++)
			err = compare__part(c, &parts[i]);
		first = end;
	}
	if (!err && first != n)
		return compare__differs(c, "there are parts behind the last mapping");
	return err;
}

/* --- reading, as report/snapshot.c does ---------------------------------------------------- */

static enum file_role role(const struct vma *vma, void *ctx)
{
	return FILE_ROLE_OTHER;
}

static int count(uint64_t lo, uint64_t hi, struct pagemap_counts *ret, void *ctx)
{
	return pagemap__count(*(int *)ctx, lo, hi, ret);
}

static int compare_once(struct comparison *c, int pidfd, const struct view *view)
{
	_cleanup_close_ int pagemap = openat(pidfd, "pagemap", O_RDONLY | O_CLOEXEC);
	_cleanup_(vma_set__free) struct vma_set set = {0};
	_cleanup_(part_list__free) struct part_list parts = {0};
	struct join_config config = {
		.set = &set,
		.ledger = &view->ledger,
		.space_id = view->space_id,
		.exec_space = view->exec_space,
		.page_size = PAGE,
		.role = role,
		.count = count,
		.ctx = &pagemap,
		.strings = arena__new(),
	};
	uint64_t began_ns = clock__boot_ns();
	int err = procfs__vmas(pidfd, SMAPS_FULL, NULL, &set);

	if (!err)
		err = join__parts(&config, &parts);
	if (!err)
		err = compare_map(c, &set);
	if (!err)
		err = compare_ledger(c, &view->ledger);
	if (!err)
		err = compare_parts(c, &set, parts.parts, parts.n);
	if (!err && c->tracer)
		err = compare__touches(c, view, &parts, pagemap, began_ns);
	c->has_unmapped = join__has_unmapped_ranges(&set, &view->ledger);
	arena__free(config.strings);
	return err;
}

int compare__process(struct comparison *c)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", c->pid);
	struct view view = {0};
	int err;

	if (pidfd < 0)
		return pidfd;
	err = model__view(c->model, c->pid, &view);
	if (err && !c->exact_from) /* its fork may have been lost */
		return compare__differs(c, "the model does not know it");
	err = -EAGAIN;
	for (int i = 0; err == -EAGAIN && i < READ_TRIES; i++) {
		if (i)
			usleep(1000);
		err = compare_once(c, pidfd, &view);
	}
	view__free(&view);
	return err == -EAGAIN ? compare__differs(c, "parts were estimated, again and again") : err;
}

int compare__resync(struct model *model, pid_t pid)
{
	_cleanup_close_ int pidfd = procfs__open("/proc", pid);
	_cleanup_(vma_set__free) struct vma_set maps = {0};
	struct proc_stat stat;
	struct view view;
	uint64_t began_ns = clock__boot_ns(), space_id = 0;
	int err;

	if (pidfd < 0)
		return pidfd;
	err = procfs__stat(pidfd, &stat);
	if (!err)
		err = procfs__vmas(pidfd, SMAPS_MAPS, NULL, &maps);
	if (err)
		return err;
	if (!model__view(model, pid, &view)) {
		space_id = view.space_id;
		view__free(&view);
	}
	model__learn(model, pid, &stat, space_id, began_ns, &maps);
	return 0;
}
