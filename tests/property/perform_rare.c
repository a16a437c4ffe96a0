// SPDX-License-Identifier: BSD-2-Clause
#include "perform.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event.h"
#include "model/origin.h"

#define CALL(p, name, a, b, c, d, e, f)                                                            \
	perform__call(p, #name, SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
		      (long)(f))
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANON	   (MAP_PRIVATE | MAP_ANONYMOUS)

static bool failed(long result)
{
	return result < 0 && result > -4096;
}

static uint64_t page_up(uint64_t addr)
{
	return (addr + PAGE - 1) & ~(PAGE - 1);
}

static void do_brk(struct performer *p, const struct step *s)
{
	struct shadow *shadow = p->shadow;
	const struct window *heap = &shadow->windows[WINDOW_HEAP];
	uint64_t old = shadow->brk, to;
	struct page like = {.tid = p->tid,
			    .origin = ORIGIN_BRK,
			    .kind = KIND_ANON,
			    .prot = READ_WRITE,
			    .limit = UINT16_MAX};

	to = heap->base + (s->page % window__usable(WINDOW_HEAP) + s->n) * PAGE;
	if (s->bits & 1)
		to -= s->bits >> 4 & (PAGE - 1);
	if (CALL(p, brk, to, 0, 0, 0, 0, 0) != (long)to)
		return;
	shadow->brk = to;
	if (page_up(to) > page_up(old))
		shadow__map(shadow, page_up(old), (page_up(to) - page_up(old)) / PAGE, &like);
	else
		shadow__unmap(shadow, page_up(to), (page_up(old) - page_up(to)) / PAGE);
}

static void do_shmat(struct performer *p, const struct step *s)
{
	bool fixed = s->bits & 1;
	uint64_t addr = fixed ? p->shadow->windows[s->window].base + s->page * PAGE : 0;
	struct page like = {.tid = p->tid,
			    .origin = ORIGIN_SHMAT,
			    .kind = KIND_SHM,
			    .prot = READ_WRITE,
			    .limit = SHM_PAGES};
	long result;

	if (fixed && !shadow__holds(p->shadow, addr, SHM_PAGES))
		return;
	result = CALL(p, shmat, p->backing->shm[s->bits >> 1 & 1], addr, fixed ? SHM_REMAP : 0, 0,
		      0, 0);
	if (failed(result) || !perform__place(p, result, SHM_PAGES))
		return;
	like.attach = ++p->shadow->attaches;
	shadow__map(p->shadow, result, SHM_PAGES, &like);
}

/*
 * The kernel looks for a piece of shared memory that would begin at the address if it were whole,
 * and takes away all pieces of that attachment (ksys_shmdt() in ipc/shm.c).
 */
static void detach(struct performer *p, uint64_t base)
{
	uint16_t attach = 0;

	for (unsigned i = 0; i < SHM_PAGES; i++) {
		struct page *page = shadow__at(p->shadow, base + i * PAGE);

		/* What may be something that was half moved may be a piece of it. */
		if (page && page->vague && !perform__is_mapped(base + i * PAGE))
			*page = (struct page){0};
		if (!page || !page->mapped || page->kind != KIND_SHM || page->pgoff != i)
			continue;
		if (!attach)
			attach = page->attach;
		/* How long it was the ledger tells, which may not know a piece any more. */
		if (page->attach == attach)
			*page = (struct page){.stale = page->doubt};
	}
}

static void do_shmdt(struct performer *p, const struct step *s)
{
	uint64_t base = p->shadow->windows[s->window].base + s->page * PAGE;
	const struct page *page;

	/* At what is left of the next one, or anywhere. */
	for (uint64_t at = base; s->bits & 7 && (page = shadow__at(p->shadow, at)); at += PAGE) {
		if (page->mapped && page->kind == KIND_SHM) {
			base = at - page->pgoff * PAGE;
			break;
		}
	}
	if (!failed(CALL(p, shmdt, base, 0, 0, 0, 0, 0)))
		detach(p, base);
}

