// SPDX-License-Identifier: BSD-2-Clause
#include "perform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "event.h"
#include "model/origin.h"
#include "rng.h"
#include "touchers.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define READ_WRITE (PROT_READ | PROT_WRITE)

long perform__call(struct performer *p, const char *name, long number, long a, long b, long c,
		   long d, long e, long f)
{
	size_t used = strlen(p->log);
	long result = syscall(number, a, b, c, d, e, f);

	if (result == -1)
		result = -errno;
	snprintf(p->log + used, LOG_LEN - used, "%s(%#lx, %#lx, %#lx, %#lx) = %#lx; ", name, a, b,
		 c, d, result);
	return result;
}

#define CALL6(p, name, a, b, c, d, e, f)                                                           \
	perform__call(p, #name, SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
		      (long)(f))

static bool failed(long result)
{
	return result < 0 && result > -4096;
}

static uint64_t addr_of(const struct performer *p, enum window_id id, unsigned page)
{
	return p->shadow->windows[id].base + page * PAGE;
}

/* Lengths are rounded up by the kernel, so some are odd. */
static uint64_t odd(uint32_t bits, uint64_t n)
{
	return n * PAGE - (bits >> 28 ? 0 : bits & (PAGE - 1));
}

/* As many pages from addr on as are in its window, and no more than n. */
static uint64_t clip(struct performer *p, uint64_t addr, uint64_t n)
{
	while (n > 1 && !shadow__holds(p->shadow, addr, n))
		n--;
	return n;
}

bool perform__place(struct performer *p, uint64_t addr, uint64_t n)
{
	if (shadow__holds(p->shadow, addr, n))
		return true;
	CALL6(p, munmap, addr, n * PAGE, 0, 0, 0, 0);
	return false;
}

void perform__touch(struct performer *p, uint64_t addr, uint64_t n, unsigned who)
{
	for (uint64_t i = 0; i < n; i++) {
		struct page *page = shadow__at(p->shadow, addr + i * PAGE);

		if (!page || !page->mapped || !(page->prot & PROT_WRITE) ||
		    page->pgoff >= page->limit)
			continue;
		toucher__touch(who, addr + i * PAGE);
		shadow__touch(p->shadow, page, who);
	}
}

bool perform__is_mapped(uint64_t addr)
{
	unsigned char resident;

	return !syscall(SYS_mincore, addr, PAGE, &resident) || errno != ENOMEM;
}

void perform__look(struct performer *p, uint64_t addr, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct page *page = shadow__at(p->shadow, addr + i * PAGE);

		if (page && page->mapped && !perform__is_mapped(addr + i * PAGE))
			*page = (struct page){.stale = true};
	}
}

/* --- mmap, munmap -------------------------------------------------------------------------- */

static const struct {
	enum kind kind;
	int flags;
	uint16_t limit; /* 0: as long as the mapping */
} mappables[16] = {
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, UINT16_MAX},
	{KIND_ANON, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, UINT16_MAX},
	{KIND_SHARED_ANON, MAP_SHARED | MAP_ANONYMOUS, 0},
	{KIND_SHARED_ANON, MAP_SHARED | MAP_ANONYMOUS, 0},
	{KIND_FILE_PRIVATE, MAP_PRIVATE, FILE_PAGES},
	{KIND_FILE_PRIVATE, MAP_PRIVATE, FILE_PAGES},
	{KIND_FILE_SHARED, MAP_SHARED, FILE_PAGES},
	{KIND_FILE_SHARED, MAP_SHARED, FILE_PAGES},
	{KIND_MEMFD, MAP_SHARED, FILE_PAGES},
};

static int fd_of(const struct performer *p, enum kind kind)
{
	switch (kind) {
	case KIND_FILE_PRIVATE:
	case KIND_FILE_SHARED:
		return p->backing->file;
	case KIND_MEMFD:
		return p->backing->memfd;
	default:
		return -1;
	}
}

static int protection(uint32_t bits)
{
	static const int some[8] = {READ_WRITE, READ_WRITE, READ_WRITE, READ_WRITE,
				    READ_WRITE, READ_WRITE, PROT_READ,	PROT_NONE};

	return some[bits & 7];
}

