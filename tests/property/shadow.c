// SPDX-License-Identifier: BSD-2-Clause
#include "shadow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/origin.h"
#include "reconcile/attribution.h"
#include "touchers.h"

static const struct {
	uint32_t pages;
	uint32_t usable;
} sizes[WINDOWS] = {
	[WINDOW_ARENA] = {128, 64},   [WINDOW_NEAR] = {256, 256}, [WINDOW_HEAP] = {128, 64},
	[WINDOW_HUGE] = {1024, 1024}, [WINDOW_DOWN] = {640, 640},
};

const char *const names[NAMES] = {"",	      "alpha", "beta",	     "gamma delta",
				  " trimmed", "alpha", "[$refused`]"};

unsigned window__usable(enum window_id id)
{
	return sizes[id].usable;
}

uint64_t window__size(enum window_id id)
{
	return sizes[id].pages * PAGE;
}

void shadow__init(struct shadow *shadow, const uint64_t base[WINDOWS])
{
	uint32_t first = 0;

	memset(shadow, 0, sizeof(*shadow));
	for (int i = 0; i < WINDOWS; i++) {
		shadow->windows[i] = (struct window){base[i], base[i] ? sizes[i].pages : 0, first};
		first += sizes[i].pages;
	}
}

struct page *shadow__at(struct shadow *shadow, uint64_t addr)
{
	for (int i = 0; i < WINDOWS; i++) {
		const struct window *w = &shadow->windows[i];

		if (addr >= w->base && addr - w->base < w->n * PAGE)
			return &shadow->pages[w->first + (addr - w->base) / PAGE];
	}
	return NULL;
}

bool shadow__holds(struct shadow *shadow, uint64_t addr, uint64_t n)
{
	const struct page *first = shadow__at(shadow, addr);
	const struct page *last = shadow__at(shadow, addr + (n - 1) * PAGE);

	return n && first && last && last - first == (ptrdiff_t)n - 1;
}

void shadow__map(struct shadow *shadow, uint64_t addr, uint64_t n, const struct page *like)
{
	for (uint64_t i = 0; i < n; i++) {
		struct page *page = shadow__at(shadow, addr + i * PAGE);

		*page = *like;
		page->mapped = true;
		page->born = page->name_born = shadow->step;
		page->pgoff += i;
	}
}

void shadow__unmap(struct shadow *shadow, uint64_t addr, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		*shadow__at(shadow, addr + i * PAGE) = (struct page){0};
}

void shadow__name(struct shadow *shadow, uint64_t addr, uint64_t n, uint8_t name, long result)
{
	/* ENOMEM: there are holes; what is mapped was named. */
	bool taken = result == 0 || result == -ENOMEM;

	for (uint64_t i = 0; i < n; i++) {
		struct page *page = shadow__at(shadow, addr + i * PAGE);

		page->name_born = shadow->step;
		page->name_doubt = false;
		page->unshown = !taken;
		if (page->mapped)
			page->name = name;
		else
			page->ghost |= name != 0;
		/* The ledger did not have it; from now on it has a name, and no creator. */
		page->doubt |= page->grown;
	}
}

void page__empty(struct page *page)
{
	page->touched = page->maybe = page->inherited = page->copied = false;
	page->touchers = page->sampled = 0;
}

void page__may_go(struct page *page)
{
	page->maybe |= page->touched;
	page->touched = false;
	page->sampled = 0;
}

void shadow__touch(const struct shadow *shadow, struct page *page, unsigned who)
{
	bool writes = who != TOUCHER_READS;

	if (page->touched && !(page->inherited && writes))
		return;
	/* What was sampled before the fork gives way. */
	if (page->inherited && (writes || !page->maybe)) {
		page->touchers = 0;
		page->inherited = false;
		page->copied = true;
	}
	/* A page that was only read is the zero page, whose sample stays until a report looks. */
	page->touchers |= 1 << who;
	if (!writes)
		return;
	page->sampled = page->maybe ? 0 : shadow->step;
	page->touched = page->kind != KIND_HUGE; /* those are counted apart */
	page->maybe = false;
}

void shadow__doubt(struct shadow *shadow, uint64_t addr, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct page *page = shadow__at(shadow, addr + i * PAGE);

		if (page)
			page->doubt = page->mapped;
	}
}