static void do_huge(struct performer *p, const struct step *s)
{
	uint64_t base = p->shadow->windows[WINDOW_HUGE].base, n = HUGE_PAGE / PAGE;
	uint64_t addr = base + (s->bits & 1) * HUGE_PAGE;
	bool shared = s->bits & 2;
	struct page like = {.tid = p->tid,
			    .origin = ORIGIN_MMAP,
			    .kind = KIND_HUGE,
			    .prot = READ_WRITE,
			    .limit = UINT16_MAX};
	long result;

	switch (s->bits >> 2 & 7) {
	case 0: /* a part, which the kernel refuses, or all of it */
	case 1:
		n = s->bits & 32 ? n : s->n;
		result = CALL(p, munmap, addr, n * PAGE, 0, 0, 0, 0);
		if (failed(result))
			shadow__doubt(p->shadow, addr, n);
		else
			shadow__unmap(p->shadow, addr, n);
		break;
	case 2: /* small pages, in the place of huge ones or not */
		n = s->bits & 32 ? n : s->n;
		like.kind = KIND_ANON;
		result = CALL(p, mmap, addr, n * PAGE, READ_WRITE, ANON | MAP_FIXED, -1, 0);
		if (!failed(result))
			shadow__map(p->shadow, addr, n, &like);
		break;
	case 3:
		result = CALL(p, mremap, addr, HUGE_PAGE, HUGE_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      base + (~s->bits & 1) * HUGE_PAGE, 0);
		if (failed(result)) {
			shadow__doubt(p->shadow, base, 2 * n);
			perform__look(p, base, 2 * n);
		} else {
			shadow__remap(p->shadow, addr, n, result, n, false, p->tid);
		}
		break;
	default: /* the kernel rounds the length up to huge pages */
		result = CALL(p, mmap, addr, s->n * PAGE, READ_WRITE,
			      (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_HUGETLB |
				      MAP_FIXED,
			      -1, 0);
		if (failed(result)) {
			/* Were no huge pages left? By then it has removed what was there. */
			perform__look(p, addr, n);
			break;
		}
		shadow__map(p->shadow, addr, n, &like);
		perform__touch(p, addr, 1, s->bits >> 6 & 3);
	}
}

/* Names some of the pages from the lowest one on, or some above it. */
static void name_down(struct performer *p, const struct step *s, uint32_t low)
{
	const struct window *w = &p->shadow->windows[WINDOW_DOWN];
	uint64_t addr = w->base + (low + (s->bits >> 2 & 1) * 2) * PAGE, n = 1 + (s->m & 3);
	uint8_t name = s->bits >> 3 & 3;
	long result = CALL(p, prctl, MP_PR_SET_VMA, MP_PR_SET_VMA_ANON_NAME, addr, n * PAGE,
			   names[name], 0);

	shadow__name(p->shadow, addr, n, name, result);
}

/* A mapping that grows by faults below it, where there is room, and is called as it was; then it
 * is made anew. */
static void do_down(struct performer *p, const struct step *s)
{
	const struct window *w = &p->shadow->windows[WINDOW_DOWN];
	struct page *pages = &p->shadow->pages[w->first];
	struct page like = {.tid = p->tid,
			    .origin = ORIGIN_MMAP,
			    .kind = KIND_ANON,
			    .prot = READ_WRITE,
			    .limit = UINT16_MAX};
	uint32_t low = 0, by = 1 + s->n % 8;

	while (low < w->n && !pages[low].mapped)
		low++;
	if (low == w->n || s->bits & 1 || low < w->n / 2) {
		CALL(p, munmap, w->base, w->n * PAGE, 0, 0, 0, 0);
		shadow__unmap(p->shadow, w->base, w->n);
		if (CALL(p, mmap, w->base + (w->n - 16) * PAGE, 8 * PAGE, READ_WRITE,
			 ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) > 0)
			shadow__map(p->shadow, w->base + (w->n - 16) * PAGE, 8, &like);
		return;
	}
	/* Only before it has grown: later, no event tells which part of it a name reached. */
	if (s->bits & 2 && !pages[low].grown)
		name_down(p, s, low);
	like = pages[low];
	page__empty(&like);
	like.grown = true;
	for (uint32_t i = low - by; i < low; i++)
		pages[i] = like;
	perform__touch(p, w->base + (low - by) * PAGE, 1, s->bits >> 6 & 3);
}

struct vforked {
	struct performer *p;
	const struct step *step;
	uint64_t addr;
	uint64_t n;
	long result;
};

__attribute__((no_sanitize("address", "undefined"))) static int vforked(void *arg)
{
	struct vforked *v = arg;

	v->p->tid = syscall(SYS_getpid);
	v->result = syscall(SYS_mmap, v->addr, v->n * PAGE, READ_WRITE, ANON | MAP_FIXED, -1, 0);
	syscall(SYS_exit_group, 0);
	return 0;
}

static void do_vfork(struct performer *p, const struct step *s)
{
	struct page like = {
		.origin = ORIGIN_MMAP, .kind = KIND_ANON, .prot = READ_WRITE, .limit = UINT16_MAX};
	struct vforked v = {p, s, p->shadow->windows[s->window].base + s->page * PAGE, s->n, -1};
	uint32_t tid = p->tid;
	int pid;

	if (!shadow__holds(p->shadow, v.addr, v.n))
		return;
	pid = clone(vforked, p->vfork_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &v);
	like.tid = p->tid;
	p->tid = tid;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	strcat(p->log, "vfork; ");
	if (pid > 0 && v.result == (long)v.addr)
		shadow__map(p->shadow, v.addr, v.n, &like);
}

/* None of these changes anything, and the kernel says so. */
static void do_fail(struct performer *p, const struct step *s)
{
	uint64_t addr = p->shadow->windows[s->window].base + s->page * PAGE;

	switch (s->bits & 15) {
	case 0:
		CALL(p, munmap, addr + 1, s->n * PAGE, 0, 0, 0, 0);
		break;
	case 1:
		CALL(p, munmap, addr, 0, 0, 0, 0, 0);
		break;
	case 2:
		CALL(p, munmap, addr, -s->n * PAGE, 0, 0, 0, 0);
		break;
	case 3:
		CALL(p, mmap, addr, s->n * PAGE, READ_WRITE, MAP_PRIVATE | MAP_FIXED, 9999, 0);
		break;
	case 4:
		CALL(p, mmap, addr + 5, s->n * PAGE, READ_WRITE, ANON | MAP_FIXED, -1, 0);
		break;
	case 5:
		CALL(p, mmap, addr, 0, READ_WRITE, ANON | MAP_FIXED, -1, 0);
		break;
	case 6:
		CALL(p, mmap, 1UL << 60, s->n * PAGE, READ_WRITE, ANON | MAP_FIXED, -1, 0);
		break;
	case 7:
		CALL(p, mremap, addr + 1, s->n * PAGE, s->m * PAGE, MREMAP_MAYMOVE, 0, 0);
		break;
	case 8: /* onto itself */
		CALL(p, mremap, addr, s->n * PAGE, s->n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     addr + (s->n / 2) * PAGE, 0);
		shadow__doubt(p->shadow, addr, s->n + s->n / 2);
		break;
	case 9:
		CALL(p, mremap, addr, s->n * PAGE, s->m * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     addr + 64 * PAGE + 1, 0);
		shadow__doubt(p->shadow, addr, s->n);
		break;
	case 10:
		CALL(p, mremap, addr, s->n * PAGE, 0, MREMAP_MAYMOVE, 0, 0);
		break;
	case 11:
		CALL(p, mremap, addr, s->n * PAGE, 1UL << 60, MREMAP_MAYMOVE, 0, 0);
		break;
	case 12:
		CALL(p, brk, 1UL << 46, 0, 0, 0, 0, 0);
		break;
	case 13:
		CALL(p, shmat, -1, addr, SHM_REMAP, 0, 0, 0);
		break;
	case 14:
		CALL(p, shmdt, addr + 1, 0, 0, 0, 0, 0);
		break;
	case 15:
		CALL(p, prctl, MP_PR_SET_VMA, 1, addr, s->n * PAGE, names[1], 0);
		break;
	}
}

void perform__rare(struct performer *p, const struct step *s)
{
	switch ((enum op)s->op) {
	case OP_BRK:
		do_brk(p, s);
		break;
	case OP_SHMAT:
		do_shmat(p, s);
		break;
	case OP_SHMDT:
		do_shmdt(p, s);
		break;
	case OP_HUGE:
		do_huge(p, s);
		break;
	case OP_DOWN:
		do_down(p, s);
		break;
	case OP_VFORK:
		do_vfork(p, s);
		break;
	case OP_FAIL:
		do_fail(p, s);
		break;
	default:
		break;
	}
}