/* By the kernel: no function has touched them. */
static void populate(struct performer *p, uint64_t addr, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		shadow__at(p->shadow, addr + i * PAGE)->touched = true;
	perform__touch(p, addr, n, 0);
}

static void do_mmap(struct performer *p, const struct step *s)
{
	unsigned what = s->bits & 15, how = s->bits >> 4 & 15;
	uint64_t addr = addr_of(p, s->window, s->page), n = clip(p, addr, s->n);
	int flags = mappables[what].flags;
	struct page like = {.tid = p->tid,
			    .origin = ORIGIN_MMAP,
			    .kind = mappables[what].kind,
			    .prot = protection(s->bits >> 8),
			    .limit = mappables[what].limit ? mappables[what].limit : n};
	int fd = fd_of(p, like.kind);
	long result;

	if (how < 11)
		flags |= MAP_FIXED;
	else if (how < 12)
		flags |= MAP_FIXED_NOREPLACE;
	else if (how >= 14)
		addr = 0; /* else it is a hint */
	like.pgoff = fd < 0 ? 0 : s->bits >> 11 & 31;
	result = CALL6(p, mmap, addr, odd(s->bits, n), like.prot, flags, fd, like.pgoff * PAGE);
	if (failed(result) || !perform__place(p, result, n))
		return;
	shadow__map(p->shadow, result, n, &like);
	/* What may only be read is the zero page, which no process owns. */
	if (flags & MAP_POPULATE && like.prot & PROT_WRITE)
		populate(p, result, n);
}

static void do_munmap(struct performer *p, const struct step *s)
{
	uint64_t addr = addr_of(p, s->window, s->page), n = clip(p, addr, s->n);
	long result = CALL6(p, munmap, addr, odd(s->bits, n), 0, 0, 0, 0);

	if (failed(result))
		shadow__doubt(p->shadow, addr, n);
	else
		shadow__unmap(p->shadow, addr, n);
}

/* --- mremap -------------------------------------------------------------------------------- */

/* The first mapped page from addr on within its window; addr itself if there is none. */
static uint64_t next_mapped(struct performer *p, uint64_t addr)
{
	const struct page *page;

	for (uint64_t at = addr; (page = shadow__at(p->shadow, at)); at += PAGE) {
		if (page->mapped)
			return at;
	}
	return addr;
}

/* How many pages from addr on were made alike: mostly one VMA. */
static uint64_t run_length(struct performer *p, uint64_t addr)
{
	const struct page *first = shadow__at(p->shadow, addr), *page;
	uint64_t n = 1;

	while ((page = shadow__at(p->shadow, addr + n * PAGE)) && page->mapped &&
	       page->kind == first->kind && page->prot == first->prot)
		n++;
	return n;
}

/*
 * A move onto a place removes what is there, and then may fail; since 6.17 it may also fail when
 * it has moved some of several VMAs. (Before, it may when it has cut off what will not fit.)
 */
static void look_what_moved(struct performer *p, uint64_t addr, uint64_t to, uint64_t n,
			    bool keep_old)
{
	/* Onto itself, or from a hole on: that was refused before anything was done. */
	if ((to < addr + n * PAGE && addr < to + n * PAGE) || !shadow__at(p->shadow, addr)->mapped)
		return;
	for (uint64_t i = 0; i < n; i++) {
		struct page *from = shadow__at(p->shadow, addr + i * PAGE);
		struct page *dest = shadow__at(p->shadow, to + i * PAGE);

		if (!from->mapped)
			continue;
		if (keep_old && perform__is_mapped(to + i * PAGE)) {
			*dest = (struct page){.mapped = true, .vague = true, .maybe = true};
			page__may_go(from);
		} else if (!keep_old && !perform__is_mapped(addr + i * PAGE)) {
			*dest = *from;
			dest->doubt = true;
			*from = (struct page){.stale = true};
		}
	}
}

