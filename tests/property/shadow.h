/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the target knows of its own memory: for each page of a few windows of its address space,
 * its creator, its name, whether it was written. The target keeps this itself, from
 * the results of its calls and from what the manual pages say they do, so it is a second opinion
 * on everything that memprov says.
 *
 *      heap      arena      huge       down            near
 *   --|----|----|------|---|------|---|-----|---- … --|----|-- libraries, stacks
 *      brk       fixed      2 MiB      grows           where the kernel puts what has no address
 *                addresses  pages      down
 *
 * It lies in memory that target and test share, and holds no pointers.
 */
#ifndef MEMPROV_PROPERTY_SHADOW_H
#define MEMPROV_PROPERTY_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE	  4096UL
#define HUGE_PAGE (2UL << 20)

enum window_id { WINDOW_ARENA, WINDOW_NEAR, WINDOW_HEAP, WINDOW_HUGE, WINDOW_DOWN, WINDOWS };

#define SHADOW_PAGES 2176 /* of all windows together */

enum kind {
	KIND_ANON, /* private */
	KIND_SHARED_ANON,
	KIND_FILE_PRIVATE,
	KIND_FILE_SHARED,
	KIND_MEMFD,
	KIND_SHM,
	KIND_HUGE,
};

struct page {
	uint32_t tid;	    /* of the creator */
	uint16_t born;	    /* the step that mapped it, from 1 */
	uint16_t name_born; /* the step that named it, or took its name */
	uint16_t pgoff;	    /* in what it maps */
	uint16_t limit;	    /* that has so many pages: behind it is SIGBUS */
	uint16_t attach;    /* KIND_SHM: which shmat */
	uint8_t kind;
	uint8_t prot;
	uint8_t origin;	  /* enum origin, as the ledger should have it */
	uint8_t name;	  /* an index of names[]; 0: none */
	uint8_t touchers; /* a bit for each of those that a sample of it may name (touchers.h) */
	uint16_t sampled; /* the step by which it was touched with a fault; 0: not known for certain
			   */
	bool mapped;
	bool copied;	 /* it was the parent's when it was touched */
	bool touched;	 /* resident for certain */
	bool maybe;	 /* resident or not: MADV_FREE */
	bool doubt;	 /* a call that failed was seen to begin: its creator may be unknown */
	bool ghost;	 /* not mapped, but was named: the ledger has the name alone */
	bool stale;	 /* not mapped any more, by a call that failed: the ledger still has it */
	bool grown;	 /* by a fault: no event tells of it */
	bool vague;	 /* the target itself cannot tell what it is; its limit is 0 */
	bool name_doubt; /* it continues a page that was in doubt, and may lack that one's name */
	bool unshown; /* the kernel refused its name: that what it shows is another is no mistake */
	bool inherited; /* by fork, and not written since */
};

struct window {
	uint64_t base;	/* 0: this one is not used */
	uint32_t n;	/* pages */
	uint32_t first; /* of shadow.pages */
};

struct shadow {
	struct window windows[WINDOWS];
	uint64_t brk; /* not rounded */
	uint16_t attaches;
	uint16_t step; /* the present one */
	struct page pages[SHADOW_PAGES];
};

/* What pages may be called. Two have equal texts. */
#define NAMES 7
extern const char *const names[NAMES];

void shadow__init(struct shadow *shadow, const uint64_t base[WINDOWS]);

/* Pages of a window in which steps begin; what they do may end in the rest. */
unsigned window__usable(enum window_id id);
uint64_t window__size(enum window_id id);

/* NULL for an address in no window. holds: all n pages are in one. */
struct page *shadow__at(struct shadow *shadow, uint64_t addr);
bool shadow__holds(struct shadow *shadow, uint64_t addr, uint64_t n);

/* n pages from addr on, all of which are in windows. map gives each the values of `like`, with
 * pgoff counted on. */
void shadow__map(struct shadow *shadow, uint64_t addr, uint64_t n, const struct page *like);
void shadow__unmap(struct shadow *shadow, uint64_t addr, uint64_t n);
/* As prctl(PR_SET_VMA) with that result: what is named by a call that the kernel refuses is named
 * for the ledger alone. */
void shadow__name(struct shadow *shadow, uint64_t addr, uint64_t n, uint8_t name, long result);
/* A function touches the page (which is mapped), by writing or not. */
void shadow__touch(const struct shadow *shadow, struct page *page, unsigned who);
/* The page is mapped, and nothing is on it any more. */
void page__empty(struct page *page);
/* It is not known any more whether it is resident. */
void page__may_go(struct page *page);
/* A call that would have unmapped them was seen to begin, and then failed. */
void shadow__doubt(struct shadow *shadow, uint64_t addr, uint64_t n);

/* As mremap(2): lengths in pages, dest the result. Pages behind old_n are the caller's. */
void shadow__remap(struct shadow *shadow, uint64_t addr, uint64_t old_n, uint64_t dest,
		   uint64_t new_n, bool keep_old, uint32_t tid);

/* What of it a forked child has. */
void shadow__fork(struct shadow *child);

/* Runs of equal pages, one per line, to a file: the expected state of a failure. */
void shadow__print(const struct shadow *shadow, char *text, size_t len);

#endif