void shadow__remap(struct shadow *shadow, uint64_t addr, uint64_t old_n, uint64_t dest,
		   uint64_t new_n, bool keep_old, uint32_t tid)
{
	uint64_t kept = old_n < new_n ? old_n : new_n;
	struct page last = *shadow__at(shadow, addr + (old_n ? old_n - 1 : 0) * PAGE);
	struct page moved[SHADOW_PAGES];
	bool visible = shadow__holds(shadow, dest, new_n);

	for (uint64_t i = 0; i < old_n; i++)
		moved[i] = *shadow__at(shadow, addr + i * PAGE);
	for (uint64_t i = dest == addr ? kept : 0; i < old_n; i++) {
		struct page *page = shadow__at(shadow, addr + i * PAGE);

		if (keep_old)
			page__empty(page);
		else
			*page = (struct page){0};
	}
	for (uint64_t i = 0; visible && dest != addr && i < kept; i++) {
		struct page *page = shadow__at(shadow, dest + i * PAGE);

		/* Since 6.17 several VMAs may be moved at once, and holes between them leave what
		 * is in their way. The ledger cannot tell a hole from what it does not know. */
		if (moved[i].mapped) {
			*page = moved[i];
		} else {
			page->doubt = page->mapped;
			page->ghost = moved[i].ghost && !page->mapped;
		}
	}
	/* The same mapping, now larger: it is called what it was called (copy_vma() and
	 * vma_merge_extend() in mm/vma.c). That is as well known as the mapping was. */
	if (visible && new_n > kept) {
		struct page like = {.tid = tid,
				    .origin = ORIGIN_MREMAP,
				    .kind = last.kind,
				    .prot = last.prot,
				    .limit = last.limit,
				    .attach = last.attach,
				    .name = last.name,
				    .unshown = last.unshown,
				    .name_doubt = last.doubt || last.vague || last.name_doubt,
				    .pgoff = last.pgoff + (old_n ? 1 : 0)};

		shadow__map(shadow, dest + kept * PAGE, new_n - kept, &like);
		for (uint64_t i = kept; i < new_n; i++)
			shadow__at(shadow, dest + i * PAGE)->name_born =
				last.born < last.name_born ? last.born : last.name_born;
	}
}

/* Of shared memory a child has the mapping, but maps the pages anew when it touches them
 * (vma_needs_copy() in mm/memory.c). */
void shadow__fork(struct shadow *child)
{
	for (size_t i = 0; i < SHADOW_PAGES; i++) {
		struct page *page = &child->pages[i];

		page->inherited = page->mapped;
		if (page->kind != KIND_ANON && page->kind != KIND_FILE_PRIVATE)
			page__empty(page);
	}
}

static bool same(const struct page *a, const struct page *b)
{
	return a->mapped == b->mapped && a->tid == b->tid && a->kind == b->kind &&
	       a->origin == b->origin && a->name == b->name && a->doubt == b->doubt &&
	       a->grown == b->grown && a->touched == b->touched && a->maybe == b->maybe &&
	       a->born == b->born && a->touchers == b->touchers && a->sampled == b->sampled;
}

void shadow__print(const struct shadow *shadow, char *text, size_t len)
{
	static const char *const kinds[] = {"anon",  "shared", "file", "file-shared",
					    "memfd", "shm",    "huge"};
	size_t at = 0;

	text[0] = '\0';
	for (int w = 0; w < WINDOWS; w++) {
		const struct window *window = &shadow->windows[w];
		const struct page *pages = &shadow->pages[window->first];

		for (uint32_t i = 0, j; i < window->n; i = j) {
			for (j = i + 1; j < window->n && same(&pages[i], &pages[j]); j++)
				;
			if (!pages[i].mapped || at >= len)
				continue;
			at += snprintf(
				text + at, len - at,
				"%012lx-%012lx %s %s tid %u step %u%s%s%s%s%s%s touchers %x step "
				"%u\n",
				window->base + i * PAGE, window->base + j * PAGE,
				kinds[pages[i].kind], origin__name(pages[i].origin), pages[i].tid,
				pages[i].born, pages[i].name ? " name " : "", names[pages[i].name],
				pages[i].touched ? " touched" : "", pages[i].maybe ? " maybe" : "",
				pages[i].doubt ? " doubt" : "", pages[i].grown ? " grown" : "",
				pages[i].touchers, pages[i].sampled);
		}
	}
}