static void do_mremap(struct performer *p, const struct step *s)
{
	uint64_t addr = addr_of(p, s->window, s->page), to = addr_of(p, s->to_window, s->to);
	uint64_t n = s->n, m = s->m, run;
	unsigned how = s->bits & 15;
	int flags = 0;
	long result;

	if (s->bits >> 4 & 3) {
		addr = next_mapped(p, addr);
		run = run_length(p, addr);
		n = n < run ? n : run;
	}
	n = clip(p, addr, n);
	if (how >= 3)
		flags |= MREMAP_MAYMOVE;
	if (how >= 6)
		flags |= MREMAP_FIXED;
	if (how >= 12)
		flags |= MREMAP_DONTUNMAP;
	if (how >= 14)
		flags &= ~MREMAP_FIXED;
	/* Moves of several VMAs at once must keep their length. A segment of shared memory has
	 * nothing behind its end. */
	if (how >= 11 || shadow__at(p->shadow, addr)->kind == KIND_SHM)
		m = n;
	m = flags & MREMAP_FIXED ? clip(p, to, m) : clip(p, addr, m);
	if (how >= 11)
		n = m;
	result = CALL6(p, mremap, addr, odd(s->bits, n), odd(s->bits, m), flags, to, 0);
	if (failed(result)) {
		if (flags & MREMAP_FIXED) {
			shadow__doubt(p->shadow, addr, n);
			shadow__doubt(p->shadow, to, m);
			look_what_moved(p, addr, to, n < m ? n : m, flags & MREMAP_DONTUNMAP);
			perform__look(p, to, m);
			if (m < n)
				perform__look(p, addr + m * PAGE, n - m);
		}
		return;
	}
	shadow__remap(p->shadow, addr, n, result, m, flags & MREMAP_DONTUNMAP, p->tid);
	perform__place(p, result, m);
}

static void do_duplicate(struct performer *p, const struct step *s)
{
	uint64_t addr = addr_of(p, s->window, s->page), to = addr_of(p, s->to_window, s->to);
	int flags = MREMAP_MAYMOVE | (s->bits & 1 ? MREMAP_FIXED : 0);
	const struct page *page;
	uint64_t m;
	long result;

	for (;; addr += PAGE) {
		page = shadow__at(p->shadow, addr);
		if (!page)
			return;
		if (page->mapped && page->kind != KIND_ANON && page->kind != KIND_FILE_PRIVATE &&
		    page->pgoff < page->limit)
			break;
	}
	m = clip(p, to, s->m);
	if (m > (uint64_t)page->limit - page->pgoff)
		m = page->limit - page->pgoff;
	result = CALL6(p, mremap, addr, 0, m * PAGE, flags, to, 0);
	if (failed(result)) {
		if (flags & MREMAP_FIXED)
			shadow__doubt(p->shadow, to, m);
		perform__look(p, to, m); /* it may have lain in its own way */
		return;
	}
	shadow__remap(p->shadow, addr, 0, result, m, false, p->tid);
	perform__place(p, result, m);
}

/* --- what changes no addresses ------------------------------------------------------------- */

static void do_protect(struct performer *p, const struct step *s)
{
	uint64_t addr = addr_of(p, s->window, s->page), n = clip(p, addr, s->n);
	int prot = protection(s->bits);
	long result = CALL6(p, mprotect, addr, n * PAGE, prot, 0, 0, 0);

	for (uint64_t i = 0; i < n; i++) {
		struct page *page = shadow__at(p->shadow, addr + i * PAGE);

		/* A call that fails has changed what lies before the place where it did. */
		page->prot = failed(result) ? page->prot & prot : prot;
	}
}

/* VMAs are split and merged; nothing is touched. */
static void do_lock(struct performer *p, const struct step *s)
{
	uint64_t addr = addr_of(p, s->window, s->page), n = clip(p, addr, s->n);

	if (s->bits & 1)
		CALL6(p, mlock2, addr, n * PAGE, MLOCK_ONFAULT, 0, 0, 0);
	else
		CALL6(p, munlock, addr, n * PAGE, 0, 0, 0, 0);
}

static void do_advise(struct performer *p, const struct step *s)
{
	uint64_t addr = addr_of(p, s->window, s->page), n = clip(p, addr, s->n);
	int advice = s->bits & 1 ? MADV_FREE : MADV_DONTNEED;
	long result = CALL6(p, madvise, addr, n * PAGE, advice, 0, 0, 0);

	for (uint64_t i = 0; i < n; i++) {
		struct page *page = shadow__at(p->shadow, addr + i * PAGE);

		/* ENOMEM: there are holes; what is mapped was done. */
		if (advice == MADV_DONTNEED && (!failed(result) || result == -ENOMEM)) {
			page__empty(page);
		} else if (advice == MADV_DONTNEED || page->kind == KIND_ANON) {
			page__may_go(page);
		}
	}
}

static void do_name(struct performer *p, const struct step *s)
{
	static const char too_long[] = "a name that the kernel would not take, because it has "
				       "more than seventy-nine bytes without the NUL";
	uint64_t addr = addr_of(p, s->window, s->page), n = clip(p, addr, s->n);
	uint8_t name = s->bits % NAMES;
	const char *text = names[name];
	unsigned how = s->bits >> 8 & 15;
	long result;

	if (how == 0) {
		text = NULL;
		name = 0;
	} else if (how == 1) {
		CALL6(p, prctl, MP_PR_SET_VMA, MP_PR_SET_VMA_ANON_NAME, addr, n * PAGE, too_long,
		      0);
		return;
	} else if (how >= 8) { /* its page table entry goes; the text stays where it was */
		text = p->late + name * LATE_STEP;
		CALL6(p, madvise, p->late, PAGE, MADV_DONTNEED, 0, 0, 0);
	} else if (how == 2) {
		CALL6(p, prctl, MP_PR_SET_VMA, MP_PR_SET_VMA_ANON_NAME, addr + 8, n * PAGE, text,
		      0);
		return;
	} else { /* fork leaves out the page table entries of the program's file */
		*(const volatile char *)(text + strlen(text));
	}
	result = CALL6(p, prctl, MP_PR_SET_VMA, MP_PR_SET_VMA_ANON_NAME, addr, odd(s->bits, n),
		       text, 0);
	shadow__name(p->shadow, addr, n, name, result);
	/* A hole that was given an empty name before that had been read: what was forked
	 * meanwhile has it until the next look. */
	for (uint64_t i = 0; how >= 8 && i < n; i++)
		shadow__at(p->shadow, addr + i * PAGE)->ghost |=
			!shadow__at(p->shadow, addr + i * PAGE)->mapped;
}

static void do_read(struct performer *p, const struct step *s)
{
	uint64_t addr = addr_of(p, s->window, s->page);

	for (unsigned i = 0; i < s->n; i++) {
		struct page *page = shadow__at(p->shadow, addr + i * PAGE);

		/* Not of files: the kernel maps pages around the one that was asked for. */
		if (page && page->mapped && page->kind == KIND_ANON && page->prot & PROT_READ &&
		    page->pgoff < page->limit) {
			toucher__touch(TOUCHER_READS, addr + i * PAGE);
			shadow__touch(p->shadow, page, TOUCHER_READS);
		}
	}
}

void perform__step(struct performer *p, const struct step *s)
{
	switch ((enum op)s->op) {
	case OP_MMAP:
		do_mmap(p, s);
		break;
	case OP_MUNMAP:
		do_munmap(p, s);
		break;
	case OP_MREMAP:
		do_mremap(p, s);
		break;
	case OP_DUPLICATE:
		do_duplicate(p, s);
		break;
	case OP_PROTECT:
		do_protect(p, s);
		break;
	case OP_LOCK:
		do_lock(p, s);
		break;
	case OP_ADVISE:
		do_advise(p, s);
		break;
	case OP_NAME:
		do_name(p, s);
		break;
	case OP_TOUCH:
		perform__touch(p, addr_of(p, s->window, s->page), s->n, s->bits % TOUCHERS_WRITE);
		break;
	case OP_READ:
		do_read(p, s);
		break;
	default:
		perform__rare(p, s);
	}
}
